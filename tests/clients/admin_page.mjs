// The admin page of the example `admin` in the system's Chromium: node --test tests/clients/admin_page.mjs
// Leaves screenshots in target/screenshots; scripts/pictures copies some of them to docs/images.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { after, before, test as nodeTest } from "node:test";
import { chromium } from "playwright-core";
import WebSocket from "ws";
import { hostile } from "./hostile.mjs";
import { start, startRedis, target } from "./servers.mjs";

const SECRET = "the secret of this page";
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

/** A test with a server and a browser of its own; whatever a page's script or policy complains about fails it. */
function test(name, body) {
  nodeTest(name, { timeout: 180_000 }, async () => {
    const server = await start("admin", { args: [SECRET] });
    const context = await browser.newContext({ viewport: { width: 1200, height: 800 } });
    const errors = [];
    context.on("weberror", (error) => errors.push(error.error()));
    context.on("console", (message) => message.type() === "error" && !/401/.test(message.text()) && errors.push(message.text()));
    context.on("dialog", (dialog) => errors.push(`a dialog: ${dialog.message()}`) && dialog.dismiss());
    context.setDefaultTimeout(30_000);
    const sockets = [];
    const arrive = async (query, { path = "", ...options } = {}) => {
      const socket = new WebSocket(`ws://${server.address}/ws${path}?${new URLSearchParams(query)}`, options);
      sockets.push(socket);
      socket.heard = [];
      socket.on("message", (data) => socket.heard.push(data.toString()));
      await once(socket, "open");
      return socket;
    };
    const base = `http://${server.address}/admin/`;
    const enter = async (hash = "") => {
      const page = await context.newPage();
      await page.goto(base);
      if (await page.getByLabel("Secret").count()) {
        await page.getByLabel("Secret").fill(SECRET);
        await page.getByRole("button", { name: "Log in" }).click();
      }
      await page.getByText("live", { exact: true }).waitFor();
      if (hash) await go(page, hash);
      return page;
    };
    try {
      await body({ server, context, enter, join: arrive, errors });
      assert.deepEqual(errors, []);
    } finally {
      for (const socket of sockets) socket.terminate();
      await context.close();
      await server.stop();
    }
  });
}

const go = (page, hash) => page.evaluate((hash) => void (location.hash = hash), hash);
const heading = (page, name) => page.getByRole("heading", { name, level: 1, exact: true }).waitFor();
const picture = (page, name) => page.screenshot({ path: join(screenshots, `admin-${name}.png`) });
const card = (page, name) => page.locator(".card", { has: page.getByRole("heading", { name, exact: true }) });
const figure = async (page, name) => (await card(page, name).locator(".figure").textContent()).trim();
const chart = (page, name) => page.getByRole("img", { name, exact: true }).locator("polyline").first().getAttribute("points");

