import { Backoff, SHORTEST_WAIT } from "./backoff.ts";
import { type Closed, mayReconnect, reconnectWindow, UNAUTHORIZED } from "./closing.ts";
import { Connection } from "./connection.ts";
import { Emitter, type Unsubscribe } from "./emitter.ts";
import { inbox } from "./inbox.ts";
import type { SocketOptions } from "./options.ts";
import { Outbox, type SendResult } from "./outbox.ts";
import { watchPage } from "./page.ts";
import type { Data } from "./websocket.ts";

/**
 * `idle`: not asked to connect yet. `connecting`: an attempt is under way. `open`. `waiting`: for the next attempt.
 * `paused`: until `resume()`, or until the page is back. `closed`: for good, unless `connect()` is called again.
 */
export type State = "idle" | "connecting" | "open" | "waiting" | "paused" | "closed";

/** What can be listened for. */
export interface SocketEvents {
  /** A connection is open. What is sent from here goes out before what had to wait. */
  open: () => void;
  message: (data: Data) => void;
  /** A connection has ended, or an attempt has failed. */
  close: (closed: Closed) => void;
  /** Something went wrong; whether the connection is over is told by `close`. */
  error: (error: Error) => void;
  /** In `waiting`, `retryIn` is how many milliseconds the wait takes. */
  state: (state: State, retryIn?: number) => void;
}

/** While the WebSocket holds more bytes than this, messages wait in the outbox. */
const MAX_BUFFERED = 1 << 20;

/** How often it is looked whether it holds less: there is no event for it. */
const LOOK_AGAIN = 50;

/** A WebSocket that connects again, and keeps for a while what cannot be sent yet. */
export class Socket {
  readonly #options: SocketOptions;
  readonly #events = new Emitter();
  readonly #backoff: Backoff;
  readonly #outbox: Outbox;
  #state: State = "idle";
  #connection: Connection | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #stable: ReturnType<typeof setTimeout> | undefined;
  #look: ReturnType<typeof setTimeout> | undefined;
  #unwatch = () => {};
  /** When the last attempt began. */
  #attempted = 0;
  /** When the next one begins, if it may be moved forward. */
  #movable = 0;
  /** The page is hidden, and shall be connected again when it is shown. */
  #hidden = false;
  /** The handlers of `open` run. */
  #opening = false;
  /** A refused credential was renewed, and no connection has lasted since. */
  #renewed = false;

