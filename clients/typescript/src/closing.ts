/** How a connection ended, or why it could not be opened. */
export interface Closed {
  /** The close code (RFC 6455 §7.4); 1006 when no close frame came. */
  code: number;
  reason: string;
  wasClean: boolean;
  /** Whether the client connects again. */
  reconnects: boolean;
}

/** Codes below 3000 after which a client comes back; docs/wire.md has the table. */
const AGAIN = new Set([1001, 1006, 1011, 1012, 1013, 1014]);

/** HTTP statuses that are refusals for now; a server can show them as 4000 + status. */
const AGAIN_STATUS = new Set([408, 425, 429]);

/** The code of a credential that has expired or was revoked. */
export const UNAUTHORIZED = 4401;

/** Whether a close code means that the client should come back. */
export function mayReconnect(code: number): boolean {
  const status = code - 4000;
  return AGAIN.has(code) || AGAIN_STATUS.has(status) || (status >= 500 && status <= 599);
}

/** The window, in milliseconds, within which a server that goes down wants its clients back. */
export function reconnectWindow(reason: string): number | undefined {
  const window = /^reconnect within (\d{1,15}) ms$/.exec(reason)?.[1];
  return window === undefined ? undefined : Number(window);
}