/** Asks `check` again until it holds. */
async function until(what, check) {
  for (const end = Date.now() + 30_000; !(await check());) {
    assert.ok(Date.now() < end, `not within 30 s: ${what}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}

/** Members who talk, until it is stopped. */
async function load(join) {
  const sockets = [];
  for (let n = 0; n < 24; n += 1) {
    sockets.push(await join({ user: `user${n % 9}`, room: ["lobby", "news", "games"][n % 3] }));
  }
  let said = 0;
  const talking = setInterval(() => {
    for (const socket of sockets.filter(() => Math.random() < 0.3)) {
      socket.send(JSON.stringify({ text: `line ${(said += 1)}`, password: "hunter2" }));
    }
  }, 40);
  return () => clearInterval(talking);
}

test("charts move while there is traffic", async ({ enter, join }) => {
  const page = await enter();
  await heading(page, "Overview");
  const stop = await load(join);
  for (const name of ["Messages per second", "Bytes per second", "Connections"]) {
    const before = await chart(page, name);
    await until(`${name} moves`, async () => (await chart(page, name)) !== before);
    assert.ok((await chart(page, name)).startsWith("0,"), "a young chart begins at the left");
  }
  await until("a figure", async () => /^[1-9].* in[1-9].* out$/.test(await figure(page, "Messages per second")));
  assert.equal(await figure(page, "Connections"), "24");
  assert.equal(await figure(page, "Rooms"), "3");
  assert.equal(await figure(page, "Users"), "9");
  (await join({ user: "leaver" })).close(1000);
  (await join({ user: "lost" })).terminate();
  await until("its cause", async () => /peer/.test(await page.getByRole("table", { name: "Closed, by cause" }).textContent().catch(() => "")));
  await until("round trips", async () => /≤/.test(await page.getByRole("table", { name: "Connections by round trip" }).textContent().catch(() => "")));
  await until("some history", async () => (await chart(page, "Messages per second")).split(" ").length > 30);
  await picture(page, "overview");

  await go(page, "#/connections");
  await page.getByText("1–24 of 24").waitFor();
  await picture(page, "connections");
  await go(page, "#/tap?room=lobby");
  await page.getByRole("cell", { name: "broadcast", exact: true }).nth(12).waitFor();
  const text = await page.getByRole("table").textContent();
  assert.ok(text.includes('"password":"***"') && !text.includes("hunter2"), "what is redacted is not shown");
  assert.ok(!text.includes("…"), "and nothing was cut");
  await picture(page, "tap");
  stop();
});

test("every page opens from the one before it", async ({ enter, join }) => {
  const socket = await join({ user: "ann", room: "lobby" }, { headers: { "user-agent": "test/1" } });
  const page = await enter();
  for (const name of ["Connections", "Rooms", "Users", "Nodes", "Tap", "Overview"]) {
    const item = page.getByRole("link", { name, exact: true }).first();
    await item.click();
    await heading(page, name);
    assert.equal(await item.getAttribute("aria-current"), "page");
  }
  await page.getByRole("link", { name: "Users" }).click();
  await page.getByRole("link", { name: "ann", exact: true }).click();
  await heading(page, "User ann");
  await page.getByRole("link", { name: "lobby", exact: true }).click();
  await heading(page, "Room lobby");
  const row = page.getByRole("row").filter({ hasText: "ann" });
  await row.getByRole("link").first().click();
  await page.getByRole("heading", { name: /^Connection / }).waitFor();
  await page.getByText("test/1").waitFor();
  await page.getByRole("link", { name: "Tap this connection" }).click();
  await heading(page, "Tap");
  socket.send("seen");
  await page.getByRole("cell", { name: "seen", exact: true }).first().waitFor();
});

test("each thing to do is done, and its effect is seen", async ({ enter, join }) => {
  const [phone, laptop, bob] = [await join({ user: "ann" }), await join({ user: "ann", room: "news" }), await join({ user: "bob" })];
  const page = await enter("#/user/ann");
  const say = async (button, text) => {
    await page.getByLabel("Text").fill(text);
    await page.getByRole("button", { name: button, exact: true }).click();
    await page.getByText(/^queued: /).last().waitFor();
  };
  await say("Send", "to ann");
  await go(page, "#/room/lobby");
  await heading(page, "Room lobby");
  await say("Broadcast", "to the lobby");
  await page.getByRole("row").filter({ hasText: "bob" }).getByRole("link").first().click();
  await page.getByRole("heading", { name: /^Connection / }).waitFor();
  await say("Send", "to bob");
  await until("all is heard", () => bob.heard.length === 2 && phone.heard.length === 2 && laptop.heard.length === 1);
  assert.deepEqual(phone.heard, ["to ann", "to the lobby"]);
  assert.deepEqual(laptop.heard, ["to ann"]);
  assert.deepEqual(bob.heard, ["to the lobby", "to bob"]);

  const ended = once(bob, "close");
  await page.getByLabel("Close code").fill("4003");
  await page.getByLabel("Reason").fill("kicked");
  await page.getByRole("button", { name: "Close", exact: true }).click();
  const [code, reason] = await ended;
  assert.deepEqual([code, reason.toString()], [4003, "kicked"]);
  await heading(page, "Connections");
  await page.getByText("1–2 of 2").waitFor();

  const both = Promise.all([once(phone, "close"), once(laptop, "close")]);
  await go(page, "#/user/ann");
  await page.getByRole("button", { name: "Disconnect everywhere" }).click();
  assert.deepEqual((await both).map(([code]) => code), [1000, 1000]);
  await heading(page, "Users");
  await until("they are gone", async () => {
    await page.getByRole("button", { name: "Refresh" }).click();
    return page.getByRole("cell", { name: "none", exact: true }).isVisible();
  });
});

test("what is shown is kept up to date, until it is paused", async ({ enter, join }) => {
  const ann = await join({ user: "ann" });
  const page = await enter("#/connections");
  await page.getByText("1–1 of 1").waitFor();
  await page.getByRole("link", { name: "ann" }).focus();
  await join({ user: "bob" });
  await page.getByText("1–2 of 2").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "ann", "the focus stays where it was");
  await go(page, "#/room/lobby");
  const facts = page.locator("dl");
  await facts.getByText("ann").waitFor();
  await join({ user: "carol" });
  await facts.getByText("carol").waitFor();

  await page.getByRole("button", { name: "Pause" }).click();
  await page.waitForLoadState("networkidle");
  let asked = 0;
  page.on("request", () => (asked += 1));
  ann.close();
  await once(ann, "close");
  await page.evaluate(() => new Promise((done) => setTimeout(done, 5000))); // two rounds
  assert.equal(asked, 0);
  assert.ok(await facts.getByText("ann").isVisible());
  await page.getByRole("button", { name: "Pause" }).click();
  await facts.getByText("ann").waitFor({ state: "detached" });
});

test("lists are those of all nodes, and name a node that does not answer", async ({ context }) => {
  const redis = await startRedis();
  const nodes = [];
  const sockets = [];
  try {
    for (let n = 0; n < 2; n += 1) nodes.push(await start("admin", { args: [SECRET, redis.url] }));
    for (let n = 0; n < 6; n += 1) {
      const room = ["lobby", "news"][n % 2];
      const socket = new WebSocket(`ws://${nodes[n % 2].address}/ws?user=user${n >> 1}&room=${room}`);
      sockets.push(socket);
      await once(socket, "open");
    }
    const page = await context.newPage();
    await page.goto(`http://${nodes[0].address}/admin/`);
    await page.getByLabel("Secret").fill(SECRET);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByText("live", { exact: true }).waitFor();
    await go(page, "#/connections");
    await page.getByText("1–6 of 6").waitFor();
    assert.equal(await page.getByRole("cell", { name: "this one", exact: true }).count(), 3);
    await picture(page, "connections-of-two-nodes");
    await go(page, "#/users");
    await page.getByText("1–3 of 3").waitFor();
    await page.getByRole("cell", { name: /this one: 1/ }).first().waitFor();
    await go(page, "#/nodes");
    await page.getByRole("row").filter({ hasText: "(this one)" }).waitFor();
    await picture(page, "nodes");

    // A user is sent to and disconnected everywhere; a room that is only on the other node is shown.
    await go(page, "#/room/news");
    await heading(page, "Room news");
    await page.getByText("1–3 of 3").waitFor();
    const both = Promise.all([once(sockets[0], "close"), once(sockets[1], "close")]);
    await go(page, "#/user/user0");
    await page.getByRole("button", { name: "Disconnect everywhere" }).click();
    await both;

    // The same login is good on the other node, and a frozen one is named.
    const other = await context.newPage();
    await other.goto(`http://${nodes[1].address}/admin/`);
    await other.getByText("live", { exact: true }).waitFor();
    await other.close();
    await go(page, "#/connections");
    await page.getByText("1–4 of 4").waitFor();
    await nodes[1].kill();
    await page.getByText(/no answer within a second/).waitFor();
    assert.deepEqual(await page.getByRole("cell", { name: /^user/ }).allTextContents(), ["user1", "user2"]);
  } finally {
    for (const socket of sockets) socket.terminate();
    await nodes[0]?.stop();
    redis.stop();
  }
});

