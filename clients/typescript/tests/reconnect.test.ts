import { describe, expect, test, vi } from "vitest";
import type { Closed } from "../src/index.ts";
import { attempts, chance, client, opened, pass, server, socket, untilNextAttempt, useFakes } from "./fake.ts";

useFakes();
const MOST = 0.999_999;

describe("waiting", () => {
  test("the bound doubles with each failure, up to 30 s", async () => {
    chance(MOST);
    socket().connect();
    await pass();
    const waits = [];
    for (let round = 0; round < 8; round += 1) {
      server().end();
      waits.push(Math.ceil((await untilNextAttempt()) / 1_000));
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  });

  test("a wait is any time up to its bound, but never shorter than 100 ms", async () => {
    socket().connect();
    await pass();
    for (const [random, expected] of [[0, 100], [0.5, 1_050], [0.25, 1_075]] as const) {
      chance(random);
      server().end();
      expect(Math.abs((await untilNextAttempt()) - expected)).toBeLessThanOrEqual(10);
    }
  });

  test("the bound begins anew once a connection has lasted a minute, and not before", async () => {
    chance(MOST);
    await opened(socket());
    server().end();
    await untilNextAttempt();
    server().accept();
    await pass(59_000);
    server().end();
    expect(await untilNextAttempt()).toBeGreaterThan(1_500);
    server().accept();
    await pass(61_000);
    server().end();
    expect(await untilNextAttempt()).toBeLessThanOrEqual(1_010);
  });

  test("an attempt that hangs is given up after 10 s", async () => {
    socket().connect();
    await pass(10_000);
    expect(server().closedWith).toBeDefined();
    await untilNextAttempt(2_000);
  });

  test("the old WebSocket of a connection that was given up says nothing any more", async () => {
    const messages: unknown[] = [];
    const made = await opened(socket());
    made.on("message", (data) => messages.push(data));
    const old = server();
    made.restart("a test");
    old.receive("late");
    old.end();
    await untilNextAttempt();
    expect(messages).toEqual([]);
    expect(attempts()).toBe(2);
  });
});

describe("close()", () => {
  test("cancels the wait for the next attempt", async () => {
    const made = await opened(socket());
    server().end();
    expect(made.state).toBe("waiting");
    made.close();
    await pass(120_000);
    expect(attempts()).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("cancels an attempt that is under way, and one that waits for its token", async () => {
    let give = (_token: string) => {};
    const made = socket({ token: () => new Promise((resolve) => (give = resolve)) });
    made.connect();
    await pass();
    made.close();
    give("late");
    await pass(120_000);
    expect(attempts()).toBe(0);
    const other = socket();
    other.connect();
    await pass();
    other.close(1000, "done");
    server().accept();
    await pass(120_000);
    expect(server().closedWith).toEqual([1000, "done"]);
    expect([other.state, attempts()]).toEqual(["closed", 1]);
  });

  test("from within any handler is the last word", async () => {
    for (const event of ["open", "close", "state", "message"] as const) {
      const made = socket();
      made.on(event, () => made.close());
      made.connect();
      await pass();
      if (made.state !== "closed") server().accept().receive("hello");
      server().end();
      const before = attempts();
      await pass(120_000);
      expect([event, made.state, attempts()]).toEqual([event, "closed", before]);
    }
  });

  test("can be followed by connect()", async () => {
    const made = await opened(socket());
    made.close();
    made.connect();
    await pass(100);
    server().accept();
    expect([made.state, attempts()]).toEqual(["open", 2]);
  });

  test("leaves no timer", async () => {
    const made = await opened(client());
    made.send("hello");
    made.close();
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("the server's word", () => {
  const again = [1001, 1006, 1011, 1012, 1013, 1014, 4408, 4425, 4429, 4500, 4503, 4599];
  const never = [1000, 1002, 1003, 1005, 1007, 1008, 1009, 1010, 3000, 3999, 4000, 4001, 4400, 4401, 4403, 4409, 4600, 4999];

  test.each(again)("%i: the client comes back", async (code) => {
    const made = await opened(socket());
    server().end(code);
    await untilNextAttempt(1_010);
    expect(made.state).toBe("connecting");
  });

  test.each(never)("%i: it does not", async (code) => {
    const closed: Closed[] = [];
    const made = await opened(socket());
    made.on("close", (end) => closed.push(end));
    server().end(code, "because");
    await pass(700_000);
    expect([made.state, attempts()]).toEqual(["closed", 1]);
    expect(closed).toEqual([{ code, reason: "because", wasClean: true, reconnects: false }]);
  });

  test("the application may know better", async () => {
    const made = await opened(socket({ shouldReconnect: ({ code }) => (code === 4001 ? true : undefined) }));
    server().end(4001);
    await untilNextAttempt(1_010);
    server().accept().end(4002);
    expect(made.state).toBe("closed");
  });

  test("a window is obeyed: any moment within it, and no earlier wish moves it", async () => {
    const page = new EventTarget();
    vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
    for (const [random, expected] of [[0, 100], [0.5, 5_050], [MOST, 10_000]] as const) {
      chance(random);
      const made = await opened(socket());
      server().end(1012, "reconnect within 10000 ms");
      page.dispatchEvent(new Event("online"));
      expect(Math.abs((await untilNextAttempt()) - expected)).toBeLessThanOrEqual(10);
      made.close();
    }
  });

  test("a window is no failure, and one of a year is cut to ten minutes", async () => {
    chance(MOST);
    await opened(socket());
    server().end(1001, "reconnect within 31536000000 ms");
    expect(await untilNextAttempt()).toBeLessThanOrEqual(600_010);
    server().end();
    expect(await untilNextAttempt()).toBeLessThanOrEqual(1_010);
  });

  test("the status of a handshake that was refused counts, where it can be seen", async () => {
    for (const [status, state] of [[401, "closed"], [404, "closed"], [429, "waiting"], [503, "waiting"]] as const) {
      const made = socket();
      made.connect();
      await pass();
      server().onerror?.({ message: `Unexpected server response: ${status}` } as never);
      server().end();
      expect(made.state).toBe(state);
      made.close();
    }
  });
});

describe("pause()", () => {
  test("ends the connection until resume(), and what is sent meanwhile waits", async () => {
    const made = await opened(socket());
    made.pause();
    expect(server().closedWith).toEqual([1000, ""]);
    const result = made.send("later");
    await pass(30_000);
    expect([made.state, attempts()]).toEqual(["paused", 1]);
    made.resume();
    await pass();
    server().accept();
    expect([await result, server().sent]).toEqual(["sent", ["later"]]);
  });

  test("however often it is turned, there is no attempt within 100 ms of another", async () => {
    const made = socket();
    made.connect();
    const times: number[] = [];
    for (let round = 0; round < 100; round += 1) {
      const before = attempts();
      await pass(7);
      if (attempts() > before) times.push(Date.now());
      made.pause();
      made.resume();
      made.connect();
    }
    const gaps = times.slice(1).map((time, index) => time - (times[index] as number));
    expect(gaps.length).toBeGreaterThan(3);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(93); // the clock is read every 7 ms
  });
});

describe("events", () => {
  test("a handler that throws keeps no other from being called, and harms nothing", async () => {
    const told = vi.spyOn(console, "error").mockImplementation(() => {});
    const made = socket();
    const seen: unknown[] = [];
    made.on("message", () => {
      throw new Error("a bug");
    });
    made.on("message", async () => Promise.reject(new Error("another")));
    made.on("message", (data) => seen.push(data));
    await opened(made);
    server().receive("hello");
    await pass();
    expect([seen, told.mock.calls.length, made.state]).toEqual([["hello"], 2, "open"]);
  });

  test("states are told in their order", async () => {
    chance(0);
    const made = socket();
    const states: unknown[] = [];
    made.on("state", (state, retryIn) => states.push(retryIn === undefined ? state : [state, retryIn]));
    await opened(made);
    server().end();
    await untilNextAttempt();
    server().accept();
    made.pause();
    made.close();
    expect(states).toEqual(["connecting", "open", ["waiting", 100], "connecting", "open", "paused", "closed"]);
  });

  test("iteration gives all messages, across connections, and ends with close()", async () => {
    const made = await opened(socket());
    const seen: unknown[] = [];
    const reading = (async () => {
      for await (const message of made) seen.push(message);
    })();
    server().receive("one");
    server().end();
    await untilNextAttempt();
    server().accept().receive(new Uint8Array([1, 2]).buffer);
    await pass();
    made.close();
    await reading;
    expect(seen).toEqual(["one", new Uint8Array([1, 2])]);
  });

  test("iteration fails when its reader is too slow, instead of holding more and more", async () => {
    const made = await opened(socket({ readAhead: 10 }));
    const iterator = made[Symbol.asyncIterator]();
    const first = iterator.next();
    server().receive("one");
    expect((await first).value).toBe("one");
    for (let index = 0; index < 50; index += 1) server().receive(`${index}`);
    await expect(iterator.next()).rejects.toThrow("too slow");
  });
});
