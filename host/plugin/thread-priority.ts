/**
 * Owns the priority of a plugin's thread, as Linux has one for each thread: lower while it computes for long, so that a plugin
 * that spins takes little from those that serve. Knows no plugin.
 *
 * What is lowered must be raised again, which takes a privilege: CAP_SYS_NICE, or a limit RLIMIT_NICE that allows it. Without
 * it nothing is done.
 */

import { readFileSync } from "node:fs";
import { getPriority, setPriority } from "node:os";

/** Added to nice(2)'s value: about a thirtieth of the weight. */
const LOWERED_BY = 15;
const NICE_MAX = 19;
const CAP_SYS_NICE = 23n;
/** RLIMIT_NICE is 20 less the value: getrlimit(2). */
const RLIMIT_BASE = 20;

let mayRaise: boolean | undefined;

export class ThreadPriority {
  readonly #thread: () => number;
  /** Its value of nice before it was lowered. */
  #usual: number | undefined;

  /** @param thread the operating system's number of the thread; 0 where it is not known */
  constructor(thread: () => number) {
    this.#thread = thread;
  }

  lower(): void {
    if (this.#usual !== undefined || this.#thread() === 0) return;
    mayRaise ??= mayRaiseAgain();
    if (!mayRaise) return;
    try {
      const usual = getPriority(this.#thread());
      setPriority(this.#thread(), Math.min(usual + LOWERED_BY, NICE_MAX));
      this.#usual = usual;
    } catch {
      // It has ended meanwhile.
    }
  }

  restore(): void {
    if (this.#usual === undefined) return;
    try {
      setPriority(this.#thread(), this.#usual);
    } catch {
      // The same.
    }
    this.#usual = undefined;
  }
}

/** Can a priority of this process that was lowered be raised again? */
export function mayRaiseAgain(): boolean {
  try {
    const [, capabilities = "0"] = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
    if (((BigInt(`0x${capabilities}`) >> CAP_SYS_NICE) & 1n) === 1n) return true;
    const [, limit = "0"] = /^Max nice priority\s+(\w+)/m.exec(readFileSync("/proc/self/limits", "latin1")) ?? [];
    return limit === "unlimited" || Number(limit) >= RLIMIT_BASE - getPriority();
  } catch {
    return false;
  }
}
