/** What is used of a WebSocket: those of browsers, workers, Node and the package `ws` have it. */
export interface WebSocketLike {
  readonly readyState: number;
  readonly bufferedAmount: number;
  readonly protocol: string;
  binaryType: string;
  // `never`: each implementation has event types of its own, and all of them have what we read.
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: Data): void;
  close(code?: number, reason?: string): void;
}

/** A class of WebSockets. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** A message: text, or bytes. */
export type Data = string | Uint8Array<ArrayBuffer>;

/** How many bytes a message takes; of text, at most. */
export function sizeOf(data: Data): number {
  // Three bytes of UTF-8 for each unit of UTF-16: an upper bound that costs nothing.
  return typeof data === "string" ? data.length * 3 : data.byteLength;
}

/** `readyState` of a connection that can be sent on. */
export const OPEN = 1;
