// The client in Node, with the package `ws`, against the examples as they are built.

import { afterEach, expect, test } from "vitest";
import WebSocket from "ws";
import { start } from "../../../tests/clients/servers.mjs";
import type { Api } from "../../../examples/typed/types.ts";
import { Client, type ClientOptions, type Protocol, Socket, type State } from "../src/index.ts";
import { msgpack } from "../src/msgpack.ts";

const endings: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

/** A running example, which can be replaced by another of the same address. */
async function server(name: string) {
  let running = await start(name);
  endings.push(() => running.stop());
  const { address } = running;
  return {
    url: `ws://${address}/`,
    /** Has the example end by itself, as by Ctrl-C. */
    interrupt() {
      endings.shift();
      return running.interrupt();
    },
    async restart(meanwhile: () => Promise<unknown> = async () => {}) {
      await running.stop();
      await meanwhile();
      running = await start(name, { address });
    },
  };
}

function client<P extends Protocol>(url: string, options: Partial<ClientOptions> = {}): Client<P> {
  const made = new Client<P>({ url, WebSocket, ...options });
  endings.push(() => made.close());
  return made.connect();
}

/** Resolves when the state is `wanted`. */
function state({ socket }: { socket: Socket }, wanted: State): Promise<void> {
  if (socket.state === wanted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = socket.on("state", (now) => {
      if (now !== wanted) return;
      end();
      resolve();
    });
  });
}

interface Rooms {
  commands: {
    "join-room": { param: { room: string; nick: string }; reply: { room: string; members: number } };
    chat: { param: { text: string }; reply: null };
    dance: { param: null; reply: null };
  };
  events: { chat: { nick: string; text: string }; pong: { time: number } };
}

for (const codec of [undefined, msgpack]) {
  const options = codec ? { codec } : {};
  const spoken = codec?.protocol ?? "gustnado.v1.json";

  test(`${spoken}: two clients talk, and errors are told`, async () => {
    const { url } = await server("json_commands");
    const [ann, bob] = [client<Rooms>(url, options), client<Rooms>(url, options)];
    expect(await ann.request("join-room", { room: "lobby", nick: "ann" })).toEqual({ room: "lobby", members: 1 });
    expect(await bob.request("join-room", { room: "lobby", nick: "bob" })).toEqual({ room: "lobby", members: 2 });
    const heard = new Promise((resolve) => ann.on("chat", (param, { channel }) => resolve([channel, param])));
    await bob.request("chat", { text: "hello 🌪" }, { channel: "lobby" });
    expect(await heard).toEqual(["lobby", { nick: "bob", text: "hello 🌪" }]);
    await expect(bob.request("dance")).rejects.toMatchObject({ code: "unknown_command" });
  });

  test(`${spoken}: a server that is killed and started again has its clients back in their rooms`, async () => {
    const { url, restart } = await server("json_commands");
    const ann = client<Rooms>(url, options);
    const room = ann.join("lobby");
    await room.joined;
    let waiting: Promise<string> | undefined;
    await restart(async () => {
      await state(ann, "waiting");
      waiting = ann.send("join-room", { room: "lobby", nick: "ann" });
    });
    await state(ann, "open");
    expect(await waiting).toBe("sent");
    const heard = new Promise((resolve) => room.on("chat", resolve));
    await ann.request("chat", { text: "back" }, { channel: "lobby" });
    expect(await heard).toEqual({ nick: "ann", text: "back" });
    expect(room.isMember).toBe(true);
  });
}

test("a server asks its client, whose types it has written", async () => {
  const { url } = await server("typed");
  const made = client<Api>(url);
  const asked: number[] = [];
  made.answer("sure", (count) => asked.push(count) > 0);
  await made.join("list").joined;
  const milk = { name: "milk", amount: 2, unit: "litres" } as const;
  expect(await made.request("add", milk, { channel: "list" })).toEqual({ count: 1 });
  const cleared = new Promise((resolve) => made.on("cleared", resolve));
  await made.request("clear");
  await cleared;
  expect(asked).toEqual([1]);
});

test("a server that goes down with a window is obeyed", async () => {
  const { url, interrupt } = await server("shutdown");
  const made = new Socket({ url, WebSocket });
  endings.push(() => made.close());
  made.connect();
  await state({ socket: made }, "open");
  const waiting = new Promise<number>((resolve) => made.on("state", (now, retryIn) => now === "waiting" && resolve(retryIn ?? 0)));
  const closed = new Promise((resolve) => made.on("close", resolve));
  void interrupt();
  expect(await closed).toMatchObject({ code: 1012, reason: "reconnect within 10000 ms", reconnects: true });
  expect(await waiting).toBeGreaterThanOrEqual(100);
});

test.each([
  [{ query: "token" } as const, "let-me-in", "open"],
  ["subprotocol" as const, "let-me-in", "open"],
  [{ query: "token" } as const, "wrong", "closed"],
])("a token in %o, %s: %s", async (tokenIn, token, expected) => {
  const { url } = await server("auth");
  const made = new Socket({ url, WebSocket, token: () => token, tokenIn, protocols: tokenIn === "subprotocol" ? ["chat"] : [] });
  endings.push(() => made.close());
  made.connect();
  await state({ socket: made }, expected as State);
});
