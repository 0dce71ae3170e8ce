// The pages, and going from one to the other.

import { bars, lines } from "./charts.js";
import { bytes, card, closeForm, compact, facts, h, link, millis, moment, notice, number, sendForm, spaced } from "./elements.js";
import { act, connect, get, history, listeners, post, segment } from "./server.js";
import { connections, list, nodes, rooms, table, users } from "./tables.js";
import { tapPage } from "./tap.js";

const main = document.getElementById("main");

// --- The overview -------------------------------------------------------------------------------------------------

const last = (values) => values.at(-1) ?? 0;

/** What a counter has gained per second, between the overviews. */
function rates(read) {
  return history.slice(1).map((now, at) => {
    const seconds = (now.time - history[at].time) / 1000;
    return seconds > 0 ? Math.max(0, read(now) - read(history[at])) / seconds : 0;
  });
}

function gauge(title, read, show = number.format) {
  const values = history.map(read);
  return card(title, show(last(values)), lines(title, values));
}

function pair(title, readIn, readOut, show) {
  const [came, went] = [rates(readIn), rates(readOut)];
  const figure = h("span", { class: "legend" },
    h("span", { class: "in" }, `${show(last(came))} in`), h("span", { class: "out" }, `${show(last(went))} out`));
  return card(title, figure, lines(title, came, went));
}

const sum = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
const dropped = (it) => sum(it.traffic.dropped) + sum(it.fan_out.dropped);
const reasons = (it) => [
  ...Object.entries(it.traffic.dropped),
  ...Object.entries(it.fan_out.dropped).map(([reason, count]) => [`to many: ${reason}`, count]),
].map(([reason, count]) => [reason.replace("_", " "), count]);
const span = ({ up_to_ms }) => (up_to_ms == null ? "more" : `≤ ${up_to_ms} ms`);
const wide = (title, content) => h("section", { class: "card" }, h("h2", {}, title), content);

function drawOverview() {
  const now = history.at(-1);
  if (!now) return main.replaceChildren(h("h1", {}, "Overview"), h("p", { class: "soft" }, "waiting for the first figures"));
  const losses = rates(dropped);
  main.replaceChildren(
    h("h1", {}, "Overview"),
    h("div", { class: "cards" },
      gauge("Connections", (it) => it.connections),
      pair("Messages per second", (it) => it.traffic.messages_received, (it) => it.traffic.messages_sent, compact.format),
      pair("Bytes per second", (it) => it.traffic.bytes_received, (it) => it.traffic.bytes_sent, bytes),
      gauge("Bytes in outboxes", (it) => it.buffered, bytes),
      gauge("Round trip, median", (it) => it.round_trip_ms ?? 0, millis),
      card("Dropped per second", compact.format(last(losses)), lines("Dropped per second", losses)),
      gauge("Rooms", (it) => it.rooms),
      gauge("Users", (it) => it.users),
      gauge("Refused", (it) => it.refused)),
    h("div", { class: "cards wide" },
      wide("Dropped, by reason", bars("Dropped, by reason", reasons(now), number.format)),
      wide("Closed, by cause", bars("Closed, by cause", Object.entries(now.closes), number.format)),
      wide("Connections by round trip", bars("Connections by round trip", now.round_trips.map((it) => [span(it), it.connections]), number.format))));
}

// --- The pages ----------------------------------------------------------------------------------------------------

