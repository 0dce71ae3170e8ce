import type { Data } from "./websocket.ts";

/** How a dead server is noticed: pages cannot see ping frames, so something is asked for. Times in milliseconds. */
export interface HeartbeatOptions {
  /** After how much silence the server is asked for a sign of life: 25,000 by default. */
  interval?: number;
  /** How long it may take to give one: 15,000 by default. */
  timeout?: number;
  /** A message that the server answers; without one nothing is asked, and silence means nothing. */
  message?: Data | undefined;
}

/** Listens for silence on one connection. Any bytes are a sign of life. */
export class Heartbeat {
  readonly #interval: number;
  readonly #timeout: number;
  readonly #message: Data | undefined;
  readonly #ask: (message: Data) => void;
  readonly #dead: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #heard = 0;
  /** When the question went out that is not answered yet; or 0. */
  #asked = 0;

  constructor(options: HeartbeatOptions, ask: (message: Data) => void, dead: () => void) {
    this.#interval = options.interval ?? 25_000;
    this.#timeout = options.timeout ?? 15_000;
    this.#message = options.message;
    this.#ask = ask;
    this.#dead = dead;
  }

  /** The connection is open. */
  start(): void {
    this.#heard = Date.now();
    this.#listen(this.#interval);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** Something came. Only a question's timer is set anew; the other looks at the time and waits for the rest. */
  heard(): void {
    this.#heard = Date.now();
    if (!this.#asked) return;
    this.#asked = 0;
    clearTimeout(this.#timer);
    this.#listen(this.#interval);
  }

  /** Asks now: the page was asleep, or the network has changed. */
  probe(): void {
    if (this.#message === undefined || this.#asked) return;
    clearTimeout(this.#timer);
    this.#asked = Date.now();
    this.#timer = setTimeout(() => this.#judge(), this.#timeout);
    this.#ask(this.#message);
  }

  #judge(): void {
    const late = Date.now() - this.#asked - this.#timeout;
    this.#asked = 0;
    // The machine slept, and the answer may be among what is read next: the server gets its time again.
    if (late > this.#timeout) this.probe();
    else this.#dead();
  }

  #listen(wait: number): void {
    this.#timer = setTimeout(() => {
      const left = this.#heard + this.#interval - Date.now();
      if (left > 0) this.#listen(left);
      else this.probe();
    }, wait);
  }
}
