// The admin page. Whatever a peer could have written becomes text by `textContent`, never HTML.

const base = document.body.dataset.base;
const main = document.getElementById("main");
const state = document.getElementById("state");

// --- Elements -----------------------------------------------------------------------------------------------------

/** An element; attributes that are functions are listeners, children that are no nodes are text. */
function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat().map((child) => (child instanceof Node ? child : String(child ?? ""))));
  return element;
}

function notice(text) {
  const line = h("p", {}, text);
  document.getElementById("notice").append(line);
  setTimeout(() => line.remove(), 6000);
}

const number = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

function bytes(count) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (count < 1024 || unit === "GiB") return `${count < 10 && unit !== "B" ? count.toFixed(1) : Math.round(count)} ${unit}`;
    count /= 1024;
  }
}

const moment = (millis) => new Date(millis).toLocaleString();
const millis = (value) => (value == null ? "–" : `${value.toFixed(1)} ms`);
const link = (kind, name) => h("a", { href: `#/${kind}/${encodeURIComponent(name)}` }, name);

// --- The API ------------------------------------------------------------------------------------------------------

let csrf;

async function get(path) {
  const answer = await fetch(`${base}/api/${path}`, { headers: { accept: "application/json" } });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `status ${answer.status}`);
  return answer.json();
}

async function post(path, body) {
  csrf ??= (await get("session")).csrf;
  const headers = { "content-type": "application/json", "x-csrf-token": csrf };
  const answer = await fetch(`${base}/${path}`, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
  const done = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(done.error ?? `status ${answer.status}`);
  return done;
}

/** Does something, and tells what came of it. */
async function act(path, body, after) {
  try {
    const done = await post(`api/${path}`, body);
    notice(Object.entries(done).filter(([, count]) => count).map(([what, count]) => `${what}: ${count}`).join(", ") || "done: 0");
    after?.();
  } catch (error) {
    notice(error.message);
  }
}

// --- The live socket ----------------------------------------------------------------------------------------------

const history = [];
const listeners = { overview: new Set(), events: new Set() };
let socket;
let wanted = null;

function connect() {
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
      if (history.length > 121) history.shift();
    }
    listeners[message.type]?.forEach((listener) => listener(message));
  };
  socket.onclose = () => {
    state.textContent = "not connected";
    state.classList.add("off");
    setTimeout(connect, 1000 + Math.random() * 2000);
  };
}

function tap(filter) {
  wanted = filter;
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ tap: filter }));
}

// --- Charts -------------------------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";

/** Lines over the last two minutes, from zero. */
function chart(label, lines) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 120 30");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", label);
  const top = Math.max(1, ...lines.flat());
  lines.forEach((values, at) => {
    const line = document.createElementNS(SVG, "polyline");
    line.setAttribute("class", at === 0 ? "one" : "two");
    const start = 120 - values.length;
    line.setAttribute("points", values.map((value, x) => `${start + x},${29 - (28 * value) / top}`).join(" "));
    svg.append(line);
  });
  return svg;
}

/** What a counter has gained per second, between the overviews. */
function rates(read) {
  return history.slice(1).map((now, at) => {
    const seconds = (now.time - history[at].time) / 1000;
    return seconds > 0 ? Math.max(0, read(now) - read(history[at])) / seconds : 0;
  });
}

const last = (values) => values.at(-1) ?? 0;
const dropped = (it) => Object.values(it.traffic.dropped).reduce((sum, count) => sum + count, it.fan_out.dropped);

function gauge(title, read, show = number.format) {
  const values = history.map(read);
  return card(title, show(last(values)), chart(title, [values]));
}

function pair(title, readIn, readOut, show) {
  const [came, went] = [rates(readIn), rates(readOut)];
  const figure = h("span", { class: "legend" },
    h("span", { class: "in" }, `${show(last(came))} in`), " ", h("span", { class: "out" }, `${show(last(went))} out`));
  return card(title, figure, chart(title, [came, went]));
}

function card(title, figure, ...rest) {
  return h("section", { class: "card" }, h("h2", {}, title), h("div", { class: "figure" }, figure), ...rest);
}

// --- Pages --------------------------------------------------------------------------------------------------------

