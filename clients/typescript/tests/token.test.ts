import { expect, test } from "vitest";
import { EventLog } from "../src/index.ts";
import { attempts, client, opened, pass, server, socket, untilNextAttempt, useFakes } from "./fake.ts";

useFakes();

test("a subprotocol carries it, beside the one that is to be chosen", async () => {
  await opened(client({ token: () => "s3cret" }));
  expect(server().protocols).toEqual(["gustnado.v1.json", "bearer.s3cret"]);
});

test("a parameter of the query carries it, escaped", async () => {
  await opened(socket({ url: "ws://server/ws?room=a#top", token: () => "a&b=c", tokenIn: { query: "token" } }));
  expect(server().url).toBe("ws://server/ws?room=a&token=a%26b%3Dc");
});

test("the first message carries it, before anything else", async () => {
  const made = socket({ token: async () => "s3cret", tokenIn: "message" });
  void made.send("waited");
  made.on("open", () => void made.send("hello"));
  await opened(made);
  expect([server().protocols, server().sent]).toEqual([[], ["s3cret", "hello", "waited"]]);
});

test("it is asked for at each attempt", async () => {
  let number = 0;
  await opened(client({ token: async () => `t${(number += 1)}` }));
  server().end();
  await untilNextAttempt();
  expect(server().protocols).toContain("bearer.t2");
});

test("a provider that fails has failed the attempt, and is asked again", async () => {
  const errors: string[] = [];
  let fails = true;
  const made = client({
    token: async () => {
      if (fails) throw new Error("no network");
      return "t";
    },
  });
  made.socket.on("error", ({ message }) => errors.push(message));
  made.connect();
  await pass();
  expect([made.state, errors, attempts()]).toEqual(["waiting", ["no network"], 0]);
  fails = false;
  await untilNextAttempt();
});

test("a provider that hangs is given up with its attempt", async () => {
  const made = client({ token: () => new Promise(() => {}) });
  made.connect();
  await pass(10_000);
  expect([made.state, attempts()]).toEqual(["waiting", 0]);
});

test("one that no subprotocol can carry is not tried again, and no error quotes it", async () => {
  const log = new EventLog();
  const made = client({ token: () => "pass word,", log });
  made.connect();
  await pass(120_000);
  expect([made.state, attempts()]).toEqual(["closed", 0]);
  expect(JSON.stringify(log.entries())).not.toContain("pass word");
});

test("a credential that has expired is renewed, once", async () => {
  const made = await opened(client({ token: () => "t" }));
  server().end(4401, "expired");
  await untilNextAttempt(1_010);
  server().accept();
  server().end(4401, "expired");
  expect(made.state).toBe("closed");
});

test("and again after a connection that has lasted", async () => {
  const made = await opened(client({ token: () => "t" }));
  for (let round = 0; round < 3; round += 1) {
    for (let minute = 0; minute < 6; minute += 1) {
      await pass(10_500);
      server().receive({ cmd: "news" });
    }
    server().end(4401, "expired");
    await untilNextAttempt(1_010);
    server().accept();
  }
  expect(made.state).toBe("open");
});

test("the log does not have it, wherever it goes", async () => {
  for (const tokenIn of ["subprotocol", "message", { query: "token" }] as const) {
    const log = new EventLog();
    const made = await opened(client({ token: () => "s3cret", tokenIn, log }));
    made.close();
    expect(log.entries().length).toBeGreaterThan(2);
    expect(JSON.stringify(log.entries())).not.toContain("s3cret");
  }
});
