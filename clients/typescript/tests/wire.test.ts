// The cases that the server's tests read, too: tests/wire/ of the repository.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Codec, json } from "../src/index.ts";
import { msgpack } from "../src/msgpack.ts";
import { client, opened, pass, server, useFakes } from "./fake.ts";

useFakes();

interface Case {
  name: string;
  frame?: Record<string, unknown>;
  effect: Record<string, unknown>;
}

const cases = (name: string): Case[] =>
  JSON.parse(readFileSync(new URL(`../../../tests/wire/${name}.json`, import.meta.url), "utf8"));

/** "*" is anything. */
const matching = (value: unknown): unknown => JSON.parse(JSON.stringify(value), (_, part) => (part === "*" ? expect.anything() : part));

for (const codec of [json, msgpack]) {
  describe(`${codec.protocol}, to the client`, () => {
    test.each(cases("to_client"))("$name", async ({ frame = {}, effect }) => {
      const made = await opened(client({ codec }));
      const seen: Record<string, unknown>[] = [];
      made.socket.on("error", (error) => seen.push({ error: (error as { code?: string }).code, message: error.message }));
      for (const cmd of ["chat", "news", "online"]) {
        made.on(cmd, (param, { channel, from }) => {
          seen.push({ command: cmd, param, ...(channel && { channel }), ...(from && { from }) });
        });
      }
      made.answer("sure", (question) => {
        seen.push({ request: "sure", param: question });
        return true;
      });
      for (let id = 1; id <= 7; id += 1) {
        made.request("ask").then(
          (param) => seen.push({ resolves: id, param }),
          ({ code, message }) => seen.push({ rejects: id, code, message }),
        );
      }
      await pass();
      server().sent.length = 0;

      server().receive(written(codec, frame));
      await pass();

      const { answers, ...told } = effect;
      if (answers) expect(server().sent.map((data) => codec.decode(data))).toEqual([matching(answers)]);
      // A request that nobody knows is seen by its answer alone.
      if (told["request"] !== "juggle") expect(seen).toEqual([told]);
    });
  });

  describe(`${codec.protocol}, to the server`, () => {
    const frames = cases("to_server").filter(({ frame }) => frame && !Array.isArray(frame));
    test.each(frames)("$name: comes through the codec as it is", ({ frame }) => {
      expect(codec.decode(codec.encode(frame ?? {}))).toEqual(frame);
    });
  });
}

function written(codec: Codec, frame: object): string | ArrayBuffer {
  const data = codec.encode(frame);
  return typeof data === "string" ? data : data.buffer;
}
