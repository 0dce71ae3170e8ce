import type { Codec } from "./codec.ts";
import { decode } from "./msgpack/decode.ts";
import { encode } from "./msgpack/encode.ts";

/** Frames as MessagePack, in binary messages. `Uint8Array`s travel as bytes. */
export const msgpack: Codec = {
  protocol: "gustnado.v1.msgpack",
  encode,
  decode(data) {
    if (typeof data === "string") throw new TypeError("a text message where MessagePack is spoken");
    return decode(data);
  },
};
