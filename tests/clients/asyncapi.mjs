// The document that `examples/typed` has written, against AsyncAPI's own schema.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import test from "node:test";

const require = createRequire(import.meta.url);
const Ajv = require("ajv");
const schema = require("@asyncapi/specs/schemas/3.0.0-without-$id.json");
const document = JSON.parse(readFileSync(new URL("../../examples/typed/asyncapi.json", import.meta.url)));

const validate = new Ajv({ strict: false, validateFormats: false, allErrors: true }).compile(schema);

test("the document of the example is valid AsyncAPI 3", () => {
  assert.ok(validate(document), JSON.stringify(validate.errors?.slice(0, 5), null, 2));
});

test("the schema notices a document that is not", () => {
  const broken = structuredClone(document);
  broken.operations["command.add"].action = "shout";
  assert.ok(!validate(broken));
});
