// The pages of the examples `terminal` and `recovery`, and what the guide has one write into a browser's console, in the
// system's Chromium: node --test tests/clients/small_pages.mjs

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test as nodeTest } from "node:test";
import { chromium } from "playwright-core";
import { start, startRedis } from "./servers.mjs";

const PROGRAM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const test = (name, body) => nodeTest(name, { timeout: 60_000 }, body);

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: PROGRAM, headless: true, args: FLAGS });
});
after(() => browser?.close());

async function open(address) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(20_000);
  await page.goto(`http://${address}/`);
  return page;
}

test("the guide's first lines for a console say hello, from an error page", async () => {
  const guide = readFileSync(new URL("../../docs/guide/first-server.md", import.meta.url), "utf8");
  const [, code] = /```js\n(.*?)```/s.exec(guide);
  const server = await start("echo");
  try {
    const page = await open(server.address);
    const said = page.waitForEvent("console", (message) => message.text() === "hello");
    assert.ok(code.includes("127.0.0.1:8080"));
    await page.evaluate(code.replace("127.0.0.1:8080", server.address));
    await said;
  } finally {
    await server.stop();
  }
});

test("a command's output comes in its colours, and what looks like markup is text", async () => {
  // Often enough for a page that comes a moment later; it ends by itself.
  const command = String.raw`for i in $(seq 200); do printf '\033[31mred <b>%s</b>\033[0m\n' $i; sleep 0.1; done`;
  const server = await start("terminal", { args: ["sh", "-c", command] });
  try {
    const page = await open(server.address);
    const line = page.getByText(/red <b>\d+<\/b>/).first();
    await line.waitFor();
    assert.equal(await page.locator("#out b").count(), 0, "the output made an element");
    assert.notEqual(await line.evaluate((it) => getComputedStyle(it).color), "rgb(0, 0, 0)");
    assert.equal(await page.locator("link[rel=icon]").count(), 1, "or the browser asks for /favicon.ico");
  } finally {
    await server.stop();
  }
});

const lines = (page) => page.locator("#lines li").allTextContents();

async function write(page, text) {
  await page.locator("#line").fill(text);
  await page.locator("#line").press("Enter");
}

test("a page that was cut gets the lines that it missed, each once and in order", async () => {
  const server = await start("recovery");
  try {
    const [ann, bob] = [await open(server.address), await open(server.address)];
    assert.equal(await ann.locator("link[rel=icon]").count(), 1, "or the browser asks for /favicon.ico");
    await bob.getByText("connected").waitFor();
    await write(ann, "one");
    await bob.getByText("1: one").waitFor();
    await bob.locator("#cut").click();
    for (const text of ["two", "three"]) await write(ann, text);
    await bob.getByText("3: three").waitFor();
    assert.deepEqual(await lines(bob), ["1: one", "2: two", "3: three"]);
  } finally {
    await server.stop();
  }
});

test("over Redis a page loses no line when its node is killed and started again", async () => {
  const redis = await startRedis();
  const { url } = redis;
  let node;
  try {
    node = await start("recovery", { args: [url] });
    const { address } = node;
    const [ann, bob] = [await open(address), await open(address)];
    await bob.getByText("connected").waitFor();
    await write(ann, "before");
    await bob.getByText("1: before").waitFor();
    await node.kill();
    await ann.getByText("cut; coming back").waitFor();
    // While nobody is there: it goes out when somebody is, once.
    await write(ann, "meanwhile");
    node = await start("recovery", { address, args: [url] });
    await bob.getByText("2: meanwhile").waitFor();
    await write(ann, "after");
    await bob.getByText("3: after").waitFor();
    assert.deepEqual(await lines(bob), ["1: before", "2: meanwhile", "3: after"]);
    assert.deepEqual(await lines(ann), ["1: before", "2: meanwhile", "3: after"]);
  } finally {
    await node?.stop();
    redis.stop();
  }
});
