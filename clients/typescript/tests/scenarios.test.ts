// What the client in Rust does, too: tests/scenarios/ of the repository, whose README says what the steps are.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Client, CommandError, publish, type Room } from "../src/index.ts";
import { attempts, client, pass, server, useFakes } from "./fake.ts";

useFakes();

type Values = Record<string, unknown>;

interface Scenario {
  name: string;
  answers?: Values;
  tokens?: boolean;
  steps: Values[];
}

const scenarios: Scenario[] = JSON.parse(
  readFileSync(new URL("../../../tests/scenarios/client.json", import.meta.url), "utf8"),
);

/** What became of a promise. */
interface Outcome {
  value?: unknown;
  code?: string;
}

/** A room as the application sees it. */
interface Seen {
  room: Room;
  events: unknown[];
}

class Stage {
  readonly #client: Client;
  readonly #promises = new Map<string, Outcome | undefined>();
  readonly #rooms = new Map<string, Seen>();
  /** What `$name` stands for. */
  readonly #names = new Map<string, unknown>();
  /** How many attempts to connect were answered, and how many frames of the latest connection were looked at. */
  #answered = 0;
  #looked = 0;

  constructor({ answers = {}, tokens = false }: Scenario) {
    this.#client = client(tokens ? { token: () => "t", tokenIn: { query: "token" } } : {});
    for (const [cmd, answer] of Object.entries(answers)) {
      this.#client.answer(cmd, () => {
        const code = (answer as Values)["error"];
        if (code) throw new CommandError(String(code));
        return answer;
      });
    }
    this.#client.connect();
  }

  async step(step: Values): Promise<void> {
    const text = (key: string) => String(step[key]);
    const [verb = ""] = Object.keys(step);
    switch (verb) {
      case "accept":
        await this.#attempt(step["accept"]);
        server().accept();
        break;
      case "refuse":
        await this.#attempt(true);
        server().onerror?.({ message: `Unexpected server response: ${step["refuse"]}` } as never);
        server().end();
        break;
      case "expects":
        this.#compare(step["expects"], await this.#next(Number(step["within"] ?? 0)));
        break;
      case "expects_nothing":
        expect(server().frames.slice(this.#looked)).toEqual([]);
        break;
      case "says":
        server().receive(this.#filled(step["says"] as Values));
        break;
      case "closes": {
        const [code = 1005, reason = ""] = step["closes"] as [number?, string?];
        server().end(code, reason);
        break;
      }
      case "cuts":
        server().end();
        break;
      case "requests": {
        const timeout = step["timeout"] ? { timeout: Number(step["timeout"]) } : {};
        const options = { channel: step["channel"] as string, ...timeout };
        this.#promise(text("as"), this.#client.request(text("requests"), step["param"], options));
        break;
      }
      case "sends":
        this.#promise(text("as"), this.#client.send(text("sends"), step["param"]));
        break;
      case "joins":
        this.#join(text("joins"), step);
        break;
      case "leaves":
        this.#seen(text("leaves")).room.leave();
        break;
      case "publishes": {
        const { room } = this.#seen(text("room"));
        this.#promise(text("as"), publish(room, text("publishes"), step["param"], { key: text("key") }));
        break;
      }
      case "closes_client":
        this.#client.close();
        break;
      case "gets": {
        const outcome = this.#promises.get(text("gets"));
        expect(outcome, "it is over").toBeDefined();
        expect(outcome?.code).toBeUndefined();
        if (!this.#rooms.has(text("gets"))) this.#compare(step["value"] ?? null, outcome?.value ?? null);
        break;
      }
      case "fails":
        expect(this.#promises.get(text("fails"))?.code).toBe(step["code"]);
        break;
      case "waits":
        expect(this.#promises.get(text("waits"))).toBeUndefined();
        break;
      case "event":
        expect(this.#seen(text("event")).events.shift()).toEqual(step["is"]);
        break;
      case "no_event":
        expect(this.#seen(text("no_event")).events).toEqual([]);
        break;
      case "position":
        expect(this.#seen(text("position")).room.position ?? null).toEqual(step["is"]);
        break;
      case "state":
        expect(this.#client.state).toBe(step["state"]);
        break;
      case "pass":
        await pass(Number(step["pass"]));
        break;
      case "no_attempt":
        await pass(Number(step["no_attempt"]));
        expect(attempts()).toBe(this.#answered);
        break;
      default:
        throw new Error(`there is no step ${verb}`);
    }
    await pass(1);
  }

  /** Waits for an attempt to connect, as long as the step says. */
  async #attempt(when: unknown): Promise<void> {
    const [from, to] = Array.isArray(when) ? (when as [number, number]) : [0, 1];
    let passed = 0;
    for (; attempts() === this.#answered && passed <= to; passed += 1) await pass(1);
    expect(attempts(), "attempts to connect").toBe(this.#answered + 1);
    // The steps before have taken some of the time.
    expect(passed + 5).toBeGreaterThanOrEqual(from);
    this.#answered += 1;
    this.#looked = 0;
  }

  async #next(within: number): Promise<Values> {
    for (let passed = 0; server().sent.length <= this.#looked && passed < within; passed += 10) await pass(10);
    const frame = server().frames[this.#looked++];
    if (!frame) throw new Error("nothing came");
    return frame;
  }

  #promise(name: string, promise: Promise<unknown>): void {
    this.#promises.set(name, undefined);
    promise.then(
      (value) => this.#promises.set(name, { value }),
      (error: CommandError) => this.#promises.set(name, { code: error.code }),
    );
  }

  #join(name: string, { last, since }: Values): void {
    const options = { ...(last ? { last: Number(last) } : {}), ...(since ? { since: since as never } : {}) };
    const room = this.#client.join(name, options);
    const events: unknown[] = [];
    room.onJoined(() => events.push({ joined: true }));
    room.onRecovered((recovery) => events.push(recovery));
    for (const cmd of ["chat", "online"]) {
      room.on(cmd, (param, { offset }) => events.push({ cmd, param, ...(offset !== undefined && { offset }) }));
    }
    this.#rooms.set(name, { room: room as unknown as Room, events });
    this.#promise(name, room.joined);
  }

  #seen(name: string): Seen {
    const seen = this.#rooms.get(name);
    if (!seen) throw new Error(`no room ${name}`);
    return seen;
  }

  /** A frame of the script, with what its names stand for. */
  #filled(frame: Values): Values {
    const id = this.#names.get(String(frame["id"]));
    return id === undefined ? frame : { ...frame, id };
  }

  #compare(expected: unknown, got: unknown): void {
    const id = (expected as Values | null)?.["id"];
    if (typeof id === "string" && !this.#names.has(id)) this.#names.set(id, (got as Values)["id"]);
    const filled = typeof id === "string" ? this.#filled(expected as Values) : expected;
    expect(JSON.parse(JSON.stringify(got), withoutNulls)).toEqual(JSON.parse(JSON.stringify(filled), anything));
  }
}

/** A key that is null is as one that is missing. */
const withoutNulls = (key: string, part: unknown): unknown => (part === null && key !== "" ? undefined : part);

const anything = (key: string, part: unknown): unknown => (part === "*" ? expect.anything() : withoutNulls(key, part));

describe("the client does what the scenarios say", () => {
  test.each(scenarios)("$name", async (scenario) => {
    const stage = new Stage(scenario);
    await pass(1);
    for (const [number, step] of scenario.steps.entries()) {
      await stage.step(step).catch((error: Error) => {
        error.message = `step ${number} ${JSON.stringify(step)}: ${error.message}`;
        throw error;
      });
    }
  });
});
