import type { Maybe } from "./frame.ts";

/**
 * Why a command has no reply. `code` is one of the server's (docs/wire.md), or one of ours:
 *
 * | code | meaning |
 * |---|---|
 * | `timeout` | no answer came in time; the command may have been carried out |
 * | `disconnected` | the connection ended before the answer; the command may have been carried out |
 * | `dropped` | the outbox was full, or the client closed; the command was not sent |
 * | `expired` | there was no connection in time; the command was not sent |
 * | `left` | the room was left meanwhile |
 */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: string;
  /** The room that it is about. */
  readonly channel: string | undefined;

  constructor(code: string, message = code, channel?: string) {
    super(message);
    this.code = code;
    this.channel = channel;
  }
}

/** The `param` of an `error` frame as an error. */
export function errorOf(param: unknown, channel?: string): CommandError {
  const { code, message } = (param as Maybe<CommandError>) ?? {};
  return new CommandError(String(code), String(message), channel);
}