/** Each puts its elements into `main`, and returns what ends it. */
const pages = {
  overview() {
    const draw = () => {
      if (history.length === 0) return main.replaceChildren(h("h1", {}, "Overview"), h("p", { class: "soft" }, "waiting for the first figures"));
      const now = history.at(-1);
      main.replaceChildren(
        h("h1", {}, "Overview"),
        h("div", { class: "cards" },
          gauge("Connections", (it) => it.connections),
          pair("Messages per second", (it) => it.traffic.messages_received, (it) => it.traffic.messages_sent, compact.format),
          pair("Bytes per second", (it) => it.traffic.bytes_received, (it) => it.traffic.bytes_sent, bytes),
          gauge("Bytes in outboxes", (it) => it.buffered, bytes),
          gauge("Round trip, median", (it) => it.round_trip_ms ?? 0, millis),
          card("Dropped per second", compact.format(last(rates(dropped))), chart("Dropped per second", [rates(dropped)])),
          card("Rooms", number.format(now.rooms)),
          card("Users", number.format(now.users)),
          card("Refused", number.format(now.refused))),
        h("h2", {}, "Dropped, by reason"),
        table(["reason", "messages"], [...Object.entries(now.traffic.dropped), ["fan_out", now.fan_out.dropped]]
          .map(([reason, count]) => [reason, numeric(count)])),
        h("h2", {}, "Closed, by cause"),
        table(["cause", "connections"], Object.entries(now.closes).map(([cause, count]) => [cause, numeric(count)])));
    };
    listeners.overview.add(draw);
    draw();
    return () => listeners.overview.delete(draw);
  },

  connections() {
    return list("Connections", "connections", connectionColumns);
  },

  async connection(id) {
    const path = `connections/${encodeURIComponent(id)}`;
    const it = await get(path);
    const again = () => open();
    main.replaceChildren(
      h("h1", {}, `Connection ${it.id}`),
      facts({
        user: it.user && link("user", it.user), peer: it.peer, path: it.path, endpoint: it.endpoint, subprotocol: it.protocol,
        since: moment(it.since), rooms: spaced(it.rooms.map((room) => link("room", room))),
        received: `${number.format(it.traffic.messages_received)} messages, ${bytes(it.traffic.bytes_received)}`,
        sent: `${number.format(it.traffic.messages_sent)} messages, ${bytes(it.traffic.bytes_sent)}`,
        "in its outbox": bytes(it.buffered), "round trip": millis(it.round_trip_ms),
        dropped: spaced(Object.entries(it.traffic.dropped).filter(([, count]) => count).map(([why, count]) => `${why} ${count}`)),
        metadata: spaced(Object.entries(it.metadata).map(([key, value]) => `${key}=${value}`)),
      }),
      sendForm((text) => act(`${path}/send`, { text }, again)),
      closeForm("Close", (frame) => act(`${path}/close`, frame, () => (location.hash = "#/connections"))),
      h("p", {}, h("a", { href: `#/tap?conn=${encodeURIComponent(it.id)}` }, "Tap this connection")));
  },

  rooms() {
    return list("Rooms", "rooms", [
      ["room", "name", (it) => link("room", it.name)],
      ["members", "members", (it) => numeric(it.members)],
      ["messages", "messages", (it) => numeric(it.fan_out.messages)],
      ["deliveries", null, (it) => numeric(it.fan_out.deliveries)],
      ["dropped", null, (it) => numeric(it.fan_out.dropped)],
      ["since", "since", (it) => moment(it.since)],
    ]);
  },

  async room(name) {
    const path = `rooms/${encodeURIComponent(name)}`;
    const it = await get(path);
    main.replaceChildren(
      h("h1", {}, `Room ${it.name}`),
      facts({
        members: number.format(it.members), since: moment(it.since),
        messages: `${number.format(it.fan_out.messages)}, ${bytes(it.fan_out.bytes)}`,
        deliveries: number.format(it.fan_out.deliveries), dropped: number.format(it.fan_out.dropped),
        "history position": it.position && `${it.position.epoch}, ${it.position.offset}`,
        present: it.present && spaced(it.present.map((user) => link("user", user))),
      }),
      sendForm((text) => act(`${path}/send`, { text })),
      h("p", {}, h("a", { href: `#/tap?room=${encodeURIComponent(it.name)}` }, "Tap this room")),
      h("h2", {}, "Members"),
      rows(it.connections.items, connectionColumns));
  },

  users() {
    return list("Users", "users", [
      ["user", "name", (it) => link("user", it.name)],
      ["connections", "connections", (it) => numeric(it.connections)],
    ]);
  },

  async user(name) {
    const path = `users/${encodeURIComponent(name)}`;
    const it = await get(path);
    main.replaceChildren(
      h("h1", {}, `User ${it.name}`),
      sendForm((text) => act(`${path}/send`, { text })),
      closeForm("Disconnect everywhere", (frame) => act(`${path}/disconnect`, frame, () => (location.hash = "#/users"))),
      h("p", {}, h("a", { href: `#/tap?user=${encodeURIComponent(it.name)}` }, "Tap this user")),
      h("h2", {}, "Connections"),
      rows(it.connections.items, connectionColumns));
  },

  async nodes() {
    const it = await get("nodes");
    main.replaceChildren(
      h("h1", {}, "Nodes"),
      it.adapter ? facts(it.adapter) : h("p", { class: "soft" }, "This hub has no adapter: it is one node."),
      table(["node", "connections", "rooms"], it.nodes.map((node) => [
        `${node.id}${node.this ? " (this one)" : ""}`, node.connections ?? "", node.rooms ?? ""])));
  },

  tap(_, query) {
    const shown = [];
    let paused = false;
    const body = h("tbody");
    const missed = h("span", { class: "soft" });
    const draw = () => body.replaceChildren(...shown.map(eventRow));
    const onEvents = ({ events }) => {
      shown.unshift(...events.map((event) => ({ ...event, time: Date.now() })).reverse());
      shown.length = Math.min(shown.length, 300);
      if (!paused) draw();
    };
    const onOverview = (it) => (missed.textContent = it.missed ? `${number.format(it.missed)} missed` : "");
    const fields = ["room", "user", "conn", "text"].map((name) => h("label", {}, name, h("input", { name, value: query.get(name) })));
    const read = (form) => {
      const filter = {};
      for (const [name, value] of new FormData(form)) if (value) filter[name] = value;
      tap(filter);
    };
    const form = h("form", { submit: (event) => { event.preventDefault(); shown.length = 0; draw(); read(form); } },
      fields, h("button", {}, "Filter"),
      h("button", { type: "button", "aria-pressed": "false", click: (event) => {
        paused = !paused;
        event.target.setAttribute("aria-pressed", paused);
        event.target.textContent = paused ? "Go on" : "Pause";
        if (!paused) draw();
      } }, "Pause"), missed);
    main.replaceChildren(h("h1", {}, "Tap"), form,
      h("div", { class: "scroll" }, h("table", {},
        h("thead", {}, h("tr", {}, ["time", "what", "who", "room", "message"].map((title) => h("th", {}, title)))), body)));
    listeners.events.add(onEvents);
    listeners.overview.add(onOverview);
    read(form);
    return () => {
      listeners.events.delete(onEvents);
      listeners.overview.delete(onOverview);
      tap(null);
    };
  },
};

