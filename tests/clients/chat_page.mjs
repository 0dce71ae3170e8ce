// The chat example's page in the system's Chromium: node --test tests/clients/chat_page.mjs
// Everything is found as a person would: by its label, its role or its text.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before, test as nodeTest } from "node:test";
import { chromium } from "playwright-core";
import WebSocket from "ws";
import { start, target } from "./servers.mjs";

const PROGRAM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const screenshots = join(target, "screenshots");

let browser;
before(async () => {
  mkdirSync(screenshots, { recursive: true });
  browser = await chromium.launch({ executablePath: PROGRAM, headless: true, args: FLAGS });
});
after(() => browser?.close());

/** A test with a chat server and browser of its own; a script error on any page fails it. */
function test(name, body) {
  nodeTest(name, { timeout: 60_000 }, async () => {
    const server = await start("chat");
    const context = await browser.newContext({ viewport: { width: 960, height: 600 } });
    const errors = [];
    context.on("weberror", (error) => errors.push(error.error()));
    context.setDefaultTimeout(20_000);
    try {
      const arrive = async () => {
        const page = await context.newPage();
        await page.goto(`http://${server.address}/`);
        return page;
      };
      const enter = async (nick) => {
        const page = await arrive();
        await knock(page, nick);
        await page.getByText(`You are ${nick}`).waitFor();
        return page;
      };
      await body({ server, arrive, enter });
      assert.deepEqual(errors, []);
    } finally {
      await context.close();
      await server.stop();
    }
  });
}

async function knock(page, nick) {
  await page.getByLabel("Nickname").fill(nick);
  await page.getByRole("button", { name: "Join the room" }).click();
}

async function say(page, text) {
  await page.bringToFront(); // a click in a hidden tab waits seconds for a frame
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

const log = (page) => page.getByRole("log");
const room = (page, name) => page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name });
const here = (page) => page.getByRole("region", { name: "Here now" }).getByRole("listitem");
const picture = (page, name) => page.screenshot({ path: join(screenshots, `chat-${name}.png`) });

/** The first `count` things said, as [nick, text], once that many are on the page. */
async function said(page, count) {
  const lines = log(page).locator(".said");
  await lines.nth(count - 1).waitFor();
  return lines.evaluateAll((items) =>
    items.map((item) => [item.querySelector("bdi").textContent, item.querySelector("p").textContent]));
}

/** The close code and reason with which the server refuses `nick`. */
async function refusal(server, nick) {
  const url = `ws://${server.address}/ws?nick=${encodeURIComponent(nick)}`;
  const socket = new WebSocket(url, "gustnado.v1.json");
  const [code, reason] = await once(socket, "close");
  return { code, reason: reason.toString() };
}

test("what one says is shown to both, in the same order", async ({ enter }) => {
  const ada = await enter("Ada");
  const grace = await enter("Grace");
  await log(ada).getByText("Grace joined").waitFor();
  await grace.getByText("Here now: 2").waitFor();
  assert.deepEqual(await here(grace).allTextContents(), ["Ada", "Grace (you)"]);

  const expected = [];
  for (let round = 1; round <= 10; round += 1) {
    for (const [page, nick] of [[ada, "Ada"], [grace, "Grace"]]) {
      await say(page, `${nick}, round ${round}`);
      expected.push([nick, `${nick}, round ${round}`]);
      // The other has seen it before answering, so there is one order that both must show.
      await log(page === ada ? grace : ada).getByText(`${nick}, round ${round}`, { exact: true }).waitFor();
    }
  }
  assert.deepEqual(await said(ada, expected.length), expected);
  assert.deepEqual(await said(grace, expected.length), expected);

  await picture(ada, "room");
  await grace.emulateMedia({ colorScheme: "dark" });
  await picture(grace, "room-dark");
  await grace.setViewportSize({ width: 360, height: 640 });
  await picture(grace, "room-phone");
  assert.ok(await grace.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "a phone scrolls sideways");
});

