import { expect, test } from "vitest";
import { opened, pass, server, socket, untilNextAttempt, useFakes } from "./fake.ts";

useFakes();

test("an open connection takes a message at once", async () => {
  const made = await opened(socket());
  expect(await made.send("now")).toBe("sent");
  expect(server().sent).toEqual(["now"]);
});

test("beyond 100 messages the oldest is dropped, and its sender is told", async () => {
  const made = socket();
  const results = Array.from({ length: 103 }, (_, index) => made.send(`${index}`));
  expect(await Promise.all(results.slice(0, 3))).toEqual(["dropped", "dropped", "dropped"]);
  expect(made.waiting).toBe(100);
  await opened(made);
  expect(server().sent).toEqual(Array.from({ length: 100 }, (_, index) => `${index + 3}`));
  expect(new Set(await Promise.all(results.slice(3)))).toEqual(new Set(["sent"]));
});

test("or the newest, if the application wants it so", async () => {
  const made = socket({ outbox: { messages: 1, overflow: "newest" } });
  const first = made.send("first");
  expect(await made.send("second")).toBe("dropped");
  await opened(made);
  expect(await first).toBe("sent");
});

test("bytes are limited, too, and a message that never fits is dropped alone", async () => {
  const made = socket({ outbox: { bytes: 100 } });
  const small = made.send(new Uint8Array(60));
  expect(await made.send(new Uint8Array(101))).toBe("dropped");
  expect(made.waiting).toBe(1);
  void made.send(new Uint8Array(60));
  expect(await small).toBe("dropped");
});

test("a message expires after its time, and is not sent later", async () => {
  const made = socket();
  const short = made.send("short", { expires: 1_000 });
  const usual = made.send("usual");
  await pass(1_000);
  expect(await short).toBe("expired");
  await pass(58_999);
  expect(made.waiting).toBe(1);
  await pass(1);
  expect(await usual).toBe("expired");
  await opened(made);
  expect(server().sent).toEqual([]);
});

test("what waits when the client closes is dropped", async () => {
  const made = socket();
  const result = made.send("never");
  made.close();
  expect([await result, await made.send("after")]).toEqual(["dropped", "dropped"]);
});

test("what is sent by the handlers of open goes out before what waited", async () => {
  const made = socket();
  void made.send("waited");
  made.on("open", () => void made.send("hello"));
  await opened(made);
  expect(server().sent).toEqual(["hello", "waited"]);
});

test("a connection that is closing takes nothing: the message waits for the next", async () => {
  const made = await opened(socket());
  server().readyState = 2;
  const result = made.send("kept");
  server().end();
  await untilNextAttempt();
  server().accept();
  expect([await result, server().sent]).toEqual(["sent", ["kept"]]);
});

test("while the WebSocket holds more than 1 MiB, messages wait, and then go out in order", async () => {
  const made = await opened(socket());
  server().bufferedAmount = (1 << 20) + 1;
  const results = [made.send("one"), made.send("two")];
  await pass(1_000);
  expect(server().sent).toEqual([]);
  server().bufferedAmount = 0;
  results.push(made.send("three"));
  await pass(50);
  expect(await Promise.all(results)).toEqual(["sent", "sent", "sent"]);
  expect(server().sent).toEqual(["one", "two", "three"]);
});
