// What the tests of projectforge's client say, whose users come to this one; and what its code got wrong.

import { describe, expect, test } from "vitest";
import { attempts, chance, client, opened, pass, server, socket, untilNextAttempt, useFakes } from "./fake.ts";

useFakes();

describe("as there", () => {
  test("messages are queued until the connection is open", async () => {
    const made = client();
    void made.send("first", 1);
    void made.send("second", 2);
    expect(attempts()).toBe(0);
    await opened(made);
    expect(server().frames).toEqual([{ cmd: "first", param: 1 }, { cmd: "second", param: 2 }]);
  });

  test("a server that wants the client gone is obeyed, and the application gets no message of it", async () => {
    const made = await opened(client());
    const messages: unknown[] = [];
    made.socket.on("message", (data) => messages.push(data));
    server().end(1000, "close-connection");
    await pass(120_000);
    expect([made.state, attempts(), messages]).toEqual(["closed", 1, []]);
  });

  test("a message that is no command is an error, and the connection stays", async () => {
    const made = await opened(client());
    const errors: string[] = [];
    made.socket.on("error", ({ message }) => errors.push(message));
    for (const wrong of ["{nonsense", "[]", "null", "1", '{"cmd":1}', new ArrayBuffer(3)]) server().receive(wrong);
    expect(errors).toEqual(Array.from({ length: 6 }, () => "not a command"));
    expect(made.state).toBe("open");
  });

  test("a connection that ends soon makes the next wait longer", async () => {
    chance(0.999);
    await opened(socket());
    server().end();
    const first = await untilNextAttempt();
    server().accept().end();
    expect(await untilNextAttempt()).toBeGreaterThan(first * 1.5);
  });
});

describe("not as there", () => {
  test("the wait has an upper bound", async () => {
    socket().connect();
    await pass();
    for (let round = 0; round < 40; round += 1) {
      server().end();
      expect(await untilNextAttempt()).toBeLessThanOrEqual(30_010);
    }
  });

  test("two clients do not wait for the same time", async () => {
    const waits = new Set<number>();
    for (let round = 0; round < 20; round += 1) {
      const made = await opened(socket());
      made.on("state", (_, retryIn) => retryIn !== undefined && waits.add(retryIn));
      server().end();
      made.close();
    }
    expect(waits.size).toBe(20);
  });

  test("a wait is cancelled by close()", async () => {
    const made = await opened(socket());
    server().end();
    made.close();
    await pass(600_000);
    expect(attempts()).toBe(1);
  });

  test("rooms are joined again", async () => {
    const made = await opened(client());
    made.join("lobby");
    server().end();
    await untilNextAttempt();
    server().accept();
    expect(server().frames).toEqual([{ cmd: "join", channel: "lobby", id: 2 }]);
  });

  test("a command is acknowledged", async () => {
    const made = await opened(client());
    const reply = made.request("save");
    server().reply("save", "saved");
    expect(await reply).toBe("saved");
  });
});
