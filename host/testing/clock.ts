/** Owns the clock of the process while a test has it go by a world's: `Date`, `setTimeout` and `setInterval`. */

import { checkInstance } from "../backend/check.js";
import { SimWorld } from "../sim/world.js";

const NAMES = ["Date", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] as const;

/** What `setTimeout` gives back: as Node's, as far as programs use it. */
class WorldTimer {
  isActive = true;
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
  close(): this {
    this.isActive = false;
    return this;
  }
  [Symbol.dispose](): void {
    this.close();
  }
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
  const startMs = world.startMs;
  const nowMs = (): number => Math.floor(startMs + world.nowMs);
  const RealDate = Date;

  class WorldDate extends RealDate {
    constructor(...values: readonly unknown[]) {
      if (values.length === 0) super(nowMs());
      else super(...(values as [number]));
    }
    static override now(): number {
      return nowMs();
    }
  }

  const after = (delayMs: unknown, periodic: boolean, call: () => void): WorldTimer => {
    const timer = new WorldTimer();
    // As in Node: what is no delay is 1 ms.
    const wanted = Number(delayMs);
    const ms = wanted >= 1 && wanted <= 0x7fffffff ? wanted : 1;
    const plan = (): void => {
      world.at(world.nowMs + ms, () => {
        if (!timer.isActive) return;
        if (!periodic) timer.close();
        call();
        if (timer.isActive) plan();
      });
    };
    plan();
    return timer;
  };
  const start =
    (periodic: boolean) =>
    (callback: (...given: unknown[]) => void, delayMs?: unknown, ...given: unknown[]): WorldTimer =>
      after(delayMs, periodic, () => callback(...given));
  const clear = (timer: unknown): void => {
    if (timer instanceof WorldTimer) timer.close();
  };
  const set = (name: (typeof NAMES)[number], value: unknown): void => {
    Object.defineProperty(globalThis, name, { ...own[name], value });
  };
  // A program that calls Date without `new` gets a text.
  set("Date", new Proxy(WorldDate, { apply: () => new RealDate(nowMs()).toString() }));
  set("setTimeout", start(false));
  set("setInterval", start(true));
  set("clearTimeout", clear);
  set("clearInterval", clear);
  return () => {
    for (const name of NAMES) Object.defineProperty(globalThis, name, own[name]);
  };
}
