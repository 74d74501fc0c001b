/**
 * Owns readiness: poll sets, and the one call of wasi:io/poll that waits for all of them at once, for the clock, for names
 * and for output that the host still has to send. Knows descriptors; knows no loop.
 *
 * The list of pollables is kept from one wait to the next, and made again when something in it has changed. wasi:io/poll
 * reads all of it each time: a wait costs O(watched descriptors) in the host.
 */

import { now, subscribeInstant } from "wasi:clocks/monotonic-clock@0.2.0";
import { type Pollable, poll } from "wasi:io/poll@0.2.0";
import { type PollSet, Ready, ReadyRow, type Watch } from "../backend/backend.js";
import { type Descriptor, type Descriptors, Stage } from "./descriptors.js";
import { ERRNO } from "./errors.js";
import type { PendingOutput } from "./pending-output.js";
import { advance } from "./tcp.js";

const NS_PER_MS = 1e6;
const NS_PER_US = 1000;

/** What is to be done when one pollable of a list is ready. */
type Note = (at: number) => void;

/** Pollables and whom they are for, in one order. */
class PollList {
  pollables: Pollable[] = [];
  notes: Note[] = [];
  ats: number[] = [];

  add(pollable: Pollable, note: Note, at = 0): void {
    this.pollables.push(pollable);
    this.notes.push(note);
    this.ats.push(at);
  }
}

