import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");

const guide = "../../../docs/guide/";

test("what the README and the guide show is code that compiles: the files of tests/readme", () => {
  const chapters = readdirSync(new URL(guide, import.meta.url)).map((name) => read(guide + name));
  const texts = [read("../README.md"), ...chapters];
  const blocks = texts.flatMap((text) => [...text.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code));
  const files = readdirSync(new URL("readme", import.meta.url)).map((name) => read(`readme/${name}`));
  expect(blocks.sort()).toEqual(files.sort());
});

test("the defaults that the README names are those of the sources", () => {
  const rows = [...read("../README.md").matchAll(/^\| `([\w.]+)` \| ([\d,]+)/gm)];
  expect(rows.length).toBeGreaterThan(8);
  for (const [, name = "", value = ""] of rows) {
    const file = name.startsWith("outbox") || name.startsWith("backoff") || name.startsWith("heartbeat") ? name.split(".")[0] : "options";
    const key = name.split(".").at(-1);
    const source = read(`../src/${file}.ts`) + (name === "timeout" ? read("../src/client.ts") : "");
    const doc = source.split(`${key}?:`)[0]?.split("/**").at(-1);
    expect(doc, name).toContain(value);
  }
});
