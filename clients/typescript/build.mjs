// What is made of the sources: `dist/`, for npm, and examples/chat/gustnado.js, one file for a page without a bundler.
// `node build.mjs --check` writes nothing there, and fails if that file is not what the sources make.

import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const page = join(here, "../../examples/chat/gustnado.js");
const HEADER = `// Built from clients/typescript by its build.mjs: not written by hand.
// scripts/typescript checks that it is what the sources make.
`;

/** One file of what `entry` exports. */
async function bundle(entry, options = {}) {
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: here, loader: "ts" },
    bundle: true, format: "esm", target: "es2022", legalComments: "none", write: false, ...options,
  });
  return outputFiles[0].text;
}

/** The bytes that a page with a bundler gets, minified and gzipped. */
export async function gzippedSize(entry) {
  return gzipSync(await bundle(entry, { minify: true }), { level: 9 }).length;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(join(here, "dist"), { recursive: true, force: true });
  const tsc = join(here, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: here, stdio: "inherit" });
  const built = HEADER + (await bundle(`export { Client, Presence } from "./src/index.ts";`));
  if (!process.argv.includes("--check")) writeFileSync(page, built);
  else if (readFileSync(page, "utf8") !== built) throw new Error("examples/chat/gustnado.js is out of date: node build.mjs");
}
