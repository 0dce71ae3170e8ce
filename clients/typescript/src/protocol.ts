/**
 * What client and server say to one another, as types. It is the shape of the `Api` that a server with the feature
 * `types` writes.
 */
export interface Protocol {
  /** Commands of the client, by name: `{ param; reply }`. */
  commands?: object;
  /** Commands of the server that are not answered, by name: the type of their `param`. */
  events?: object;
  /** Requests of the server, by name: `{ param; reply }`. */
  requests?: object;
}

interface Asked {
  param: unknown;
  reply: unknown;
}

/** Any command, with anything. */
export interface AnyProtocol extends Protocol {
  commands: Record<string, Asked>;
  events: Record<string, unknown>;
  requests: Record<string, Asked>;
}

type Part<P extends Protocol, K extends keyof Protocol> = P[K] extends object ? P[K] : Record<never, never>;

export type Commands<P extends Protocol> = Part<P, "commands">;
export type Events<P extends Protocol> = Part<P, "events">;
export type Requests<P extends Protocol> = Part<P, "requests">;

/** The names in a part of a protocol. */
export type Name<T> = keyof T & string;

/** What a command takes. */
export type Param<C> = C extends { param: infer P } ? P : never;

/** What a command is answered with. */
export type Reply<C> = C extends { reply: infer R } ? R : never;
