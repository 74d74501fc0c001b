/** Owns the clock of the process while a test has it go by a world's: `Date`, `setTimeout` and `setInterval`. */

import { checkFunction, checkInstance } from "../backend/check.js";
import { SimWorld } from "../sim/world.js";

const NAMES = ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] as const;
const DELAY_MS_MAX = 0x7fffffff;
/** util.promisify.custom: what `promisify(setTimeout)` is. */
const PROMISED = Symbol.for("nodejs.util.promisify.custom");

/** What `setTimeout` gives back: as Node's, as far as programs use it. A world ends when nothing is left in it, also with `ref`. */
class WorldTimer {
  /** As Node's, which can be cleared by the number that they become. */
  static readonly byNumber = new Map<number, WorldTimer>();
  static #last = 0;
  readonly #number = ++WorldTimer.#last;
  readonly #world: SimWorld;
  readonly #ms: number;
  readonly #isPeriodic: boolean;
  readonly #call: () => void;
  #cancel: (() => void) | undefined;
  #isReferenced = true;
  #isClosed = false;

  constructor(world: SimWorld, delayMs: unknown, isPeriodic: boolean, call: () => void) {
    this.#world = world;
    // As in Node: what is no delay is 1 ms.
    const wanted = Number(delayMs);
    this.#ms = wanted >= 1 && wanted <= DELAY_MS_MAX ? wanted : 1;
    this.#isPeriodic = isPeriodic;
    this.#call = call;
    this.refresh();
  }

  /** As Node's: begins anew, also after it has called back; a timer that was cleared does not. */
  refresh(): this {
    if (this.#isClosed) return this;
    this.#cancel?.();
    this.#cancel = this.#world.at(this.#world.nowMs + this.#ms, () => {
      this.#cancel = undefined;
      try {
        this.#call();
      } finally {
        if (this.#isPeriodic && this.#cancel === undefined) this.refresh();
      }
    });
    return this;
  }

  ref(): this {
    this.#isReferenced = true;
    return this;
  }

  unref(): this {
    this.#isReferenced = false;
    return this;
  }

  hasRef(): boolean {
    return this.#isReferenced;
  }

  close(): this {
    this.#isClosed = true;
    this.#cancel?.();
    this.#cancel = undefined;
    WorldTimer.byNumber.delete(this.#number);
    return this;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  [Symbol.toPrimitive](): number {
    WorldTimer.byNumber.set(this.#number, this);
    return this.#number;
  }
}

/** What a program gives `setTimeout` that was made to give a promise: `timers/promises`. */
interface PromisedOptions {
  readonly signal?: AbortSignal;
}

/**
 * Has `Date`, `setTimeout` and `setInterval` of the whole process go by a world's clock, so that a program that uses them is
 * repeatable. `performance`, and what others have kept of the process's own, are not changed.
 * @returns a call that restores them
 */
export function useWorldClock(world: SimWorld): () => void {
  checkInstance("world", world, SimWorld);
  const own = Object.fromEntries(
    NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]),
  ) as Record<(typeof NAMES)[number], PropertyDescriptor>;

  const start =
    (isPeriodic: boolean) =>
    (callback: (...given: unknown[]) => void, delayMs?: unknown, ...given: unknown[]): WorldTimer => {
      checkFunction("callback", callback);
      return new WorldTimer(world, delayMs, isPeriodic, () => callback(...given));
    };
  const promised = (delayMs?: unknown, value?: unknown, { signal }: PromisedOptions = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const abort = (): void => {
        timer.close();
        reject(signal?.reason as Error);
      };
      const timer = new WorldTimer(world, delayMs, false, () => {
        signal?.removeEventListener("abort", abort);
        resolve(value);
      });
      signal?.addEventListener("abort", abort, { once: true });
    });
  const clear = (timer: unknown): void => {
    const found = timer instanceof WorldTimer ? timer : WorldTimer.byNumber.get(Number(timer));
    found?.close();
  };
  const set = (name: (typeof NAMES)[number], value: unknown): void => {
    Object.defineProperty(globalThis, name, { ...own[name], value });
  };
  set(
    "Date",
    dateOf(() => Math.floor(world.startMs + world.nowMs)),
  );
  set("setTimeout", Object.assign(start(false), { [PROMISED]: promised }));
  set("setInterval", start(true));
  set("clearTimeout", clear);
  set("clearInterval", clear);
  return () => {
    for (const name of NAMES) Object.defineProperty(globalThis, name, own[name]);
    WorldTimer.byNumber.clear();
  };
}

/** `Date` with another clock. A date that others have made is one of it, and one that it has made is one for others. */
function dateOf(nowMs: () => number): DateConstructor {
  return new Proxy(Date, {
    construct: (date, values: unknown[], made) =>
      Reflect.construct(date, values.length === 0 ? [nowMs()] : values, made) as object,
    // A program that calls Date without `new` gets a text.
    apply: (date) => new date(nowMs()).toString(),
    get: (date, key, receiver): unknown => (key === "now" ? nowMs : Reflect.get(date, key, receiver)),
  });
}