function eventRow(event) {
  const said = event.text != null
    ? [h("span", { class: "text" }, event.text), event.len > new TextEncoder().encode(event.text).length ? h("span", { class: "soft" }, ` … ${bytes(event.len)}`) : ""]
    : [event.code != null ? `${event.code} ${event.reason}${event.cause ? ` (${event.cause})` : ""}` : ""];
  const who = event.user ? link("user", event.user) : event.conn ? link("connection", event.conn) : "";
  return h("tr", {}, h("td", {}, new Date(event.time).toLocaleTimeString()), h("td", {}, event.kind), h("td", {}, who),
    h("td", {}, spaced((event.rooms ?? []).map((room) => link("room", room)))), h("td", {}, said));
}

const connectionColumns = [
  ["connection", null, (it) => link("connection", it.id)],
  ["user", "user", (it) => (it.user ? link("user", it.user) : "")],
  ["peer", "peer", (it) => it.peer ?? ""],
  ["path", "path", (it) => it.path],
  ["rooms", null, (it) => it.rooms.length > 3 ? `${it.rooms.length} rooms` : spaced(it.rooms.map((room) => link("room", room)))],
  ["in", "received", (it) => numeric(it.traffic.messages_received)],
  ["out", "sent", (it) => numeric(it.traffic.messages_sent)],
  ["outbox", "buffered", (it) => h("span", {}, bytes(it.buffered))],
  ["round trip", "round_trip", (it) => millis(it.round_trip_ms)],
  ["since", "since", (it) => moment(it.since)],
];

