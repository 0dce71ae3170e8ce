import { describe, expect, test } from "vitest";
import { msgpack } from "../src/msgpack.ts";
import { client, opened, pass, server, useFakes } from "./fake.ts";

useFakes();
const hex = (text: string) => Uint8Array.from(text.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
const decode = (text: string) => msgpack.decode(hex(text));
const there = (value: unknown) => msgpack.decode(msgpack.encode(value as object));

test.each([
  ["c0", null], ["c2", false], ["c3", true], ["7f", 127], ["e0", -32], ["cc80", 128], ["cdffff", 65_535],
  ["ceffffffff", 4_294_967_295], ["cf001fffffffffffff", Number.MAX_SAFE_INTEGER], ["cfffffffffffffffff", 2n ** 64n - 1n],
  ["d080", -128], ["d18000", -32_768], ["d280000000", -(2 ** 31)], ["d38000000000000000", -(2n ** 63n)],
  ["cb3ff8000000000000", 1.5], ["a161", "a"], ["c403010203", new Uint8Array([1, 2, 3])], ["9201c0", [1, null]],
  ["82a16101a16202", { a: 1, b: 2 }],
])("%s is %o, both ways", (bytes, value) => {
  expect(decode(bytes)).toEqual(value);
  expect(msgpack.encode(value as object)).toEqual(hex(bytes));
});

test.each([31, 32, 255, 256, 65_535, 65_536])("text, bytes and lists of %i", (size) => {
  expect(there("x".repeat(size))).toBe("x".repeat(size));
  expect(there(new Uint8Array(size))).toEqual(new Uint8Array(size));
  expect(there(Array(size).fill(1))).toEqual(Array(size).fill(1));
});

test("a value across the end of what was reserved, at every place", () => {
  for (const value of [1.5, 70_000, 300, 2 ** 40, "text", new Uint8Array(9), true]) {
    for (let size = 240; size < 260; size += 1) expect(there(["x".repeat(size), value])).toEqual(["x".repeat(size), value]);
  }
});

test("numbers of every size, and what is no number", () => {
  for (let bits = 0; bits <= 53; bits += 1) {
    for (const value of [2 ** bits - 1, 2 ** bits, -(2 ** bits), -(2 ** bits) - 1]) expect(there(value)).toBe(value);
  }
  for (const value of [0.1, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.MAX_VALUE]) expect(there(value)).toBe(value);
});

test("as in JSON: undefined is left out, dates are texts", () => {
  expect(there({ a: undefined, b: 1, c: new Date(0) })).toEqual({ b: 1, c: "1970-01-01T00:00:00.000Z" });
});

describe("what a peer may not do", () => {
  test.each([
    ["nothing at all", ""], ["a cut text", "a3"], ["a cut number", "cd01"], ["a list longer than the message", "ddffffffff"],
    ["a map longer than the message", "dfffffffff"], ["bytes longer than the message", "c6ffffffff00"],
    ["more than one value", "0101"], ["an extension", "d40001"], ["the format that is never used", "c1"],
    ["text that is no UTF-8", "a1ff"], ["a key that is no text", "810101"], ["nesting without end", `${"91".repeat(200)}00`],
  ])("%s", (_, bytes) => {
    expect(() => decode(bytes)).toThrow();
  });

  test("a key named __proto__ is a key", () => {
    const value = decode("81a95f5f70726f746f5f5f81a16101") as object;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(["__proto__"]);
  });

  test("random bytes do nothing worse than fail", () => {
    for (let round = 0; round < 20_000; round += 1) {
      const bytes = crypto.getRandomValues(new Uint8Array(1 + (round % 40)));
      try {
        msgpack.decode(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }
  });
});

test("a client speaks it, heartbeat and all", async () => {
  const made = await opened(client({ codec: msgpack }));
  expect(server().protocols).toEqual(["gustnado.v1.msgpack"]);
  const seen: unknown[] = [];
  made.on("news", (param) => seen.push(param));
  const reply = made.request("add", [1, 2]);
  reply.catch(() => {});
  await pass(25_000);
  const sent = server().sent.map((data) => msgpack.decode(data));
  expect(sent).toEqual([{ cmd: "add", param: [1, 2], id: 1 }, { cmd: "ping", id: "alive" }]);
  server().receive((msgpack.encode({ cmd: "news", param: 3 }) as Uint8Array<ArrayBuffer>).buffer);
  expect(seen).toEqual([3]);
});
