/** What client and server say to one another, as types: functions from what goes one way to what comes back. */
export interface Protocol {
  /** Commands of the client, by name, with what the server replies. */
  commands?: object;
  /** Commands of the server that are not answered, by name: the type of their `param`. */
  events?: object;
  /** Requests of the server, by name, with what the client replies. */
  requests?: object;
}

/** Any command, with anything. */
export interface AnyProtocol extends Protocol {
  commands: Record<string, (param?: unknown) => unknown>;
  events: Record<string, unknown>;
  requests: Record<string, (param?: unknown) => unknown>;
}

type Part<P extends Protocol, K extends keyof Protocol> = P[K] extends object ? P[K] : Record<never, never>;

export type Commands<P extends Protocol> = Part<P, "commands">;
export type Events<P extends Protocol> = Part<P, "events">;
export type Requests<P extends Protocol> = Part<P, "requests">;

/** The names in a part of a protocol. */
export type Name<T> = keyof T & string;

/** What a function of a protocol takes; nothing needs to be given where it takes nothing. */
export type Param<F> = F extends (...args: infer A) => unknown ? A[0] : never;

/** What a function of a protocol gives. */
export type Reply<F> = F extends (...args: never[]) => infer R ? R : never;
