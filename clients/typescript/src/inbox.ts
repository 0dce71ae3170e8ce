import type { Unsubscribe } from "./emitter.ts";

/** Subscribes to items and to their end. */
export type Subscribe<T> = (item: (item: T) => void, end: () => void) => Unsubscribe;

/**
 * The items of a subscription as an asynchronous iteration, which fails when more than `limit` wait for its reader: a
 * page cannot tell its server to slow down, and memory has an end.
 */
export async function* inbox<T>(limit: number, subscribe: Subscribe<T>): AsyncGenerator<T, void> {
  const items: T[] = [];
  let over = false;
  let moved = () => {};
  const unsubscribe = subscribe(
    (item) => {
      // The one beyond the limit tells that it was reached.
      if (items.length <= limit) items.push(item);
      moved();
    },
    () => {
      over = true;
      moved();
    },
  );
  try {
    for (;;) {
      if (items.length > limit) throw new Error("the reader is too slow");
      if (items.length > 0) yield items.shift() as T;
      else if (over) return;
      else await new Promise<void>((resolve) => (moved = resolve));
    }
  } finally {
    unsubscribe();
  }
}
