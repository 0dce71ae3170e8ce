import type { Frame } from "./frame.ts";

/** Where a client stands in the log of a room. */
export interface Position {
  epoch: string;
  offset: number;
}

/** What to do with a frame of a room: hand it on, forget it, or have what is missing before it sent again. */
export type Verdict = "next" | "duplicate" | "hole";

/** Follows the log of one room, so that the application gets each message once and in order. */
export class Follower {
  #epoch: string | undefined;
  /** The offset of the last message that was handed on; none as long as the latest ones, asked for, did not come. */
  #offset: number | undefined;
  /** Where the log stood when the latest ones were asked for. */
  #top = 0;

  /** What the client can name when it joins again. */
  get position(): Position | undefined {
    if (this.#epoch === undefined || this.#offset === undefined) return;
    return { epoch: this.#epoch, offset: this.#offset };
  }

  /**
   * What comes next follows `position` or, if it is a `replay`, are the latest messages up to it, and then those after
   * it. A room without a history has no position, and nothing to follow.
   */
  moveTo(position: Position | undefined, replay = false): void {
    this.#epoch = position?.epoch;
    this.#offset = replay ? undefined : position?.offset;
    this.#top = position?.offset ?? 0;
  }

  /** Looks at a frame, and counts it if it is the next one. A frame without an offset always is. */
  judge({ offset, prev }: Frame): Verdict {
    if (offset === undefined || this.#epoch === undefined) return "next";
    const before = prev ?? offset - 1;
    // The first of the latest messages may have any number up to where the log stood.
    const held = this.#offset ?? (offset > this.#top ? this.#top : before);
    if (offset <= held) return "duplicate";
    if (before > held) return "hole";
    this.#offset = offset;
    return "next";
  }
}
