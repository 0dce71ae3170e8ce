import { dial } from "./dial.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { SocketOptions } from "./options.ts";
import { type Data, OPEN, type WebSocketLike } from "./websocket.ts";

/** What happens to a connection; after `ended`, which comes once, nothing. */
export interface ConnectionEvents {
  opened(): void;
  message(data: Data): void;
  failed(error: unknown): void;
  ended(code: number, reason: string, wasClean: boolean): void;
}

/** No close frame came. */
const NETWORK = 1006;

/** What would fail again in the same way: as if the server had answered with 400. */
const MISTAKE = 4400;

/** One attempt to connect and, if it succeeds, one connection. */
export class Connection {
  readonly #options: SocketOptions;
  readonly #events: ConnectionEvents;
  readonly #heartbeat: Heartbeat;
  readonly #timer: ReturnType<typeof setTimeout>;
  #socket: WebSocketLike | undefined;
  #over = false;

  constructor(options: SocketOptions, events: ConnectionEvents) {
    this.#options = options;
    this.#events = events;
    const dead = () => this.fail("the server is silent");
    this.#heartbeat = new Heartbeat(options.heartbeat ?? {}, (message) => this.send(message), dead);
    this.#timer = setTimeout(() => this.fail("no connection in time"), options.connectTimeout ?? 10_000);
    queueMicrotask(() => this.#start()); // nothing happens before the constructor has returned
  }

  /** How many bytes the WebSocket has taken and not yet written. */
  get buffered(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Sends a message, unless the connection is closing or not open yet. */
  send(data: Data): boolean {
    // A closing WebSocket takes messages, too, and forgets them.
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(data);
    return true;
  }

  /** Looks whether the server is still there. */
  probe(): void {
    if (this.#socket?.readyState === OPEN) this.#heartbeat.probe();
  }

  /** Gives the connection up. */
  fail(reason: string): void {
    this.end(NETWORK, reason);
  }

  /**
   * Ends the connection without waiting for the peer, which may be gone: the WebSocket's own close event can take
   * minutes. What was sent before still goes out; what comes from now on is not looked at.
   */
  end(code: number, reason: string, wasClean = false): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#heartbeat.stop();
    const socket = this.#socket;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => {}; // the package `ws` throws what nobody listens for
      if (wasClean) socket.close(code, reason);
      else socket.close();
    }
    this.#events.ended(code, reason, wasClean);
  }

  async #start(): Promise<void> {
    let token: string | undefined;
    try {
      token = await this.#options.token?.();
    } catch (error) {
      if (!this.#over) this.#events.failed(error);
      return this.fail("no token");
    }
    if (this.#over) return; // given up meanwhile
    try {
      this.#listen((this.#socket = dial(this.#options, token)), token);
    } catch (error) {
      this.#events.failed(error);
      this.end(MISTAKE, "cannot connect");
    }
  }

  #listen(socket: WebSocketLike, token: string | undefined): void {
    const { protocols = [], tokenIn } = this.#options;
    let status = 0;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      if (protocols[0] && !protocols.includes(socket.protocol)) return this.end(MISTAKE, "no subprotocol chosen");
      clearTimeout(this.#timer);
      if (tokenIn === "message" && token !== undefined) socket.send(token);
      this.#heartbeat.start();
      this.#events.opened();
    };
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) => {
      this.#heartbeat.heard();
      this.#events.message(typeof data === "string" ? data : new Uint8Array(data));
    };
    socket.onerror = ({ message = "the connection failed" }: { message?: string }) => {
      // Only the package `ws` tells the status of a handshake that was refused.
      status = Number(/^Unexpected server response: (\d+)/.exec(message)?.[1] ?? 0);
      this.#events.failed(new Error(message));
    };
    socket.onclose = ({ code, reason, wasClean }: { code: number; reason: string; wasClean: boolean }) => {
      this.#socket = undefined; // nothing to close
      this.end(status ? 4000 + status : code, status ? `HTTP ${status}` : reason, wasClean);
    };
  }
}
