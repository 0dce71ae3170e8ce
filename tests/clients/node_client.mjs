// The npm package `ws` against the examples: node --test tests/clients/node_client.mjs

import assert from "node:assert/strict";
import { once, on } from "node:events";
import { after, before, describe, test as nodeTest } from "node:test";
import WebSocket from "ws";
import { start } from "./servers.mjs";

const test = (name, body) => nodeTest(name, { timeout: 30_000 }, body);
const KIB = 1024;

/** Opens a connection. `next()` is the next message as `{ data, binary }`; none is lost before the first call. */
async function connect(url, protocols = [], options = {}) {
  const socket = new WebSocket(url, protocols, options);
  const messages = on(socket, "message", { close: ["close"] });
  const closed = once(socket, "close").then(([code, reason]) => ({ code, reason: reason.toString() }));
  closed.catch(() => {});
  await once(socket, "open");
  return {
    socket,
    closed,
    async next() {
      const { value, done } = await messages.next();
      if (done) throw new Error(`closed instead of a message: ${JSON.stringify(await closed)}`);
      const [data, binary] = value;
      return { data: binary ? data : data.toString(), binary };
    },
    async close(code = 1000, reason = "") {
      socket.close(code, reason);
      return closed;
    },
  };
}

/** The status of the answer to an opening handshake that is refused. */
async function refusal(url) {
  const socket = new WebSocket(url);
  const [request, response] = await once(socket, "unexpected-response");
  request.destroy();
  return response.statusCode;
}

describe("echo", () => {
  let server, url;
  before(async () => {
    server = await start("echo");
    url = `ws://${server.address}/`;
  });
  after(() => server?.stop());

  test("text comes back as text", async () => {
    const client = await connect(url);
    client.socket.send("Grüße, 🌪");
    assert.deepEqual(await client.next(), { data: "Grüße, 🌪", binary: false });
    await client.close();
  });

  test("binary comes back as binary", async () => {
    const client = await connect(url);
    const bytes = Buffer.from([0, 1, 127, 128, 255]);
    client.socket.send(bytes);
    assert.deepEqual(await client.next(), { data: bytes, binary: true });
    await client.close();
  });

  test("an empty message comes back empty", async () => {
    const client = await connect(url);
    client.socket.send("");
    client.socket.send(Buffer.alloc(0));
    assert.deepEqual(await client.next(), { data: "", binary: false });
    assert.deepEqual(await client.next(), { data: Buffer.alloc(0), binary: true });
    await client.close();
  });

  test("64 KiB in fragments come back as one whole message", async () => {
    const client = await connect(url);
    const parts = Array.from({ length: 64 }, (_, index) => Buffer.alloc(KIB, index));
    parts.forEach((part, index) => client.socket.send(part, { binary: true, fin: index === parts.length - 1 }));
    assert.deepEqual(await client.next(), { data: Buffer.concat(parts), binary: true });
    await client.close();
  });

  test("a ping between fragments is answered and leaves the message whole", async () => {
    const client = await connect(url);
    const pong = once(client.socket, "pong");
    client.socket.send("Hel", { fin: false });
    client.socket.ping("now");
    client.socket.send("lo", { fin: true });
    assert.equal((await pong)[0].toString(), "now");
    assert.equal((await client.next()).data, "Hello");
    await client.close();
  });

  test("a thousand messages in flight come back in order", async () => {
    const client = await connect(url);
    const sent = Array.from({ length: 1000 }, (_, index) => `message ${index}`);
    sent.forEach((text) => client.socket.send(text));
    const received = [];
    while (received.length < sent.length) received.push((await client.next()).data);
    assert.deepEqual(received, sent);
    await client.close();
  });

  test("a client that refuses compression is served without it", async () => {
    const client = await connect(url, [], { perMessageDeflate: false });
    client.socket.send("plain ".repeat(5000));
    assert.equal((await client.next()).data, "plain ".repeat(5000));
    assert.equal(client.socket.extensions, "");
    await client.close();
  });

  test("a close is answered with its own code", async () => {
    const client = await connect(url);
    assert.equal((await client.close(4001, "enough for today")).code, 4001);
  });

  test("a close without a code is answered without one", async () => {
    const client = await connect(url);
    client.socket.close();
    assert.deepEqual(await client.closed, { code: 1005, reason: "" });
  });

  for (const size of [64 * KIB + 1, 4 * KIB * KIB]) {
    test(`a message of ${size} bytes is refused with 1009`, async () => {
      const client = await connect(url, [], { perMessageDeflate: false });
      client.socket.on("error", () => {}); // the rest of a refused message may meet a closed connection
      client.socket.send(Buffer.alloc(size));
      assert.equal((await client.closed).code, 1009);
    });
  }
});

