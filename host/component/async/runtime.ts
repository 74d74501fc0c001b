/**
 * Owns how a component of the asynchronous ABI runs on its one thread: waiting, time, and the end of its task. Knows the poller; knows
 * no interface.
 *
 * The component is entered by one export, and by nobody else meanwhile. Its task waits by returning, or inside a call; either way the
 * host waits for all that is under way, and has the others moved that are ready with it.
 */

import { Deferred } from "../calls.js";
import type { CallMemory } from "../call-memory.js";
import type { Poller } from "../polling.js";
import type { HandleTable, Resource } from "../resources.js";
import { Trap } from "../trap.js";
import { Timers } from "./timers.js";
import { CallState, EventKind, Subtask, WaitableSet, type WaitEvent } from "./waitables.js";

const NS_PER_MS = 1e6;
/** How many events are given out, and how often there is none, before the operating system is asked for others. */
const EVENTS_MAX = 64;
const FRUITLESS_MAX = 8;

/** What the function of an export returns, and its callback: in the lowest 4 bits. */
const Callback = { EXIT: 0, YIELD: 1, WAIT: 2 } as const;

/** The functions of an export, as the component has lifted them. */
export interface AsyncExport {
  readonly call: (...values: unknown[]) => unknown;
  readonly callback: ((...values: unknown[]) => unknown) | undefined;
}

export class Runtime {
  readonly poller: Poller;
  readonly handles: HandleTable;
  readonly timers = new Timers();
  readonly event: WaitEvent = { kind: EventKind.NONE, handle: 0, code: 0 };
  /** What the component keeps for itself: `context.get`. */
  readonly context: (number | bigint)[] = [0, 0];
  backpressure = 0;
  /** What goes on without a handle of the component's. */
  readonly owned = new Set<{ close(): void }>();
  #result: number | undefined;
  #givenOut = 0;
  #fruitless = 0;

  constructor(poller: Poller, handles: HandleTable) {
    this.poller = poller;
    this.handles = handles;
  }

  /** Runs an export to its end. @returns what it has returned */
  run({ call, callback }: AsyncExport): number {
    let code = Number(call());
    // Without a callback it is over, and has waited inside of calls.
    while (callback !== undefined && (code & 15) !== Callback.EXIT) {
      const { event } = this;
      const kind = code & 15;
      if (kind === Callback.YIELD) {
        this.turn(false);
        event.kind = EventKind.NONE;
        event.handle = event.code = 0;
      } else if (kind === Callback.WAIT) this.wait(code >>> 4);
      else throw new Trap(`its callback returned what is not known: ${kind}`);
      code = Number(callback(event.kind, event.handle, event.code));
    }
    if (this.#result === undefined) throw new Trap("it ended without a result");
    return this.#result;
  }

  returned(result: number): void {
    if (this.#result !== undefined) throw new Trap("it returned twice");
    if (result !== 0 && result !== 1) throw new Trap(`a result has no case ${result >>> 0}`);
    this.#result = result;
  }

  /** Waits for an event of a set, which is in {@link event} then. */
  wait(handle: number): void {
    const set = this.handles.get(handle, WaitableSet);
    if (++this.#givenOut > EVENTS_MAX) this.turn(false);
    while (!set.next(this.event)) this.turn(true);
  }

  /** The same, but {@link event} is none where there is none. */
  poll(handle: number): void {
    const set = this.handles.get(handle, WaitableSet);
    if (set.next(this.event)) return;
    // The component may do nothing but ask.
    if (++this.#fruitless > FRUITLESS_MAX) {
      this.turn(false);
      if (set.next(this.event)) return;
    }
    this.event.kind = EventKind.NONE;
    this.event.handle = this.event.code = 0;
  }

  /** Waits inside of a call. */
  until(isOver: () => boolean): void {
    while (!isOver()) this.turn(true);
  }

  /** Has everything moved that is ready; waits for the first of it, or does not. */
  turn(waits: boolean): void {
    this.#givenOut = 0;
    this.#fruitless = 0;
    const { poller, timers } = this;
    const { nextNs } = timers;
    if (!poller.isAwaiting && nextNs === Infinity) {
      if (waits) throw new Trap("it waits for what never comes");
      return;
    }
    const untilMs = nextNs === Infinity ? Infinity : Math.max(0, (nextNs - poller.nowNs) / NS_PER_MS);
    poller.turn(waits ? untilMs : 0);
    if (nextNs !== Infinity) timers.fire(poller.nowNs);
  }
}

/** A call that has not returned: what it waits for ends it. */
export class Pending<T> extends Deferred<T> {
  readonly #runtime: Runtime;
  readonly #lent: Resource | undefined;
  readonly #cancel: () => void;
  #settled: { readonly value: T } | undefined;
  #then: ((value: T) => void) | undefined;

  /**
   * @param lent for the call: it is not dropped meanwhile
   * @param cancel nothing of it is under way any more
   */
  constructor(runtime: Runtime, lent: Resource | undefined, cancel: () => void) {
    super();
    this.#runtime = runtime;
    this.#lent = lent;
    this.#cancel = cancel;
    if (lent !== undefined) lent.children += 1;
  }

  settle(value: T): void {
    this.#settled = { value };
    this.#then?.(value);
  }

  override wait(): T {
    this.#runtime.until(() => this.#settled !== undefined);
    this.#giveBack();
    return (this.#settled as { readonly value: T }).value;
  }

  override begin({ handles }: CallMemory, store: (value: T) => void): number {
    const subtask = new Subtask(this.#cancel, () => this.#giveBack());
    this.#then = (value) => {
      store(value);
      subtask.returned();
    };
    return CallState.STARTED | (subtask.addTo(handles) << 4);
  }

  #giveBack(): void {
    if (this.#lent !== undefined) this.#lent.children -= 1;
  }
}
