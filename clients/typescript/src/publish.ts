import { Backoff } from "./backoff.ts";
import { CommandError } from "./errors.ts";
import type { Maybe } from "./frame.ts";
import type { Position } from "./position.ts";
import type { Events, Name, Protocol } from "./protocol.ts";
import type { Room } from "./room.ts";

/** How to publish. */
export interface PublishOptions {
  /** Names the message, 1 to 64 bytes: the same key within five minutes gives one message. Random by default. */
  key?: string;
  /** For how many milliseconds it is tried: 60,000 by default, and 290,000 at most. */
  timeout?: number;
}

/** After these it is not known whether the message is there, or it is known that it is not yet. */
const AGAIN = new Set(["unknown", "timeout", "disconnected", "expired", "busy", "internal", "closing"]);

/** One attempt may take this long. */
const ATTEMPT = 10_000;

/** A server forgets a key after five minutes; a repetition must come before. */
const LONGEST = 290_000;

/**
 * Publishes a command to a room, where the server lets clients do so, and repeats it with the same key until it is known
 * what became of it. Resolves to its position if the room keeps history.
 *
 * @throws CommandError `rejected` if nobody will ever see it; `unknown`, `timeout` and `disconnected` say that somebody
 * may.
 */
export async function publish<P extends Protocol, C extends Name<Events<P>>>(
  room: Room<P>,
  cmd: C,
  param: Events<P>[C],
  { key = randomKey(), timeout = 60_000 }: PublishOptions = {},
): Promise<Position | undefined> {
  const deadline = Date.now() + Math.min(timeout, LONGEST);
  const backoff = new Backoff({ longest: 5_000 });
  for (;;) {
    try {
      const attempt = { timeout: Math.min(ATTEMPT, deadline - Date.now()) };
      const reply = (await room.request("publish", { cmd, param, key }, attempt)) as Maybe<{ position: Position }>;
      return reply?.position as Position | undefined;
    } catch (error) {
      const wait = backoff.next();
      const hopeful = error instanceof CommandError && AGAIN.has(error.code);
      if (!hopeful || Date.now() + wait >= deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

function randomKey(): string {
  // `randomUUID` is missing in pages without TLS.
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("-");
}
