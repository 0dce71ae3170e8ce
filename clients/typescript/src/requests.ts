import { CommandError, errorOf } from "./errors.ts";
import { ERROR, type Frame, type Id } from "./frame.ts";
import type { SendResult } from "./outbox.ts";

interface Waiting {
  channel: string | undefined;
  timer: ReturnType<typeof setTimeout>;
  sent: boolean;
  resolve(param: unknown): void;
  reject(error: CommandError): void;
}

/** Requests of ours that wait for their answers. */
export class PendingRequests {
  readonly #waiting = new Map<Id, Waiting>();
  #last = 0;

  /** Has `send` send a request, and waits for its answer for `timeout` milliseconds, the wait to be sent included. */
  ask(send: (id: number) => Promise<SendResult>, timeout: number, channel?: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = ++this.#last;
      const timer = setTimeout(() => this.#fail(id, "timeout"), timeout);
      const waiting: Waiting = { channel, timer, sent: false, resolve, reject };
      this.#waiting.set(id, waiting);
      void send(id).then((result) => {
        if (result === "sent") waiting.sent = true;
        else this.#fail(id, result);
      });
    });
  }

  /** Takes an answer. One that nobody waits for came too late. */
  settle({ id, cmd, param }: Frame): void {
    const waiting = this.#take(id);
    if (cmd === ERROR) waiting?.reject(errorOf(param, waiting.channel));
    else waiting?.resolve(param);
  }

  /** The connection has ended: what was sent on it will not be answered. */
  disconnected(): void {
    for (const [id, { sent }] of this.#waiting) if (sent) this.#fail(id, "disconnected");
  }

  #fail(id: Id, code: string): void {
    const waiting = this.#take(id);
    waiting?.reject(new CommandError(code, code, waiting.channel));
  }

  #take(id: Id | null | undefined): Waiting | undefined {
    const waiting = this.#waiting.get(id ?? "");
    this.#waiting.delete(id ?? "");
    clearTimeout(waiting?.timer);
    return waiting;
  }
}
