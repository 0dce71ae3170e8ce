// Tables, and lists that the server searches, sorts and pages.

import { bytes, h, link, millis, moment, number, redraw, spaced } from "./elements.js";
import { get, history } from "./server.js";

const PAGE = 50;

/** A column: its title, what the server sorts it by if it does, and what it shows; `number` if that is a figure. */
const column = (title, sort, show, kind = null) => ({ title, sort, show, kind });
/** A node, by its id; this one is said to be. */
export const nodeName = (id) => (id === history.at(-1)?.node ? "this one" : id);
/** How many connections there are on which node. */
export const spread = (nodes) => spaced(nodes.map(({ id, connections }) => `${nodeName(id)}: ${number.format(connections)}`));
const figure = (title, sort, read, show = number.format) => column(title, sort, (it) => show(read(it)), "number");

const known = (count) => (count == null ? "–" : number.format(count));

export const connections = [
  column("connection", null, (it) => link("connection", it.id)),
  column("node", null, (it) => nodeName(it.node)),
  column("user", "user", (it) => (it.user == null ? "" : link("user", it.user))),
  column("peer", "peer", (it) => it.peer ?? ""),
  column("path", "path", (it) => it.path),
  column("rooms", null, (it) => it.rooms.length > 3 ? `${it.rooms.length} rooms` : spaced(it.rooms.map((room) => link("room", room)))),
  figure("in", "received", (it) => it.traffic.messages_received),
  figure("out", "sent", (it) => it.traffic.messages_sent),
  figure("outbox", "buffered", (it) => it.buffered, bytes),
  figure("round trip", "round_trip", (it) => it.round_trip_ms, millis),
  column("since", "since", (it) => moment(it.since)),
];

export const rooms = [
  column("room", "name", (it) => link("room", it.name)),
  figure("members", "members", (it) => it.members),
  column("nodes", null, (it) => spread(it.nodes)),
  figure("messages from here", "messages", (it) => it.fan_out?.messages, known),
  figure("deliveries", null, (it) => it.fan_out?.deliveries, known),
  figure("dropped", null, (it) => it.fan_out && Object.values(it.fan_out.dropped).reduce((sum, count) => sum + count, 0), known),
  column("since", "since", (it) => (it.since == null ? "–" : moment(it.since))),
];

export const users = [
  column("user", "name", (it) => link("user", it.name)),
  figure("connections", "connections", (it) => it.connections),
  column("nodes", null, (it) => spread(it.nodes)),
];

export const nodes = [
  column("node", null, (it) => `${it.id}${it.this ? " (this one)" : ""}`),
  figure("connections", null, (it) => it.connections, known),
  figure("rooms", null, (it) => it.rooms, known),
  figure("users", null, (it) => it.users, known),
  column("", null, (it) => (it.connections == null ? h("span", { class: "bad" }, "did not answer") : "")),
];

export function table(columns, items, sorting) {
  const head = columns.map(({ title, sort, kind }) => {
    if (!sorting || !sort) return h("th", { scope: "col", class: kind }, title);
    const order = sorting.by === sort ? sorting.order : null;
    const arrow = { ascending: " ↑", descending: " ↓" }[order] ?? "";
    return h("th", { scope: "col", class: kind, "aria-sort": order },
      h("button", { type: "button", "data-sort": sort, click: () => sorting.choose(sort) }, title, arrow));
  });
  const lines = items.map((it) => h("tr", {}, columns.map(({ show, kind }) => h("td", { class: kind }, show(it)))));
  const none = h("tr", {}, h("td", { class: "soft", colspan: columns.length }, "none"));
  return h("div", { class: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, head)), h("tbody", {}, lines.length ? lines : none)));
}

/** What a list of all nodes lacks, in words. */
function lacks({ missing, truncated }) {
  return [
    missing.length ? `without ${missing.join(", ")}: no answer within a second` : "",
    truncated ? "some node has more than it told: search, to see it" : "",
  ].filter((text) => text).map((text) => h("p", { class: "bad" }, text));
}

/** A list at `path` of the API, kept up to date by `keep`; what the API answers is the list, or has it at `read`. */
export function list(keep, path, columns, read = (it) => it) {
  const params = new URLSearchParams({ skip: 0, limit: PAGE });
  const body = h("div");
  const count = h("span", { role: "status" });
  const turn = (step) => h("button", { type: "button", disabled: true, click: () => set({ skip: Number(params.get("skip")) + step }) }, step < 0 ? "Back" : "On");
  const [back, on] = [turn(-PAGE), turn(PAGE)];
  let newest = 0;

  function set(changes) {
    for (const [name, value] of Object.entries(changes)) params.set(name, value);
    return load();
  }

  async function load() {
    const mine = ++newest;
    try {
      const page = read(await get(`${path}?${params}`));
      if (mine !== newest) return;
      const { total, skip, items } = page;
      const order = params.get("order") === "desc" ? "descending" : "ascending";
      redraw(body, table(columns, items, { by: params.get("sort"), order, choose }), ...lacks(page));
      count.textContent = total === 0 ? "none" : `${number.format(skip + 1)}–${number.format(skip + items.length)} of ${number.format(total)}`;
      back.disabled = skip === 0;
      on.disabled = skip + items.length >= total;
    } catch (error) {
      body.replaceChildren(h("p", { class: "bad" }, error.message));
    }
  }

  function choose(sort) {
    const again = params.get("sort") === sort && params.get("order") !== "desc";
    return set({ sort, order: again ? "desc" : "asc", skip: 0 });
  }

  const search = h("input", { type: "search", input: () => set({ search: search.value, skip: 0 }) });
  load();
  keep(load);
  return [
    h("div", { class: "bar" }, h("label", {}, "Search", search), h("button", { type: "button", click: load }, "Refresh")),
    body,
    h("div", { class: "bar" }, back, count, on),
  ];
}