  constructor(options: SocketOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.backoff);
    this.#outbox = new Outbox(options.outbox);
  }

  /** What the socket is doing. */
  get state(): State {
    return this.#state;
  }

  /** How many messages wait for a connection. */
  get waiting(): number {
    return this.#outbox.length;
  }

  /** Calls `handler` at each event of that name, until the returned function is called. */
  on<E extends keyof SocketEvents>(event: E, handler: SocketEvents[E]): Unsubscribe {
    return this.#events.on(event, handler);
  }

  /** The messages from now on, until the socket is closed. */
  [Symbol.asyncIterator](): AsyncGenerator<Data, void> {
    return this.iterate((item) => this.on("message", item));
  }

  /** @internal What `subscribe` gives, until the socket is closed. */
  iterate<T>(subscribe: (item: (item: T) => void) => Unsubscribe): AsyncGenerator<T, void> {
    return inbox(this.#options.readAhead ?? 1_000, (item, end) => {
      const items = subscribe(item);
      const closed = this.on("state", (state) => state === "closed" && end());
      return () => (items(), closed());
    });
  }

  /** Connects, and goes on doing so. While it waits for the next attempt, makes that now. */
  connect(): void {
    if (this.#state === "idle" || this.#state === "closed") {
      const wake = () => this.#wake();
      this.#unwatch = watchPage({ hide: () => this.#hide(), show: () => this.#show(), wake });
    } else if (this.#state !== "waiting") return;
    this.#attemptAfter(0);
  }

  /** Ends the connection and every attempt to have one. What still waits is dropped. */
  close(code = 1000, reason = ""): void {
    if (this.#state !== "closed") this.#halt("closed", ours(code, reason));
  }

  /** Ends the connection until `resume()`. What is sent meanwhile waits. */
  pause(): void {
    this.#hidden = false;
    if (this.#state !== "closed" && this.#state !== "idle") this.#halt("paused", ours());
  }

  /** Connects again after `pause()`. */
  resume(): void {
    if (this.#state === "paused") this.#attemptAfter(0);
  }

  /** Gives the present connection up and makes a new one. */
  restart(why: string): void {
    this.#connection?.fail(why);
  }

  /**
   * Sends a message, or lets it wait for a connection for `expires` milliseconds. Tells what became of it; never
   * fails.
   */
  send(data: Data, { expires }: { expires?: number | undefined } = {}): Promise<SendResult> {
    return new Promise((resolve) => {
      if (this.#state === "closed") resolve("dropped");
      else if ((this.#opening || this.#outbox.length === 0) && this.#write(data)) resolve("sent");
      else {
        this.#outbox.push(data, resolve, expires);
        this.#flush(); // looks again, if it is only the WebSocket that is full
      }
    });
  }

  /** Tells those who listen of an error. */
  report(error: unknown): void {
    const known = error instanceof Error ? error : new Error(String(error));
    this.#log("error", known.message);
    this.#events.emit("error", known);
  }

  #write(data: Data): boolean {
    const connection = this.#state === "open" ? this.#connection : undefined;
    if (!connection || connection.buffered > MAX_BUFFERED || !connection.send(data)) return false;
    this.#log("out", data);
    return true;
  }

  #flush(): void {
    clearTimeout(this.#look);
    this.#outbox.flush((data) => this.#write(data));
    if (this.#outbox.length > 0 && this.#state === "open") this.#look = setTimeout(() => this.#flush(), LOOK_AGAIN);
  }

  #attemptAfter(wait: number, movable = true): void {
    clearTimeout(this.#retry);
    const now = Date.now();
    const delay = Math.max(wait, this.#attempted + SHORTEST_WAIT - now);
    if (delay <= 0) return this.#attempt();
    this.#movable = movable ? now + delay : 0;
    this.#retry = setTimeout(() => this.#attempt(), delay);
    this.#become("waiting", delay);
  }

  #attempt(): void {
    this.#attempted = Date.now();
    const connection: Connection = new Connection(this.#options, {
      opened: () => this.#opened(),
      message: (data) => {
        this.#log("in", data);
        this.#events.emit("message", data);
      },
      failed: (error) => this.report(error),
      ended: (code, reason, wasClean) => {
        // Otherwise it was us who let go of it.
        if (this.#connection === connection) this.#ended({ code, reason, wasClean, reconnects: mayReconnect(code) });
      },
    });
    this.#connection = connection;
    this.#become("connecting");
  }

  #opened(): void {
    this.#stable = setTimeout(() => {
      this.#backoff.reset();
      this.#renewed = false;
    }, this.#backoff.stableAfter);
    this.#opening = true;
    this.#become("open");
    if (this.#state === "open") this.#events.emit("open");
    this.#opening = false;
    this.#flush();
  }

  #ended(closed: Closed): void {
    const { token, shouldReconnect } = this.#options;
    if (closed.code === UNAUTHORIZED && token && !this.#renewed) closed.reconnects = this.#renewed = true;
    closed.reconnects = shouldReconnect?.(closed) ?? closed.reconnects;
    if (!closed.reconnects) return this.#halt("closed", closed);
    this.#forget();
    const window = reconnectWindow(closed.reason);
    this.#attemptAfter(this.#backoff.next(window), window === undefined);
    this.#tellClosed(closed);
  }

  /** Ends what there is, for now or for good. */
  #halt(state: "paused" | "closed", closed: Closed): void {
    const connection = this.#connection;
    this.#forget();
    if (state === "closed") this.#unwatch();
    this.#become(state);
    if (state === "closed") this.#outbox.clear();
    if (!connection) return;
    connection.end(closed.code, closed.reason, closed.wasClean);
    this.#tellClosed(closed);
  }

  #log(kind: string, details: Data): void {
    this.#options.log?.add(kind, typeof details === "string" ? details : `${details.byteLength} bytes`);
  }

  #forget(): void {
    this.#connection = undefined;
    for (const timer of [this.#retry, this.#stable, this.#look]) clearTimeout(timer);
  }

  #tellClosed(closed: Closed): void {
    this.#log("close", `${closed.code} ${closed.reason}`);
    this.#events.emit("close", closed);
  }

  #become(state: State, retryIn?: number): void {
    this.#state = state;
    this.#log(state, retryIn === undefined ? "" : `${Math.round(retryIn)} ms`);
    this.#events.emit("state", state, retryIn);
  }

  #hide(): void {
    if (this.#state === "paused" || this.#state === "closed") return;
    this.#halt("paused", ours());
    this.#hidden = true;
  }

  #show(): void {
    if (!this.#hidden) return;
    this.#hidden = false;
    this.resume();
  }

  #wake(): void {
    this.#connection?.probe();
    if (this.#state !== "waiting") return;
    const soon = this.#backoff.soon();
    if (Date.now() + soon < this.#movable) this.#attemptAfter(soon);
  }
}

/** An end that the application or the page wants. */
function ours(code = 1000, reason = ""): Closed {
  return { code, reason, wasClean: true, reconnects: false };
}
