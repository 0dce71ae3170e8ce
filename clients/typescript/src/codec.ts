import type { Data } from "./websocket.ts";

/** How frames are written. */
export interface Codec {
  /** The subprotocol that says so. */
  readonly protocol: string;
  encode(frame: object): Data;
  /** @throws Error for what is no frame of this codec. */
  decode(data: Data): unknown;
}

/** Frames as JSON, in text messages. */
export const json: Codec = {
  protocol: "gustnado.v1.json",
  encode: (frame) => JSON.stringify(frame),
  decode(data) {
    if (typeof data !== "string") throw new TypeError("not JSON");
    return JSON.parse(data);
  },
};
