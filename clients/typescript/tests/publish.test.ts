import { expect, test } from "vitest";
import { publish } from "../src/index.ts";
import { chance, client, opened, pass, server, untilNextAttempt, useFakes } from "./fake.ts";

useFakes();

async function room() {
  const made = await opened(client());
  const joined = made.join("news");
  server().reply("join", { result: "joined" });
  await pass();
  return joined;
}

test("a message that was accepted has a position", async () => {
  const position = publish(await room(), "chat", { text: "hi" }, { key: "c1-17" });
  expect(server().last("publish")).toMatchObject({
    channel: "news",
    param: { cmd: "chat", param: { text: "hi" }, key: "c1-17" },
  });
  server().reply("publish", { position: { epoch: "e", offset: 45 } });
  expect(await position).toEqual({ epoch: "e", offset: 45 });
});

test("one that was rejected is not repeated", async () => {
  const published = publish(await room(), "chat", 1);
  server().refuse("publish", "rejected");
  await expect(published).rejects.toMatchObject({ code: "rejected" });
  expect(server().count("publish")).toBe(1);
});

test("as long as nobody knows, it is repeated with the same key, also on the next connection", async () => {
  const published = publish(await room(), "chat", 1);
  const keys = [server().last("publish")["param"]];
  server().refuse("publish", "unknown");
  await pass(1_000);
  keys.push(server().last("publish")["param"]);
  server().end();
  await untilNextAttempt();
  server().accept();
  await pass(2_000);
  keys.push(server().last("publish")["param"]);
  server().reply("publish", null);
  expect(await published).toBeUndefined();
  expect(keys[1]).toEqual(keys[0]);
  expect(keys[2]).toEqual(keys[0]);
  expect(keys[0]).toMatchObject({ key: expect.stringMatching(/^[\w-]{8,64}$/) });
});

test("in the end the last error is told", async () => {
  chance(0);
  const published = publish(await room(), "chat", 1, { timeout: 15_000 });
  published.catch(() => {});
  for (let step = 0; step < 1_600; step += 1) {
    server().refuse("publish", "unknown");
    await pass(10);
  }
  await expect(published).rejects.toMatchObject({ code: "unknown" });
});

test("two messages have two keys", async () => {
  const joined = await room();
  void publish(joined, "chat", 1).catch(() => {});
  void publish(joined, "chat", 1).catch(() => {});
  const [one, two] = server().frames.slice(-2).map(({ param }) => (param as { key: string }).key);
  expect(one).not.toBe(two);
});
