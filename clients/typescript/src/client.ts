import { type Codec, json } from "./codec.ts";
import { Emitter, type Unsubscribe } from "./emitter.ts";
import { CommandError, errorOf } from "./errors.ts";
import { ERROR, type Frame, REPLY } from "./frame.ts";
import type { SocketOptions } from "./options.ts";
import type { SendResult } from "./outbox.ts";
import type { AnyProtocol, Commands, Events, Name, Param, Protocol, Reply, Requests } from "./protocol.ts";
import { PendingRequests } from "./requests.ts";
import { type JoinOptions, Room } from "./room.ts";
import { Socket, type State } from "./socket.ts";
import type { Data } from "./websocket.ts";

/** What a client is made from: the options of its {@link Socket}, and these. */
export interface ClientOptions extends Omit<SocketOptions, "protocols"> {
  /** How commands are written: `json` by default, or `msgpack` from `gustnado/msgpack`. */
  codec?: Codec;
  /** How many milliseconds a request waits for its answer: 10,000 by default. `request` can say otherwise. */
  timeout?: number;
}

/** Where a command goes, and how long it may take. */
export interface SendOptions {
  /** The room that the command is for. */
  channel?: string;
  /** How many milliseconds it may wait for a connection. */
  expires?: number;
}

/** Where a request goes, and how long its answer may take. */
export interface RequestOptions {
  channel?: string;
  /** In milliseconds, the wait for a connection included. */
  timeout?: number;
}

/** The heartbeat's question: the answer to its id is one that nobody waits for. */
const PING = { cmd: "ping", id: "alive" };

/** Speaks commands (docs/wire.md) with a server that uses `gustnado::commands`. */
export class Client<P extends Protocol = AnyProtocol> {
  /** The connection, with its events. */
  readonly socket: Socket;
  readonly #codec: Codec;
  readonly #options: ClientOptions;
  readonly #commands = new Emitter();
  readonly #all = new Emitter();
  readonly #answers = new Map<string, (param: unknown) => unknown>();
  readonly #requests = new PendingRequests();
  readonly #rooms = new Map<string, Room<P>>();

  constructor(options: ClientOptions) {
    const codec = (this.#codec = options.codec ?? json);
    this.#options = options;
    const heartbeat = { message: codec.encode(PING), ...options.heartbeat };
    this.socket = new Socket({ ...options, protocols: [codec.protocol], heartbeat });
    this.socket.on("open", () => this.#rooms.forEach((room) => room.renew()));
    this.socket.on("close", () => {
      this.#requests.disconnected();
      this.#rooms.forEach((room) => room.disconnected());
    });
    this.socket.on("message", (data) => this.#receive(data));
  }

  /** What the connection is doing. */
  get state(): State {
    return this.socket.state;
  }

  /** Connects, and goes on doing so until `close()`. */
  connect(): this {
    this.socket.connect();
    return this;
  }

  /** Ends everything. */
  close(code?: number, reason?: string): void {
    this.socket.close(code, reason);
  }

  /** Ends the connection until `resume()`. */
  pause(): void {
    this.socket.pause();
  }

  /** Connects again after `pause()`. */
  resume(): void {
    this.socket.resume();
  }

  /** Calls `handler` with each command of this name, of whatever room, until the returned function is called. */
  on<C extends Name<Events<P>>>(cmd: C, handler: (param: Events<P>[C], frame: Frame) => void): Unsubscribe {
    return this.#commands.on(cmd, handler);
  }

  /**
   * Has `handler` answer the server's requests of this name, at once or by a promise. A {@link CommandError} that it
   * throws is the answer, anything else is told to the server as `internal` and to us as `error`.
   */
  answer<C extends Name<Requests<P>>>(
    cmd: C,
    handler: (param: Param<Requests<P>[C]>) => Reply<Requests<P>[C]> | Promise<Reply<Requests<P>[C]>>,
  ): Unsubscribe {
    const own = (param: unknown) => handler(param as Param<Requests<P>[C]>);
    this.#answers.set(cmd, own);
    return () => void (this.#answers.get(cmd) === own && this.#answers.delete(cmd));
  }

  /** Sends a command that needs no answer. Tells what became of it; never fails. */
  send<C extends Name<Commands<P>>>(
    cmd: C,
    param?: Param<Commands<P>[C]>,
    options: SendOptions = {},
  ): Promise<SendResult> {
    return this.#send({ cmd, param, channel: options.channel }, options.expires);
  }

  /**
   * Sends a command and returns its reply.
   *
   * @throws CommandError if there is none.
   */
  async request<C extends Name<Commands<P>>>(
    cmd: C,
    param?: Param<Commands<P>[C]>,
    options?: RequestOptions,
  ): Promise<Reply<Commands<P>[C]>> {
    return (await this.#ask(cmd, param, options)) as Reply<Commands<P>[C]>;
  }

  /**
   * Joins a room, and joins it again on every new connection until {@link Room.leave}. Returns at once, so that its
   * handlers are there before its messages; the same room is joined only once.
   */
  join(name: string, options: JoinOptions = {}): Room<P> {
    let room = this.#rooms.get(name);
    if (!room) {
      const client = { socket: this.socket, request: this.#ask.bind(this) };
      const joined = (room = new Room<P>(name, options, client, () => {
        if (this.#rooms.get(name) === joined) this.#rooms.delete(name);
      }));
      this.#rooms.set(name, room);
    }
    return room;
  }

  /** The commands from now on, of all rooms, until the client is closed. */
  [Symbol.asyncIterator](): AsyncGenerator<Frame, void> {
    return this.socket.iterate((item) => this.#all.on("frame", item));
  }

  #send(frame: Frame, expires?: number): Promise<SendResult> {
    return this.socket.send(this.#codec.encode(frame), { expires });
  }

  #ask(cmd: string, param: unknown, { channel, timeout = this.#options.timeout ?? 10_000 }: RequestOptions = {}) {
    return this.#requests.ask((id) => this.#send({ cmd, param, channel, id }, timeout), timeout, channel);
  }

  #receive(data: Data): void {
    let frame: Frame | undefined;
    try {
      frame = this.#codec.decode(data) as Frame;
    } catch {
      // Told below: a parser's message quotes what it did not understand.
    }
    if (typeof frame?.cmd !== "string") return this.socket.report(new Error("not a command"));
    if (frame.cmd === ERROR && frame.id == null) this.socket.report(errorOf(frame.param));
    else if (frame.cmd === REPLY || frame.cmd === ERROR) this.#requests.settle(frame);
    else if (frame.id != null) void this.#asked(frame);
    else this.#deliver(frame);
  }

  #deliver(frame: Frame): void {
    const room = this.#rooms.get(frame.channel ?? "");
    if (room && !room.receive(frame)) return;
    this.#commands.emit(frame.cmd, frame.param, frame);
    this.#all.emit("frame", frame);
  }

  async #asked({ cmd, param, id }: Frame): Promise<void> {
    try {
      const handler = this.#answers.get(cmd);
      if (!handler) throw new CommandError("unknown_command");
      // Encoded here, so that a reply that cannot be is an error within the client, too.
      void this.#send({ cmd: REPLY, param: (await handler(param)) ?? null, id });
    } catch (error) {
      const known = error instanceof CommandError ? error : new CommandError("internal");
      if (known !== error) this.socket.report(error);
      void this.#send({ cmd: ERROR, param: { code: known.code, message: known.message }, id });
    }
  }
}