for (const options of [[], ["--context-takeover"]]) {
  describe(`compression ${options.join(" ")}`, () => {
    let server, url;
    before(async () => {
      server = await start("compression", { args: options });
      url = `ws://${server.address}/`;
    });
    after(() => server?.stop());

    const lines = Array.from({ length: 1500 }, (_, number) => `line ${number} of ${(number * number) % 7919}\n`);

    /** Messages that refer far back, to each other and to themselves; each has to come back. */
    async function exchange(client) {
      for (const text of [lines.join(""), lines.toReversed().join(""), lines[0], lines.slice(700).join("")]) {
        client.socket.send(text);
        assert.equal((await client.next()).data, text);
      }
      for (const part of lines.slice(0, 99)) client.socket.send(part, { fin: false });
      client.socket.send(lines[99]);
      assert.equal((await client.next()).data, lines.slice(0, 100).join(""));
    }

    for (const offer of [
      {},
      { serverNoContextTakeover: true },
      { clientNoContextTakeover: true },
      ...[9, 10, 12, 15].map((serverMaxWindowBits) => ({ serverMaxWindowBits })),
      ...[9, 12, 15].map((clientMaxWindowBits) => ({ clientMaxWindowBits })),
    ]) {
      test(`an offer with ${JSON.stringify(offer)} is taken up and kept to`, async () => {
        const client = await connect(url, [], { perMessageDeflate: { threshold: 0, ...offer } });
        assert.equal(client.socket.extensions, "permessage-deflate");
        await exchange(client);
        await client.close();
      });
    }

    test("a message that inflates beyond the limit is refused with 1009", async () => {
      const client = await connect(url);
      client.socket.send(Buffer.alloc(64 * KIB + 1));
      assert.equal((await client.closed).code, 1009);
    });
  });
}

describe("subprotocol", () => {
  let server, url;
  before(async () => {
    server = await start("subprotocol");
    url = `ws://${server.address}/`;
  });
  after(() => server?.stop());

  for (const [offered, chosen] of [[["xml", "json"], "json"], [["xml"], "xml"], [[], ""]]) {
    test(`of [${offered}] the server chooses "${chosen}"`, async () => {
      const client = await connect(url, offered);
      assert.equal(client.socket.protocol, chosen);
      await client.close();
    });
  }
});

describe("auth", () => {
  let server;
  before(async () => (server = await start("auth")));
  after(() => server?.stop());

  test("no token is answered with 401", async () => {
    assert.equal(await refusal(`ws://${server.address}/`), 401);
  });

  test("a wrong token is answered with 401", async () => {
    assert.equal(await refusal(`ws://${server.address}/?token=let-me-out`), 401);
  });

  test("the good token is let in", async () => {
    const client = await connect(`ws://${server.address}/?token=let-me-in`);
    assert.deepEqual(await client.next(), { data: "Authenticated", binary: false });
    await client.close();
  });
});

describe("stream", () => {
  let server;
  before(async () => (server = await start("stream")));
  after(() => server?.stop());

  test("every line comes back in capitals, in order", async () => {
    const client = await connect(`ws://${server.address}/`);
    for (const line of ["one line", "and another", "grüße"]) {
      client.socket.send(`${line}\n`);
      const { data, binary } = await client.next();
      assert.deepEqual([data.trimEnd(), binary], [line.toUpperCase(), false]);
    }
    await client.close();
  });
});
