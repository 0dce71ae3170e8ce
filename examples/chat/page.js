// The page of the `chat` example: one WebSocket at /ws?nick=NAME. Server frames are JSON with a `kind`;
// ours are the plain text of a message. What peers wrote is only ever set as `textContent`.
"use strict";

const FIRST_DELAY = 500;    // ms before the first try to reconnect; doubles with each failure
const LONGEST_DELAY = 15_000;
const LINES_KEPT = 500;

const at = (id) => document.getElementById(id);
const here = new Set();
let nick = "";
let socket = null;
let welcomed = false;       // in the room, or on the way back to it
let failures = 0;           // since the last welcome
let retry;

at("join").addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket) return;
  nick = at("nick").value.trim();
  refuse("");
  at("enter").disabled = true;
  connect();
});

at("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = at("text").value;
  if (text.trim() === "" || socket?.readyState !== WebSocket.OPEN) return;
  socket.send(text);
  at("text").value = "";
});

at("leave").addEventListener("click", () => {
  if (socket) {
    socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }
  showDoor("");
});

addEventListener("online", () => {
  if (welcomed && !socket) connect();
});

function connect() {
  clearTimeout(retry);
  const url = new URL("/ws", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("nick", nick);
  socket = new WebSocket(url);
  socket.onmessage = (event) => receive(JSON.parse(event.data));
  socket.onclose = lost;
}

function receive(frame) {
  switch (frame.kind) {
    case "welcome":
      nick = frame.nick;
      here.clear();
      frame.here.forEach((name) => here.add(name));
      showRoom();
      break;
    case "joined":
      if (here.has(frame.nick)) return;
      here.add(frame.nick);
      note(`${frame.nick} joined`);
      break;
    case "left":
      if (!here.delete(frame.nick)) return;
      note(`${frame.nick} left`);
      break;
    case "said":
      say(frame);
      return;
  }
  showHere();
}

// 1000 and 4000-4999 are the server's decision. Anything else is an accident, and worth another try.
function lost({ code, reason }) {
  socket = null;
  if (code === 1000 || (code >= 4000 && code <= 4999)) {
    showDoor(reason || "The server closed the conversation.");
  } else if (!welcomed) {
    showDoor("The server cannot be reached. Try again in a moment.");
  } else {
    at("send").disabled = true;
    at("status").className = "lost";
    at("status").textContent = "Connection lost, trying again…";
    // Half of the delay is chance, so that a restarted server does not meet everybody at once.
    const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** failures++);
    retry = setTimeout(connect, delay * (0.5 + Math.random() / 2));
  }
}

function showDoor(reason) {
  clearTimeout(retry);
  socket = null;
  welcomed = false;
  failures = 0;
  at("status").textContent = "";
  at("room").hidden = at("leave").hidden = true;
  at("door").hidden = at("enter").disabled = false;
  at("lines").replaceChildren();
  refuse(reason);
  at("nick").focus();
}

function refuse(reason) {
  at("reason").textContent = reason;
  at("nick").setAttribute("aria-invalid", String(reason !== ""));
}

function showRoom() {
  if (welcomed) note("You are back. What was said in between is missing here.");
  const first = !welcomed;
  welcomed = true;
  failures = 0;
  at("door").hidden = true;
  at("room").hidden = at("leave").hidden = at("send").disabled = false;
  at("status").className = "";
  at("status").textContent = `You are ${nick}`;
  if (first) at("text").focus();
}

function showHere() {
  at("people-title").textContent = `Here now: ${here.size}`;
  at("here").replaceChildren(...[...here].sort((a, b) => a.localeCompare(b)).map((name) => {
    const item = element("li", "");
    item.append(element("bdi", name));
    if (name === nick) item.append(element("span", " (you)"));
    item.style.setProperty("--hue", hue(name));
    return item;
  }));
}

function say({ nick: from, text }) {
  const line = element("li", "");
  line.className = from === nick ? "said mine" : "said";
  line.style.setProperty("--hue", hue(from));
  const head = document.createElement("header");
  const now = new Date();
  const time = element("time", now.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = now.toISOString();
  head.append(element("bdi", from), time);
  const body = element("p", text);
  body.dir = "auto";
  line.append(head, body);
  append(line);
}

function note(text) {
  const line = element("li", text);
  line.className = "note";
  append(line);
}

// Follows the conversation only for a reader who is at its end.
function append(line) {
  const log = at("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  at("lines").append(line);
  if (at("lines").childElementCount > LINES_KEPT) at("lines").firstElementChild.remove();
  if (atEnd || line.classList.contains("mine")) log.scrollTop = log.scrollHeight;
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

// The same name has the same colour on every screen.
function hue(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 65_521;
  return (sum * 137) % 360;
}