test("a tap is filtered, paused and goes on", async ({ enter, join }) => {
  const [ann, bob] = [await join({ user: "ann" }), await join({ user: "bob" })];
  const page = await enter("#/tap");
  const table = page.getByRole("table");
  const filter = async (label, value) => {
    await page.getByLabel(label, { exact: true }).fill(value);
    await page.getByRole("button", { name: "Filter" }).click();
  };
  // What was asked for before it takes effect may still be shown: so one waits for a line that it must show.
  const says = async (socket, text) => {
    await until(text, async () => {
      socket.send(text);
      return (await table.textContent()).includes(text);
    });
  };
  await says(ann, "first");
  await filter("User", "bob");
  await says(bob, "of bob");
  ann.send("of ann");
  await says(bob, "of bob again");
  assert.ok(!(await table.textContent()).includes("of ann"));
  await filter("User", "");
  await filter("Text", "needle");
  await says(ann, "a needle");
  bob.send("hay");
  await says(ann, "another needle");
  assert.ok(!(await table.textContent()).includes("hay"));

  await page.getByRole("button", { name: "Pause" }).click();
  assert.equal(await page.getByRole("button", { name: "Pause" }).getAttribute("aria-pressed"), "true");
  const before = await table.textContent();
  ann.send("the last needle");
  await until("it is heard", () => bob.heard.includes("the last needle"));
  await page.waitForResponse(() => true, { timeout: 1500 }).catch(() => {}); // an overview later
  assert.equal(await table.textContent(), before);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("the last needle").first().waitFor();
});

