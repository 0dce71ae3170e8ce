// Built from clients/typescript by its build.mjs: not written by hand.
// scripts/typescript checks that it is what the sources make.
// src/codec.ts
var json = {
  protocol: "gustnado.v1.json",
  encode: (frame) => JSON.stringify(frame),
  decode(data) {
    if (typeof data !== "string") throw new TypeError("not JSON");
    return JSON.parse(data);
  }
};

// src/emitter.ts
var Emitter = class {
  #handlers = /* @__PURE__ */ new Map();
  on(name, handler) {
    const own = (...args) => handler(...args);
    const handlers = this.#handlers.get(name) ?? /* @__PURE__ */ new Set();
    this.#handlers.set(name, handlers.add(own));
    return () => void handlers.delete(own);
  }
  /** Calls the handlers of `name`. What one of them throws goes to the console, and the others are called anyway. */
  emit(name, ...args) {
    for (const handler of [...this.#handlers.get(name) ?? []]) {
      (async () => handler(...args))().catch(console.error);
    }
  }
};

// src/errors.ts
var CommandError = class extends Error {
  name = "CommandError";
  code;
  /** The room that it is about. */
  channel;
  constructor(code, message = code, channel) {
    super(message);
    this.code = code;
    this.channel = channel;
  }
};
function errorOf(param, channel) {
  const { code, message } = param ?? {};
  return new CommandError(String(code), String(message), channel);
}

// src/frame.ts
var REPLY = "reply";
var ERROR = "error";

// src/requests.ts
var PendingRequests = class {
  #waiting = /* @__PURE__ */ new Map();
  #last = 0;
  /** Has `send` send a request, and waits for its answer for `timeout` milliseconds, the wait to be sent included. */
  ask(send, timeout, channel) {
    return new Promise((resolve, reject) => {
      const id = ++this.#last;
      const timer = setTimeout(() => this.#fail(id, "timeout"), timeout);
      const waiting = { channel, timer, sent: false, resolve, reject };
      this.#waiting.set(id, waiting);
      void send(id).then((result) => {
        if (result === "sent") waiting.sent = true;
        else this.#fail(id, result);
      });
    });
  }
  /** Takes an answer. One that nobody waits for came too late. */
  settle({ id, cmd, param }) {
    const waiting = this.#take(id);
    if (cmd === ERROR) waiting?.reject(errorOf(param, waiting.channel));
    else waiting?.resolve(param);
  }
  /** The connection has ended: what was sent on it will not be answered. */
  disconnected() {
    for (const [id, { sent }] of this.#waiting) if (sent) this.#fail(id, "disconnected");
  }
  #fail(id, code) {
    const waiting = this.#take(id);
    waiting?.reject(new CommandError(code, code, waiting.channel));
  }
  #take(id) {
    const waiting = this.#waiting.get(id ?? "");
    this.#waiting.delete(id ?? "");
    clearTimeout(waiting?.timer);
    return waiting;
  }
};

// src/position.ts
var Follower = class {
  #epoch;
  /** The offset of the last message that was handed on; none as long as the latest ones, asked for, did not come. */
  #offset;
  /** Where the log stood when the latest ones were asked for. */
  #top = 0;
  /** What the client can name when it joins again. */
  get position() {
    if (this.#epoch === void 0 || this.#offset === void 0) return;
    return { epoch: this.#epoch, offset: this.#offset };
  }
  /**
   * What comes next follows `position` or, if it is a `replay`, are the latest messages up to it, and then those after
   * it. A room without a history has no position, and nothing to follow.
   */
  moveTo(position, replay = false) {
    this.#epoch = position?.epoch;
    this.#offset = replay ? void 0 : position?.offset;
    this.#top = position?.offset ?? 0;
  }
  /** Looks at a frame, and counts it if it is the next one. A frame without an offset always is. */
  judge({ offset, prev }) {
    if (offset === void 0 || this.#epoch === void 0) return "next";
    const before = prev ?? offset - 1;
    const held = this.#offset ?? (offset > this.#top ? this.#top : before);
    if (offset <= held) return "duplicate";
    if (before > held) return "hole";
    this.#offset = offset;
    return "next";
  }
};

// src/room.ts
var AGAIN = /* @__PURE__ */ new Set(["busy", "internal", "closing", "disconnected", "dropped", "expired"]);
var TRY_AGAIN = 1e3;
var Room = class {
  name;
  /** Resolves when the room is joined for the first time; fails with a {@link CommandError} if it cannot be. */
  joined;
  #client;
  #options;
  #forget;
  #commands = new Emitter();
  #events = new Emitter();
  #follower = new Follower();
  #settle;
  /** The present connection is in the room. */
  #isMember = false;
  /** Some connection was. */
  #wasMember = false;
  /** The join that is under way, if any; an answer to another one is too late. */
  #joining;
  #retry;
  /** @internal */
  constructor(name, options, client, forget) {
    this.name = name;
    this.#options = options;
    this.#client = client;
    this.#forget = forget;
    this.#follower.moveTo(options.since);
    this.joined = new Promise((resolve, reject) => this.#settle = { resolve, reject });
    this.joined.catch(() => {
    });
    this.renew();
  }
  /** Whether the server has let the client in, on the present connection. */
  get isMember() {
    return this.#isMember;
  }
  /** Up to where the application has got the room's messages, if the room keeps history. */
  get position() {
    return this.#follower.position;
  }
  /** Calls `handler` with each command of this name that is sent to this room. */
  on(cmd, handler) {
    return this.#commands.on(cmd, handler);
  }
  /** Calls `handler` each time that a connection has joined the room, before it gets anything of it. */
  onJoined(handler) {
    return this.#events.on("joined", handler);
  }
  /** Calls `handler` when the client is back in the room, before it gets anything of what it missed. */
  onRecovered(handler) {
    return this.#events.on("recovered", handler);
  }
  /** Sends a command for this room and returns its reply: {@link Client.request}. */
  request(cmd, param, options) {
    return this.#client.request(cmd, param, { ...options, channel: this.name });
  }
  /** Leaves the room. Nothing of it comes from now on. */
  leave() {
    if (this.#isMember || this.#joining) this.request("leave").catch(() => {
    });
    this.#end(new CommandError("left", "left", this.name));
  }
  /** @internal Joins, on a connection that is new or after a hole. */
  renew() {
    if (this.#client.socket.state !== "open") return;
    clearTimeout(this.#retry);
    const joining = this.#joining = {};
    const since = this.position;
    const { last } = this.#options;
    this.request("join", since ? { since } : last && { last }).then(
      (reply) => this.#joining === joining && this.#entered(reply, since),
      (error) => this.#joining === joining && this.#failed(error)
    );
  }
  /** @internal The connection is gone. */
  disconnected() {
    this.#isMember = false;
    this.#joining = void 0;
    clearTimeout(this.#retry);
  }
  /** @internal Takes a command that was sent to this room, and says whether it is one for the application. */
  receive(frame) {
    if (frame.cmd === "recovered") {
      this.#stands(frame.param);
      return false;
    }
    const verdict = this.#follower.judge(frame);
    if (verdict === "hole" && !this.#joining) this.renew();
    if (verdict !== "next") return false;
    this.#commands.emit(frame.cmd, frame.param, frame);
    return true;
  }
  #entered(reply, since) {
    this.#joining = void 0;
    this.#isMember = true;
    if (!reply?.recovered) this.#stands(reply);
    else {
      if (!since) this.#follower.moveTo(reply.position, true);
      this.#tell({ recovered: true });
    }
    this.#wasMember = true;
    this.#events.emit("joined");
    this.#settle.resolve();
  }
  /** The server cannot give what was missed, and says where the client stands. */
  #stands(standing) {
    this.#follower.moveTo(standing?.position);
    this.#tell({ recovered: false, reason: String(standing?.reason ?? "unavailable") });
  }
  /** There is nothing to tell of a first visit. */
  #tell(recovery) {
    if (this.#wasMember || this.#options.since) this.#events.emit("recovered", recovery);
  }
  #failed(error) {
    this.#joining = void 0;
    const { code } = error;
    if (code === "timeout") this.#client.socket.restart("no answer to a join");
    else if (AGAIN.has(code)) this.#retry = setTimeout(() => this.renew(), TRY_AGAIN);
    else {
      this.#client.socket.report(error);
      this.#end(error);
    }
  }
  #end(error) {
    this.disconnected();
    this.#settle.reject(error);
    this.#forget();
  }
};

// src/backoff.ts
var SHORTEST_WAIT = 100;
var LONGEST_WINDOW = 6e5;
var Backoff = class {
  stableAfter;
  #first;
  #longest;
  #failures = 0;
  constructor({ first = 1e3, longest = 3e4, stableAfter = 6e4 } = {}) {
    this.#first = first;
    this.#longest = longest;
    this.stableAfter = stableAfter;
  }
  /** The wait before the next attempt. `window` is what the server asked for, and counts as no failure. */
  next(window) {
    if (window !== void 0) return spread(Math.min(window, LONGEST_WINDOW));
    return spread(Math.min(this.#longest, this.#first * 2 ** Math.min(this.#failures++, 30)));
  }
  /** The wait after something happened that makes an attempt worthwhile at once, such as `online`. */
  soon() {
    return spread(this.#first);
  }
  /** A connection has lasted. */
  reset() {
    this.#failures = 0;
  }
};
function spread(bound) {
  return SHORTEST_WAIT + Math.random() * Math.max(0, bound - SHORTEST_WAIT);
}

// src/closing.ts
var AGAIN2 = /* @__PURE__ */ new Set([1001, 1006, 1011, 1012, 1013, 1014]);
var AGAIN_STATUS = /* @__PURE__ */ new Set([408, 425, 429]);
var UNAUTHORIZED = 4401;
function mayReconnect(code) {
  const status = code - 4e3;
  return AGAIN2.has(code) || AGAIN_STATUS.has(status) || status >= 500 && status <= 599;
}
function reconnectWindow(reason) {
  const window = /^reconnect within (\d{1,15}) ms$/.exec(reason)?.[1];
  return window === void 0 ? void 0 : Number(window);
}

// src/url.ts
function resolveUrl(url, origin = pageOrigin()) {
  if (/^(ws|http)s?:\/\//i.test(url)) return socketUrl(new URL(url));
  if (!origin || !/^http/.test(origin)) throw new SyntaxError("a path, and no page");
  return socketUrl(new URL(origin + (url.startsWith("/") ? url : `/${url}`)));
}
function socketUrl(url) {
  url.protocol = url.protocol.replace("http", "ws");
  url.hash = "";
  return url;
}
function pageOrigin() {
  return globalThis.location?.origin;
}

// src/dial.ts
var TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
function dial(options, token) {
  const url = resolveUrl(typeof options.url === "function" ? options.url() : options.url);
  const protocols = [...options.protocols ?? []];
  const { tokenIn = "subprotocol" } = options;
  if (token !== void 0) {
    if (typeof tokenIn === "object") url.searchParams.set(tokenIn.query, token);
    else if (tokenIn === "subprotocol") {
      if (!TOKEN.test(token)) throw new SyntaxError("the token is no subprotocol");
      protocols.push(`bearer.${token}`);
    }
  }
  const WebSocket = options.WebSocket ?? globalThis.WebSocket;
  if (!WebSocket) throw new SyntaxError("WebSocket is missing");
  return new WebSocket(url.href, protocols);
}

// src/heartbeat.ts
var Heartbeat = class {
  #interval;
  #timeout;
  #message;
  #ask;
  #dead;
  #timer;
  #heard = 0;
  /** When the question went out that is not answered yet; or 0. */
  #asked = 0;
  constructor(options, ask, dead) {
    this.#interval = options.interval ?? 25e3;
    this.#timeout = options.timeout ?? 15e3;
    this.#message = options.message;
    this.#ask = ask;
    this.#dead = dead;
  }
  /** The connection is open. */
  start() {
    this.#heard = Date.now();
    this.#listen(this.#interval);
  }
  stop() {
    clearTimeout(this.#timer);
  }
  /** Something came. Only a question's timer is set anew; the other looks at the time and waits for the rest. */
  heard() {
    this.#heard = Date.now();
    if (!this.#asked) return;
    this.#asked = 0;
    clearTimeout(this.#timer);
    this.#listen(this.#interval);
  }
  /** Asks now: the page was asleep, or the network has changed. */
  probe() {
    if (this.#message === void 0 || this.#asked) return;
    clearTimeout(this.#timer);
    this.#asked = Date.now();
    this.#timer = setTimeout(() => this.#judge(), this.#timeout);
    this.#ask(this.#message);
  }
  #judge() {
    const late = Date.now() - this.#asked - this.#timeout;
    this.#asked = 0;
    if (late > this.#timeout) this.probe();
    else this.#dead();
  }
  #listen(wait) {
    this.#timer = setTimeout(() => {
      const left = this.#heard + this.#interval - Date.now();
      if (left > 0) this.#listen(left);
      else this.probe();
    }, wait);
  }
};

// src/websocket.ts
function sizeOf(data) {
  return typeof data === "string" ? data.length * 3 : data.byteLength;
}
var OPEN = 1;

// src/connection.ts
var NETWORK = 1006;
var MISTAKE = 4400;
var Connection = class {
  #options;
  #events;
  #heartbeat;
  #timer;
  #socket;
  #over = false;
  constructor(options, events) {
    this.#options = options;
    this.#events = events;
    const dead = () => this.fail("the server is silent");
    this.#heartbeat = new Heartbeat(options.heartbeat ?? {}, (message) => this.send(message), dead);
    this.#timer = setTimeout(() => this.fail("no connection in time"), options.connectTimeout ?? 1e4);
    queueMicrotask(() => this.#start());
  }
  /** How many bytes the WebSocket has taken and not yet written. */
  get buffered() {
    return this.#socket?.bufferedAmount ?? 0;
  }
  /** Sends a message, unless the connection is closing or not open yet. */
  send(data) {
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(data);
    return true;
  }
  /** Looks whether the server is still there. */
  probe() {
    if (this.#socket?.readyState === OPEN) this.#heartbeat.probe();
  }
  /** Gives the connection up. */
  fail(reason) {
    this.end(NETWORK, reason);
  }
  /**
   * Ends the connection without waiting for the peer, which may be gone: the WebSocket's own close event can take
   * minutes. What was sent before still goes out; what comes from now on is not looked at.
   */
  end(code, reason, wasClean = false) {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#heartbeat.stop();
    const socket = this.#socket;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => {
      };
      if (wasClean) socket.close(code, reason);
      else socket.close();
    }
    this.#events.ended(code, reason, wasClean);
  }
  async #start() {
    let token;
    try {
      token = await this.#options.token?.();
    } catch (error) {
      if (!this.#over) this.#events.failed(error);
      return this.fail("no token");
    }
    if (this.#over) return;
    try {
      this.#listen(this.#socket = dial(this.#options, token), token);
    } catch (error) {
      this.#events.failed(error);
      this.end(MISTAKE, "cannot connect");
    }
  }
  #listen(socket, token) {
    const { protocols = [], tokenIn } = this.#options;
    let status = 0;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      if (protocols[0] && !protocols.includes(socket.protocol)) return this.end(MISTAKE, "no subprotocol chosen");
      clearTimeout(this.#timer);
      if (tokenIn === "message" && token !== void 0) socket.send(token);
      this.#heartbeat.start();
      this.#events.opened();
    };
    socket.onmessage = ({ data }) => {
      this.#heartbeat.heard();
      this.#events.message(typeof data === "string" ? data : new Uint8Array(data));
    };
    socket.onerror = ({ message = "the connection failed" }) => {
      status = Number(/^Unexpected server response: (\d+)/.exec(message)?.[1] ?? 0);
      this.#events.failed(new Error(message));
    };
    socket.onclose = ({ code, reason, wasClean }) => {
      this.#socket = void 0;
      this.end(status ? 4e3 + status : code, status ? `HTTP ${status}` : reason, wasClean);
    };
  }
};

// src/inbox.ts
async function* inbox(limit, subscribe) {
  const items = [];
  let over = false;
  let moved = () => {
  };
  const unsubscribe = subscribe(
    (item) => {
      if (items.length <= limit) items.push(item);
      moved();
    },
    () => {
      over = true;
      moved();
    }
  );
  try {
    for (; ; ) {
      if (items.length > limit) throw new Error("the reader is too slow");
      if (items.length > 0) yield items.shift();
      else if (over) return;
      else await new Promise((resolve) => moved = resolve);
    }
  } finally {
    unsubscribe();
  }
}

// src/outbox.ts
var Outbox = class {
  #waiting = /* @__PURE__ */ new Set();
  #messages;
  #bytes;
  #expires;
  #overflow;
  #size = 0;
  constructor({ messages = 100, bytes = 1 << 20, expires = 6e4, overflow = "oldest" } = {}) {
    this.#messages = messages;
    this.#bytes = bytes;
    this.#expires = expires;
    this.#overflow = overflow;
  }
  /** How many messages wait. */
  get length() {
    return this.#waiting.size;
  }
  /** Queues a message; `settle` is called once, with what became of it. */
  push(data, settle, expires = this.#expires) {
    const size = sizeOf(data);
    if (size > this.#bytes || this.#messages < 1) return settle("dropped");
    while (this.#waiting.size >= this.#messages || this.#size + size > this.#bytes) {
      const [oldest] = this.#waiting;
      if (this.#overflow === "newest" || !oldest) return settle("dropped");
      this.#end(oldest, "dropped");
    }
    const message = { data, size, settle, timer: setTimeout(() => this.#end(message, "expired"), expires) };
    this.#waiting.add(message);
    this.#size += size;
  }
  /** Hands messages to `send`, the oldest first, until it takes none or none is left. */
  flush(send) {
    for (const message of this.#waiting) {
      if (!send(message.data)) return;
      this.#end(message, "sent");
    }
  }
  /** Drops all that waits. */
  clear() {
    for (const message of this.#waiting) this.#end(message, "dropped");
  }
  #end(message, result) {
    if (!this.#waiting.delete(message)) return;
    this.#size -= message.size;
    clearTimeout(message.timer);
    message.settle(result);
  }
};

// src/page.ts
function watchPage(events) {
  const page = typeof globalThis.addEventListener === "function" ? globalThis : void 0;
  const listening = new AbortController();
  const on = (target, name, handler) => target?.addEventListener(name, handler, { signal: listening.signal });
  on(page, "pagehide", events.hide);
  on(page, "pageshow", events.show);
  on(page, "online", events.wake);
  on(globalThis.document, "visibilitychange", () => {
    if (document.visibilityState === "visible") events.wake();
  });
  return () => listening.abort();
}

// src/socket.ts
var MAX_BUFFERED = 1 << 20;
var LOOK_AGAIN = 50;
var Socket = class {
  #options;
  #events = new Emitter();
  #backoff;
  #outbox;
  #state = "idle";
  #connection;
  #retry;
  #stable;
  #look;
  #unwatch = () => {
  };
  /** When the last attempt began. */
  #attempted = 0;
  /** When the next one begins, if it may be moved forward. */
  #movable = 0;
  /** The page is hidden, and shall be connected again when it is shown. */
  #hidden = false;
  /** The handlers of `open` run. */
  #opening = false;
  /** A refused credential was renewed, and no connection has lasted since. */
  #renewed = false;
  constructor(options) {
    this.#options = options;
    this.#backoff = new Backoff(options.backoff);
    this.#outbox = new Outbox(options.outbox);
  }
  /** What the socket is doing. */
  get state() {
    return this.#state;
  }
  /** How many messages wait for a connection. */
  get waiting() {
    return this.#outbox.length;
  }
  /** Calls `handler` at each event of that name, until the returned function is called. */
  on(event, handler) {
    return this.#events.on(event, handler);
  }
  /** The messages from now on, until the socket is closed. */
  [Symbol.asyncIterator]() {
    return this.iterate((item) => this.on("message", item));
  }
  /** @internal What `subscribe` gives, until the socket is closed. */
  iterate(subscribe) {
    return inbox(this.#options.readAhead ?? 1e3, (item, end) => {
      const items = subscribe(item);
      const closed = this.on("state", (state) => state === "closed" && end());
      return () => (items(), closed());
    });
  }
  /** Connects, and goes on doing so. While it waits for the next attempt, makes that now. */
  connect() {
    if (this.#state === "idle" || this.#state === "closed") {
      const wake = () => this.#wake();
      this.#unwatch = watchPage({ hide: () => this.#hide(), show: () => this.#show(), wake });
    } else if (this.#state !== "waiting") return;
    this.#attemptAfter(0);
  }
  /** Ends the connection and every attempt to have one. What still waits is dropped. */
  close(code = 1e3, reason = "") {
    if (this.#state !== "closed") this.#halt("closed", ours(code, reason));
  }
  /** Ends the connection until `resume()`. What is sent meanwhile waits. */
  pause() {
    this.#hidden = false;
    if (this.#state !== "closed" && this.#state !== "idle") this.#halt("paused", ours());
  }
  /** Connects again after `pause()`. */
  resume() {
    if (this.#state === "paused") this.#attemptAfter(0);
  }
  /** Gives the present connection up and makes a new one. */
  restart(why) {
    this.#connection?.fail(why);
  }
  /**
   * Sends a message, or lets it wait for a connection for `expires` milliseconds. Tells what became of it; never
   * fails.
   */
  send(data, { expires } = {}) {
    return new Promise((resolve) => {
      if (this.#state === "closed") resolve("dropped");
      else if ((this.#opening || this.#outbox.length === 0) && this.#write(data)) resolve("sent");
      else {
        this.#outbox.push(data, resolve, expires);
        this.#flush();
      }
    });
  }
  /** Tells those who listen of an error. */
  report(error) {
    const known = error instanceof Error ? error : new Error(String(error));
    this.#log("error", known.message);
    this.#events.emit("error", known);
  }
  #write(data) {
    const connection = this.#state === "open" ? this.#connection : void 0;
    if (!connection || connection.buffered > MAX_BUFFERED || !connection.send(data)) return false;
    this.#log("out", data);
    return true;
  }
  #flush() {
    clearTimeout(this.#look);
    this.#outbox.flush((data) => this.#write(data));
    if (this.#outbox.length > 0 && this.#state === "open") this.#look = setTimeout(() => this.#flush(), LOOK_AGAIN);
  }
  #attemptAfter(wait, movable = true) {
    clearTimeout(this.#retry);
    const now = Date.now();
    const delay = Math.max(wait, this.#attempted + SHORTEST_WAIT - now);
    if (delay <= 0) return this.#attempt();
    this.#movable = movable ? now + delay : 0;
    this.#retry = setTimeout(() => this.#attempt(), delay);
    this.#become("waiting", delay);
  }
  #attempt() {
    this.#attempted = Date.now();
    const connection = new Connection(this.#options, {
      opened: () => this.#opened(),
      message: (data) => {
        this.#log("in", data);
        this.#events.emit("message", data);
      },
      failed: (error) => this.report(error),
      ended: (code, reason, wasClean) => {
        if (this.#connection === connection) this.#ended({ code, reason, wasClean, reconnects: mayReconnect(code) });
      }
    });
    this.#connection = connection;
    this.#become("connecting");
  }
  #opened() {
    this.#stable = setTimeout(() => {
      this.#backoff.reset();
      this.#renewed = false;
    }, this.#backoff.stableAfter);
    this.#opening = true;
    this.#become("open");
    if (this.#state === "open") this.#events.emit("open");
    this.#opening = false;
    this.#flush();
  }
  #ended(closed) {
    const { token, shouldReconnect } = this.#options;
    if (closed.code === UNAUTHORIZED && token && !this.#renewed) closed.reconnects = this.#renewed = true;
    closed.reconnects = shouldReconnect?.(closed) ?? closed.reconnects;
    if (!closed.reconnects) return this.#halt("closed", closed);
    this.#forget();
    const window = reconnectWindow(closed.reason);
    this.#attemptAfter(this.#backoff.next(window), window === void 0);
    this.#tellClosed(closed);
  }
  /** Ends what there is, for now or for good. */
  #halt(state, closed) {
    const connection = this.#connection;
    this.#forget();
    if (state === "closed") this.#unwatch();
    this.#become(state);
    if (state === "closed") this.#outbox.clear();
    if (!connection) return;
    connection.end(closed.code, closed.reason, closed.wasClean);
    this.#tellClosed(closed);
  }
  #log(kind, details) {
    this.#options.log?.add(kind, typeof details === "string" ? details : `${details.byteLength} bytes`);
  }
  #forget() {
    this.#connection = void 0;
    for (const timer of [this.#retry, this.#stable, this.#look]) clearTimeout(timer);
  }
  #tellClosed(closed) {
    this.#log("close", `${closed.code} ${closed.reason}`);
    this.#events.emit("close", closed);
  }
  #become(state, retryIn) {
    this.#state = state;
    this.#log(state, retryIn === void 0 ? "" : `${Math.round(retryIn)} ms`);
    this.#events.emit("state", state, retryIn);
  }
  #hide() {
    if (this.#state === "paused" || this.#state === "closed") return;
    this.#halt("paused", ours());
    this.#hidden = true;
  }
  #show() {
    if (!this.#hidden) return;
    this.#hidden = false;
    this.resume();
  }
  #wake() {
    this.#connection?.probe();
    if (this.#state !== "waiting") return;
    const soon = this.#backoff.soon();
    if (Date.now() + soon < this.#movable) this.#attemptAfter(soon);
  }
};
function ours(code = 1e3, reason = "") {
  return { code, reason, wasClean: true, reconnects: false };
}

// src/client.ts
var PING = { cmd: "ping", id: "alive" };
var Client = class {
  /** The connection, with its events. */
  socket;
  #codec;
  #options;
  #commands = new Emitter();
  #all = new Emitter();
  #answers = /* @__PURE__ */ new Map();
  #requests = new PendingRequests();
  #rooms = /* @__PURE__ */ new Map();
  constructor(options) {
    const codec = this.#codec = options.codec ?? json;
    this.#options = options;
    const heartbeat = { message: codec.encode(PING), ...options.heartbeat };
    this.socket = new Socket({ ...options, protocols: [codec.protocol], heartbeat });
    this.socket.on("open", () => this.#rooms.forEach((room) => room.renew()));
    this.socket.on("close", () => {
      this.#requests.disconnected();
      this.#rooms.forEach((room) => room.disconnected());
    });
    this.socket.on("message", (data) => this.#receive(data));
  }
  /** What the connection is doing. */
  get state() {
    return this.socket.state;
  }
  /** Connects, and goes on doing so until `close()`. */
  connect() {
    this.socket.connect();
    return this;
  }
  /** Ends everything. */
  close(code, reason) {
    this.socket.close(code, reason);
  }
  /** Ends the connection until `resume()`. */
  pause() {
    this.socket.pause();
  }
  /** Connects again after `pause()`. */
  resume() {
    this.socket.resume();
  }
  /** Calls `handler` with each command of this name, of whatever room, until the returned function is called. */
  on(cmd, handler) {
    return this.#commands.on(cmd, handler);
  }
  /**
   * Has `handler` answer the server's requests of this name, at once or by a promise. A {@link CommandError} that it
   * throws is the answer, anything else is told to the server as `internal` and to us as `error`.
   */
  answer(cmd, handler) {
    const own = (param) => handler(param);
    this.#answers.set(cmd, own);
    return () => void (this.#answers.get(cmd) === own && this.#answers.delete(cmd));
  }
  /** Sends a command that needs no answer. Tells what became of it; never fails. */
  send(cmd, param, options = {}) {
    return this.#send({ cmd, param, channel: options.channel }, options.expires);
  }
  /**
   * Sends a command and returns its reply.
   *
   * @throws CommandError if there is none.
   */
  async request(cmd, param, options) {
    return await this.#ask(cmd, param, options);
  }
  /**
   * Joins a room, and joins it again on every new connection until {@link Room.leave}. Returns at once, so that its
   * handlers are there before its messages; the same room is joined only once.
   */
  join(name, options = {}) {
    let room = this.#rooms.get(name);
    if (!room) {
      const client = { socket: this.socket, request: this.#ask.bind(this) };
      const joined = room = new Room(name, options, client, () => {
        if (this.#rooms.get(name) === joined) this.#rooms.delete(name);
      });
      this.#rooms.set(name, room);
    }
    return room;
  }
  /** The commands from now on, of all rooms, until the client is closed. */
  [Symbol.asyncIterator]() {
    return this.socket.iterate((item) => this.#all.on("frame", item));
  }
  #send(frame, expires) {
    return this.socket.send(this.#codec.encode(frame), { expires });
  }
  #ask(cmd, param, { channel, timeout = this.#options.timeout ?? 1e4 } = {}) {
    return this.#requests.ask((id) => this.#send({ cmd, param, channel, id }, timeout), timeout, channel);
  }
  #receive(data) {
    let frame;
    try {
      frame = this.#codec.decode(data);
    } catch {
    }
    if (typeof frame?.cmd !== "string") return this.socket.report(new Error("not a command"));
    if (frame.cmd === ERROR && frame.id == null) this.socket.report(errorOf(frame.param));
    else if (frame.cmd === REPLY || frame.cmd === ERROR) this.#requests.settle(frame);
    else if (frame.id != null) void this.#asked(frame);
    else this.#deliver(frame);
  }
  #deliver(frame) {
    const room = this.#rooms.get(frame.channel ?? "");
    if (room && !room.receive(frame)) return;
    this.#commands.emit(frame.cmd, frame.param, frame);
    this.#all.emit("frame", frame);
  }
  async #asked({ cmd, param, id }) {
    try {
      const handler = this.#answers.get(cmd);
      if (!handler) throw new CommandError("unknown_command");
      void this.#send({ cmd: REPLY, param: await handler(param) ?? null, id });
    } catch (error) {
      const known = error instanceof CommandError ? error : new CommandError("internal");
      if (known !== error) this.socket.report(error);
      void this.#send({ cmd: ERROR, param: { code: known.code, message: known.message }, id });
    }
  }
};

// src/presence.ts
var Presence = class {
  #room;
  #events = new Emitter();
  #users = /* @__PURE__ */ new Map();
  /** What was told since the list was asked for: it may be newer than the list. */
  #since;
  constructor(room) {
    this.#room = room;
    this.#room.on("online", (param) => this.#online(param));
    this.#room.onJoined(() => void this.#ask());
    if (room.isMember) void this.#ask();
  }
  /** The users, by name. */
  get users() {
    return this.#users;
  }
  /** Calls `handler` with each change, until the returned function is called. */
  on(handler) {
    return this.#events.on("change", handler);
  }
  /** Calls `handler` if the list cannot be had, until the returned function is called. */
  onError(handler) {
    return this.#events.on("error", handler);
  }
  async #ask() {
    const since = this.#since = [];
    try {
      const reply = await this.#room.request("presence");
      if (since !== this.#since) return;
      const users = new Map(Object.entries(reply?.users ?? {}).map(([user, metas]) => [user, asArray(metas)]));
      this.#since = void 0;
      for (const online of since) apply(users, online);
      this.#become(users);
    } catch (error) {
      if (since === this.#since) this.#since = void 0;
      if (error instanceof CommandError && error.code !== "disconnected") this.#events.emit("error", error);
    }
  }
  #online(online) {
    this.#since?.push(online);
    const users = new Map(this.#users);
    apply(users, online);
    this.#become(users);
  }
  #become(users) {
    const before = this.#users;
    this.#users = users;
    const joins = [...users.keys()].filter((user) => !before.has(user));
    const leaves = [...before.keys()].filter((user) => !users.has(user));
    if (joins.length + leaves.length > 0) this.#events.emit("change", { joins, leaves });
  }
};
function apply(users, online) {
  if (typeof online?.user !== "string") return;
  if (!online.online) users.delete(online.user);
  else if (!users.has(online.user)) users.set(online.user, online.meta === void 0 ? [{}] : [{ meta: online.meta }]);
}
function asArray(metas) {
  return Array.isArray(metas) ? metas : [];
}
export {
  Client,
  Presence
};
