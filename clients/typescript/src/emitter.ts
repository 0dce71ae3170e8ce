/** Ends a subscription. Calling it twice does no harm. */
export type Unsubscribe = () => void;

type Handler = (...args: never[]) => unknown;

/** Handlers by name. */
export class Emitter {
  readonly #handlers = new Map<string, Set<Handler>>();

  on(name: string, handler: Handler): Unsubscribe {
    // Wrapped, so that a function that is given twice is called twice, and each time ended by itself.
    const own: Handler = (...args) => handler(...args);
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(own));
    return () => void handlers.delete(own);
  }

  /** Calls the handlers of `name`. What one of them throws goes to the console, and the others are called anyway. */
  emit(name: string, ...args: unknown[]): void {
    for (const handler of [...(this.#handlers.get(name) ?? [])]) {
      // An async function, for what handlers throw at once and for what their promises fail with.
      (async () => handler(...(args as never[])))().catch(console.error);
    }
  }
}
