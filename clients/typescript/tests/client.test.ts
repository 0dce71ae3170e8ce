import { describe, expect, expectTypeOf, test } from "vitest";
import { Client, CommandError } from "../src/index.ts";
import type { Api, Listed } from "../../../examples/typed/types.ts";
import { client, FakeWebSocket, opened, pass, server, untilNextAttempt, useFakes } from "./fake.ts";

useFakes();

/** The code with which a promise fails. */
const code = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    (value) => `resolved to ${JSON.stringify(value)}`,
    (error: unknown) => (error instanceof CommandError ? error.code : String(error)),
  );

describe("request()", () => {
  test("replies come to their requests, in whatever order", async () => {
    const made = await opened(client());
    const [one, two] = [made.request("add", [1, 2]), made.request("add", [3, 4])];
    server().receive({ cmd: "reply", param: 7, id: 2 });
    server().receive({ cmd: "reply", param: 3, id: 1 });
    expect([await one, await two]).toEqual([3, 7]);
    expect(server().frames[0]).toEqual({ cmd: "add", param: [1, 2], id: 1 });
  });

  test("an error has the code and the message of the server, and the room", async () => {
    const made = await opened(client());
    const failed = made.request("join", undefined, { channel: "staff" });
    server().receive({ cmd: "error", param: { code: "refused", message: "staff only" }, id: 1 });
    await expect(failed).rejects.toMatchObject({ code: "refused", message: "staff only", channel: "staff" });
  });

  test("no answer in time is a timeout, and one that comes too late is skipped", async () => {
    const made = await opened(client());
    const [usual, short] = [code(made.request("slow")), code(made.request("slow", null, { timeout: 500 }))];
    await pass(500);
    expect(await short).toBe("timeout");
    await pass(9_500);
    expect(await usual).toBe("timeout");
    server().receive({ cmd: "reply", param: 1, id: 1 });
    server().receive({ cmd: "error", param: null, id: 2 });
    expect(made.state).toBe("open");
  });

  test("what was sent when the connection ended has failed, what waits has not", async () => {
    const made = await opened(client());
    const sent = code(made.request("sent"));
    server().bufferedAmount = 2 << 20;
    const waits = made.request("waits");
    await pass();
    server().end();
    expect(await sent).toBe("disconnected");
    await untilNextAttempt();
    server().accept();
    await pass();
    server().reply("waits", "here");
    expect(await waits).toBe("here");
  });

  test("one that is never sent says so", async () => {
    const made = client({ outbox: { messages: 1 } });
    const [dropped, expired] = [code(made.request("a")), code(made.request("b", null, { timeout: 1_000 }))];
    expect(await dropped).toBe("dropped");
    await pass(1_000);
    expect(["expired", "timeout"]).toContain(await expired);
    await opened(made);
    expect(server().sent).toEqual([]);
    made.close();
    expect(await code(made.request("c"))).toBe("dropped");
  });
});

describe("what the server sends", () => {
  test("commands come to the handlers of their name, until they are ended", async () => {
    const made = await opened(client());
    const seen: unknown[] = [];
    const end = made.on("news", (param, { from }) => seen.push([param, from]));
    server().receive({ cmd: "news", param: 1, from: "ann" });
    server().receive({ cmd: "other", param: 2 });
    end();
    server().receive({ cmd: "news", param: 3 });
    expect(seen).toEqual([[1, "ann"]]);
  });

  test("an error that answers nothing is told", async () => {
    const made = await opened(client());
    const errors: unknown[] = [];
    made.socket.on("error", (error) => errors.push(error));
    server().receive({ cmd: "error", param: { code: "bad_frame", message: "what?" } });
    expect(errors).toMatchObject([{ code: "bad_frame", message: "what?" }]);
  });

  test("requests are answered, by what the handler returns, promises, or throws", async () => {
    const made = await opened(client());
    const errors: unknown[] = [];
    made.socket.on("error", (error) => errors.push(error));
    made.answer("sure", async (question) => question === "really?");
    made.answer("nothing", () => {});
    made.answer("never", () => {
      throw new CommandError("no", "never");
    });
    made.answer("broken", () => {
      throw new Error("a secret");
    });
    made.answer("huge", () => 10n ** 30n);
    for (const [index, cmd] of ["sure", "nothing", "never", "broken", "juggle", "huge"].entries()) {
      server().receive({ cmd, param: "really?", id: index });
    }
    await pass();
    expect(server().frames.sort((one, two) => Number(one["id"]) - Number(two["id"]))).toEqual([
      { cmd: "reply", param: true, id: 0 },
      { cmd: "reply", param: null, id: 1 },
      { cmd: "error", param: { code: "no", message: "never" }, id: 2 },
      { cmd: "error", param: { code: "internal", message: "internal" }, id: 3 },
      { cmd: "error", param: { code: "unknown_command", message: "unknown_command" }, id: 4 },
      { cmd: "error", param: { code: "internal", message: "internal" }, id: 5 },
    ]);
    expect(errors).toEqual([new Error("a secret"), expect.any(TypeError)]);
  });

  test("iteration gives the commands and nothing else", async () => {
    const made = await opened(client());
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const { cmd, param } of made) seen.push([cmd, param]);
    })();
    server().receive({ cmd: "reply", param: 1, id: 1 });
    server().receive({ cmd: "chat", param: 2, channel: "lobby" });
    server().receive({ cmd: "news", param: 3 });
    await pass();
    made.close();
    await reading;
    expect(seen).toEqual([["chat", 2], ["news", 3]]);
  });
});

test("the subprotocol of the codec is offered, and a server that chooses none is not spoken to", async () => {
  const made = client();
  made.connect();
  await pass();
  expect(server().protocols).toEqual(["gustnado.v1.json"]);
  server().accept("");
  await pass(120_000);
  expect([made.state, server().sent, FakeWebSocket.all.length]).toEqual(["closed", [], 1]);
});

test("a protocol gives types to names, parameters and replies", () => {
  interface Chat {
    commands: { add: { param: [number, number]; reply: number }; who: { param: null; reply: string[] } };
    events: { chat: { text: string } };
    requests: { sure: { param: string; reply: boolean } };
  }
  const made = new Client<Chat>({ url: "ws://server/", WebSocket: FakeWebSocket });
  expectTypeOf(() => made.request("add", [1, 2])).returns.resolves.toEqualTypeOf<number>();
  expectTypeOf(() => made.request("who")).returns.resolves.toEqualTypeOf<string[]>();
  made.on("chat", ({ text }) => expectTypeOf(text).toEqualTypeOf<string>());
  made.join("lobby").on("chat", ({ text }) => expectTypeOf(text).toEqualTypeOf<string>());
  made.answer("sure", (question) => question === "really?");
  // @ts-expect-error: no such command
  void made.send("ad", [1, 2]);
  // @ts-expect-error: not what it takes
  void made.send("add", "much");
  made.close();
});

test("the types that a server writes are a protocol", () => {
  const made = new Client<Api>({ url: "ws://server/", WebSocket: FakeWebSocket });
  expectTypeOf(() => made.request("add", { name: "milk", amount: 1, unit: "litres" })).returns.resolves.toEqualTypeOf<Listed>();
  made.answer("sure", (count) => count < 3);
  made.close();
});
