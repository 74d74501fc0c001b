/**
 * Owns the turns of one `loop` in a world: they are taken when its poll set is ready, when its wait is over, or when
 * something it depends on has changed, and each takes the host a moment. Knows the seam of turns; knows no socket.
 */

import type { Turns, Watch } from "../backend/backend.js";
import type { Planned, Timeline } from "./timeline.js";
import { Trace, type TraceHash } from "./trace.js";
import { here, runAt } from "./whereabouts.js";

const NS_PER_MS = 1e6;
/** A turn keeps its host busy for so long: time moves, however much there is to do. */
export const TURN_NS = 1000;

/** A host, as its loops know it. */
export interface Place {
  readonly index: number;
  readonly isPaused: boolean;
  /** Until when it is busy with a turn. */
  busyUntilNs: number;
  /** CPU time that its loops have used. */
  cpuNs: number;
}

/** What the loops of a world have together. */
export interface Course {
  readonly timeline: Timeline;
  readonly trace: TraceHash;
  /** How many turns were taken so far. */
  turns: number;
  /** Counts what may have changed the interest of sampled channels. */
  activity: number;
  readonly loops: Set<LoopRun>;
}

export class LoopRun {
  readonly machine: Place;
  readonly #course: Course;
  readonly #turns: Turns;
  readonly #signal: AbortSignal | undefined;
  /** Its turns run where the loop was started. */
  readonly #where = here();
  #watch: Watch | undefined;
  #turn: Planned | undefined;
  #timer: Planned | undefined;
  #deadlineNs = Infinity;
  #waitingSinceNs = 0;
  #sampledAt = 0;
  #isInTurn = false;
  #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | undefined;

  constructor(course: Course, machine: Place, turns: Turns, signal: AbortSignal | undefined) {
    this.#course = course;
    this.machine = machine;
    this.#turns = turns;
    this.#signal = signal;
  }

  /** Resolves when no turn is to follow, or the signal is aborted; rejects with what a turn throws. */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#course.loops.add(this);
      this.#signal?.addEventListener("abort", this.#abort);
      if (this.#signal?.aborted === true) this.#end();
      else this.#attempt(() => this.#wait(this.#turns.prepare(0)));
    });
  }

  /** Its host crashed: it is never heard of again. */
  abandon(): void {
    this.#settle = undefined;
    this.#stop();
  }

  /** Its host goes on after a pause. */
  resume(): void {
    if (this.#settle !== undefined && !this.#isInTurn) this.#wake();
  }

  /** Samples interest again where something else has run since. */
  sampleAgain(): void {
    if (this.#settle === undefined || this.#isInTurn || this.#turn !== undefined || !this.#turns.areSampled) return;
    const { activity } = this.#course;
    if (activity === this.#sampledAt) return;
    this.#sampledAt = activity;
    this.#turns.onChange = undefined;
    const elapsedMs = (this.#course.timeline.nowNs - this.#waitingSinceNs) / NS_PER_MS;
    this.#attempt(() => this.#wait(this.#turns.prepare(elapsedMs), true));
  }

  #wait(waitMs: number | undefined, isAgain = false): void {
    // A sampled handler may have aborted the signal, which ends the loop.
    if (waitMs === undefined || this.#settle === undefined) return this.#end();
    const { timeline } = this.#course;
    const turns = this.#turns;
    if (!isAgain) this.#waitingSinceNs = timeline.nowNs;
    const isWorthIt = turns.beforeWait();
    this.#watch ??= turns.pollSet.watch(this.#wake);
    turns.onChange = this.#wake;
    if (waitMs <= 0 || !isWorthIt) return this.#wake();
    this.#deadlineNs = waitMs === Infinity ? Infinity : timeline.nowNs + Math.ceil(waitMs * NS_PER_MS);
    if (this.#deadlineNs < (this.#timer?.atNs ?? Infinity)) this.#setTimer();
  }

  /** One that comes too early is set again then: cheaper than moving it every turn. */
  #setTimer(): void {
    const { timeline } = this.#course;
    if (this.#timer !== undefined) timeline.cancel(this.#timer);
    this.#timer = this.#deadlineNs === Infinity ? undefined : timeline.plan(this.#deadlineNs, this.#timeout);
  }

  readonly #timeout = (): void => {
    this.#timer = undefined;
    if (this.#deadlineNs > this.#course.timeline.nowNs) this.#setTimer();
    else this.#wake();
  };

  /** A turn follows as soon as the host has time for it. */
  readonly #wake = (): void => {
    if (this.#turn !== undefined || this.#isInTurn || this.#settle === undefined || this.machine.isPaused) return;
    this.#turn = this.#course.timeline.plan(this.machine.busyUntilNs, this.#takeTurn);
  };

  readonly #takeTurn = (): void => {
    this.#turn = undefined;
    if (this.#settle === undefined || this.machine.isPaused) return;
    const { timeline, trace } = this.#course;
    const { machine } = this;
    if (machine.busyUntilNs > timeline.nowNs) return this.#wake();
    machine.busyUntilNs = timeline.nowNs + TURN_NS;
    machine.cpuNs += TURN_NS;
    this.#turns.onChange = undefined;
    this.#deadlineNs = Infinity;
    this.#attempt(() => {
      this.#isInTurn = true;
      try {
        const ready = runAt(this.#where, this.#run);
        trace.add(Trace.TURN, timeline.nowNs, machine.index, ready);
      } finally {
        this.#isInTurn = false;
        this.#course.turns += 1;
        this.#course.activity += 1;
      }
      const isAborted = this.#signal?.aborted === true;
      this.#sampledAt = this.#course.activity;
      this.#wait(isAborted || this.#settle === undefined ? undefined : this.#turns.prepare(0));
    });
  };

  readonly #run = (): number => this.#turns.run();

  readonly #abort = (): void => {
    // Inside a turn, the loop ends after the turn.
    if (!this.#isInTurn) this.#end();
  };

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#end({ error });
    }
  }

  #end(thrown?: { readonly error: unknown }): void {
    const settle = this.#settle;
    if (settle === undefined) return;
    this.#settle = undefined;
    this.#stop();
    if (thrown === undefined) settle.resolve();
    else settle.reject(thrown.error);
  }

  #stop(): void {
    const { timeline, loops } = this.#course;
    loops.delete(this);
    this.#turns.onChange = undefined;
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#watch?.stop();
    if (this.#turn !== undefined) timeline.cancel(this.#turn);
    if (this.#timer !== undefined) timeline.cancel(this.#timer);
    this.#turn = undefined;
    this.#timer = undefined;
  }
}
