import { Emitter, type Unsubscribe } from "./emitter.ts";
import { CommandError } from "./errors.ts";
import type { Maybe } from "./frame.ts";
import type { Protocol } from "./protocol.ts";
import type { Room } from "./room.ts";

/** Who has come and who has left. Each user is told once, however many connections it has. */
export interface PresenceChange {
  joins: string[];
  leaves: string[];
}

/** What is known of each user: an entry for each connection, as the server tells them. */
export type Users = ReadonlyMap<string, readonly unknown[]>;

/** The `param` of an `online` command. */
type Online = Maybe<{ user: string; online: boolean; meta: unknown }>;

/**
 * Who is in a room. The list is asked for by the command `presence` whenever the room has been joined, and kept up by
 * `online` commands; while there is no connection it is who was there.
 */
export class Presence<P extends Protocol> {
  readonly #room: Room;
  readonly #events = new Emitter();
  #users = new Map<string, readonly unknown[]>();
  /** What was told since the list was asked for: it may be newer than the list. */
  #since: Online[] | undefined;

  constructor(room: Room<P>) {
    this.#room = room as unknown as Room;
    this.#room.on("online", (param) => this.#online(param as Online));
    this.#room.onJoined(() => void this.#ask());
    if (room.isMember) void this.#ask();
  }

  /** The users, by name. */
  get users(): Users {
    return this.#users;
  }

  /** Calls `handler` with each change, until the returned function is called. */
  on(handler: (change: PresenceChange) => void): Unsubscribe {
    return this.#events.on("change", handler);
  }

  /** Calls `handler` if the list cannot be had, until the returned function is called. */
  onError(handler: (error: CommandError) => void): Unsubscribe {
    return this.#events.on("error", handler);
  }

  async #ask(): Promise<void> {
    const since: Online[] = (this.#since = []);
    try {
      const reply = (await this.#room.request("presence")) as Maybe<{ users: object }>;
      if (since !== this.#since) return; // asked again meanwhile
      const users = new Map(Object.entries(reply?.users ?? {}).map(([user, metas]) => [user, asArray(metas)]));
      this.#since = undefined;
      for (const online of since) apply(users, online);
      this.#become(users);
    } catch (error) {
      if (since === this.#since) this.#since = undefined;
      // If the connection is gone, the next one asks.
      if (error instanceof CommandError && error.code !== "disconnected") this.#events.emit("error", error);
    }
  }

  #online(online: Online): void {
    this.#since?.push(online);
    const users = new Map(this.#users);
    apply(users, online);
    this.#become(users);
  }

  #become(users: Map<string, readonly unknown[]>): void {
    const before = this.#users;
    this.#users = users;
    const joins = [...users.keys()].filter((user) => !before.has(user));
    const leaves = [...before.keys()].filter((user) => !users.has(user));
    if (joins.length + leaves.length > 0) this.#events.emit("change", { joins, leaves } satisfies PresenceChange);
  }
}

function apply(users: Map<string, readonly unknown[]>, online: Online): void {
  if (typeof online?.user !== "string") return;
  if (!online.online) users.delete(online.user);
  else if (!users.has(online.user)) users.set(online.user, online.meta === undefined ? [{}] : [{ meta: online.meta }]);
}

function asArray(metas: unknown): readonly unknown[] {
  return Array.isArray(metas) ? metas : [];
}
