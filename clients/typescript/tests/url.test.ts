import { expect, test } from "vitest";
import { resolveUrl } from "../src/index.ts";
import { pass, socket, useFakes } from "./fake.ts";

useFakes();

test.each([
  ["ws://a/b", "https://page.example", "ws://a/b"],
  ["WSS://a:1/b?c=d", "http://page.example", "wss://a:1/b?c=d"],
  ["http://a/b", undefined, "ws://a/b"],
  ["https://a/b#top", undefined, "wss://a/b"],
  ["/connect", "http://page.example:8080", "ws://page.example:8080/connect"],
  ["/connect", "https://page.example", "wss://page.example/connect"],
  ["connect?ch=a b", "https://page.example", "wss://page.example/connect?ch=a%20b"],
  ["wstunnel", "https://page.example", "wss://page.example/wstunnel"],
  ["//other.example/a", "https://page.example", "wss://page.example//other.example/a"],
  ["", "https://page.example", "wss://page.example/"],
])("%s on %s is %s", (url, origin, expected) => {
  expect(resolveUrl(url, origin).href).toBe(expected);
});

test.each([["/connect", undefined], ["/connect", "null"], ["/connect", "file://"]])("%s on %s is none", (url, origin) => {
  expect(() => resolveUrl(url, origin)).toThrow(SyntaxError);
});

test("an address that can never work is told, and not tried again and again", async () => {
  const made = socket({ url: "/connect" });
  const errors: Error[] = [];
  made.on("error", (error) => errors.push(error));
  made.connect();
  await pass(120_000);
  expect([made.state, errors.length]).toEqual(["closed", 1]);
});

test("an address may be made anew for each attempt", async () => {
  const made = socket({ url: () => "ws://server/now" });
  made.connect();
  await pass();
  expect(made.state).toBe("connecting");
});
