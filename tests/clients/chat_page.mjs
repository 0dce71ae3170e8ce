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

/** The text of `count` lines that `page` says, each of which it waits for. */
async function sayAll(page, what, count) {
  const texts = Array.from({ length: count }, (_, index) => `${what} ${index + 1}`);
  for (const text of texts) {
    await say(page, text);
    await log(page).locator(".said:not(.waiting)").getByText(text, { exact: true }).waitFor();
  }
  return texts;
}

/** All texts on the page, once the last of `expected` is there. */
async function texts(page, expected) {
  await log(page).locator(".said:not(.waiting)").getByText(expected.at(-1), { exact: true }).first().waitFor();
  return log(page).locator(".said:not(.waiting) p").allTextContents();
}

/** Cuts the page's network, by the DevTools protocol: sockets that are open do not break, but nothing comes through. */
async function cut(page) {
  const devtools = await page.context().newCDPSession(page);
  const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
  const set = (offline) => devtools.send("Network.emulateNetworkConditions", { offline, ...unlimited });
  await devtools.send("Network.enable");
  await set(true);
  return { restore: () => set(false) };
}

/** Two pages beside one another, as one picture. */
async function pictureOfBoth(pages, name) {
  const shots = await Promise.all(pages.map((page) => page.screenshot()));
  const sheet = await pages[0].context().newPage();
  await sheet.setViewportSize({ width: 1_740, height: 620 });
  const images = shots.map((shot) => `<img src="data:image/png;base64,${shot.toString("base64")}" width="860">`);
  await sheet.setContent(`<body style="margin: 0; display: flex; gap: 20px; background: #8a96a3">${images.join("")}`);
  await sheet.screenshot({ path: join(screenshots, `${name}.png`) });
  await sheet.close();
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

test("who comes in gets the last 50 lines of the room, in order", async ({ enter }) => {
  const ada = await enter("Ada");
  const said = await sayAll(ada, "line", 55);
  const grace = await enter("Grace");
  assert.deepEqual(await texts(grace, said), said.slice(-50));
  const last = await sayAll(ada, "after", 1);
  assert.deepEqual(await texts(grace, last), [...said.slice(-50), ...last]);
});

test("a page whose network was cut gets every line once and in order, and says what waited", async ({ enter, arrive }) => {
  const ada = await arrive();
  await ada.clock.install();
  await knock(ada, "Ada");
  await ada.getByText("You are Ada").waitFor();
  const grace = await enter("Grace");
  const before = await sayAll(grace, "before", 3);
  await texts(ada, before);

  const network = await cut(ada);
  const missed = await sayAll(grace, "missed", 20);
  // The page notices by its heartbeat: 25 s of silence, and 15 s without an answer.
  await ada.clock.fastForward("00:26");
  await ada.clock.fastForward("00:16");
  await ada.getByText("Connection lost").waitFor();
  await say(ada, "written while away");
  await log(ada).locator(".waiting").getByText("written while away").waitFor();
  missed.push(...(await sayAll(grace, "missed later", 3)));
  assert.deepEqual(await texts(ada, before), before);

  await network.restore();
  await log(ada).getByText("You are back. Nothing is missing.").waitFor();
  await ada.waitForFunction(() => document.querySelector(".waiting") === null);
  const after = await sayAll(grace, "after", 2);
  const expected = [...before, ...missed, "written while away", ...after];
  assert.deepEqual(await texts(ada, expected), expected);
  assert.deepEqual(await texts(grace, expected), expected);
});

test("a short cut that breaks no socket loses and doubles nothing", async ({ enter }) => {
  const [ada, grace] = [await enter("Ada"), await enter("Grace")];
  const network = await cut(ada);
  const missed = await sayAll(grace, "missed", 10);
  assert.equal(await log(ada).locator(".said").count(), 0);
  await network.restore();
  assert.deepEqual(await texts(ada, missed), missed);
});

test("a tab that was frozen shows every line once and in order when it wakes", async ({ enter }) => {
  const [ada, grace] = [await enter("Ada"), await enter("Grace")];
  const before = await sayAll(grace, "before", 2);
  await texts(ada, before);
  const devtools = await ada.context().newCDPSession(ada);
  await devtools.send("Page.setWebLifecycleState", { state: "frozen" });
  const missed = await sayAll(grace, "missed", 20);
  await devtools.send("Page.setWebLifecycleState", { state: "active" });
  const expected = [...before, ...missed];
  assert.deepEqual(await texts(ada, expected), expected);
  await sayAll(ada, "awake", 1);
  assert.deepEqual(await texts(grace, [...expected, "awake 1"]), [...expected, "awake 1"]);
});

test("a page whose server was killed comes back, says that the log began anew, and can talk", async ({ server, enter }) => {
  const page = await enter("Ada");
  await sayAll(page, "before", 1);
  const { address } = server;
  await server.stop();
  await page.getByText("Connection lost").waitFor();
  await say(page, "written while away");
  await log(page).locator(".waiting").getByText("written while away").waitFor();
  await picture(page, "lost");
  Object.assign(server, await start("chat", { address }));
  await log(page).getByText("You are back. The server has started anew").waitFor();
  await page.waitForFunction(() => document.querySelector(".waiting") === null);
  assert.deepEqual(await said(page, 2), [["Ada", "before 1"], ["Ada", "written while away"]]);
  await page.getByText("You are Ada").waitFor();
  // The log in memory is gone: a newcomer gets what was said since.
  const grace = await enter("Grace");
  assert.deepEqual(await said(grace, 1), [["Ada", "written while away"]]);
});

test("two pages side by side, in light and in dark", async ({ enter }) => {
  const talk = [
    [0, "Anybody here?"], [1, "Yes, and I can see what you said before I came."],
    [0, "My train is about to enter a tunnel."], [1, "Go on, nothing gets lost."], [1, "We merged the storm branch, by the way."],
    [0, "Out again, and I have read it all."],
  ];
  const ada = await enter("Ada");
  await say(ada, talk[0][1]);
  const both = [ada, await enter("Grace")];
  await enter("Linus");
  for (const page of both) await page.setViewportSize({ width: 860, height: 620 });
  for (const [who, text] of talk.slice(1)) {
    await say(both[who], text);
    await Promise.all(both.map((page) => log(page).locator(".said:not(.waiting)").getByText(text, { exact: true }).waitFor()));
  }
  for (const colorScheme of ["light", "dark"]) {
    for (const page of both) await page.emulateMedia({ colorScheme });
    await pictureOfBoth(both, colorScheme === "light" ? "chat" : "chat-dark");
  }
});
