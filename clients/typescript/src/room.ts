import { Emitter, type Unsubscribe } from "./emitter.ts";
import { CommandError } from "./errors.ts";
import type { Frame, Maybe } from "./frame.ts";
import { Follower, type Position } from "./position.ts";
import type { AnyProtocol, Events, Name, Protocol } from "./protocol.ts";
import type { Socket } from "./socket.ts";

/** How to join a room. */
export interface JoinOptions {
  /** How many of the latest messages to get at first, from a room that keeps history. */
  last?: number;
  /** Get what came after this position: one that was kept from an earlier visit. */
  since?: Position;
}

/** What became of what was said while the client was away, or of a hole. */
export interface Recovery {
  /** Whether everything that was missed comes now. */
  recovered: boolean;
  /** If not, why: `epoch`, `trimmed`, `limit` or `unavailable` (docs/wire.md). */
  reason?: string;
}

/** What a room needs of its client. */
export interface RoomClient {
  readonly socket: Socket;
  request(cmd: string, param: unknown, options: { channel: string }): Promise<unknown>;
}

/** The `param` of what the server says about a position. */
type Standing = Maybe<{ recovered: boolean; reason: string; position: Position }>;

/** Errors of a join that say nothing about the next one; if the connection is gone, the next one joins anyway. */
const AGAIN = new Set(["busy", "internal", "closing", "disconnected", "dropped", "expired"]);

/** After how many milliseconds a join that failed for such a reason is tried again. */
const TRY_AGAIN = 1_000;

/** A room that the client is in, or will be again as soon as there is a connection. */
export class Room<P extends Protocol = AnyProtocol> {
  readonly name: string;
  /** Resolves when the room is joined for the first time; fails with a {@link CommandError} if it cannot be. */
  readonly joined: Promise<void>;
  readonly #client: RoomClient;
  readonly #options: JoinOptions;
  readonly #forget: () => void;
  readonly #commands = new Emitter();
  readonly #events = new Emitter();
  readonly #follower = new Follower();
  #settle!: { resolve: () => void; reject: (error: unknown) => void };
  /** The present connection is in the room. */
  #isMember = false;
  /** Some connection was. */
  #wasMember = false;
  /** The join that is under way, if any; an answer to another one is too late. */
  #joining: object | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;

  /** @internal */
  constructor(name: string, options: JoinOptions, client: RoomClient, forget: () => void) {
    this.name = name;
    this.#options = options;
    this.#client = client;
    this.#forget = forget;
    this.#follower.moveTo(options.since);
    this.joined = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.joined.catch(() => {}); // `error` tells it, too
    this.renew();
  }

  /** Whether the server has let the client in, on the present connection. */
  get isMember(): boolean {
    return this.#isMember;
  }

  /** Up to where the application has got the room's messages, if the room keeps history. */
  get position(): Position | undefined {
    return this.#follower.position;
  }

  /** Calls `handler` with each command of this name that is sent to this room. */
  on<C extends Name<Events<P>>>(cmd: C, handler: (param: Events<P>[C], frame: Frame) => void): Unsubscribe {
    return this.#commands.on(cmd, handler);
  }

  /** Calls `handler` each time that a connection has joined the room, before it gets anything of it. */
  onJoined(handler: () => void): Unsubscribe {
    return this.#events.on("joined", handler);
  }

  /** Calls `handler` when the client is back in the room, before it gets anything of what it missed. */
  onRecovered(handler: (recovery: Recovery) => void): Unsubscribe {
    return this.#events.on("recovered", handler);
  }

  /** Sends a command for this room and returns its reply: {@link Client.request}. */
  request(cmd: string, param?: unknown, options?: { timeout?: number }): Promise<unknown> {
    return this.#client.request(cmd, param, { ...options, channel: this.name });
  }

  /** Leaves the room. Nothing of it comes from now on. */
  leave(): void {
    if (this.#isMember || this.#joining) this.request("leave").catch(() => {});
    this.#end(new CommandError("left", "left", this.name));
  }

  /** @internal Joins, on a connection that is new or after a hole. */
  renew(): void {
    if (this.#client.socket.state !== "open") return;
    clearTimeout(this.#retry);
    const joining = (this.#joining = {});
    const since = this.position;
    const { last } = this.#options;
    this.request("join", since ? { since } : last && { last }).then(
      (reply) => this.#joining === joining && this.#entered(reply as Standing, since),
      (error: CommandError) => this.#joining === joining && this.#failed(error),
    );
  }

  /** @internal The connection is gone. */
  disconnected(): void {
    this.#isMember = false;
    this.#joining = undefined;
    clearTimeout(this.#retry);
  }

  /** @internal Takes a command that was sent to this room, and says whether it is one for the application. */
  receive(frame: Frame): boolean {
    if (frame.cmd === "recovered") {
      this.#stands(frame.param as Standing);
      return false;
    }
    const verdict = this.#follower.judge(frame);
    if (verdict === "hole" && !this.#joining) this.renew();
    if (verdict !== "next") return false;
    this.#commands.emit(frame.cmd, frame.param, frame);
    return true;
  }

  #entered(reply: Standing, since: Position | undefined): void {
    this.#joining = undefined;
    this.#isMember = true;
    // Whoever names a position gets what follows it, and stays there until that comes.
    if (!reply?.recovered) this.#stands(reply);
    else {
      if (!since) this.#follower.moveTo(reply.position as Position, true);
      this.#tell({ recovered: true });
    }
    this.#wasMember = true;
    this.#events.emit("joined");
    this.#settle.resolve();
  }

  /** The server cannot give what was missed, and says where the client stands. */
  #stands(standing: Standing): void {
    this.#follower.moveTo(standing?.position as Position | undefined);
    this.#tell({ recovered: false, reason: String(standing?.reason ?? "unavailable") });
  }

  /** There is nothing to tell of a first visit. */
  #tell(recovery: Recovery): void {
    if (this.#wasMember || this.#options.since) this.#events.emit("recovered", recovery);
  }

  #failed(error: CommandError): void {
    this.#joining = undefined;
    const { code } = error;
    if (code === "timeout") this.#client.socket.restart("no answer to a join");
    else if (AGAIN.has(code)) this.#retry = setTimeout(() => this.renew(), TRY_AGAIN);
    else {
      this.#client.socket.report(error);
      this.#end(error);
    }
  }

  #end(error: CommandError): void {
    this.disconnected();
    this.#settle.reject(error);
    this.#forget();
  }
}
