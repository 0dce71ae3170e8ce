/** Is told what happens to a socket: the event's kind, such as `open`, `close`, `in` or `out`, and details. */
export interface Log {
  add(kind: string, text: string): void;
}

/** One thing that happened. */
export interface LogEntry {
  /** Milliseconds since 1970. */
  time: number;
  kind: string;
  /** What a peer wrote is escaped and cut. */
  text: string;
}

/** How much is remembered, and who is told. */
export interface EventLogOptions {
  /** Events: 200 by default. */
  size?: number;
  /** Writes each event to the console, too, or to a function of your own. */
  debug?: boolean | ((line: string) => void);
}

const LONGEST_TEXT = 200;

/** The latest events of a socket; older ones are forgotten. */
export class EventLog implements Log {
  readonly #entries: LogEntry[] = [];
  readonly #size: number;
  readonly #debug: (line: string) => void;

  constructor({ size = 200, debug = false }: EventLogOptions = {}) {
    this.#size = size;
    this.#debug = typeof debug === "function" ? debug : debug ? (line) => console.debug(line) : () => {};
  }

  add(kind: string, text: string): void {
    const entry = { time: Date.now(), kind, text: escaped(text) };
    this.#entries.push(entry);
    if (this.#entries.length > this.#size) this.#entries.shift();
    this.#debug(`gustnado ${entry.kind} ${entry.text}`);
  }

  /** What is remembered, the oldest first. */
  entries(): LogEntry[] {
    return [...this.#entries];
  }
}

/**
 * `text` as it may stand in a line: without line breaks and other control characters, terminal sequences and marks that
 * turn the direction of what follows, and not longer than 200 characters.
 */
export function escaped(text: string): string {
  const cut = text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
  return cut.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`);
}
