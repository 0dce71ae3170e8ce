import type { SocketOptions } from "./options.ts";
import { resolveUrl } from "./url.ts";
import type { WebSocketConstructor, WebSocketLike } from "./websocket.ts";

/** The characters of a subprotocol (RFC 9110 §5.6.2). */
const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/**
 * Begins to connect.
 *
 * @throws SyntaxError for what would fail again in the same way. Its message never has the credential in it.
 */
export function dial(options: SocketOptions, token: string | undefined): WebSocketLike {
  const url = resolveUrl(typeof options.url === "function" ? options.url() : options.url);
  const protocols = [...(options.protocols ?? [])];
  const { tokenIn = "subprotocol" } = options;
  if (token !== undefined) {
    if (typeof tokenIn === "object") url.searchParams.set(tokenIn.query, token);
    else if (tokenIn === "subprotocol") {
      // The browser's own message would quote it.
      if (!TOKEN.test(token)) throw new SyntaxError("the token is no subprotocol");
      protocols.push(`bearer.${token}`);
    }
  }
  const WebSocket: WebSocketConstructor | undefined = options.WebSocket ?? globalThis.WebSocket;
  if (!WebSocket) throw new SyntaxError("WebSocket is missing");
  return new WebSocket(url.href, protocols);
}