test("a page of another origin can neither read, change, log in, frame nor open a socket", async ({ server, context, enter, join, errors }) => {
  const ann = await join({ user: "ann" });
  await enter(); // logged in, in the same browser
  const evil = createServer((_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><p>evil</p>"));
  evil.listen(0, "127.0.0.1");
  await once(evil, "listening");
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  // Another port is another origin; the site is the same, so even a strict cookie is sent along.
  await page.goto(`http://127.0.0.1:${evil.address().port}/`);
  const results = await page.evaluate(async (address) => {
    const tried = {};
    const attempt = (name, promise) => promise.then((it) => (tried[name] = it), (error) => (tried[name] = error.name));
    const url = `http://${address}/admin`;
    await attempt("read", fetch(`${url}/api/overview`, { credentials: "include" }).then((it) => it.text()));
    const options = { method: "POST", credentials: "include", mode: "no-cors", body: '{"text":"evil"}' };
    await attempt("change", fetch(`${url}/api/rooms/lobby/send`, options).then((it) => it.type));
    await attempt("preflight", fetch(`${url}/api/rooms/lobby/send`, { ...options, mode: "cors", headers: { "x-csrf-token": "x" } }).then((it) => it.status));
    await attempt("socket", new Promise((done) => {
      const socket = new WebSocket(`ws://${address}/admin/live`);
      socket.onopen = () => done("open");
      socket.onclose = () => done("refused");
    }));
    await attempt("script", new Promise((done) => {
      const script = document.createElement("script");
      Object.assign(script, { src: `${url}/api/session`, onload: () => done("loaded"), onerror: () => done("refused") });
      document.head.append(script);
    }));
    await attempt("frame", new Promise((done) => {
      const frame = document.createElement("iframe");
      frame.src = `${url}/`;
      frame.onload = () => { try { done(frame.contentDocument ? "readable" : "blocked"); } catch { done("blocked"); } };
      document.body.append(frame);
    }));
    return tried;
  }, server.address);
  evil.close();
  assert.deepEqual(results, { read: "TypeError", change: "opaque", preflight: "TypeError", socket: "refused", script: "refused", frame: "blocked" });
  assert.ok(complaints.some((it) => /frame/i.test(it) && /ancestors|Options|refused/i.test(it)), complaints.join("\n"));
  errors.length = 0; // those of the evil page
  await page.close();
  ann.send("still alone");
  await until("it is heard", () => ann.heard.length > 0);
  assert.deepEqual(ann.heard, ["still alone"], "nothing was changed");
});

/** The name of a room has no control characters. */
const asRoom = (text) => text.replace(/\t/g, " ");

test("100 hostile strings in every field that a peer can fill are shown, and none runs", async ({ enter, join }) => {
  assert.ok(hostile.length >= 100);
  const page = await enter("#/tap");
  await page.evaluate(() => { window.ran = []; window.alert = (it) => window.ran.push(it); });
  const rows = page.getByRole("table").getByRole("row");
  let last;
  for (const text of hostile) {
    const path = `/-${encodeURIComponent(text)}-${text.replace(/[^!-~]|[?#\\^{}|<>"`%]|\.\./g, "")}-`;
    const socket = await join({ user: text, room: asRoom(text) }, { path, headers: { "user-agent": text.replace(/[^ -~]/g, "") } });
    socket.send(text);
    last = socket;
  }
  await until("the last was heard", () => last.heard.length > 0);
  assert.equal(last.heard.at(-1), hostile.at(-1));
  const unharmed = async () => {
    assert.deepEqual(await page.evaluate(() => window.ran), []);
    assert.equal(await page.locator("main :is(script, img, iframe, object, embed, style, base, form form, video, marquee, math)").count(), 0);
    const handlers = await page.evaluate(() => [...document.querySelectorAll("main *")].flatMap((it) => it.getAttributeNames()).filter((it) => it.startsWith("on")));
    assert.deepEqual(handlers, []);
    const links = await page.evaluate(() => [...document.querySelectorAll("main a")].map((it) => it.getAttribute("href")));
    assert.ok(links.every((href) => href.startsWith("#/")), "a link leads elsewhere");
  };
  const shows = async (text) => until(`it is shown: ${text}`, () => page.evaluate((text) => document.querySelector("main").textContent.includes(text), text));
  await until("events", async () => (await rows.count()) > 100);
  for (const text of hostile.slice(-20)) await shows(text);
  await unharmed();

  for (const kind of ["users", "rooms", "connections"]) {
    await go(page, `#/${kind}`);
    await page.getByText(`of ${hostile.length}`).waitFor();
    const shown = [];
    for (;;) {
      shown.push(...await page.evaluate(() => [...document.querySelectorAll("main td a")].map((it) => it.textContent)));
      await unharmed();
      const on = page.getByRole("button", { name: "On", exact: true });
      if (await on.isDisabled()) break;
      const before = await page.locator("main [role=status]").textContent();
      await on.click();
      await until("the next part", async () => (await page.locator("main [role=status]").textContent()) !== before);
    }
    for (const text of hostile.map(kind === "rooms" ? asRoom : String)) assert.ok(shown.includes(text), `${kind}: ${text}`);
  }
  for (const text of hostile) {
    for (const [kind, name] of [["User", text], ["Room", asRoom(text)]]) {
      await go(page, `#/${kind.toLowerCase()}/${encodeURIComponent(name)}`);
      await until(`${kind} ${name}`, () => page.evaluate((title) => document.querySelector("h1").textContent === title, `${kind} ${name}`));
      await unharmed();
    }
  }
  // One connection with all of it: user agent, room, user; and then the reason of its close in a tap.
  await page.locator("main td a").first().click();
  await page.getByRole("heading", { name: /^Connection / }).waitFor();
  await shows(hostile.at(-1).replace(/[^\x20-\x7e]/g, ""));
  await unharmed();
  await go(page, "#/tap");
  await heading(page, "Tap");
  for (const text of hostile) {
    const socket = await join({ user: "leaver" });
    let reason = text;
    while (Buffer.byteLength(reason) > 120) reason = [...reason].slice(0, -1).join("");
    await until("its reason is shown", async () => {
      if (socket.readyState === WebSocket.OPEN) socket.close(4000, reason);
      return page.evaluate((text) => document.querySelector("main").textContent.includes(text), `4000 ${reason}`);
    });
  }
  await unharmed();
});

