/**
 * Owns waitables: what the component may wait for, and the sets in which it waits for several at once. Knows no stream, no call
 * and no descriptor.
 *
 * A set keeps those of its members that have an event, in the order in which they had it: neither waiting nor an event looks at
 * the others.
 */

import { type HandleTable, Resource } from "../resources.js";
import { Trap } from "../trap.js";

export const EventKind = {
  NONE: 0,
  SUBTASK: 1,
  STREAM_READ: 2,
  STREAM_WRITE: 3,
  FUTURE_READ: 4,
  FUTURE_WRITE: 5,
} as const;

/** An event with the handle of its waitable, as the component gets it. One object for all of them. */
export interface WaitEvent {
  kind: number;
  handle: number;
  code: number;
}

export abstract class Waitable extends Resource {
  handle = 0;
  /** Its neighbours among those of its set that have an event. */
  before: Waitable | undefined;
  after: Waitable | undefined;
  #set: WaitableSet | undefined;
  #hasEvent = false;

  constructor() {
    super(undefined);
  }

  abstract readonly eventKind: number;
  /** What the event says, when the component takes it. */
  protected abstract take(): number;

  get hasEvent(): boolean {
    return this.#hasEvent;
  }

  get isInSet(): boolean {
    return this.#set !== undefined;
  }

  /** Makes it the component's. @returns its handle */
  addTo(handles: HandleTable): number {
    this.handle = handles.add(this);
    return this.handle;
  }

  protected report(): void {
    if (this.#hasEvent) return;
    this.#hasEvent = true;
    this.#set?.append(this);
  }

  /** @returns the code of its event */
  takeEvent(): number {
    // One that is cancelled may have none, and is not among those of its set that do.
    if (this.#hasEvent) this.#set?.remove(this);
    this.#hasEvent = false;
    return this.take();
  }

  join(set: WaitableSet | undefined): void {
    this.leave();
    if (set === undefined) return;
    this.#set = set;
    set.members += 1;
    if (this.#hasEvent) set.append(this);
  }

  protected leave(): void {
    const set = this.#set;
    if (set === undefined) return;
    set.members -= 1;
    if (this.#hasEvent) set.remove(this);
    this.#set = undefined;
  }
}

export class WaitableSet extends Resource {
  members = 0;
  #first: Waitable | undefined;
  #last: Waitable | undefined;

  constructor() {
    super(undefined);
  }

  /** Takes the oldest event of its members. */
  next(event: WaitEvent): boolean {
    const waitable = this.#first;
    if (waitable === undefined) return false;
    event.kind = waitable.eventKind;
    event.handle = waitable.handle;
    event.code = waitable.takeEvent();
    return true;
  }

  /** It has an event. */
  append(waitable: Waitable): void {
    waitable.before = this.#last;
    if (this.#last === undefined) this.#first = waitable;
    else this.#last.after = waitable;
    this.#last = waitable;
  }

  /** It has none any more. */
  remove(waitable: Waitable): void {
    const { before, after } = waitable;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    waitable.before = waitable.after = undefined;
  }

  override release(): void {
    // Its members are the component's.
  }

  checkDrop(): void {
    if (this.members > 0) throw new Trap("a set of waitables is dropped before what is in it");
  }
}

/** States of a call, as the component gets them. */
export const CallState = { STARTED: 1, RETURNED: 2, CANCELLED: 4 } as const;

/** A call of the host's that is under way, as the component has it. */
export class Subtask extends Waitable {
  readonly eventKind = EventKind.SUBTASK;
  readonly #cancel: () => void;
  readonly #delivered: () => void;
  #state: number = CallState.STARTED;
  #isDelivered = false;

  /**
   * @param cancel nothing of it is under way any more
   * @param delivered the component knows its final state: what was lent for it is given back
   */
  constructor(cancel: () => void, delivered: () => void) {
    super();
    this.#cancel = cancel;
    this.#delivered = delivered;
  }

  /** Its result is where the component wants it. */
  returned(): void {
    this.#state = CallState.RETURNED;
    this.report();
  }

  /** @returns its state, which is final */
  cancel(): number {
    if (this.#isDelivered) throw new Trap("a call is cancelled that has returned");
    if (!this.hasEvent) {
      this.#cancel();
      this.#state = CallState.CANCELLED;
    }
    return this.takeEvent();
  }

  checkDrop(): void {
    if (!this.#isDelivered) throw new Trap("a call is dropped that is under way");
  }

  protected override take(): number {
    this.#isDelivered = true;
    this.#delivered();
    return this.#state;
  }

  override release(): void {
    this.leave();
    if (this.#state === CallState.STARTED) this.#cancel();
  }
}
