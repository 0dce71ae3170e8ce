import { expect, test } from "vitest";
import { gzippedSize } from "../build.mjs";

const KIB = 1_024;

// The core is all that `import { Client }` brings: the connection with its backoff, outbox, heartbeat, token and page
// events; JSON commands, requests in both directions; rooms with their recovery. A bundler leaves the rest out.
test.each([
  ["the core", `export { Client } from "./src/index.ts"`, 5 * KIB],
  ["the connection alone", `export { Socket } from "./src/index.ts"`, 3.5 * KIB],
  ["everything but MessagePack", `export * from "./src/index.ts"`, 6.5 * KIB],
  ["MessagePack", `export { msgpack } from "./src/msgpack.ts"`, 1.75 * KIB],
])("%s is within its budget", async (name, entry, budget) => {
  const size = await gzippedSize(entry);
  console.log(`${name}: ${size} bytes of ${budget}, minified and gzipped`);
  expect(size).toBeLessThanOrEqual(budget);
});