test("a list of 10,000 is searched, sorted and paged while one watches", async ({ server, enter }) => {
  const [host, port] = server.address.split(":");
  const crowd = [];
  const arrive = (n) => new Promise((done, failed) => {
    const socket = connect(Number(port), host);
    crowd.push(socket);
    socket.once("error", failed);
    socket.once("data", done);
    socket.write(`GET /ws?user=user${String(n).padStart(5, "0")}&room=room${n % 100} HTTP/1.1\r\nHost: ${server.address}\r\n` +
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  });
  for (let n = 0; n < 10_000; n += 100) await Promise.all(Array.from({ length: 100 }, (_, at) => arrive(n + at)));
  const page = await enter("#/connections");
  await page.getByText("1–50 of 10,000").waitFor();
  const timed = async (what, act, text) => {
    const begun = performance.now();
    await act();
    await page.getByText(text, { exact: true }).first().waitFor();
    const took = performance.now() - begun;
    assert.ok(took < 5_000, `${what} took ${took} ms`);
    return `${what} ${Math.round(took)} ms`;
  };
  console.log([
    await timed("sort", () => page.getByRole("button", { name: "user", exact: true }).click(), "user00000"),
    await timed("the other way", () => page.getByRole("button", { name: "user ↑" }).click(), "user09999"),
    await timed("next", () => page.getByRole("button", { name: "On", exact: true }).click(), "user09949"),
    await timed("search", () => page.getByLabel("Search").fill("user01234"), "1–1 of 1"),
    await timed("another page", () => page.getByRole("link", { name: "Rooms" }).click(), "1–50 of 100"),
  ].join(", "));
  for (const socket of crowd) socket.destroy();
});

test("on a phone, in the dark and by keyboard it is all there", async ({ context, enter, join }) => {
  for (let n = 0; n < 12; n += 1) await join({ user: `user${n}`, room: "lobby" });
  const page = await enter();
  await page.emulateMedia({ colorScheme: "dark" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  await page.emulateMedia({ colorScheme: "light" });
  assert.notEqual(await background(), dark);
  await page.emulateMedia({ colorScheme: "dark" });
  await page.setViewportSize({ width: 360, height: 640 });
  for (const hash of ["#/overview", "#/connections", "#/rooms", "#/users", "#/nodes", "#/tap", "#/user/user1", "#/room/lobby"]) {
    await go(page, hash);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.waitForLoadState("networkidle").catch(() => {});
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${hash} scrolls sideways`);
    await picture(page, `phone-${hash.slice(2).replace("/", "-")}`);
  }
  await page.setViewportSize({ width: 1200, height: 800 });
  await picture(page, "dark");

  // From the top by Tab alone: to the content, each page, and a column's head.
  await page.reload();
  await page.getByText("live", { exact: true }).waitFor();
  const focused = () => page.evaluate(() => {
    const it = document.activeElement;
    const { outlineStyle, outlineWidth } = getComputedStyle(it);
    return { name: it.textContent || it.name || it.type, visible: outlineStyle !== "none" && parseFloat(outlineWidth) > 0 };
  });
  const seen = [];
  const tabTo = async (name) => {
    for (let step = 0; step < 60; step += 1) {
      await page.keyboard.press("Tab");
      const { name: now, visible } = await focused();
      seen.push(now);
      assert.ok(visible, `the focus on ${now} is not seen`);
      if (now === name) return;
    }
    assert.fail(`Tab does not come to ${name}: ${seen}`);
  };
  await tabTo("To the content");
  await tabTo("Connections");
  await page.keyboard.press("Enter");
  await page.getByText("1–12 of 12").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "main", "a new page begins at its content");
  await tabTo("user");
  await page.keyboard.press("Enter");
  await page.getByRole("columnheader", { name: "user ↑" }).waitFor();
  assert.equal((await focused()).name, "user ↑", "the focus stays where it was");
  await tabTo("user0");
  await page.keyboard.press("Enter");
  await heading(page, "User user0");
  await tabTo("text");
  await page.keyboard.type("by keyboard");
  await tabTo("Send");
  await page.keyboard.press("Enter");
  await page.getByText("queued: 1").waitFor();
  await context.clearCookies();
  await page.reload();
  await page.getByLabel("Secret").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), "secret");
});

test("who logs out has to log in again, in every tab", async ({ enter }) => {
  const first = await enter();
  const second = await enter();
  await second.bringToFront();
  await second.getByRole("button", { name: "Log out" }).click();
  await second.getByLabel("Secret").waitFor();
  await first.getByLabel("Secret").waitFor();
  await second.getByLabel("Secret").fill("a wrong secret, but long");
  await second.getByRole("button", { name: "Log in" }).click();
  await second.getByLabel("Secret").waitFor();
});
