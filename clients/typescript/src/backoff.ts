/** How long to wait before the next attempt to connect. Times are in milliseconds. */
export interface BackoffOptions {
  /** The bound of the first wait, which doubles with each failure: 1,000 by default. */
  first?: number;
  /** What the bound grows to: 30,000 by default. */
  longest?: number;
  /** How long a connection must last for the bound to begin anew: 60,000 by default. */
  stableAfter?: number;
}

/** No wait is shorter, whatever anybody says. */
export const SHORTEST_WAIT = 100;

/** Longer windows of a server are cut to this: what it says once may not keep a client away for good. */
const LONGEST_WINDOW = 600_000;

/**
 * Full jitter: a wait is any time between {@link SHORTEST_WAIT} and the bound. A fixed part would keep together the
 * clients of a server that has just died.
 */
export class Backoff {
  readonly stableAfter: number;
  readonly #first: number;
  readonly #longest: number;
  #failures = 0;

  constructor({ first = 1_000, longest = 30_000, stableAfter = 60_000 }: BackoffOptions = {}) {
    this.#first = first;
    this.#longest = longest;
    this.stableAfter = stableAfter;
  }

  /** The wait before the next attempt. `window` is what the server asked for, and counts as no failure. */
  next(window?: number): number {
    if (window !== undefined) return spread(Math.min(window, LONGEST_WINDOW));
    // The exponent is bounded for the sake of clients that try for days: 2 ** 1024 is infinite.
    return spread(Math.min(this.#longest, this.#first * 2 ** Math.min(this.#failures++, 30)));
  }

  /** The wait after something happened that makes an attempt worthwhile at once, such as `online`. */
  soon(): number {
    return spread(this.#first);
  }

  /** A connection has lasted. */
  reset(): void {
    this.#failures = 0;
  }
}

function spread(bound: number): number {
  return SHORTEST_WAIT + Math.random() * Math.max(0, bound - SHORTEST_WAIT);
}