/** Each shows its elements, and returns what ends it, if something has to. */
const pages = {
  overview() {
    listeners.overview.add(drawOverview);
    drawOverview();
    return () => listeners.overview.delete(drawOverview);
  },

  connections: (show) => show(h("h1", {}, "Connections"), ...list("connections", connections)),
  rooms: (show) => show(h("h1", {}, "Rooms"), ...list("rooms", rooms)),
  users: (show) => show(h("h1", {}, "Users"), ...list("users", users)),

  async connection(show, id) {
    const path = `connections/${segment(id)}`;
    const it = await get(path);
    const { traffic } = it;
    show(
      h("h1", {}, `Connection ${it.id}`),
      facts({
        user: it.user == null ? null : link("user", it.user), peer: it.peer, path: it.path, endpoint: it.endpoint,
        subprotocol: it.protocol, since: moment(it.since), rooms: spaced(it.rooms.map((room) => link("room", room))),
        received: `${number.format(traffic.messages_received)} messages, ${bytes(traffic.bytes_received)}`,
        sent: `${number.format(traffic.messages_sent)} messages, ${bytes(traffic.bytes_sent)}`,
        "in its outbox": bytes(it.buffered), "round trip": millis(it.round_trip_ms),
        dropped: spaced(Object.entries(traffic.dropped).map(([why, count]) => `${why} ${count}`)),
        metadata: spaced(Object.entries(it.metadata).map(([key, value]) => `${key}=${value}`)),
        ...Object.fromEntries(it.headers.map(({ name, value }) => [`${name}:`, value])),
      }),
      sendForm("Send", (text) => act(`${path}/send`, { text }, open)),
      closeForm("Close", (frame) => act(`${path}/close`, frame, () => (location.hash = "#/connections"))),
      h("p", {}, h("a", { href: `#/tap?conn=${encodeURIComponent(it.id)}` }, "Tap this connection")));
  },

  async room(show, name) {
    const path = `rooms/${segment(name)}`;
    const it = await get(path);
    show(
      h("h1", {}, `Room ${it.name}`),
      facts({
        members: number.format(it.members), since: moment(it.since),
        messages: `${number.format(it.fan_out.messages)}, ${bytes(it.fan_out.bytes)}`,
        deliveries: number.format(it.fan_out.deliveries), dropped: number.format(sum(it.fan_out.dropped)),
        present: it.present.total ? spaced([
          ...it.present.items.map(({ user, connections }) => h("span", {}, link("user", user), connections > 1 ? ` ×${connections}` : "")),
          ...(it.present.total > it.present.items.length ? [`${number.format(it.present.total)} in all`] : []),
        ]) : null,
        "history position": it.position && `${it.position.offset} of ${it.position.epoch}`,
      }),
      sendForm("Broadcast", (text) => act(`${path}/send`, { text })),
      h("p", {}, h("a", { href: `#/tap?room=${encodeURIComponent(it.name)}` }, "Tap this room")),
      h("h2", {}, "Members"),
      ...list(path, connections, (room) => room.connections));
  },

  async user(show, name) {
    const path = `users/${segment(name)}`;
    const it = await get(path);
    show(
      h("h1", {}, `User ${it.name}`),
      sendForm("Send", (text) => act(`${path}/send`, { text })),
      closeForm("Disconnect everywhere", (frame) => act(`${path}/disconnect`, frame, () => (location.hash = "#/users"))),
      h("p", {}, h("a", { href: `#/tap?user=${encodeURIComponent(it.name)}` }, "Tap this user")),
      h("h2", {}, "Connections"),
      ...list(path, connections, (user) => user.connections));
  },

  async nodes(show) {
    const it = await get("nodes");
    show(
      h("h1", {}, "Nodes"),
      it.adapter ? facts(it.adapter) : h("p", { class: "soft" }, "This hub has no adapter: it is one node."),
      table(nodes, it.nodes));
  },

  tap: (show, _, query) => tapPage(show, query),
};

// --- Going from page to page --------------------------------------------------------------------------------------

let end;
let turn = 0;

/** Opens the page that the address names. */
async function open() {
  const mine = ++turn;
  end?.();
  end = undefined;
  const [path, query] = (location.hash.slice(2) || "overview").split("?");
  const [kind, name] = path.split("/");
  for (const item of document.querySelectorAll("nav a")) {
    const target = item.hash.slice(2);
    if (target === kind || target === `${kind}s`) item.setAttribute("aria-current", "page");
    else item.removeAttribute("aria-current");
  }
  const show = (...elements) => {
    if (mine === turn) main.replaceChildren(...elements); // or another page was opened meanwhile
  };
  try {
    const page = Object.hasOwn(pages, kind) ? pages[kind] : pages.overview;
    const ends = await page(show, decodeURIComponent(name ?? ""), new URLSearchParams(query));
    if (mine === turn) end = ends;
    else ends?.();
  } catch (error) {
    show(h("h1", {}, kind), h("p", { class: "bad" }, error.message));
  }
}

document.getElementById("logout").addEventListener("click", async () => {
  await post("logout").catch((error) => notice(error.message));
  location.reload();
});
window.addEventListener("hashchange", () => open().then(() => main.focus()));
connect();
open();