/** Waits for everything that a program waits for. */
export class Poller {
  readonly #descriptors: Descriptors;
  readonly #pending: PendingOutput;
  readonly #once = new Map<Pollable, () => void>();
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
    let isNow = timeoutMs * NS_PER_US < 1;
    for (const set of sets) {
      set.collected = 0;
      if (set.known.length > 0) isNow = true;
    }
    const end = this.#end(isNow ? 0 : timeoutMs);
    const { pollables, notes, ats } = list;
    if (end !== undefined) pollables.push(end);
    if (pollables.length > 0) {
      const ready = poll(pollables);
      if (end !== undefined) pollables.pop();
      const count = pollables.length;
      for (let i = 0; i < ready.length; i++) {
        const index = ready[i] ?? count;
        if (index < count) notes[index]?.(ats[index] ?? 0);
      }
    }
    for (const set of sets) set.collectKnown();
    if (this.#pending.all.size > 0) this.#pending.finish();
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

function ignore(): void {}

/** What no pollable says: a failed connection, input that was read ahead, and a UDP socket that is not bound yet. */
function isReadyAnyway({ stage, peeked, peekedDatagram, udp }: Descriptor): boolean {
  return (
    stage === Stage.FAILED ||
    peeked !== undefined ||
    peekedDatagram !== undefined ||
    (udp !== undefined && stage === Stage.NEW)
  );
}

export class WasiPollSet implements PollSet {
  ready = new Int32Array(64 * ReadyRow.STRIDE);
  readonly alwaysReady = false;
  /** How many rows of {@link ready} the poller has filled for the next wait; -1 where it has not polled. */
  collected = -1;
  /** Descriptors that are ready whatever the host says. */
  readonly known: number[] = [];
  readonly #poller: Poller;
  readonly #descriptors: Descriptors;
  readonly #interest = new Map<number, number>();
  readonly #watched = new Map<number, Descriptor>();
  #list: PollList | undefined;
  #isClosed = false;
  /** By descriptor: the row that it has in {@link ready}, where it has one in this wait. */
  readonly #rows: number[] = [];
  readonly #readable: Note;
  readonly #writable: Note;

  constructor(poller: Poller, descriptors: Descriptors) {
    this.#poller = poller;
    this.#descriptors = descriptors;
    this.#readable = (fd) => this.#add(fd, Ready.READ);
    this.#writable = (fd) => this.#noteWritable(fd);
  }

  update(fd: number, interest: number): number {
    if (this.#isClosed) return -ERRNO.EBADF;
    if (interest === 0) {
      if (this.#interest.delete(fd)) this.#forget(fd);
      return 0;
    }
    const descriptor = this.#descriptors.at(fd);
    if (descriptor === undefined) return -ERRNO.EBADF;
    if (this.#interest.get(fd) === interest && this.#watched.get(fd) === descriptor) return 0;
    if (this.#watched.get(fd) !== descriptor) this.#forget(fd);
    this.#interest.set(fd, interest);
    this.#watched.set(fd, descriptor);
    descriptor.watchers.add(this);
    this.#list = undefined;
    return 0;
  }

  #forget(fd: number): void {
    this.#watched.get(fd)?.watchers.delete(this);
    this.#watched.delete(fd);
    this.#list = undefined;
  }

  /** A descriptor has got other pollables, or is being closed. */
  changed(): void {
    this.#list = undefined;
  }

  wait(timeoutMs: number): number {
    if (this.#isClosed) return -ERRNO.EBADF;
    if (this.collected < 0 || timeoutMs > 0) this.#poller.wait([this], timeoutMs);
    const count = this.collected;
    this.collected = -1;
    return count;
  }

  /** What is to be polled. */
  list(): PollList {
    this.#list ??= this.#makeList();
    return this.#list;
  }

  #makeList(): PollList {
    const list = new PollList();
    this.known.length = 0;
    for (const [fd, interest] of this.#interest) {
      const descriptor = this.#watched.get(fd);
      if (descriptor === undefined || this.#descriptors.at(fd) !== descriptor) continue;
      if (isReadyAnyway(descriptor)) this.known.push(fd);
      if ((interest & Ready.READ) !== 0) {
        const { reading } = descriptor;
        if (reading !== undefined) list.add(reading, this.#readable, fd);
      }
      // A connection goes on to be made whatever it is watched for.
      const isConnecting = descriptor.stage === Stage.CONNECTING;
      if (isConnecting || ((interest & Ready.WRITE) !== 0 && !descriptor.ends)) {
        const { writing } = descriptor;
        if (writing !== undefined) list.add(writing, this.#writable, fd);
      }
    }
    return list;
  }

  #noteWritable(fd: number): void {
    const descriptor = this.#watched.get(fd);
    if (descriptor?.stage === Stage.CONNECTING) {
      advance(descriptor);
      if (descriptor.stage === Stage.CONNECTING) return;
      if (descriptor.stage === Stage.FAILED) return this.#addFailed(fd, descriptor);
    }
    if (((this.#interest.get(fd) ?? 0) & Ready.WRITE) === 0) return;
    this.#add(fd, Ready.WRITE);
  }

  collectKnown(): void {
    for (const fd of this.known) {
      const descriptor = this.#watched.get(fd);
      if (descriptor?.stage === Stage.FAILED) this.#addFailed(fd, descriptor);
      else if (descriptor !== undefined) this.#addReadyAnyway(fd, descriptor);
    }
    for (let i = 0; i < this.collected; i++) this.#rows[this.ready[i * ReadyRow.STRIDE] ?? 0] = 0;
  }

  #addReadyAnyway(fd: number, { peeked, peekedDatagram, stage }: Descriptor): void {
    const interest = this.#interest.get(fd) ?? 0;
    const isReadable = peeked !== undefined || peekedDatagram !== undefined;
    const bits = interest & ((isReadable ? Ready.READ : 0) | (stage === Stage.NEW ? Ready.WRITE : 0));
    if (bits !== 0) this.#add(fd, bits);
  }

  #addFailed(fd: number, descriptor: Descriptor): void {
    const interest = this.#interest.get(fd) ?? 0;
    const row = this.#add(fd, Ready.ERROR | Ready.HANGUP | (interest & (Ready.READ | Ready.WRITE)));
    this.ready[row + ReadyRow.ERROR] = descriptor.error;
    this.ready[row + ReadyRow.READABLE] = 0;
    descriptor.error = 0;
  }

  /** @returns where its row is */
  #add(fd: number, bits: number): number {
    const found = this.#rows[fd] ?? 0;
    if (found > 0) {
      const at = (found - 1) * ReadyRow.STRIDE + ReadyRow.BITS;
      this.ready[at] = (this.ready[at] ?? 0) | bits;
      return at - ReadyRow.BITS;
    }
    const row = this.collected * ReadyRow.STRIDE;
    if (row === this.ready.length) {
      const larger = new Int32Array(2 * row);
      larger.set(this.ready);
      this.ready = larger;
    }
    const { ready } = this;
    ready[row + ReadyRow.FD] = fd;
    ready[row + ReadyRow.BITS] = bits;
    ready[row + ReadyRow.ERROR] = 0;
    ready[row + ReadyRow.READABLE] = -1;
    this.collected += 1;
    this.#rows[fd] = this.collected;
    return row;
  }

  /** The event loop of a program waits for the sets of its loops by itself. */
  watch(onReady: () => void): Watch {
    this.onReady = onReady;
    return { setReferenced: ignore, stop: () => (this.onReady = undefined) };
  }

  onReady: (() => void) | undefined;

  beginTurn(): void {}

  endTurn(): void {}

  close(): void {
    for (const fd of this.#watched.keys()) this.#forget(fd);
    this.#interest.clear();
    this.#isClosed = true;
  }
}
