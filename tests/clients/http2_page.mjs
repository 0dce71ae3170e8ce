// A page of the example `tls` in the system's Chromium, whose WebSockets go over HTTP/2 (RFC 8441):
// node --test tests/clients/http2_page.mjs

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createSecureServer } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test as nodeTest } from "node:test";
import { chromium } from "playwright-core";
import { start } from "./servers.mjs";

const PROGRAM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--ignore-certificate-errors",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
const test = (name, body) => nodeTest(name, { timeout: 60_000 }, body);

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: PROGRAM, headless: true, args: FLAGS });
});
after(() => browser?.close());

/** Runs `body` with a page of the server at `address`, in a context of its own. */
async function visit(address, body) {
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    await page.goto(`https://${address}/`);
    await body(page);
  } finally {
    await context.close();
  }
}

/** Over which protocol the page itself came. */
const hop = (page) => page.evaluate(() => performance.getEntriesByType("navigation")[0].nextHopProtocol);

test("a page's WebSocket goes over the HTTP/2 that the page came over", async () => {
  const server = await start("tls");
  try {
    await visit(server.address, async (page) => {
      await page.getByText("over HTTP/2.0").waitFor(); // the server's word
      assert.equal(await hop(page), "h2");
    });
  } finally {
    await server.stop();
  }
});

test("several WebSockets and fetches of a page share it, and each closes as it should", async () => {
  const server = await start("tls");
  try {
    await visit(server.address, async (page) => {
      const ends = await page.evaluate(async () => {
        const converse = (name) => new Promise((done) => {
          const socket = new WebSocket(`wss://${location.host}/ws`);
          const heard = [];
          socket.onmessage = ({ data }) => {
            heard.push(data);
            if (heard.length === 1) for (let n = 0; n < 100; n += 1) socket.send(`${name} ${n}`);
            if (heard.length === 101) socket.close(4001, name);
          };
          socket.onclose = ({ code, reason, wasClean }) => done({ heard, code, reason, wasClean });
        });
        const talks = Array.from({ length: 10 }, (_, index) => converse(`socket ${index}`));
        const pages = Array.from({ length: 10 }, () => fetch("/").then(({ status }) => status));
        return { talks: await Promise.all(talks), pages: await Promise.all(pages) };
      });
      ends.talks.forEach(({ heard, ...end }, index) => {
        const name = `socket ${index}`;
        assert.deepEqual(heard, ["over HTTP/2.0", ...Array.from({ length: 100 }, (_, n) => `${name} ${n}`)]);
        assert.deepEqual(end, { code: 4001, reason: name, wasClean: true });
      });
      assert.deepEqual(ends.pages, Array(10).fill(200));
    });
  } finally {
    await server.stop();
  }
});

test("a shutdown reaches a page's WebSocket as a clean close with 1001", async () => {
  const server = await start("tls");
  await visit(server.address, async (page) => {
    await page.getByText("over HTTP/2.0").waitFor();
    await page.evaluate(() => new Promise((open) => {
      const socket = new WebSocket(`wss://${location.host}/ws`);
      socket.onmessage = open;
      window.goodbye = new Promise((done) => {
        socket.onclose = ({ code, wasClean }) => done({ code, wasClean });
      });
    }));
    const ended = server.interrupt();
    assert.deepEqual(await page.evaluate(() => window.goodbye), { code: 1001, wasClean: true });
    assert.equal(await ended, 0);
  });
});

/** How Chromium asks a server for a WebSocket: Node's, so that it is Chromium alone that this is about. */
async function asks({ enableConnectProtocol }) {
  const folder = mkdtempSync(join(tmpdir(), "gustnado-"));
  const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(folder, name));
  execFileSync("openssl", [
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
    "-subj", "/CN=localhost", "-keyout", key, "-out", cert,
  ], { stdio: "ignore" });
  const server = createSecureServer({
    key: readFileSync(key),
    cert: readFileSync(cert),
    allowHTTP1: true,
    settings: { enableConnectProtocol },
  });
  rmSync(folder, { recursive: true });
  const asked = new Promise((done) => {
    server.on("upgrade", (request, socket) => {
      done(`${request.method} over HTTP/${request.httpVersion}`);
      socket.destroy();
    });
    server.on("stream", (stream, headers) => {
      if (headers[":protocol"] !== "websocket") return;
      done(`${headers[":method"]} over HTTP/2.0`);
      stream.close();
    });
  });
  server.on("request", (request, response) => {
    if (request.method === "GET") response.end("<!doctype html>");
  });
  server.on("sessionError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const address = `127.0.0.1:${server.address().port}`;
    let how;
    await visit(address, async (page) => {
      assert.equal(await hop(page), "h2");
      await page.evaluate(() => void new WebSocket(`wss://${location.host}/ws`));
      how = await asked;
    });
    return how;
  } finally {
    server.close();
  }
}

test("Chromium opens a WebSocket over HTTP/2 only where SETTINGS_ENABLE_CONNECT_PROTOCOL says so", async () => {
  assert.equal(await asks({ enableConnectProtocol: false }), "GET over HTTP/1.1");
  assert.equal(await asks({ enableConnectProtocol: true }), "CONNECT over HTTP/2.0");
});
