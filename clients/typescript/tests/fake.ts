import { afterEach, beforeEach, vi } from "vitest";
import { Client, type ClientOptions, type Data, Socket, type SocketOptions, type WebSocketLike } from "../src/index.ts";

/** A WebSocket whose server is the test. */
export class FakeWebSocket implements WebSocketLike {
  static all: FakeWebSocket[] = [];

  readyState = 0;
  bufferedAmount = 0;
  binaryType = "";
  protocol = "";
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly url: string;
  readonly protocols: string[];
  readonly sent: Data[] = [];
  closedWith: [code: number | undefined, reason: string | undefined] | undefined;

  constructor(url: string, protocols: string[]) {
    this.url = url;
    this.protocols = protocols;
    FakeWebSocket.all.push(this);
  }

  send(data: Data): void {
    if (this.readyState !== 1) throw new Error("InvalidStateError");
    this.sent.push(data);
  }

  close(code?: number, reason?: string): void {
    this.readyState = 2;
    this.closedWith = [code, reason];
  }

  /** The server accepts. */
  accept(protocol = this.protocols[0] ?? ""): this {
    this.readyState = 1;
    this.protocol = protocol;
    this.onopen?.({} as never);
    return this;
  }

  /** Something comes from the server; what is no text and no bytes comes as JSON. */
  receive(message: unknown): void {
    const isData = typeof message === "string" || message instanceof ArrayBuffer;
    this.onmessage?.({ data: isData ? message : JSON.stringify(message) } as never);
  }

  /** The server or the network ends the connection. */
  end(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason, wasClean: code !== 1006 } as never);
  }

  /** What was sent, as frames. */
  get frames(): Record<string, unknown>[] {
    return this.sent.map((data) => JSON.parse(String(data)));
  }

  /** The latest command of this name that was sent. */
  last(cmd: string): Record<string, unknown> {
    const frame = this.frames.findLast((frame) => frame["cmd"] === cmd);
    if (!frame) throw new Error(`no ${cmd} among ${this.sent.join(" ")}`);
    return frame;
  }

  /** How many commands of this name were sent. */
  count(cmd: string): number {
    return this.frames.filter((frame) => frame["cmd"] === cmd).length;
  }

  /** Replies to the latest command of this name. */
  reply(cmd: string, param: unknown = null): void {
    this.receive({ cmd: "reply", param, id: this.last(cmd)["id"] });
  }

  /** Answers the latest command of this name with an error. */
  refuse(cmd: string, code: string): void {
    this.receive({ cmd: "error", param: { code, message: code }, id: this.last(cmd)["id"] });
  }
}

/** Time stands still, but for `pass`; each test has sockets of its own. */
export function useFakes(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    FakeWebSocket.all = [];
  });
  afterEach(() => {
    for (const made of clients.splice(0)) made.close();
    vi.useRealTimers();
    vi.restoreAllMocks();
    vi.unstubAllGlobals();
  });
}

const clients: (Client | Socket)[] = [];
const URL = "ws://server/";

export function socket(options: Partial<SocketOptions> = {}): Socket {
  const made = new Socket({ url: URL, WebSocket: FakeWebSocket, ...options });
  clients.push(made);
  return made;
}

export function client(options: Partial<ClientOptions> = {}): Client {
  const made = new Client({ url: URL, WebSocket: FakeWebSocket, ...options });
  clients.push(made);
  return made;
}

/** Lets milliseconds pass, and what waits in promises happen. */
export async function pass(milliseconds = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
}

/** How many attempts to connect there were. */
export const attempts = (): number => FakeWebSocket.all.length;

/** The latest attempt. */
export function server(): FakeWebSocket {
  const latest = FakeWebSocket.all.at(-1);
  if (!latest) throw new Error("nobody has tried to connect");
  return latest;
}

/** Connects, and is accepted. */
export async function opened<T extends Client | Socket>(made: T): Promise<T> {
  made.connect();
  await pass();
  server().accept();
  await pass();
  return made;
}

/** Passes time until there is one more attempt, and returns how long it took. */
export async function untilNextAttempt(longest = 700_000): Promise<number> {
  const before = attempts();
  const start = Date.now();
  while (attempts() === before) {
    if (Date.now() - start > longest) throw new Error("there is no further attempt");
    await pass(10);
  }
  return Date.now() - start;
}

/** Has `Math.random` return one value. */
export const chance = (value: number): unknown => vi.spyOn(Math, "random").mockReturnValue(value);
