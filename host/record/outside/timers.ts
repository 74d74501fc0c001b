/** Owns the hooks in the timers of Node, `Date` and `Math.random`. Knows who answers them. */

import timersPromises from "node:timers/promises";
import { answerer, answering, type AnyCall, like, original } from "./answer.js";

type Calls = Record<string, AnyCall>;

const NEVER_MS = 0x7fffffff;

export function installTimers(): void {
  const { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate } = original;
  const global = globalThis as unknown as Calls;
  const starts = (replaced: AnyCall, repeats: boolean): AnyCall =>
    like(replaced, (call, delay, ...args) => {
      const outside = typeof call === "function" ? answering() : undefined;
      if (outside === undefined) return replaced(call, delay, ...args);
      const fire = (self: unknown): unknown => Reflect.apply(call as AnyCall, self, args);
      return outside.timer(
        fire,
        (fires, never) =>
          replaced(
            function (this: unknown) {
              fires(this);
            },
            never ? NEVER_MS : delay,
          ) as object,
        repeats,
      );
    });
  global["setTimeout"] = starts(setTimeout as AnyCall, false);
  global["setInterval"] = starts(setInterval as AnyCall, true);
  global["setImmediate"] = like(setImmediate as AnyCall, (call, ...args) => {
    const outside = typeof call === "function" ? answering() : undefined;
    if (outside === undefined) return (setImmediate as AnyCall)(call, ...args);
    const fire = (self: unknown): unknown => Reflect.apply(call as AnyCall, self, args);
    return outside.timer(fire, (fires, never) =>
      never
        ? new HeldImmediate()
        : setImmediate(function (this: unknown) {
            fires(this);
          }),
    );
  });
  const clears = (replaced: AnyCall, takesNumber = true): AnyCall =>
    like(replaced, (handle) => {
      if (takesNumber || typeof handle === "object") answerer()?.cleared(handle);
      return handle instanceof HeldImmediate ? undefined : replaced(handle);
    });
  global["clearTimeout"] = clears(clearTimeout as AnyCall);
  global["clearInterval"] = clears(clearInterval as AnyCall);
  global["clearImmediate"] = clears(clearImmediate as AnyCall, false);
  const promises = timersPromises as unknown as Calls;
  promises["setTimeout"] = timerPromise(
    "setTimeout",
    promises["setTimeout"] as AnyCall,
    (call, never, delay) => setTimeout(call, never ? NEVER_MS : (delay as number)),
    global["clearTimeout"],
  );
  promises["setImmediate"] = timerPromise(
    "setImmediate",
    promises["setImmediate"] as AnyCall,
    (call, never) => (never ? new HeldImmediate() : setImmediate(call)),
    global["clearImmediate"],
  );
  AbortSignal.timeout = abortsLater(AbortSignal.timeout.bind(AbortSignal), global["setTimeout"]);
}

/** `AbortSignal.timeout`, on a timer that is recorded. */
function abortsLater(replaced: typeof AbortSignal.timeout, start: AnyCall): typeof AbortSignal.timeout {
  return like(AbortSignal.timeout as AnyCall, (delay) => {
    // Node reports a wrong delay.
    const signal = replaced(delay as number);
    if (answering() === undefined) return signal;
    const stop = new AbortController();
    const timeout = new DOMException("The operation was aborted due to timeout", "TimeoutError");
    (start(() => stop.abort(timeout), delay) as NodeJS.Timeout).unref();
    return stop.signal;
  }) as typeof AbortSignal.timeout;
}

interface Armed {
  unref(): this;
}

/** As a promise: one that a signal can end. */
function timerPromise(
  name: string,
  replaced: AnyCall,
  start: (call: () => void, never: boolean, delay: unknown) => Armed,
  clear: AnyCall,
): AnyCall {
  return like(replaced, (...args) => {
    const outside = answering();
    if (outside === undefined) return replaced(...args);
    const [value, options] = name === "setTimeout" ? args.slice(1) : args;
    const { signal, ref = true } = Object(options) as { signal?: unknown; ref?: unknown };
    // Node reports wrong arguments.
    if ((typeof options !== "object" && options !== undefined) || typeof ref !== "boolean") return replaced(...args);
    if (name === "setTimeout" && typeof (args[0] ?? 0) !== "number") return replaced(...args);
    if (signal !== undefined && !(signal instanceof AbortSignal)) return replaced(...args);
    // It is over before it begins.
    if (signal?.aborted === true) return replaced(...args);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        clear(handle);
        // Rejects with what Node rejects with.
        (replaced(...args) as Promise<unknown>).catch(reject);
      };
      const handle = outside.timer(
        () => {
          signal?.removeEventListener("abort", onAbort);
          resolve(value);
        },
        (fires, never) => {
          const armed = start(() => fires(undefined), never, args[0]);
          return ref ? armed : armed.unref();
        },
      );
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  });
}

/** In a replay, an immediate that comes when the recording says so. */
class HeldImmediate {
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
}

export function installTime(): void {
  const { random } = Math;
  Math.random = like(random, () => answering()?.random() ?? random());
  const Real = Date;
  const realNow = Real.now.bind(Real);
  const now = (): number => answering()?.now() ?? realNow();
  Real.now = like(Real.now, now);
  const Made = function (this: unknown, ...args: readonly unknown[]): unknown {
    if (new.target === undefined) return new Real(now()).toString();
    const target = new.target === Made ? Real : new.target;
    return Reflect.construct(Real, args.length === 0 ? [now()] : args, target);
  };
  // `instanceof` looks at it.
  Made.prototype = Real.prototype;
  // One that is bound has the text of a native function, by which some programs know what was replaced.
  const Recorded = like(Real as unknown as AnyCall, Made.bind(undefined)) as unknown as DateConstructor;
  Real.prototype.constructor = Recorded;
  globalThis.Date = Recorded;
}
