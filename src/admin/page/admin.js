// The pages, and going from one to the other.

import { bars, lines } from "./charts.js";
import { bytes, card, closeForm, compact, facts, h, link, millis, moment, notice, number, redraw, sendForm, spaced } from "./elements.js";
import { begin, isPaused } from "./refresh.js";
import { act, connect, get, history, listeners, post, segment } from "./server.js";
import { connections, list, nodeName, nodes, rooms, spread, table, users } from "./tables.js";
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
  return card(title, show(last(values)), lines(title, show, values));
}

function pair(title, readIn, readOut, show) {
  const [came, went] = [rates(readIn), rates(readOut)];
  const figure = h("span", { class: "legend" },
    h("span", { class: "in" }, `${show(last(came))} in`), h("span", { class: "out" }, `${show(last(went))} out`));
  return card(title, figure, lines(title, show, came, went));
}

const sum = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);
const dropped = (it) => sum(it.traffic.dropped) + sum(it.fan_out.dropped);
const reasons = (it) => [
  ...Object.entries(it.traffic.dropped),
  ...Object.entries(it.fan_out.dropped).map(([reason, count]) => [`to many: ${reason}`, count]),
].map(([reason, count]) => [reason.replace("_", " "), count]);
const span = ({ up_to_ms }) => (up_to_ms == null ? "more" : `≤ ${up_to_ms} ms`);
/** Without what is empty at either end. */
const filled = (bars) => bars.slice(bars.findIndex((it) => it.connections), bars.findLastIndex((it) => it.connections) + 1);
const wide = (title, content) => h("section", { class: "card" }, h("h2", {}, title), content);

function drawOverview() {
  const now = history.at(-1);
  if (now && isPaused() && main.querySelector(".cards")) return;
  if (!now) return main.replaceChildren(h("h1", {}, "Overview"), h("p", { class: "soft" }, "waiting for the first figures"));
  const losses = rates(dropped);
  redraw(main,
    h("h1", {}, "Overview"),
    h("p", { class: "soft" }, `of this node, ${now.node}; the others are listed under `, h("a", { href: "#/nodes" }, "Nodes")),
    h("div", { class: "cards" },
      gauge("Connections", (it) => it.connections),
      pair("Messages per second", (it) => it.traffic.messages_received, (it) => it.traffic.messages_sent, compact.format),
      pair("Bytes per second", (it) => it.traffic.bytes_received, (it) => it.traffic.bytes_sent, bytes),
      gauge("Bytes in outboxes", (it) => it.buffered, bytes),
      gauge("Round trip, median", (it) => it.round_trip_ms ?? 0, millis),
      card("Dropped per second", compact.format(last(losses)), lines("Dropped per second", compact.format, losses)),
      gauge("Rooms", (it) => it.rooms),
      gauge("Users", (it) => it.users),
      gauge("Refused", (it) => it.refused)),
    h("div", { class: "cards wide" },
      wide("Dropped, by reason", bars("Dropped, by reason", reasons(now), number.format)),
      wide("Closed, by cause", bars("Closed, by cause", Object.entries(now.closes), number.format)),
      wide("Connections by round trip", bars("Connections by round trip", filled(now.round_trips).map((it) => [span(it), it.connections]), number.format))));
}

// --- The pages ----------------------------------------------------------------------------------------------------

/** What is at `path`, drawn now, and again while the page is open. */
async function fresh(keep, path, draw) {
  const box = h("div");
  const load = async () => redraw(box, draw(await get(path)));
  await load();
  keep(() => load().catch((error) => redraw(box, h("p", { class: "bad" }, error.message))));
  return box;
}

