// Every answer of the admin API against the schemas of its own document: node --test tests/clients/admin_api.mjs

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test as nodeTest } from "node:test";
import Ajv from "ajv/dist/2020.js";
import WebSocket from "ws";
import { start } from "./servers.mjs";

const SECRET = "the secret of this page";
const test = (name, body) => nodeTest(name, { timeout: 60_000 }, body);

let server;
let document;
let ajv;
let socket;
const values = { room: "lobby", user: "ann" };

const ask = (path, { method = "GET", body } = {}) => fetch(`http://${server.address}/admin${path}`, {
  method, body: body && JSON.stringify(body), headers: { authorization: `Bearer ${SECRET}` },
});
const concrete = (path) => path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name]));

before(async () => {
  server = await start("admin", { args: [SECRET] });
  document = await (await ask("/api/openapi.json")).json();
  ajv = new Ajv({ strict: false, allErrors: true });
  ajv.addSchema({ $id: "document", ...document });
  socket = new WebSocket(`ws://${server.address}/ws?user=ann`);
  await once(socket, "open");
  socket.send("hello"); // so that there are figures
  await once(socket, "message");
  values.id = (await (await ask("/api/connections")).json()).items[0].id;
});
after(async () => {
  socket?.terminate();
  await server?.stop();
});

/** Fails unless `value` is what the document says of this answer. */
function conforms(operation, status, value) {
  let answer = operation.responses[status];
  assert.ok(answer, `${operation.operationId}: no answer ${status}`);
  if (answer.$ref) answer = document.components.responses[answer.$ref.split("/").at(-1)];
  const { $ref, ...rest } = answer.content["application/json"].schema;
  const validate = $ref ? ajv.getSchema(`document${$ref}`) : ajv.compile(rest);
  assert.ok(validate(value), `${operation.operationId} ${status}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`);
}

test("the document names where it is mounted, and each operation once", () => {
  assert.equal(document.openapi, "3.1.0");
  assert.deepEqual(document.servers, [{ url: "/admin" }]);
  const ids = Object.values(document.paths).flatMap((operations) => Object.values(operations).map(({ operationId }) => operationId));
  assert.equal(new Set(ids).size, ids.length);
});

test("without the secret there is nothing, whatever is asked for", async () => {
  const files = ["", "admin.css", "admin.js", "charts.js", "elements.js", "refresh.js", "server.js", "tables.js", "tap.js", "live", "nothing"];
  for (const path of [...files.map((file) => `/${file}`), ...Object.keys(document.paths)]) {
    for (const method of ["GET", "HEAD", "POST", "DELETE"]) {
      const answer = await fetch(`http://${server.address}/admin${concrete(path)}`, { method });
      assert.equal(answer.status, 401, `${method} ${path}`);
    }
  }
  const socket = new WebSocket(`ws://${server.address}/admin/live`);
  const [error] = await once(socket, "error");
  assert.match(error.message, /401/);
});

test("every view is as the document says, also when there is no such thing", async () => {
  for (const [path, { get }] of Object.entries(document.paths)) {
    if (!get) continue;
    const answer = await ask(concrete(path));
    assert.equal(answer.status, 200, path);
    conforms(get, 200, await answer.json());
    if (!path.includes("{")) continue;
    const nothing = await ask(path.replace(/\{\w+\}/, "=nothing"));
    assert.equal(nothing.status, 404, path);
    conforms(get, 404, await nothing.json());
  }
});

test("every change is as the document says, done or refused", async () => {
  const bodies = { Sending: { text: "hello" }, Closing: { code: 4000, reason: "go" } };
  const changes = Object.entries(document.paths).filter(([, { post }]) => post);
  changes.sort(([a], [b]) => /close|disconnect/.test(a) - /close|disconnect/.test(b)); // these leave nobody to send to
  for (const [path, { post }] of changes) {
    const kind = post.requestBody.content["application/json"].schema.$ref.split("/").at(-1);
    const body = bodies[kind];
    assert.ok(ajv.getSchema(`document#/components/schemas/${kind}`)(body));
    const refusals = [[400, { ...body, more: 1 }, path], [413, { text: "x".repeat(70_000) }, path], [404, body, path.replace(/\{\w+\}/, "=nothing")]];
    for (const [status, body, path] of refusals) {
      const answer = await ask(concrete(path), { method: "POST", body });
      assert.equal(answer.status, status, path);
      conforms(post, status, await answer.json());
    }
    if (socket.readyState !== WebSocket.OPEN) {
      socket = new WebSocket(`ws://${server.address}/ws?user=ann`);
      await once(socket, "open");
      values.id = (await (await ask("/api/connections")).json()).items[0].id;
    }
    const answer = await ask(concrete(path), { method: "POST", body });
    assert.equal(answer.status, 200, path);
    conforms(post, 200, await answer.json());
    if (kind === "Closing") {
      const [code, reason] = await once(socket, "close");
      assert.deepEqual([code, reason.toString()], [4000, "go"]);
    }
  }
});
