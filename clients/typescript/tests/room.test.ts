import { describe, expect, test } from "vitest";
import { client, opened, pass, server, untilNextAttempt, useFakes } from "./fake.ts";
import type { Client, JoinOptions, Room } from "../src/index.ts";

useFakes();
const at = (offset: number, epoch = "e1") => ({ epoch, offset });
const said = (offset: number, more: object = {}) => ({ channel: "news", cmd: "chat", param: offset, offset, ...more });

interface Setting {
  made: Client;
  room: Room;
  /** What the application was told, in its order: numbers of messages, and recoveries. */
  told: unknown[];
}

/** Joins the room `news`; the server has replied with `reply`. */
async function joined(reply: object, options: JoinOptions = {}): Promise<Setting> {
  const made = await opened(client());
  const room = made.join("news", options);
  const told: unknown[] = [];
  room.on("chat", (param) => told.push(param));
  room.onRecovered((recovery) => told.push(recovery));
  server().reply("join", { result: "joined", ...reply });
  await pass();
  return { made, room, told };
}

/** The connection is lost, and the next one is open. */
async function reconnected(): Promise<void> {
  server().end();
  await untilNextAttempt();
  server().accept();
  await pass();
}

describe("joining", () => {
  test("a room is joined at once, or as soon as there is a connection, before what waited for it", async () => {
    const made = client();
    void made.send("chat", "hi", { channel: "lobby" });
    const room = made.join("lobby");
    await opened(made);
    expect(server().frames.map(({ cmd }) => cmd)).toEqual(["join", "chat"]);
    expect(room.isMember).toBe(false);
    server().reply("join", { result: "created" });
    await room.joined;
    expect(room.isMember).toBe(true);
    expect(made.join("lobby")).toBe(room);
    expect(server().count("join")).toBe(1);
  });

  test("it is joined again on every connection, and the application told that nothing of before will come", async () => {
    const { room, told } = await joined({});
    for (let round = 1; round <= 3; round += 1) {
      await reconnected();
      expect(room.isMember).toBe(false);
      expect(server().frames).toMatchObject([{ cmd: "join", channel: "news" }]);
      server().reply("join", { result: "joined" });
      await pass();
      expect(told).toEqual(Array.from({ length: round }, () => ({ recovered: false, reason: "unavailable" })));
    }
  });

  test("a room that refuses is not joined again, and that is told", async () => {
    const made = await opened(client());
    const errors: unknown[] = [];
    made.socket.on("error", (error) => errors.push(error));
    const room = made.join("staff");
    server().refuse("join", "refused");
    await expect(room.joined).rejects.toMatchObject({ code: "refused", channel: "staff" });
    await reconnected();
    expect([errors.length, server().count("join")]).toEqual([1, 0]);
  });

  test.each(["busy", "internal"])("after `%s` it is tried again", async (code) => {
    const made = await opened(client());
    const room = made.join("news");
    server().refuse("join", code);
    await pass(1_000);
    server().reply("join", { result: "joined" });
    await room.joined;
    expect(server().count("join")).toBe(2);
  });

  test("a server that does not answer a join is given up", async () => {
    const made = await opened(client());
    made.join("news");
    await pass(10_000);
    expect(made.state).toBe("waiting");
    await untilNextAttempt();
    server().accept();
    expect(server().count("join")).toBe(1);
  });

  test("a room that was left is not joined again, and nothing of it comes", async () => {
    const { made, room, told } = await joined({ position: at(5) });
    room.leave();
    room.leave();
    server().receive(said(6));
    expect([told, server().count("leave")]).toEqual([[], 1]);
    const again = made.join("news");
    expect(again).not.toBe(room);
    again.leave();
    await reconnected();
    expect(server().sent).toEqual([]);
  });
});

