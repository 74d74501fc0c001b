/**
 * Owns the one call of wasi:io/poll that waits for all poll sets at once, for the clock, for names and for output that the
 * host still has to send. Knows poll sets; knows no loop.
 *
 * wasi:io/poll reads the whole list of pollables each time: a wait costs O(watched descriptors) in the host.
 */

import { now, subscribeInstant } from "wasi:clocks/monotonic-clock@0.2.0";
import { type Pollable, poll } from "wasi:io/poll@0.2.0";
import type { Descriptors } from "./descriptors.js";
import type { PendingOutput } from "./pending-output.js";
import { ignore, PollList } from "./poll-list.js";
import { isNoTime, WasiPollSet } from "./poll-set.js";

const NS_PER_MS = 1e6;
/**
 * How many ready pollables wasmtime reports before it has to return to its own executor (Tokio's budget for one task): of the
 * others it says that they are not ready, and goes on saying so while a poll has something else to report.
 */
const REPORTS_MAX = 128;

/** Waits for everything that a program waits for. */
export class Poller {
  readonly #descriptors: Descriptors;
  readonly #pending: PendingOutput;
  readonly #once = new Map<Pollable, () => void>();
  /** The indices that the last poll has reported; and how many were since a poll that has certainly waited. */
  readonly #lastReady: number[] = [];
  #reported = 0;
  /** Was `end` among what the last poll has reported; and has the wait found something that is ready? */
  #isAtEnd = false;
  #isFound = false;
  /** Always ready: with it, a poll does not wait. */
  #ready: Pollable | undefined;
  #clock: { readonly pollable: Pollable; readonly atNs: number } | undefined;

  constructor(descriptors: Descriptors, pending: PendingOutput) {
    this.#descriptors = descriptors;
    this.#pending = pending;
  }

  createSet(): WasiPollSet {
    return new WasiPollSet(this, this.#descriptors);
  }

  /** Calls back from the next wait at whose end the pollable is ready. */
  readonly whenReady = (pollable: Pollable, call: () => void): void => {
    this.#once.set(pollable, call);
  };

  /** Is there something besides poll sets that a wait may end for? */
  get isExpecting(): boolean {
    return this.#once.size > 0;
  }

  get hasPendingOutput(): boolean {
    return this.#pending.all.size > 0;
  }

  /** Waits until something in `sets` is ready or the time is over. What is ready, each set holds until its next wait. */
  wait(sets: readonly WasiPollSet[], timeoutMs: number): void {
    const [first] = sets;
    const isPlain = sets.length === 1 && this.#once.size === 0 && this.#pending.all.size === 0;
    const list = isPlain && first !== undefined ? first.list() : this.#combined(sets);
    let isNow = isNoTime(timeoutMs);
    for (const set of sets) {
      set.begin();
      if (set.known.size > 0) isNow = true;
    }
    const end = this.#end(isNow ? 0 : timeoutMs);
    if (end !== undefined || list.pollables.length > 0) {
      // A host reports a connection once more when it has been read: that is no reason to end the wait.
      let isOver: boolean;
      this.#isFound = false;
      do {
        const count = this.#poll(list, end);
        isOver = isNow || this.#isAtEnd;
        if (count >= REPORTS_MAX || (isNow && count === 0 && this.#reported >= REPORTS_MAX)) this.#pollOthers(list);
      } while (!isOver && !this.#isFound);
    }
    for (const set of sets) set.collectKnown();
    if (this.#pending.all.size > 0) this.#pending.finish();
  }

  /** @returns how many of the list are ready */
  #poll({ pollables, notes, ats }: PollList, end: Pollable | undefined): number {
    if (end !== undefined) pollables.push(end);
    const ready = poll(pollables);
    if (end !== undefined) pollables.pop();
    const length = pollables.length;
    let count = 0;
    this.#isAtEnd = false;
    for (let i = 0; i < ready.length; i++) {
      const index = ready[i] ?? length;
      if (index >= length) {
        this.#isAtEnd = true;
        continue;
      }
      if (notes[index]?.(ats[index] ?? 0) !== false) this.#isFound = true;
      this.#lastReady[count] = index;
      count += 1;
    }
    this.#lastReady.length = count;
    this.#reported += count;
    return count;
  }

  /**
   * Polls what the last poll has not reported, until there is no more. Each waits, for a millisecond at most: that
   * renews the host's budget.
   */
  #pollOthers(list: PollList): void {
    let left = list;
    do {
      left = left.without(this.#lastReady);
      const moment = subscribeInstant(now() + NS_PER_MS);
      this.#reported = 0;
      this.#poll(left, moment);
      moment[Symbol.dispose]();
    } while (this.#lastReady.length >= REPORTS_MAX);
  }

  /** What ends a wait by the clock; undefined where only readiness does. */
  #end(timeoutMs: number): Pollable | undefined {
    if (timeoutMs === 0) {
      this.#ready ??= subscribeInstant(0);
      return this.#ready;
    }
    let atNs = timeoutMs === Infinity ? Infinity : now() + Math.ceil(timeoutMs * NS_PER_MS);
    if (this.#pending.all.size > 0) atNs = Math.min(atNs, this.#pending.untilNs);
    if (atNs === Infinity) return undefined;
    const clock = this.#clock;
    if (clock?.atNs === atNs) return clock.pollable;
    clock?.pollable[Symbol.dispose]();
    const pollable = subscribeInstant(atNs);
    this.#clock = { pollable, atNs };
    return pollable;
  }

  #combined(sets: readonly WasiPollSet[]): PollList {
    const list = new PollList();
    for (const set of sets) {
      const { pollables, notes, ats } = set.list();
      for (const [index, pollable] of pollables.entries()) list.add(pollable, notes[index] ?? ignore, ats[index]);
    }
    for (const [pollable, call] of this.#once) {
      list.add(pollable, () => {
        this.#once.delete(pollable);
        call();
      });
    }
    for (const descriptor of this.#pending.all) {
      const { writing } = descriptor;
      if (writing !== undefined) list.add(writing, ignore);
    }
    return list;
  }
}