// --- Parts of pages -----------------------------------------------------------------------------------------------

/** A list that can be searched, sorted and paged, where the server does all three. */
function list(title, path, columns) {
  const params = new URLSearchParams({ skip: 0, limit: 50 });
  const result = h("div", { "aria-live": "polite" });
  let newest = 0;
  const load = async () => {
    const mine = ++newest;
    try {
      const { total, skip, items } = await get(`${path}?${params}`);
      if (mine !== newest) return;
      const page = (step) => () => { params.set("skip", Math.max(0, skip + step)); load(); };
      result.replaceChildren(
        rows(items, columns, (key) => {
          params.set("order", params.get("sort") === key && params.get("order") !== "desc" ? "desc" : "asc");
          params.set("sort", key);
          load();
        }, params),
        h("div", { class: "bar" },
          h("button", { type: "button", disabled: skip === 0, click: page(-50) }, "Back"),
          h("span", {}, total === 0 ? "none" : `${skip + 1}–${Math.min(total, skip + items.length)} of ${number.format(total)}`),
          h("button", { type: "button", disabled: skip + items.length >= total, click: page(50) }, "On")));
    } catch (error) {
      result.replaceChildren(h("p", { class: "bad" }, error.message));
    }
  };
  const search = h("input", { type: "search", input: (event) => { params.set("search", event.target.value); params.set("skip", 0); load(); } });
  main.replaceChildren(h("h1", {}, title), h("div", { class: "bar" }, h("label", {}, "Search", search), h("button", { type: "button", click: load }, "Refresh")), result);
  load();
}

function rows(items, columns, sort, params) {
  const head = columns.map(([title, key]) => {
    if (!sort || !key) return h("th", {}, title);
    const sorted = params.get("sort") === key ? (params.get("order") === "desc" ? "descending" : "ascending") : null;
    return h("th", { "aria-sort": sorted }, h("button", { type: "button", click: () => sort(key) }, title, sorted === "descending" ? " ↓" : sorted ? " ↑" : ""));
  });
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, head)),
    h("tbody", {}, items.map((it) => h("tr", {}, columns.map(([, , show]) => cell(show(it))))))));
}

function table(titles, lines) {
  return h("div", { class: "scroll" }, h("table", {}, h("thead", {}, h("tr", {}, titles.map((title) => h("th", {}, title)))),
    h("tbody", {}, lines.map((line) => h("tr", {}, line.map(cell))))));
}

const numeric = (count) => ({ count });
const cell = (content) => content?.count !== undefined ? h("td", { class: "number" }, number.format(content.count)) : h("td", {}, content);
const spaced = (parts) => h("span", {}, parts.flatMap((part, at) => (at ? [", ", part] : [part])));

function facts(values) {
  return h("section", { class: "card" }, h("dl", {}, Object.entries(values)
    .filter(([, value]) => value != null && value !== "")
    .flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));
}

function sendForm(send) {
  const text = h("textarea", { name: "text", required: true });
  return h("form", { submit: (event) => { event.preventDefault(); send(text.value); text.value = ""; } },
    h("label", {}, "Send a text", text), h("button", {}, "Send"));
}

function closeForm(title, close) {
  const code = h("input", { name: "code", type: "number", min: 1000, max: 4999, value: 1000, required: true });
  const reason = h("input", { name: "reason", maxlength: 120 });
  return h("form", { submit: (event) => { event.preventDefault(); close({ code: Number(code.value), reason: reason.value }); } },
    h("label", {}, "Close code", code), h("label", {}, "Reason", reason), h("button", { class: "danger" }, title));
}

// --- Going from page to page --------------------------------------------------------------------------------------

let end;
let turn = 0;

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
  try {
    const page = Object.hasOwn(pages, kind) ? pages[kind] : pages.overview;
    const ends = await page(decodeURIComponent(name ?? ""), new URLSearchParams(query));
    if (mine === turn) end = ends;
    else ends?.();
  } catch (error) {
    main.replaceChildren(h("h1", {}, kind), h("p", { class: "bad" }, error.message));
  }
}

document.getElementById("logout").addEventListener("click", async () => {
  await post("logout").catch((error) => notice(error.message));
  location.reload();
});
window.addEventListener("hashchange", () => open().then(() => main.focus()));
connect();
open();
