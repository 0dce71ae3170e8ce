import { expect, test, vi } from "vitest";
import { EventLog } from "../src/index.ts";
import { client, opened, server, useFakes } from "./fake.ts";

useFakes();

test("what happened is remembered, and no more than was asked for", async () => {
  const log = new EventLog({ size: 5 });
  const made = await opened(client({ log }));
  for (let index = 0; index < 20; index += 1) void made.send("chat", index);
  server().end(1012, "restart");
  expect(log.entries().map(({ kind }) => kind)).toEqual(["out", "out", "out", "waiting", "close"]);
  expect(log.entries().at(-1)?.text).toBe("1012 restart");
});

test("what a peer wrote cannot break a line, colour a terminal or turn the direction of the text", async () => {
  const lines: string[] = [];
  await opened(client({ log: new EventLog({ debug: (line) => lines.push(line) }) }));
  server().receive('{"cmd":"a\r\nb\u2028c\u2029d\u001b[31me\u202ef\u0000g\u0085h"}');
  const line = lines.find((line) => line.startsWith("gustnado in"));
  expect(line).toBe('gustnado in {"cmd":"a\\u{d}\\u{a}b\\u{2028}c\\u{2029}d\\u{1b}[31me\\u{202e}f\\u{0}g\\u{85}h"}');
});

test("a long message is cut", async () => {
  const log = new EventLog();
  await opened(client({ log }));
  server().receive(`{"cmd":"${"x".repeat(10_000)}"}`);
  expect(log.entries().at(-1)?.text).toHaveLength(201);
});

test("debug writes to the console", async () => {
  const debug = vi.spyOn(console, "debug").mockImplementation(() => {});
  await opened(client({ log: new EventLog({ debug: true }) }));
  expect(debug.mock.calls.flat()).toEqual(["gustnado connecting ", "gustnado open "]);
});
