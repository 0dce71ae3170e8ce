// The client in Chromium, as the one file that the chat example serves.

import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import WebSocket from "ws";
import { start } from "../../../tests/clients/servers.mjs";
import { type AnyProtocol, Client, type Presence, publish, type Room } from "../src/index.ts";

const PROGRAM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  // A script that playwright serves counts as one from the internet, which may not connect to this machine.
  "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
];

declare global {
  // What a page keeps between two evaluations.
  var gustnado: Pick<typeof import("../src/index.ts"), "Client" | "Presence" | "publish">;
  var client: Client;
  var room: Room;
  var presence: Presence<AnyProtocol>;
  var told: unknown[];
}

let browser: Browser;
let page: Page;
let server: Awaited<ReturnType<typeof start>>;

beforeAll(async () => {
  browser = await chromium.launch({ executablePath: PROGRAM, headless: true, args: FLAGS });
});
afterAll(() => browser.close());

beforeEach(async () => {
  server = await start("chat");
  page = await browser.newPage();
  await page.goto(`http://${server.address}/`);
  await serve("test.js", `import * as gustnado from "/gustnado.js"; globalThis.gustnado = gustnado;`);
  await page.addScriptTag({ type: "module", url: "/test.js" });
});
afterEach(async () => {
  await page.context().close();
  await server.stop();
});

/** Has the page's server serve a script. */
function serve(name: string, body: string): Promise<unknown> {
  return page.context().route(`**/${name}`, (route) => route.fulfill({ contentType: "text/javascript", body }));
}

/** A client in the page, whose events are told. */
function connect(nick: string): Promise<void> {
  return page.evaluate(async (nick) => {
    const made = new globalThis.gustnado.Client({ url: `ws?nick=${nick}&key=${nick}` });
    globalThis.client = made;
    globalThis.told = [];
    made.on("said", (param) => globalThis.told.push((param as { text: string }).text));
    made.socket.on("state", (state) => globalThis.told.push(state));
    const room = (globalThis.room = made.join("lobby"));
    globalThis.presence = new globalThis.gustnado.Presence(room);
    room.onJoined(() => globalThis.told.push("joined"));
    room.onRecovered((recovery) => globalThis.told.push(recovery));
    made.connect();
    await room.joined;
  }, nick);
}

const told = () => page.evaluate(() => globalThis.told);
const say = (text: string) => page.evaluate((text) => gustnado.publish(room, "said", { text }, { timeout: 30_000 }), text);

/** Somebody else in the room, in Node. */
async function other(nick: string) {
  const made = new Client({ url: `ws://${server.address}/ws?nick=${nick}&key=${nick}`, WebSocket });
  const room = made.join("lobby");
  made.connect();
  await room.joined;
  return { room, [Symbol.dispose]: () => made.close() };
}

test("a page has its relative address, and its requests their replies", async () => {
  await connect("ann");
  await say("hello");
  expect(await told()).toEqual(["connecting", "open", "joined", "hello"]);
});

test("a page whose server is killed and started again is back in its room, and what waited is said", async () => {
  await connect("ann");
  const { address } = server;
  await server.stop();
  await page.waitForFunction(() => client.state === "waiting");
  const waited = say("while away");
  server = await start("chat", { address });
  await waited;
  await page.waitForFunction(() => globalThis.told.at(-1) === "while away");
  const events = await told();
  expect(events.slice(-4)).toEqual(["open", { recovered: false, reason: "epoch" }, "joined", "while away"]);
  expect(events).toContain("waiting");
});

test("a page that was away gets what it missed, in order and once, before anything newer", async () => {
  await connect("ann");
  using bob = await other("bob");
  await publish(bob.room, "said", { text: "before" });
  await page.waitForFunction(() => globalThis.told.at(-1) === "before");
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })));
  for (const text of ["one", "two", "three"]) await publish(bob.room, "said", { text });
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await publish(bob.room, "said", { text: "newer" });
  await page.waitForFunction(() => globalThis.told.at(-1) === "newer");
  expect((await told()).slice(-7)).toEqual(["open", { recovered: true }, "joined", "one", "two", "three", "newer"]);
});

test("a page knows who is in its room, and who has gone", async () => {
  await connect("ann");
  const users = (wanted: string) => page.waitForFunction((wanted) => [...presence.users.keys()].sort().join() === wanted, wanted);
  {
    using _bob = await other("bob");
    await users("ann,bob");
  }
  await users("ann");
});

test("a page that comes back from the browser's cache is connected again", async () => {
  await connect("ann");
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true })));
  expect(await page.evaluate(() => client.state)).toBe("paused");
  await page.evaluate(() => dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true })));
  await page.waitForFunction(() => globalThis.told.filter((one) => one === "joined").length === 2);
});

test("a refusal that the server makes visible is final, and says why", async () => {
  const closed = await page.evaluate(() => {
    const made = new globalThis.gustnado.Client({ url: "/ws?nick=" });
    made.connect();
    return new Promise((resolve) => made.socket.on("close", resolve));
  });
  expect(closed).toMatchObject({ code: 4400, reason: "Please choose a nick.", reconnects: false });
});

test("a worker has all of it but the page's events", async () => {
  const script = `
    import { Client, publish } from "/gustnado.js";
    const client = new Client({ url: "/ws?nick=worker&key=k" });
    client.on("said", ({ text }) => postMessage(text));
    const room = client.join("lobby");
    client.connect();
    await room.joined;
    await publish(room, "said", { text: "from a worker" });`;
  await serve("worker.js", script);
  const heard = page.evaluate(
    () =>
      new Promise((resolve) => {
        const worker = new Worker("/worker.js", { type: "module" });
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message, filename, lineno }) => resolve(`${message} at ${filename}:${lineno}`);
      }),
  );
  expect(await heard).toBe("from a worker");
});