/** Each shows its elements, gives `keep` what keeps them up to date, and returns what ends it, if something has to. */
const pages = {
  overview() {
    listeners.overview.add(drawOverview);
    drawOverview();
    return () => listeners.overview.delete(drawOverview);
  },

  connections: (show, keep) => show(h("h1", {}, "Connections"), ...list(keep, "connections", connections)),
  rooms: (show, keep) => show(h("h1", {}, "Rooms"), ...list(keep, "rooms", rooms)),
  users: (show, keep) => show(h("h1", {}, "Users"), ...list(keep, "users", users)),

  async connection(show, keep, id) {
    const path = `connections/${segment(id)}`;
    const drawn = await fresh(keep, path, ({ traffic, ...it }) => facts({
      node: nodeName(it.node),
      user: it.user == null ? null : link("user", it.user), peer: it.peer, path: it.path, endpoint: it.endpoint,
      subprotocol: it.protocol, since: moment(it.since), rooms: spaced(it.rooms.map((room) => link("room", room))),
      received: `${number.format(traffic.messages_received)} messages, ${bytes(traffic.bytes_received)}`,
      sent: `${number.format(traffic.messages_sent)} messages, ${bytes(traffic.bytes_sent)}`,
      "in its outbox": bytes(it.buffered), "round trip": millis(it.round_trip_ms),
      dropped: spaced(Object.entries(traffic.dropped).map(([why, count]) => `${why} ${count}`)),
      metadata: spaced(Object.entries(it.metadata).map(([key, value]) => `${key}=${value}`)),
      ...Object.fromEntries(it.headers.map(({ name, value }) => [`${name}:`, value])),
    }));
    show(
      h("h1", {}, `Connection ${id}`),
      drawn,
      sendForm("Send", (text) => act(`${path}/send`, { text })),
      closeForm("Close", (frame) => act(`${path}/close`, frame, () => (location.hash = "#/connections"))),
      h("p", {}, h("a", { href: `#/tap?conn=${encodeURIComponent(id)}` }, "Tap this connection")));
  },

  async room(show, keep, name) {
    const path = `rooms/${segment(name)}`;
    const drawn = await fresh(keep, `${path}?limit=0`, ({ fan_out: sent, present, ...it }) => facts({
      members: number.format(it.members),
      nodes: spread(it.nodes),
      ...(sent && {
        "here since": moment(it.since),
        "messages from here": `${number.format(sent.messages)}, ${bytes(sent.bytes)}`,
        deliveries: number.format(sent.deliveries), dropped: number.format(sum(sent.dropped)),
      }),
      present: present.total ? spaced([
        ...present.items.map(({ user, connections }) => h("span", {}, link("user", user), connections > 1 ? ` ×${connections}` : "")),
        ...(present.total > present.items.length ? [`${number.format(present.total)} in all`] : []),
      ]) : null,
      "history position": it.position && `${it.position.offset} of ${it.position.epoch}`,
    }));
    show(
      h("h1", {}, `Room ${name}`),
      drawn,
      sendForm("Broadcast", (text) => act(`${path}/send`, { text })),
      h("p", {}, h("a", { href: `#/tap?room=${encodeURIComponent(name)}` }, "Tap this room")),
      h("h2", {}, "Members"),
      ...list(keep, path, connections, (room) => room.connections));
  },

  async user(show, keep, name) {
    const path = `users/${segment(name)}`;
    await get(`${path}?limit=0`); // or there is no such user
    show(
      h("h1", {}, `User ${name}`),
      sendForm("Send", (text) => act(`${path}/send`, { text })),
      closeForm("Disconnect everywhere", (frame) => act(`${path}/disconnect`, frame, () => (location.hash = "#/users"))),
      h("p", {}, h("a", { href: `#/tap?user=${encodeURIComponent(name)}` }, "Tap this user")),
      h("h2", {}, "Connections"),
      ...list(keep, path, connections, (user) => user.connections));
  },

  async nodes(show, keep) {
    show(h("h1", {}, "Nodes"), await fresh(keep, "nodes", (it) => h("div", {},
      table(nodes, it.nodes),
      h("h2", {}, "The adapter, as this node has it"),
      it.adapter
        ? facts(Object.fromEntries(Object.entries(it.adapter).map(([name, value]) => [name.replace("_", " "), value])))
        : h("p", { class: "soft" }, "This hub has no adapter: it is one node."))));
  },

  tap: (show, _, __, query) => tapPage(show, query),
};

// --- Going from page to page --------------------------------------------------------------------------------------

let end;
let turn = 0;

/** Opens the page that the address names. */
async function open() {
  const mine = ++turn;
  const keep = begin();
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
    const ends = await page(show, keep, decodeURIComponent(name ?? ""), new URLSearchParams(query));
    if (mine === turn) end = ends;
    else ends?.();
  } catch (error) {
    show(h("h1", {}, kind), h("p", { class: "bad" }, error.message));
  }
}

const tabs = new BroadcastChannel("gustnado admin");
document.getElementById("logout").addEventListener("click", async () => {
  await post("logout").catch((error) => notice(error.message));
  tabs.postMessage("logged out");
  location.reload();
});
tabs.onmessage = () => location.reload(); // also those whose socket is another node's
window.addEventListener("hashchange", () => open().then(() => main.focus()));
connect();
open();
