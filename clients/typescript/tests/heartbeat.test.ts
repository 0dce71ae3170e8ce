import { expect, test, vi } from "vitest";
import { attempts, client, opened, pass, server, socket, useFakes } from "./fake.ts";

useFakes();

test("a server that is silent is given up within 45 s", async () => {
  const made = await opened(client());
  const dead = server();
  await pass(30_000);
  expect(dead.frames).toEqual([{ cmd: "ping", id: "alive" }]);
  expect(made.state).toBe("open");
  await pass(15_000);
  expect([dead.readyState, made.state]).not.toContain("open");
  expect(attempts() + Number(made.state === "waiting")).toBe(2);
});

test("any bytes are a sign of life", async () => {
  const made = await opened(client());
  for (let second = 0; second < 600; second += 20) {
    server().receive({ cmd: "news", param: second });
    await pass(20_000);
  }
  expect([made.state, server().count("ping")]).toEqual(["open", 0]);
});

test("one that answers is asked every 25 s", async () => {
  const made = await opened(client());
  for (let round = 1; round <= 10; round += 1) {
    await pass(25_000);
    expect(server().count("ping")).toBe(round);
    server().reply("ping", { time: 1 });
  }
  expect(made.state).toBe("open");
});

test("without a question, silence means nothing", async () => {
  const made = await opened(socket());
  await pass(3_600_000);
  expect(made.state).toBe("open");
});

test("after the machine has slept the server gets its whole time to answer", async () => {
  const made = await opened(client());
  await pass(26_000); // the question is out
  vi.setSystemTime(Date.now() + 3_600_000);
  await pass(14_000); // and its timer fires an hour late
  expect([made.state, server().count("ping")]).toEqual(["open", 2]);
  server().receive({ cmd: "pong" });
  await pass(20_000);
  expect(made.state).toBe("open");
  expect(attempts()).toBe(1);
});

test("waking up again and again does not put off the end of a dead server", async () => {
  const page = new EventTarget();
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  const made = await opened(client());
  for (let second = 0; second < 16; second += 1) {
    page.dispatchEvent(new Event("online"));
    await pass(1_000);
  }
  expect(made.state).not.toBe("open");
});