describe("a room with history", () => {
  test("after a reconnect it is joined with the position, and what was missed comes once and in order", async () => {
    const { room, told } = await joined({ position: at(41) });
    server().receive(said(42));
    await reconnected();
    expect(server().last("join")).toMatchObject({ param: { since: at(42) } });
    server().reply("join", { result: "joined", recovered: true, position: at(44) });
    await pass();
    for (const offset of [43, 44, 45]) server().receive(said(offset));
    expect(told).toEqual([42, { recovered: true }, 43, 44, 45]);
    expect(room.position).toEqual(at(45));
  });

  test("a connection that is lost amid what was missed goes on where that ended", async () => {
    const { told } = await joined({ position: at(41) });
    await reconnected();
    server().reply("join", { recovered: true, position: at(44) });
    await pass();
    server().receive(said(42));
    await reconnected();
    expect(server().last("join")).toMatchObject({ param: { since: at(42) } });
    server().reply("join", { recovered: true, position: at(44) });
    await pass();
    for (const offset of [43, 44]) server().receive(said(offset));
    expect(told).toEqual([{ recovered: true }, 42, { recovered: true }, 43, 44]);
  });

  test("duplicates are dropped", async () => {
    const { told } = await joined({ position: at(5) });
    for (const offset of [5, 6, 6, 3, 7, 6, 7, 8]) server().receive(said(offset));
    expect(told).toEqual([6, 7, 8]);
  });

  test("a hole is repaired by joining again with the position, once", async () => {
    const { told } = await joined({ position: at(5) });
    server().receive(said(6));
    server().receive(said(9));
    server().receive(said(10)); // sent before the server knew
    expect(server().count("join")).toBe(2);
    expect(server().last("join")).toMatchObject({ param: { since: at(6) } });
    expect(told).toEqual([6]);
    server().reply("join", { result: "already", recovered: true, position: at(10) });
    await pass();
    for (const offset of [7, 8, 9, 10, 11]) server().receive(said(offset));
    expect(told).toEqual([6, { recovered: true }, 7, 8, 9, 10, 11]);
  });

  test("what was not meant for this client leaves no hole", async () => {
    const { told } = await joined({ position: at(5) });
    server().receive(said(9, { prev: 5 }));
    server().receive(said(12, { prev: 9 }));
    server().receive(said(20, { prev: 14 }));
    expect([told, server().count("join")]).toEqual([[9, 12], 2]);
  });

  test.each(["epoch", "trimmed", "limit", "unavailable"])("what cannot be had is told before anything newer: %s", async (reason) => {
    const { room, told } = await joined({ position: at(5) });
    await reconnected();
    server().reply("join", { result: "joined", recovered: false, reason, position: at(90, "e2") });
    await pass();
    server().receive(said(91));
    expect(told).toEqual([{ recovered: false, reason }, 91]);
    expect(room.position).toEqual(at(91, "e2"));
  });

  test("an epoch that begins on an open connection is told, and followed", async () => {
    const { room, told } = await joined({ position: at(5) });
    const param = { recovered: false, reason: "epoch", position: at(0, "e2") };
    server().receive({ cmd: "recovered", channel: "news", param });
    server().receive(said(1));
    expect(told).toEqual([{ recovered: false, reason: "epoch" }, 1]);
    expect(room.position).toEqual(at(1, "e2"));
  });

  test("the latest messages can be asked for at first, and what comes next follows them", async () => {
    const { room, told } = await joined({ recovered: true, position: at(41) }, { last: 3 });
    expect(server().last("join")).toMatchObject({ param: { last: 3 } });
    for (const offset of [39, 40, 41, 42]) server().receive(said(offset));
    expect([told, room.position]).toEqual([[39, 40, 41, 42], at(42)]);
  });

  test("if there are none, the first that is new is still known to have no hole before it", async () => {
    const { told } = await joined({ recovered: true, position: at(41) }, { last: 3 });
    server().receive(said(43));
    expect([told, server().count("join")]).toEqual([[], 2]);
  });

  test("a connection that is lost before any of them came asks for them again", async () => {
    const { told } = await joined({ recovered: true, position: at(41) }, { last: 3 });
    await reconnected();
    expect(server().last("join")).toMatchObject({ param: { last: 3 } });
    server().reply("join", { recovered: true, position: at(41) });
    await pass();
    server().receive(said(41));
    expect(told).toEqual([{ recovered: true }, 41]);
  });

  test("a position of an earlier visit can be given", async () => {
    const { told } = await joined({ recovered: true, position: at(42) }, { since: at(41) });
    expect(server().last("join")).toMatchObject({ param: { since: at(41) } });
    server().receive(said(42));
    expect(told).toEqual([{ recovered: true }, 42]);
  });
});