test("a refused nickname shows the server's reason and is not tried again", async ({ server, arrive, enter }) => {
  await enter("Ada");
  const page = await arrive();
  await page.clock.install();
  await picture(page, "door");
  let attempts = 0;
  page.on("websocket", () => (attempts += 1));

  for (const nick of ["", "x".repeat(25), "Ada"]) {
    const { code, reason } = await refusal(server, nick);
    assert.ok(code >= 4000 && code <= 4999, `close code ${code}`);
    assert.notEqual(reason, "");
    attempts = 0;
    await knock(page, nick);
    await page.getByRole("alert").getByText(reason, { exact: true }).waitFor();
    assert.ok(await page.getByLabel("Nickname").evaluate((input) => input === document.activeElement), "focus");
    await page.clock.fastForward("02:00");
    assert.equal(attempts, 1);
  }
  await picture(page, "refused");

  await knock(page, "Grace");
  await page.getByText("You are Grace").waitFor();
});

test("a closed tab is shown to the other as having left", async ({ enter }) => {
  const ada = await enter("Ada");
  const grace = await enter("Grace");
  await log(ada).getByText("Grace joined").waitFor();
  await grace.close();
  await log(ada).getByText("Grace left").waitFor();
  await ada.getByText("Here now: 1").waitFor();
  assert.deepEqual(await here(ada).allTextContents(), ["Ada (you)"]);
});

test("HTML in a message or a nickname is shown as text and does not run", async ({ enter }) => {
  const html = `<img src=x onerror="document.title = 'broken into'">`;
  const ada = await enter("Ada");
  const eve = await enter("<b>Eve</b>");
  await log(ada).getByText("<b>Eve</b> joined").waitFor();
  await say(eve, html);
  for (const page of [ada, eve]) {
    await log(page).getByText(html, { exact: true }).waitFor();
    assert.equal(await page.locator("main img, main b").count(), 0);
    assert.equal(await page.title(), "Gustnado chat");
  }
});

test("the room can be used with the keyboard alone", async ({ arrive }) => {
  const page = await arrive();
  await page.keyboard.type("Ada");
  await page.keyboard.press("Enter");
  await page.getByText("You are Ada").waitFor();
  await page.keyboard.type("no mouse");
  await page.keyboard.press("Enter");
  assert.deepEqual(await said(page, 1), [["Ada", "no mouse"]]);
  const passed = [];
  while (passed.at(-1) !== "leave" && passed.length < 20) {
    await page.keyboard.press("Shift+Tab");
    passed.push(await page.evaluate(() => document.activeElement.id));
  }
  assert.equal(passed[0], "log", "which scrolls by keys");
  await page.keyboard.press("Enter");
  await page.getByLabel("Nickname").waitFor();
});

test("rooms are apart, and one that is not shown counts what is said there", async ({ enter }) => {
  const ada = await enter("Ada");
  const grace = await enter("Grace");
  await room(grace, "help").click();
  await room(ada, "help").click();
  await log(grace).getByText("Ada joined").waitFor();
  await say(grace, "anybody?");
  assert.deepEqual(await said(ada, 1), [["Grace", "anybody?"]]);
  await room(ada, "lobby").click();
  assert.equal(await log(ada).locator(".said").count(), 0);
  await say(grace, "nobody?");
  await room(ada, "help 1 unread").waitFor();
  await room(ada, "help").click();
  assert.deepEqual(await said(ada, 2), [["Grace", "anybody?"], ["Grace", "nobody?"]]);
  assert.equal(await ada.getByText("unread").count(), 0);

  await ada.getByLabel("Another room", { exact: true }).fill("<i>ours</i>");
  await ada.keyboard.press("Enter");
  await room(ada, "<i>ours</i>").waitFor();
  await ada.getByText("Here now: 1").waitFor();
  assert.deepEqual(await here(ada).allTextContents(), ["Ada (you)"]);
});

test("a reloaded page is who it was, and in the room that it was in", async ({ enter }) => {
  const ada = await enter("Ada");
  await room(ada, "help").click();
  await ada.reload();
  await ada.getByText("You are Ada").waitFor();
  await ada.locator("[aria-current]", { hasText: "help" }).waitFor();
});

test("a page whose server was restarted comes back and can talk", async ({ server, enter }) => {
  const page = await enter("Ada");
  const { address } = server;
  await server.stop();
  await page.getByText("Connection lost").waitFor();
  await say(page, "written while away");
  await log(page).locator(".waiting").getByText("written while away").waitFor();
  await picture(page, "lost");
  Object.assign(server, await start("chat", { address }));
  await log(page).getByText("You are back").waitFor();
  await page.waitForFunction(() => document.querySelector(".waiting") === null);
  assert.deepEqual(await said(page, 1), [["Ada", "written while away"]]);
  await page.getByText("You are Ada").waitFor();
});
