// The client in Chromium, as the one file that the chat example serves.

import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { start } from "../../../tests/clients/servers.mjs";
import type { Client } from "../src/index.ts";

const PROGRAM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  // A script that playwright serves counts as one from the internet, which may not connect to this machine.
  "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets",
];

declare global {
  // What a page keeps between two evaluations.
  var Client: typeof import("../src/index.ts").Client;
  var client: Client;
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
  await serve("test.js", `import { Client } from "/gustnado.js"; globalThis.Client = Client;`);
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
    const made = new globalThis.Client({ url: `ws?nick=${nick}&key=${nick}` });
    globalThis.client = made;
    globalThis.told = [];
    made.on("said", (param) => globalThis.told.push((param as { text: string }).text));
    made.socket.on("state", (state) => globalThis.told.push(state));
    const room = made.join("lobby");
    room.onJoined(() => globalThis.told.push("joined"));
    made.connect();
    await room.joined;
  }, nick);
}

const told = () => page.evaluate(() => globalThis.told);
const say = (text: string) => page.evaluate((text) => client.request("say", { text }, { channel: "lobby", timeout: 30_000 }), text);

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
  const events = await told();
  expect(events.slice(-3)).toEqual(["open", "joined", "while away"]);
  expect(events).toContain("waiting");
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
    const made = new globalThis.Client({ url: "/ws?nick=" });
    made.connect();
    return new Promise((resolve) => made.socket.on("close", resolve));
  });
  expect(closed).toMatchObject({ code: 4400, reason: "Please choose a nick.", reconnects: false });
});

test("a worker has all of it but the page's events", async () => {
  const script = `
    import { Client } from "/gustnado.js";
    const client = new Client({ url: "/ws?nick=worker&key=k" });
    client.on("said", ({ text }) => postMessage(text));
    const room = client.join("lobby");
    client.connect();
    await room.joined;
    await client.request("say", { text: "from a worker" }, { channel: "lobby" });`;
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
