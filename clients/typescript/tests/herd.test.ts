import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Socket } from "../src/index.ts";
import { FakeWebSocket } from "./fake.ts";

const CLIENTS = 10_000;
const STEP = 100;

/** A clock that is quick with many timers: those of one millisecond are together. */
class Clock {
  now = 1_000_000;
  readonly #due = new Map<number, Set<() => void>>();

  constructor() {
    vi.spyOn(Date, "now").mockImplementation(() => this.now);
    vi.stubGlobal("setTimeout", (run: () => void, wait: number) => {
      const at = this.now + Math.max(1, Math.ceil(wait));
      const due = this.#due.get(at) ?? new Set();
      this.#due.set(at, due);
      const own = () => run();
      due.add(own);
      return { clear: () => due.delete(own) };
    });
    vi.stubGlobal("clearTimeout", (timer?: { clear(): void }) => timer?.clear());
  }

  async tick(): Promise<void> {
    this.now += 1;
    for (const run of this.#due.get(this.now) ?? []) run();
    this.#due.delete(this.now);
    await new Promise(setImmediate);
  }
}

let clock: Clock;
beforeEach(() => {
  FakeWebSocket.all = [];
  clock = new Clock();
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** How many of `times` are in each 100 ms, from the first to the last. */
function perStep(times: number[]): number[] {
  const steps = times.map((time) => Math.floor((time - (times[0] as number)) / STEP));
  const counts: number[] = Array.from({ length: (steps.at(-1) as number) + 1 }, () => 0);
  for (const step of steps) counts[step] = (counts[step] as number) + 1;
  return counts;
}

/** Cuts 10,000 clients at once from a server that is away for `away` milliseconds, and prints how they come back. */
async function herd(away: number, reason = ""): Promise<{ mean: number; busiest: number }> {
  for (let index = 0; index < CLIENTS; index += 1) new Socket({ url: "ws://server/", WebSocket: FakeWebSocket }).connect();
  await clock.tick();
  const first = [...FakeWebSocket.all];
  for (const one of first) one.accept();
  const start = clock.now;
  for (const one of first) one.end(reason ? 1012 : 1006, reason);
  const back: number[] = [];
  let seen = first.length;
  while (back.length < CLIENTS) {
    await clock.tick();
    for (; seen < FakeWebSocket.all.length; seen += 1) {
      const attempt = FakeWebSocket.all[seen] as FakeWebSocket;
      if (clock.now - start < away) attempt.end();
      else {
        attempt.accept();
        back.push(clock.now);
      }
    }
  }
  const counts = perStep(back);
  const mean = CLIENTS / counts.length;
  const busiest = Math.max(...counts);
  console.log(`${CLIENTS} clients over ${counts.length * STEP} ms: mean ${Math.round(mean)} per 100 ms, busiest ${busiest}`);
  return { mean, busiest };
}

test("after a cut the busiest 100 ms has at most three times the mean", { timeout: 60_000 }, async () => {
  const { mean, busiest } = await herd(0);
  expect(busiest).toBeLessThanOrEqual(3 * mean);
});

test("so it has after a restart that announced a window of 10 s", { timeout: 60_000 }, async () => {
  const { mean, busiest } = await herd(0, "reconnect within 10000 ms");
  expect(mean).toBeLessThan(110);
  expect(busiest).toBeLessThanOrEqual(3 * mean);
});

test("a server that was away for 20 s is met by at most 2 % of them in 100 ms", { timeout: 60_000 }, async () => {
  const { busiest } = await herd(20_000);
  expect(busiest).toBeLessThanOrEqual(CLIENTS / 50);
});
