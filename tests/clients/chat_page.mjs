// The chat example's page in the system's Chromium: node --test tests/clients/chat_page.mjs

import assert from "node:assert/strict";
import {
  cut, here, knock, log, picture, pictureOfBoth, refusal, room, said, say, sayAll, test, texts,
} from "./chat.mjs";
import { start } from "./servers.mjs";

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
