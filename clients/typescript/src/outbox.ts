import { type Data, sizeOf } from "./websocket.ts";

/**
 * What became of a message. `sent`: an open connection has taken it, which is not yet delivered. `dropped`: the outbox
 * was full, or the client was closed. `expired`: there was no connection in time.
 */
export type SendResult = "sent" | "dropped" | "expired";

/** How much waits for a connection, and for how long. */
export interface OutboxOptions {
  /** Messages: 100 by default. */
  messages?: number;
  /** Bytes: 1 MiB by default; of text, three for each UTF-16 unit are counted. */
  bytes?: number;
  /** Milliseconds until a message expires: 60,000 by default. `send` can say otherwise. */
  expires?: number;
  /** Which message is dropped when there is no room: the `oldest` by default, or the `newest`. */
  overflow?: "oldest" | "newest";
}

interface Waiting {
  data: Data;
  size: number;
  timer: ReturnType<typeof setTimeout>;
  settle(result: SendResult): void;
}

/** Messages that wait for a connection, in order and within limits. */
export class Outbox {
  readonly #waiting = new Set<Waiting>();
  readonly #messages: number;
  readonly #bytes: number;
  readonly #expires: number;
  readonly #overflow: "oldest" | "newest";
  #size = 0;

  constructor({ messages = 100, bytes = 1 << 20, expires = 60_000, overflow = "oldest" }: OutboxOptions = {}) {
    this.#messages = messages;
    this.#bytes = bytes;
    this.#expires = expires;
    this.#overflow = overflow;
  }

  /** How many messages wait. */
  get length(): number {
    return this.#waiting.size;
  }

  /** Queues a message; `settle` is called once, with what became of it. */
  push(data: Data, settle: (result: SendResult) => void, expires = this.#expires): void {
    const size = sizeOf(data);
    if (size > this.#bytes || this.#messages < 1) return settle("dropped");
    while (this.#waiting.size >= this.#messages || this.#size + size > this.#bytes) {
      const [oldest] = this.#waiting;
      if (this.#overflow === "newest" || !oldest) return settle("dropped");
      this.#end(oldest, "dropped");
    }
    const message: Waiting = { data, size, settle, timer: setTimeout(() => this.#end(message, "expired"), expires) };
    this.#waiting.add(message);
    this.#size += size;
  }

  /** Hands messages to `send`, the oldest first, until it takes none or none is left. */
  flush(send: (data: Data) => boolean): void {
    for (const message of this.#waiting) {
      if (!send(message.data)) return;
      this.#end(message, "sent");
    }
  }

  /** Drops all that waits. */
  clear(): void {
    for (const message of this.#waiting) this.#end(message, "dropped");
  }

  #end(message: Waiting, result: SendResult): void {
    if (!this.#waiting.delete(message)) return;
    this.#size -= message.size;
    clearTimeout(message.timer);
    message.settle(result);
  }
}
