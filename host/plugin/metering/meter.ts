/**
 * Owns the allowance of a metered instance: how much CPU time a turn of it may take, and all turns together. Knows the
 * exports that {@link Prepared} names; knows no guest and no policy.
 *
 * The instance counts down from {@link SLICE} and calls the host at zero, which reads the clock then: an allowance is a time,
 * and the count only says how often to look. What calls of the host take is looked at by {@link hostCalled}.
 */

import type { Prepared } from "./prepare.js";

/** Some tenths of a millisecond of ordinary code; a hundred milliseconds of the slowest. */
const SLICE = 100_000;
/** Between two looks at the clock. A call takes some microseconds; one that moves megabytes, milliseconds. */
const HOST_CALLS = 64;
/**
 * How long before a turn the CPU clock may have been read: what the thread did between is charged to the turn. Turns that are over within
 * this are charged by the other clock.
 */
const UNSEEN_NS_MAX = 10e6;

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
};

/** What was used up: the CPU time of one turn, or of all. */
export type Overrun = "turn" | "total";

export interface Allowance {
  /** CPU time of a turn. Infinity: no limit. */
  readonly turnNs: number;
  /** CPU time of all turns. Infinity: no limit. */
  readonly totalNs: number;
}

/**
 * A function with one import, which it calls. A table takes functions of WebAssembly only.
 * (module (import "" "f" (func (result i32))) (export "f" (func 0)))
 */
// prettier-ignore
const WRAPPER = Uint8Array.of(
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  1, 5, 1, 0x60, 0, 1, 0x7f,
  2, 6, 1, 0, 1, 0x66, 0, 0,
  7, 5, 1, 1, 0x66, 0, 0,
);
let wrapper: object | undefined;

export class Meter {
  readonly #allowance: Allowance;
  readonly #cpuNs: () => number;
  readonly #nowNs: () => number;
  #fuel: { value: number } | undefined;
  #overrun: Overrun | undefined;
  #startNs = 0;
  /** The last reading of the CPU clock before the turn, and when that was. */
  #seenCpuNs = 0;
  #seenNs = -Infinity;
  /** At the first look in the turn, which short turns do without; undefined before it. */
  #cpuStartNs: number | undefined;
  #beforeNs = 0;
  #limitNs = Infinity;
  #usedNs = 0;
  #lastTurnNs = 0;
  #calls = 0;

  /**
   * @param cpuNs CPU time of this thread, from any point on
   * @param nowNs a clock that takes less time to read, for turns that are over before the first look
   */
  constructor(allowance: Allowance, cpuNs: () => number, nowNs = cpuNs) {
    this.#allowance = allowance;
    this.#cpuNs = cpuNs;
    this.#nowNs = nowNs;
  }

  /** What the instance trapped for; undefined while it has not, or has trapped for a reason of its own. */
  get overrun(): Overrun | undefined {
    return this.#overrun;
  }

  /** CPU time of the turns that have ended. */
  get usedNs(): number {
    return this.#usedNs;
  }

  /** CPU time of the last turn that has ended. */
  get lastTurnNs(): number {
    return this.#lastTurnNs;
  }

  /** Serves an instance: before anything in it is called. */
  attach(exports: Readonly<Record<string, unknown>>, { fuel, refill }: Prepared): void {
    if (fuel === undefined || refill === undefined) throw new TypeError("the module is not metered");
    wrapper ??= new WebAssembly.Module(WRAPPER);
    const { f } = new WebAssembly.Instance(wrapper, { "": { f: () => this.#refill() } }).exports;
    (exports[refill] as { set(index: number, value: unknown): void }).set(0, f);
    this.#fuel = exports[fuel] as { value: number };
  }

  /** A turn begins. */
  beginTurn(): void {
    const { turnNs, totalNs } = this.#allowance;
    this.#startNs = this.#nowNs();
    if (this.#startNs - this.#seenNs > UNSEEN_NS_MAX) {
      this.#seenNs = this.#startNs;
      this.#seenCpuNs = this.#cpuNs();
    }
    this.#cpuStartNs = undefined;
    this.#limitNs = Math.min(turnNs, totalNs - this.#usedNs);
  }

  /** The turn has ended. @returns its CPU time in nanoseconds */
  endTurn(): number {
    const elapsedNs = this.#cpuStartNs === undefined ? this.#nowNs() - this.#startNs : Infinity;
    const takenNs = elapsedNs <= UNSEEN_NS_MAX ? elapsedNs : this.#takenNs();
    this.#usedNs += takenNs;
    this.#lastTurnNs = takenNs;
    return takenNs;
  }

  /** Was the last turn above its allowance? What its last calls of the host took is seen only when it has ended. */
  get hasOverrun(): boolean {
    if (this.#overrun === undefined && this.#lastTurnNs > this.#limitNs) this.#setOverrun(this.#lastTurnNs);
    return this.#overrun !== undefined;
  }

  /** The instance has called the host, which may have taken any time. */
  hostCalled(): void {
    if (++this.#calls < HOST_CALLS && this.#nowNs() - this.#startNs <= this.#limitNs) return;
    this.#calls = 0;
    if (this.#fuel !== undefined && this.#isOver()) this.#fuel.value = 0;
  }

  #refill(): number {
    return this.#isOver() ? 0 : SLICE;
  }

  #takenNs(): number {
    if (this.#cpuStartNs === undefined) {
      const elapsedNs = this.#nowNs() - this.#startNs;
      this.#cpuStartNs = this.#cpuNs();
      // The thread may not have had the processor all that time.
      this.#beforeNs = Math.min(elapsedNs, this.#cpuStartNs - this.#seenCpuNs);
    }
    return this.#beforeNs + this.#cpuNs() - this.#cpuStartNs;
  }

  #isOver(): boolean {
    const takenNs = this.#takenNs();
    if (takenNs <= this.#limitNs) return false;
    this.#setOverrun(takenNs);
    return true;
  }

  #setOverrun(takenNs: number): void {
    this.#overrun = takenNs > this.#allowance.turnNs ? "turn" : "total";
  }
}
