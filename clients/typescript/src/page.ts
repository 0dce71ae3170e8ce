/** What a page goes through. Workers have the network's part of it, Node nothing. */
export interface PageEvents {
  /** The page is left, perhaps to come back from the browser's cache. */
  hide(): void;
  /** The page is back from the cache. */
  show(): void;
  /** The network is there again, or the page can be seen again: a good moment to look whether the server is there. */
  wake(): void;
}

/** Calls `events` until the returned function is called. */
export function watchPage(events: PageEvents): () => void {
  const page: EventTarget | undefined = typeof globalThis.addEventListener === "function" ? globalThis : undefined;
  const listening = new AbortController();
  const on = (target: EventTarget | undefined, name: string, handler: () => void) =>
    target?.addEventListener(name, handler, { signal: listening.signal });
  on(page, "pagehide", events.hide);
  on(page, "pageshow", events.show);
  on(page, "online", events.wake);
  on(globalThis.document, "visibilitychange", () => {
    if (document.visibilityState === "visible") events.wake();
  });
  return () => listening.abort();
}
