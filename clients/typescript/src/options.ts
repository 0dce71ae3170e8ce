import type { BackoffOptions } from "./backoff.ts";
import type { Closed } from "./closing.ts";
import type { HeartbeatOptions } from "./heartbeat.ts";
import type { Log } from "./log.ts";
import type { OutboxOptions } from "./outbox.ts";
import type { WebSocketConstructor } from "./websocket.ts";

/** What a socket is made from. Times are in milliseconds. */
export interface SocketOptions {
  /** Where to connect: a `ws:`, `wss:`, `http:` or `https:` address, or a path on the page's own host. */
  url: string | (() => string);
  /** The subprotocols to offer. If any is, the server must choose one. */
  protocols?: string[];
  /** The class of WebSockets: `globalThis.WebSocket` by default. On Node 20, give it the one of the package `ws`. */
  WebSocket?: WebSocketConstructor;
  /** Is asked for a credential at each attempt to connect. If it fails, the attempt has failed. */
  token?: () => string | Promise<string>;
  /**
   * Where the credential goes: `{ query: name }`, the `subprotocol` `bearer.<token>` (the default; offer another one,
   * too), or the first `message`.
   */
  tokenIn?: TokenPlace;
  backoff?: BackoffOptions;
  outbox?: OutboxOptions;
  heartbeat?: HeartbeatOptions;
  /** How long an attempt to connect may take, the wait for the credential included: 10,000 by default. */
  connectTimeout?: number;
  /** Has the last word on whether to connect again; `undefined` leaves it to the close code. */
  shouldReconnect?: (closed: Closed) => boolean | undefined;
  /** How many messages an asynchronous iteration holds for a slow reader before it fails: 1,000 by default. */
  readAhead?: number;
  /** Is told what happens, such as an {@link EventLog}. */
  log?: Log;
}

/** Where a credential goes. */
export type TokenPlace = "subprotocol" | "message" | { query: string };
