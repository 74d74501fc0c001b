/**
 * Owns waiting for descriptors where the event loop itself cannot: on Bun and Deno. A helper thread, one for all watches of
 * this thread, blocks in poll(2) and posts a message when something is ready. Knows no poll set.
 *
 * The helper is started by the first watch and kept while this thread lives. While nothing is watched it does not keep
 * the thread alive. A descriptor that has fired is not polled until it is rearmed, so that the helper does not spin while
 * this thread is busy.
 */

import { Worker } from "node:worker_threads";
import { OSError } from "../../backend/errors.js";
import { errorCode, platformConstants } from "../constants.js";
import { createDescriptorCalls } from "../descriptors.js";
import { Scratch } from "../scratch.js";
import { type Libc, threadBinding } from "../libc.js";
import { POLLIN } from "../readiness.js";
import { recordDescriptor } from "../threads/records.js";
import { SLICE_MS } from "./slices.js";
import { HELPER, HELPER_PROGRAM, type HelperData, SHARED, SLOT } from "./helper-thread.js";
import type { LoopWatch, WatchedDescriptor } from "./watch.js";

/** How many descriptors a thread can wait for. The operating system provides the memory only where it is used. */
const SLOTS_MAX = 65_536;
const WORDS = SHARED.FIRST_SLOT + SLOTS_MAX * SHARED.SLOT_WORDS;
/** How long to wait until the helper has stopped, which takes some microseconds. */
const STOP_MS = 500;

let helper: Helper | undefined;

class Helper {
  readonly #libc: Libc;
  readonly #memory = new Int32Array(new SharedArrayBuffer(WORDS * 4));
  readonly #worker: Worker;
  readonly #readFd: number;
  readonly #writeFd: number;
  /** Large enough that JavaScript engines keep it outside of their heap, at a fixed address. */
  readonly #byte = new Uint8Array(128);
  readonly #byteAt: number;
  /** By slot. */
  readonly #descriptors: (HelperDescriptor | undefined)[] = [];
  readonly #freeSlots: number[] = [];
  /** How many slots keep this thread alive. */
  #references = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#byteAt = Number(libc.addressOf(this.#byte));
    const ends = createDescriptorCalls(libc, platformConstants(), new Scratch(libc)).pipe();
    if (typeof ends === "number") throw new OSError(errorCode(ends), { errno: ends, syscall: "pipe" });
    for (const fd of ends) recordDescriptor(fd);
    [this.#readFd, this.#writeFd] = ends;
    // The helper reads the slots when it starts, so no byte in the pipe is needed until then.
    this.#memory[SHARED.INTERRUPTED] = 1;
    const data: HelperData = {
      binding: threadBinding(),
      memory: this.#memory.buffer as SharedArrayBuffer,
      readFd: this.#readFd,
      sliceMs: SLICE_MS,
      shared: SHARED,
      helper: HELPER,
      slot: SLOT,
      POLLIN,
    };
    this.#worker = new Worker(HELPER_PROGRAM, { eval: true, execArgv: [], name: "wasyncore", workerData: data });
    this.#worker.on("message", this.#onMessage);
    this.#worker.unref();
    // Before the descriptors of a worker are released.
    process.prependListener("exit", () => this.#stop());
  }

  /** @returns the descriptor's slot */
  add(descriptor: HelperDescriptor, fd: number, events: number): number {
    const slot = this.#freeSlots.pop() ?? this.#descriptors.length;
    if (slot === SLOTS_MAX) throw new OSError("ENOMEM", { errno: -12, syscall: "poll" });
    this.#descriptors[slot] = descriptor;
    const at = wordOf(slot);
    Atomics.store(this.#memory, at + SHARED.FD, fd);
    Atomics.store(this.#memory, at + SHARED.EVENTS, events);
    Atomics.store(this.#memory, SHARED.SLOTS, this.#descriptors.length);
    this.reference(true);
    this.arm(slot);
    return slot;
  }

  arm(slot: number): void {
    Atomics.store(this.#memory, wordOf(slot), SLOT.ARMED);
    this.#interrupt();
  }

  /** Counts one more slot, or one less, that keeps this thread alive. */
  reference(on: boolean): void {
    this.#references += on ? 1 : -1;
    if (on && this.#references === 1) this.#worker.ref();
    else if (this.#references === 0) this.#worker.unref();
  }

  remove(slot: number): void {
    Atomics.store(this.#memory, wordOf(slot), SLOT.FREE);
    this.#descriptors[slot] = undefined;
    this.#freeSlots.push(slot);
    this.#interrupt();
  }

  readonly #onMessage = (): void => {
    const memory = this.#memory;
    Atomics.store(memory, SHARED.NOTIFIED, 0);
    for (let slot = 0; slot < this.#descriptors.length; slot++) {
      if (Atomics.load(memory, wordOf(slot)) === SLOT.FIRED) this.#descriptors[slot]?.fired();
    }
  };

  #interrupt(): void {
    if (Atomics.exchange(this.#memory, SHARED.INTERRUPTED, 1) === 0) this.#libc.writeAt(this.#writeFd, this.#byteAt, 1);
  }

  /** The thread ends. Waits until the helper has stopped reading from the pipe, then closes the pipe. */
  #stop(): void {
    const memory = this.#memory;
    const { STARTING, RUNNING, STOPPING } = HELPER;
    let state: number = Atomics.compareExchange(memory, SHARED.STATE, STARTING, STOPPING);
    if (state === RUNNING) {
      Atomics.store(memory, SHARED.STATE, STOPPING);
      this.#interrupt();
      Atomics.wait(memory, SHARED.STATE, STOPPING, STOP_MS);
      state = Atomics.load(memory, SHARED.STATE);
    }
    if (state === STOPPING) return;
    this.#libc.close(this.#readFd);
    this.#libc.close(this.#writeFd);
  }
}

function wordOf(slot: number): number {
  return SHARED.FIRST_SLOT + slot * SHARED.SLOT_WORDS;
}

/** One descriptor that the helper waits for: any that poll(2) accepts. It is not duplicated. */
export class HelperDescriptor implements WatchedDescriptor {
  readonly #helper: Helper;
  readonly #watch: LoopWatch;
  #slot: number;
  #isReferenced = true;

  constructor(libc: Libc, watch: LoopWatch, fd: number, events: number) {
    helper ??= new Helper(libc);
    this.#helper = helper;
    this.#watch = watch;
    this.#slot = helper.add(this, fd, events);
  }

  fired(): void {
    this.#watch.fired(this);
  }

  rearm(): void {
    if (this.#slot >= 0) this.#helper.arm(this.#slot);
  }

  setReferenced(on: boolean): void {
    if (this.#slot < 0 || on === this.#isReferenced) return;
    this.#isReferenced = on;
    this.#helper.reference(on);
  }

  close(): void {
    if (this.#slot < 0) return;
    this.setReferenced(false);
    this.#helper.remove(this.#slot);
    this.#slot = -1;
  }
}
