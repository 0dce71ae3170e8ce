// The page of the `chat` example: what is said and who is there, by the client of clients/typescript. How it looks is in
// view.js.

import { Client, Presence, publish } from "/gustnado.js";
import { RoomView, at, element, refuse, showDoor, showHere, showInside, showRooms, showStatus } from "/view.js";

const ROOMS = ["lobby", "help", "off-topic"];
const LAST = 50; // lines that a newcomer gets

/** The rooms that were opened, by name: `{ room, presence, view }`. */
const opened = new Map();
let client = null;
let nick = "";
let current = "";

at("join").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!client) enter(at("nick").value.trim());
});

at("open").addEventListener("submit", (event) => {
  event.preventDefault();
  const name = at("name").value.trim();
  at("name").value = "";
  if (name) open(name);
});

at("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text").value;
  if (text.trim() === "") return;
  at("text").value = "";
  say(opened.get(current), text);
});

at("leave").addEventListener("click", () => leave(""));

// A reload comes back as who it was: the key proves to the server that it is the same tab.
const remembered = sessionStorage.getItem("nick");
if (remembered) enter(remembered);

function enter(name) {
  nick = name;
  const key = sessionStorage.getItem("key") ?? randomKey();
  sessionStorage.setItem("key", key);
  refuse("");
  at("enter").disabled = true;

  client = new Client({ url: `/ws?${new URLSearchParams({ nick, key })}` });
  let inside = false;
  client.socket.on("close", ({ reason }) => {
    if (!client || client.state === "paused") return; // we have left, or the page is
    if (client.state === "closed") leave(reason || "The server closed the conversation.");
    else if (!inside) leave("The server cannot be reached. Try again in a moment.");
  });
  client.socket.on("state", (state) => {
    if (inside) showStatus(state === "open" ? `You are ${nick}` : "Connection lost, trying again…", state !== "open");
  });
  open(new URLSearchParams(location.hash.slice(1)).get("room") || ROOMS[0]).joined.then(() => {
    inside = true;
    sessionStorage.setItem("nick", nick);
    showInside();
    showStatus(`You are ${nick}`);
  }, ({ message }) => {
    if (client) leave(message);
  });
  client.connect();
}

function leave(reason) {
  const left = client;
  client = null; // first, so that its last events find nobody
  left?.close();
  sessionStorage.removeItem("nick");
  opened.clear();
  showDoor(reason);
}

/** Shows a room, and joins it if it was not open yet. */
function open(name) {
  current = name;
  history.replaceState(null, "", `#${new URLSearchParams({ room: name })}`);
  if (!opened.has(name)) opened.set(name, join(name));
  const { room, view } = opened.get(name);
  view.show();
  refresh();
  return room;
}

function join(name) {
  const room = client.join(name, { last: LAST });
  const presence = new Presence(room);
  const view = new RoomView();
  let listed = false;

  room.on("said", ({ text, time }, { from }) => {
    view.say(from, text, dateOf(time), from === nick);
    if (name !== current) view.unread += 1;
    refresh();
  });
  room.onRecovered(({ recovered, reason }) => view.note(recovered ? "You are back. Nothing is missing." : gap(reason)));
  room.joined.catch(({ code, message }) => {
    if (code !== "left" && client) view.note(`This room cannot be joined: ${message}`);
  });
  presence.on(({ joins, leaves }) => {
    // The first list is who was there before.
    if (listed) {
      joins.forEach((user) => view.note(`${user} joined`));
      leaves.forEach((user) => view.note(`${user} left`));
    }
    listed = true;
    refresh();
  });
  return { room, presence, view };
}

/** Why what was said while the client was away does not come. */
function gap(reason) {
  if (reason === "epoch") return "You are back. The server has started anew: what was said in between may be missing here.";
  return `You are back. What was said in between is missing here (${reason}).`;
}

/**
 * Says something, now or as soon as there is a connection; until it is known to be said, it is shown as waiting. With one
 * key it is said once, however often it is tried.
 */
async function say({ room, view }, text, key = randomKey()) {
  const line = view.waiting(nick, text);
  try {
    await publish(room, "said", { text, time: Date.now() }, { key });
    line.remove();
  } catch (error) {
    const again = element("button", "Send again");
    again.addEventListener("click", () => {
      line.remove();
      say({ room, view }, text, key);
    });
    line.classList.add("failed");
    line.append(element("small", `It may not have arrived (${error.message}). `), again);
  }
}

// Peers write the time, too: one that is none counts as now.
function dateOf(time) {
  const date = new Date(time);
  return Number.isNaN(date.valueOf()) ? new Date() : date;
}

// `randomUUID` is missing in pages without TLS.
function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("-");
}

function refresh() {
  const names = [...new Set([...ROOMS, ...opened.keys()])];
  showRooms(names.map((name) => ({ name, current: name === current, unread: opened.get(name)?.view.unread ?? 0 })), open);
  showHere([...(opened.get(current)?.presence.users.keys() ?? [])], nick);
}
