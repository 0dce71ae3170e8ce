/**
 * The address to connect to. `ws:` and `wss:` addresses stay as they are, `http:` and `https:` become those; anything
 * else is a path on the page's own host, with or without a leading slash, over `wss:` if the page is secure.
 *
 * @throws SyntaxError if a path is given where there is no page.
 */
export function resolveUrl(url: string, origin: string | undefined = pageOrigin()): URL {
  if (/^(ws|http)s?:\/\//i.test(url)) return socketUrl(new URL(url));
  if (!origin || !/^http/.test(origin)) throw new SyntaxError("a path, and no page");
  // As a text: a URL parser would take "//host" for another host.
  return socketUrl(new URL(origin + (url.startsWith("/") ? url : `/${url}`)));
}

function socketUrl(url: URL): URL {
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = ""; // which a WebSocket's address may not have
  return url;
}

/** The origin of the page, or of the page that a worker belongs to. */
function pageOrigin(): string | undefined {
  return globalThis.location?.origin;
}
