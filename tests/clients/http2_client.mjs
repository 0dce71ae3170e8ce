// Node's http2 against the example `tls`, by extended CONNECT (RFC 8441), with the frames of the npm package `ws`:
// node --test tests/clients/http2_client.mjs

import assert from "node:assert/strict";
import { on, once } from "node:events";
import { connect, constants } from "node:http2";
import { test as nodeTest } from "node:test";
import { Receiver, Sender } from "ws";
import { start } from "./servers.mjs";

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;
const WHOLE = { binary: false, compress: false, fin: true, mask: true };

/** A test with a server and a session of HTTP/2 of its own. */
function test(name, body) {
  nodeTest(name, { timeout: 30_000 }, async () => {
    const server = await start("tls");
    const session = connect(`https://${server.address}`, { rejectUnauthorized: false });
    session.on("error", () => {});
    try {
      await once(session, "remoteSettings");
      await body({ server, session });
    } finally {
      session.destroy();
      await server.stop().catch((error) => assert.match(error.message, /ended with 0/));
    }
  });
}

/** A WebSocket on a stream of its own, and what it is greeted with. */
async function open(session) {
  const stream = session.request(
    { ":method": "CONNECT", ":protocol": "websocket", ":path": "/ws", "sec-websocket-version": "13" },
    { endStream: false },
  );
  const ended = new Promise((done) => stream.once("close", () => done(stream.rstCode)));
  const [headers] = await once(stream, "response");
  assert.equal(headers[":status"], 200);
  const receiver = new Receiver({ isServer: false });
  const messages = on(receiver, "message");
  const concluded = once(receiver, "conclude").then(([code, reason]) => ({ code, reason: reason.toString() }));
  concluded.catch(() => {});
  stream.on("error", () => {});
  stream.pipe(receiver);
  const socket = {
    stream,
    receiver,
    ended,
    concluded,
    sender: new Sender(stream, {}),
    async next() {
      const [data, binary] = (await messages.next()).value;
      return binary ? data : data.toString();
    },
    send(data, options = {}) {
      socket.sender.send(data, { ...WHOLE, ...options });
    },
    async echoes(text) {
      socket.send(text);
      assert.equal(await socket.next(), text);
    },
    /** The closing handshake, and the end of the stream. */
    async close(code, reason = "") {
      socket.sender.close(code, reason, true);
      const answer = await concluded;
      stream.end();
      assert.equal(await ended, NGHTTP2_NO_ERROR);
      return answer;
    },
  };
  assert.equal(await socket.next(), "over HTTP/2.0");
  return socket;
}

/** The status of an ordinary request on the same session. */
async function get(session, path) {
  const stream = session.request({ ":path": path });
  const [headers] = await once(stream, "response");
  stream.resume();
  await once(stream, "end");
  return headers[":status"];
}

test("the server says that extended CONNECT is spoken", async ({ session }) => {
  assert.equal(session.alpnProtocol, "h2");
  assert.equal(session.remoteSettings.enableConnectProtocol, true);
});

test("several WebSockets and ordinary requests share one session", async ({ session }) => {
  const sockets = await Promise.all(Array.from({ length: 10 }, () => open(session)));
  const [first, ...others] = sockets;
  await Promise.all(others.map((socket, index) => socket.echoes(`socket ${index}`)));
  assert.equal(await get(session, "/"), 200);
  assert.equal(await get(session, "/ws"), 405);
  assert.deepEqual(await first.close(4001, "enough"), { code: 4001, reason: "enough" });
  for (const socket of others) {
    await socket.echoes("still here");
    assert.equal((await socket.close(1000)).code, 1000);
  }
});

test("what is larger than every window comes back whole and in order", async ({ session }) => {
  const socket = await open(session);
  const sent = Array.from({ length: 50 }, (_, index) => Buffer.alloc(60_000, index));
  for (const data of sent) socket.send(data, { binary: true });
  for (const data of sent) assert.ok(data.equals(await socket.next()));
  await socket.close(1000);
});

test("a WebSocket that is not read holds up no other, and loses nothing", async ({ session }) => {
  const [slow, free] = [await open(session), await open(session)];
  slow.stream.unpipe(slow.receiver);
  slow.stream.pause();
  const sent = Array.from({ length: 50 }, (_, index) => Buffer.alloc(60_000, index));
  for (const data of sent) slow.send(data, { binary: true });
  for (let round = 0; round < 100; round += 1) await free.echoes(`round ${round}`);
  assert.equal(await get(session, "/"), 200);
  slow.stream.pipe(slow.receiver);
  for (const data of sent) assert.ok(data.equals(await slow.next()));
  await slow.close(1000);
  await free.close(1000);
});

test("a reset ends one WebSocket and no other", async ({ session }) => {
  const other = await open(session);
  for (const code of [NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR]) {
    const reset = await open(session);
    reset.stream.close(code);
    assert.equal(await reset.ended, code);
    await other.echoes(`after ${code}`);
  }
  await other.close(1000);
});

test("a client's GOAWAY leaves what is open as it is", async ({ session }) => {
  const socket = await open(session);
  session.goaway(NGHTTP2_NO_ERROR);
  await socket.echoes("one more");
  session.close(); // once the last stream is
  await socket.echoes("and another");
  await socket.close(1000);
  await once(session, "close");
});

test("a shutdown sends GOAWAY, and a close to every WebSocket", async ({ server, session }) => {
  const sockets = [await open(session), await open(session)];
  const goaway = once(session, "goaway");
  const ended = server.interrupt();
  for (const socket of sockets) {
    assert.deepEqual(await socket.concluded, { code: 1001, reason: "the server is going down" });
    await socket.close(1001);
  }
  assert.equal((await goaway)[0], NGHTTP2_NO_ERROR);
  assert.equal(await ended, 0);
});
