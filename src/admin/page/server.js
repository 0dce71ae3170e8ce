// The API and the live socket.

import { notice } from "./elements.js";

const base = document.body.dataset.base;
const state = document.getElementById("state");
let csrf;

/** A name as part of a path: the `=` keeps `..` from being a step in it. */
export const segment = (name) => `=${encodeURIComponent(name)}`;

export async function get(path) {
  const answer = await fetch(`${base}/api/${path}`, { headers: { accept: "application/json" } });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `status ${answer.status}`);
  return answer.json();
}

export async function post(path, body) {
  csrf ??= (await get("session")).csrf;
  const headers = { "content-type": "application/json", "x-csrf-token": csrf };
  const answer = await fetch(`${base}/${path}`, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
  const done = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(done.error ?? `status ${answer.status}`);
  return done;
}

/** Does something, and tells what came of it. */
export async function act(path, body, after) {
  try {
    const done = await post(`api/${path}`, body);
    const counts = Object.entries(done).filter(([, count]) => count);
    notice(counts.map(([what, count]) => `${what.replace("_", " ")}: ${count}`).join(", ") || "nobody was there");
    after?.();
  } catch (error) {
    notice(error.message);
  }
}

/** The overviews of the last minute, the newest last. */
export const history = [];
export const listeners = { overview: new Set(), events: new Set() };

let socket;
let wanted = null;

export function connect() {
  socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}${base}/live`);
  socket.onopen = () => {
    state.textContent = "live";
    state.classList.remove("off");
    tap(wanted);
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "overview") {
      history.push(message);
      if (history.length > 62) history.shift();
    }
    listeners[message.type]?.forEach((listener) => listener(message));
  };
  socket.onclose = ({ code, reason }) => {
    if (code === 4401) return location.reload();
    if (code === 1008) notice(reason);
    state.textContent = "not connected";
    state.classList.add("off");
    setTimeout(connect, 1000 + Math.random() * 2000);
  };
}

/** Says what to tap; `null` is nothing. */
export function tap(filter) {
  wanted = filter;
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ tap: filter }));
}
