/**
 * Owns how a world goes on: its runs, the waits that block in it, and what its programs throw. Knows its timeline and its
 * loops; knows no host.
 */

import { checkFunction, checkInteger, checkMs, checkOptions } from "../backend/check.js";
import { LoopError } from "../backend/errors.js";
import { E } from "./file.js";
import { type Course, TURN_NS } from "./loops.js";

const NS_PER_MS = 1e6;
const RUN_OPTIONS = ["untilMs", "turns", "until"] as const;

/** How far a world is run. */
export interface RunOptions {
  /** Until this time, in milliseconds since the world began. Default: the world's limit. */
  readonly untilMs?: number;
  /** At most so many turns of all loops together. */
  readonly turns?: number;
  /** Until it returns true; called between turns. */
  readonly until?: () => boolean;
}

/** Why a run ended. */
export type RunEnd = "until" | "time" | "turns" | "idle";

export class Runner {
  readonly #course: Course;
  readonly #limitNs: number;
  #failure: { readonly error: unknown } | undefined;
  #isRunning = false;
  /** How many calls deep it is in what it runs. */
  #depth = 0;

  /** @param limitNs when the world ends */
  constructor(course: Course, limitNs: number) {
    this.#course = course;
    this.#limitNs = limitNs;
  }

  /** A program ended with an error: the first one leaves the run. */
  failed(error: unknown): void {
    this.#failure ??= { error };
  }

  async run(options: RunOptions): Promise<RunEnd> {
    const course = this.#course;
    const { timeline } = course;
    const end = this.#enter(options);
    let settledAt = -1;
    try {
      while (true) {
        // Promises go on when everything has been done that is to be done at this time.
        while (settledAt !== course.activity && timeline.nextNs > timeline.nowNs) {
          settledAt = course.activity;
          await settled();
        }
        const reason = end();
        if (reason !== undefined) return reason;
      }
    } finally {
      this.#isRunning = false;
    }
  }

  runSync(options: RunOptions): RunEnd {
    const end = this.#enter(options);
    try {
      while (true) {
        const reason = end();
        if (reason !== undefined) return reason;
      }
    } finally {
      this.#isRunning = false;
    }
  }

  /** Checks the options of a run. @returns what takes the next step, or says why there is none */
  #enter(options: RunOptions): () => RunEnd | undefined {
    checkOptions("options", options as unknown, RUN_OPTIONS);
    const { untilMs = this.#limitNs / NS_PER_MS, turns = Infinity, until } = options;
    checkMs("options.untilMs", untilMs);
    if (turns !== Infinity) checkInteger("options.turns", turns, 0, Number.MAX_SAFE_INTEGER);
    if (until !== undefined) checkFunction("options.until", until);
    if (this.#isRunning || this.#depth > 0) throw new LoopError("ERR_LOOP_RUNNING", "the world is running already");
    this.#isRunning = true;
    const { timeline } = this.#course;
    const course = this.#course;
    const endNs = untilMs * NS_PER_MS;
    const lastTurn = course.turns + turns;
    return () => {
      this.#rethrow();
      if (until?.() === true) return "until";
      if (course.turns >= lastTurn) return "turns";
      if (this.#step(endNs)) return undefined;
      const isIdle = timeline.nextNs === Infinity;
      if (!isIdle || options.untilMs !== undefined) timeline.nowNs = Math.max(timeline.nowNs, endNs);
      return isIdle ? "idle" : "time";
    };
  }

  #rethrow(): void {
    const failure = this.#failure;
    if (failure === undefined) return;
    this.#failure = undefined;
    throw failure.error;
  }

  /** What is planned next. @returns false where that is nothing, or after `limitNs` */
  #step(limitNs: number): boolean {
    const { timeline } = this.#course;
    if (timeline.nextNs > timeline.nowNs) {
      // Everything waits: what has run may have changed what sampled channels are interested in.
      this.#deeper(() => {
        for (const loop of this.#course.loops) loop.sampleAgain();
      });
      const { nextNs } = timeline;
      if (nextNs > limitNs || nextNs === Infinity) return false;
      timeline.nowNs = nextNs;
    }
    this.#deeper(timeline.runNext);
    return true;
  }

  #deeper(call: () => void): void {
    this.#depth += 1;
    try {
      call();
    } finally {
      this.#depth -= 1;
    }
  }

  /** Lets time pass until `isReady`, or for so long. @returns 0, or -errno where neither would ever be */
  block(timeoutMs: number, isReady: () => boolean): number {
    const { timeline } = this.#course;
    const endNs = timeline.nowNs + Math.ceil(timeoutMs * NS_PER_MS);
    const limitNs = Math.min(endNs, this.#limitNs);
    while (!isReady()) {
      if (timeline.nowNs >= endNs) return 0;
      if (this.#step(limitNs)) continue;
      // Nothing can end this wait any more.
      if (limitNs < endNs) return -E.EDEADLK;
      timeline.nowNs = endNs;
    }
    return 0;
  }

  /** Calls outside of a run take time as well: whoever polls again and again sees it pass. */
  spend(isBlocking: boolean): void {
    if (this.#depth > 0 && !isBlocking) return;
    const { timeline } = this.#course;
    const endNs = timeline.nowNs + TURN_NS;
    while (this.#step(endNs));
    timeline.nowNs = Math.max(timeline.nowNs, endNs);
  }
}

/** After all promises that can go on have gone on. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
