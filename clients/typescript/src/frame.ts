/** A name that ties an answer to its question: chosen by who asks. */
export type Id = number | string;

/** One message of the wire (docs/wire.md). Keys that are not listed are skipped. */
export interface Frame {
  cmd: string;
  channel?: string | null | undefined;
  param?: unknown;
  id?: Id | null | undefined;
  from?: string | null;
  /** The number of this message in its room's log. */
  offset?: number;
  /** The number of the one before, of those that this client was meant to get; `offset - 1` where it is missing. */
  prev?: number;
}

/** Commands that answer, and are never answered. */
export const REPLY = "reply";
export const ERROR = "error";

/** What a peer may have put into a value, or not. */
export type Maybe<T> = { [K in keyof T]?: unknown } | null | undefined;
