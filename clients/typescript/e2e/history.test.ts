// What the client promises of rooms with history, against the example `chat`, whose log is in its memory.

import { afterEach, beforeEach, expect, test } from "vitest";
import WebSocket from "ws";
import { start } from "../../../tests/clients/servers.mjs";
import { Client, Presence, publish, type Recovery, type Room } from "../src/index.ts";
import { msgpack } from "../src/msgpack.ts";

/** A socket that can lose the reply of a `publish`, and the connection with it. */
class Lossy extends WebSocket {
  static loses = false;

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    const lost = Lossy.loses && event === "message" && String(args[0]).includes('"param":{"position"');
    if (!lost) return super.emit(event, ...args);
    Lossy.loses = false;
    this.terminate();
    return true;
  }
}

interface Said {
  text: string;
}

const clients: Client[] = [];
let server: Awaited<ReturnType<typeof start>>;

beforeEach(async () => {
  server = await start("chat");
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.stop();
});

/** Somebody in the lobby, and all that they hear there. */
async function member(nick: string, options: { last?: number; codec?: typeof msgpack } = {}) {
  const { last, ...rest } = options;
  const client = new Client({ url: `ws://${server.address}/ws?nick=${nick}&key=${nick}`, WebSocket: Lossy, ...rest });
  clients.push(client);
  const room = client.join("lobby", last === undefined ? {} : { last });
  const heard: (string | Recovery)[] = [];
  room.on("said", (param) => heard.push((param as Said).text));
  room.onRecovered((recovery) => heard.push(recovery));
  const presence = new Presence(room);
  client.connect();
  await room.joined;
  return { client, room, heard, presence };
}

const say = (room: Room, text: string, key?: string) => publish(room, "said", { text }, key === undefined ? {} : { key });

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `line ${index}`);

for (const codec of [undefined, msgpack]) {
  const options = codec ? { codec } : {};

  test(`${codec?.protocol ?? "gustnado.v1.json"}: who was away gets what was missed, in order and once`, async () => {
    const [ann, bob] = [await member("ann", options), await member("bob", options)];
    await say(bob.room, "before");
    await expect.poll(() => ann.heard).toEqual(["before"]);
    ann.client.socket.pause();
    const missed = numbered(100);
    for (const text of missed) await say(bob.room, text);
    ann.client.socket.resume();
    await say(bob.room, "newer");
    await expect.poll(() => ann.heard.at(-1)).toBe("newer");
    expect(ann.heard).toEqual(["before", { recovered: true }, ...missed, "newer"]);
    expect(ann.room.position).toEqual(bob.room.position);
  });
}

test("connections that break again and again, while somebody talks, lose and double nothing", async () => {
  const [ann, bob] = [await member("ann"), await member("bob")];
  const lines = numbered(60);
  for (const [index, text] of lines.entries()) {
    await say(bob.room, text);
    if (index % 15 === 7) ann.client.socket.restart("cut by the test");
  }
  await expect.poll(() => ann.heard.at(-1), { timeout: 20_000 }).toBe(lines.at(-1));
  expect(ann.heard.filter((one) => typeof one === "string")).toEqual(lines);
  const recoveries = ann.heard.filter((one) => typeof one !== "string");
  expect(recoveries.length).toBeGreaterThan(0);
  expect(recoveries.every(({ recovered }) => recovered)).toBe(true);
});

test("a newcomer gets the latest lines that it asks for, and then what is newer", async () => {
  const bob = await member("bob");
  const lines = numbered(10);
  for (const text of lines) await say(bob.room, text);
  const ann = await member("ann", { last: 4 });
  await say(bob.room, "newer");
  await expect.poll(() => ann.heard).toEqual([...lines.slice(-4), "newer"]);
});

test("a server that starts anew has another epoch, and says so", async () => {
  const ann = await member("ann");
  await say(ann.room, "before");
  const epoch = ann.room.position?.epoch;
  const { address } = server;
  await server.stop();
  server = await start("chat", { address });
  await say(ann.room, "after");
  await expect.poll(() => ann.heard).toEqual(["before", { recovered: false, reason: "epoch" }, "after"]);
  expect(ann.room.position).toMatchObject({ offset: 1 });
  expect(ann.room.position?.epoch).not.toBe(epoch);
});

test("a line whose reply was lost is there exactly once", async () => {
  const [ann, bob] = [await member("ann"), await member("bob")];
  Lossy.loses = true;
  const position = await say(ann.room, "once", "key-1");
  expect(Lossy.loses).toBe(false);
  expect(await say(ann.room, "once", "key-1")).toEqual(position);
  await say(ann.room, "next");
  await expect.poll(() => bob.heard).toEqual(["once", "next"]);
  await expect.poll(() => ann.heard.filter((one) => typeof one === "string")).toEqual(["once", "next"]);
});

test("what the server does not let clients publish is refused at once", async () => {
  const ann = await member("ann");
  await expect(publish(ann.room, "forged", {})).rejects.toMatchObject({ code: "refused" });
  await expect(say(ann.room, " ")).rejects.toMatchObject({ code: "bad_text" });
});

test("who is there is known to all, and who comes back within the grace time has not left", async () => {
  const [ann, bob] = [await member("ann"), await member("bob")];
  const users = () => [...ann.presence.users.keys()].sort();
  await expect.poll(users).toEqual(["ann", "bob"]);
  const changes: unknown[] = [];
  ann.presence.on((change) => changes.push(change));
  bob.client.socket.pause();
  bob.client.socket.resume();
  await expect.poll(() => bob.room.isMember).toBe(true);
  bob.client.close();
  await expect.poll(users, { timeout: 10_000 }).toEqual(["ann"]);
  expect(changes).toEqual([{ joins: [], leaves: ["bob"] }]);
});
