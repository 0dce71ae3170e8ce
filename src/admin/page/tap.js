// The page of taps: what happens, as it happens.

import { bytes, h, link, number, spaced } from "./elements.js";
import { isPaused, whenPaused } from "./refresh.js";
import { listeners, tap } from "./server.js";

/** How many events are shown. */
const SHOWN = 300;

export function tapPage(show, query) {
  const body = h("tbody");
  const missed = h("span", { class: "soft", role: "status" });
  let held = []; // what came while it is paused

  const add = (events) => {
    body.prepend(...events.slice(-SHOWN).map(row).reverse());
    while (body.rows.length > SHOWN) body.lastElementChild.remove();
  };
  const onEvents = ({ events }) => {
    if (isPaused()) held = [...held, ...events].slice(-SHOWN);
    else add(events);
  };
  const onOverview = (it) => (missed.textContent = it.missed ? `${number.format(it.missed)} missed` : "");

  const goOn = whenPaused(() => {
    if (!isPaused()) add(held.splice(0));
  });
  const fields = [["room", "Room"], ["user", "User"], ["conn", "Connection"], ["text", "Text"]]
    .map(([name, title]) => h("label", {}, title, h("input", { name, value: query.get(name) })));
  const form = h("form", { submit: (event) => { event.preventDefault(); body.replaceChildren(); start(); } },
    fields, h("button", {}, "Filter"), missed);
  const start = () => tap(Object.fromEntries([...new FormData(form)].filter(([, value]) => value)));

  show(h("h1", {}, "Tap"), form, h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ["time", "what", "who", "room", "message"].map((title) => h("th", { scope: "col" }, title)))), body)));
  listeners.events.add(onEvents);
  listeners.overview.add(onOverview);
  start();
  return () => {
    goOn();
    listeners.events.delete(onEvents);
    listeners.overview.delete(onOverview);
    tap(null);
  };
}

function row(event) {
  const who = event.user != null ? link("user", event.user) : event.conn ? link("connection", event.conn) : "";
  return h("tr", {}, h("td", {}, new Date(event.time).toLocaleTimeString()), h("td", {}, event.kind), h("td", {}, who),
    h("td", {}, spaced((event.rooms ?? []).map((room) => link("room", room)))), h("td", {}, said(event)));
}

function said({ text, cut, len, is_text, code, reason, cause }) {
  if (code != null) return spaced([`${code} ${reason}`, ...(cause ? [cause] : [])]);
  if (text == null) return "";
  return h("span", {}, h("span", { class: "text" }, text),
    cut || is_text === false ? h("span", { class: "soft" }, ` … ${bytes(len)}${is_text ? "" : ", binary"}`) : "");
}
