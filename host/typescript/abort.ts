/** Owns Event, EventTarget, AbortSignal and AbortController: as much of DOM as programs and the library use. Knows timers. */

import type { Timers } from "./timers.js";

type Listener = ((event: Event) => unknown) | { handleEvent(event: Event): unknown };

export class Event {
  readonly type: string;
  target: EventTarget | undefined;
  defaultPrevented = false;

  constructor(type: string) {
    this.type = type;
  }

  preventDefault(): void {
    this.defaultPrevented = true;
  }
}

export class EventTarget {
  readonly #listeners = new Map<string, Map<Listener, boolean>>();

  addEventListener(type: string, listener: Listener, options?: boolean | { readonly once?: boolean }): void {
    const once = typeof options === "object" && options.once === true;
    const known = this.#listeners.get(type) ?? new Map<Listener, boolean>();
    if (!known.has(listener)) known.set(listener, once);
    this.#listeners.set(type, known);
  }

  removeEventListener(type: string, listener: Listener): void {
    this.#listeners.get(type)?.delete(listener);
  }

  dispatchEvent(event: Event): boolean {
    event.target = this;
    const known = this.#listeners.get(event.type);
    for (const [listener, once] of [...(known ?? [])]) {
      // Another listener may have removed it.
      if (known?.has(listener) !== true) continue;
      if (once) known.delete(listener);
      if (typeof listener === "function") listener.call(this, event);
      else listener.handleEvent(event);
    }
    return !event.defaultPrevented;
  }
}

/** An error with the names of DOM. */
function domError(name: string, message: string): Error {
  return Object.assign(new Error(message), { name, code: name === "TimeoutError" ? 23 : 20 });
}

let abort: (signal: AbortSignal, reason: unknown) => void;

export class AbortSignal extends EventTarget {
  onabort: ((event: Event) => unknown) | null = null;
  #isAborted = false;
  #reason: unknown;

  static {
    abort = (signal, reason) => {
      if (signal.#isAborted) return;
      signal.#isAborted = true;
      signal.#reason = reason === undefined ? domError("AbortError", "This operation was aborted") : reason;
      const event = new Event("abort");
      signal.onabort?.(event);
      signal.dispatchEvent(event);
    };
  }

  get aborted(): boolean {
    return this.#isAborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  throwIfAborted(): void {
    if (this.#isAborted) throw this.#reason;
  }

  static abort(reason?: unknown): AbortSignal {
    const signal = new AbortSignal();
    abort(signal, reason);
    return signal;
  }

  static any(signals: Iterable<AbortSignal>): AbortSignal {
    const made = new AbortSignal();
    for (const signal of signals) {
      if (signal.aborted) abort(made, signal.reason);
      else signal.addEventListener("abort", () => abort(made, signal.reason), { once: true });
    }
    return made;
  }
}

export class AbortController {
  readonly signal = new AbortSignal();

  abort(reason?: unknown): void {
    abort(this.signal, reason);
  }
}

/** Adds `AbortSignal.timeout`. */
export function withTimeouts(timers: Timers): void {
  Object.defineProperty(AbortSignal, "timeout", {
    value: (delayMs: number): AbortSignal => {
      const signal = new AbortSignal();
      const expire = (): void => abort(signal, domError("TimeoutError", "The operation was aborted due to timeout"));
      timers.add(expire, delayMs, [], false).unref();
      return signal;
    },
  });
}
