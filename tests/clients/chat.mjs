// What the tests of the chat example's page are written in: a server, pages of the system's Chromium, and what a person
// does and sees there. Everything is found as a person would: by its label, its role or its text.

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
export function test(name, body) {
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

export async function knock(page, nick) {
  await page.getByLabel("Nickname").fill(nick);
  await page.getByRole("button", { name: "Join the room" }).click();
}

export async function say(page, text) {
  await page.bringToFront(); // a click in a hidden tab waits seconds for a frame
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

export const log = (page) => page.getByRole("log");
export const room = (page, name) => page.getByRole("navigation", { name: "Rooms" }).getByRole("button", { name });
export const here = (page) => page.getByRole("region", { name: "Here now" }).getByRole("listitem");
export const picture = (page, name) => page.screenshot({ path: join(screenshots, `chat-${name}.png`) });

/** The first `count` things said, as [nick, text], once that many are on the page. */
export async function said(page, count) {
  const lines = log(page).locator(".said");
  await lines.nth(count - 1).waitFor();
  return lines.evaluateAll((items) =>
    items.map((item) => [item.querySelector("bdi").textContent, item.querySelector("p").textContent]));
}

/** The text of `count` lines that `page` says, each of which it waits for. */
export async function sayAll(page, what, count) {
  const texts = Array.from({ length: count }, (_, index) => `${what} ${index + 1}`);
  for (const text of texts) {
    await say(page, text);
    await log(page).locator(".said:not(.waiting)").getByText(text, { exact: true }).waitFor();
  }
  return texts;
}

/** All texts on the page, once the last of `expected` is there. */
export async function texts(page, expected) {
  await log(page).locator(".said:not(.waiting)").getByText(expected.at(-1), { exact: true }).first().waitFor();
  return log(page).locator(".said:not(.waiting) p").allTextContents();
}

/** Cuts the page's network, by the DevTools protocol: sockets that are open do not break, but nothing comes through. */
export async function cut(page) {
  const devtools = await page.context().newCDPSession(page);
  const unlimited = { latency: 0, downloadThroughput: -1, uploadThroughput: -1 };
  const set = (offline) => devtools.send("Network.emulateNetworkConditions", { offline, ...unlimited });
  await devtools.send("Network.enable");
  await set(true);
  return { restore: () => set(false) };
}

/** Two pages beside one another, as one picture. */
export async function pictureOfBoth(pages, name) {
  const shots = await Promise.all(pages.map((page) => page.screenshot()));
  const sheet = await pages[0].context().newPage();
  await sheet.setViewportSize({ width: 1_740, height: 620 });
  const images = shots.map((shot) => `<img src="data:image/png;base64,${shot.toString("base64")}" width="860">`);
  await sheet.setContent(`<body style="margin: 0; display: flex; gap: 20px; background: #8a96a3">${images.join("")}`);
  await sheet.screenshot({ path: join(screenshots, `${name}.png`) });
  await sheet.close();
}

/** The close code and reason with which the server refuses `nick`. */
export async function refusal(server, nick) {
  const url = `ws://${server.address}/ws?nick=${encodeURIComponent(nick)}`;
  const socket = new WebSocket(url, "gustnado.v1.json");
  const [code, reason] = await once(socket, "close");
  return { code, reason: reason.toString() };
}
