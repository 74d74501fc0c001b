/**
 * Owns the code of the helper thread, which blocks in poll(2) for the thread that has started it, and the layout of the
 * memory that the two share. Knows libc by the two calls that it makes; knows no loop.
 *
 * {@link serveDescriptors} runs in a thread of its own from its source text, so that the package is one module graph
 * wherever it is compiled or bundled to: it must use nothing but its parameters and the language.
 *
 * ```
 * Int32Array   0        1             2          3       4       5       6    7
 *              | state  | interrupted | notified | slots | state | fd    | events | state ...
 *                                                          slot 0                   slot 1
 * ```
 */

import type { ThreadBinding } from "../libc.js";

export const SHARED = {
  /** Of the helper: one of {@link HELPER}. */
  STATE: 0,
  /** Is a byte in the pipe, or about to be? The helper clears it before it looks at the slots. */
  INTERRUPTED: 1,
  /** Has a message been posted that has not arrived? */
  NOTIFIED: 2,
  /** How many slots have been used. */
  SLOTS: 3,
  FIRST_SLOT: 4,
  SLOT_WORDS: 3,
  FD: 1,
  EVENTS: 2,
} as const;

export const HELPER = { STARTING: 0, RUNNING: 1, STOPPING: 2, STOPPED: 3 } as const;

/** Of a slot. FIRED: it was found ready, and is not waited for until it is ARMED again. */
export const SLOT = { FREE: 0, ARMED: 1, FIRED: 2 } as const;

/** What the helper is given. */
export interface HelperData {
  readonly binding: ThreadBinding;
  readonly memory: SharedArrayBuffer;
  /** The read end of the pipe that interrupts its wait. */
  readonly readFd: number;
  /** How long one poll(2) takes at most: while it blocks, the thread cannot be terminated. */
  readonly sliceMs: number;
  readonly shared: typeof SHARED;
  readonly helper: typeof HELPER;
  readonly slot: typeof SLOT;
  readonly POLLIN: number;
}

/** The part of koffi that is used. */
interface Koffi {
  load(path: null): { func(signature: string): (...parameters: unknown[]) => number };
}

/** Runs until it is stopped. @param notify called when a slot has fired, and not again until that was received */
function serveDescriptors(
  data: HelperData,
  createRequire: (path: string) => (path: string) => unknown,
  notify: () => void,
): void {
  const { binding, readFd, sliceMs, shared, helper, slot, POLLIN } = data;
  const library = (createRequire(binding.koffi)(binding.koffi) as Koffi).load(null);
  const poll = library.func(binding.poll);
  const read = library.func(binding.read);
  const memory = new Int32Array(data.memory);
  const bytes = new Uint8Array(64);
  // struct pollfd, and which slot each stands for. The pipe comes first.
  let fds = new Int32Array(2 * 64);
  let shorts = new Int16Array(fds.buffer);
  let places = new Int32Array(64);

  if (Atomics.compareExchange(memory, shared.STATE, helper.STARTING, helper.RUNNING) !== helper.STARTING) return;
  while (Atomics.load(memory, shared.STATE) === helper.RUNNING) {
    // In this order: a slot that is armed after it was looked at interrupts the poll.
    Atomics.store(memory, shared.INTERRUPTED, 0);
    const slots = Atomics.load(memory, shared.SLOTS);
    if (slots >= places.length) {
      fds = new Int32Array(4 * slots);
      shorts = new Int16Array(fds.buffer);
      places = new Int32Array(2 * slots);
    }
    fds[0] = readFd;
    shorts[2] = POLLIN;
    let count = 1;
    for (let index = 0; index < slots; index++) {
      const at = shared.FIRST_SLOT + index * shared.SLOT_WORDS;
      if (Atomics.load(memory, at) !== slot.ARMED) continue;
      fds[count * 2] = Atomics.load(memory, at + shared.FD);
      shorts[count * 4 + 2] = Atomics.load(memory, at + shared.EVENTS);
      places[count] = at;
      count++;
    }

    let found = 0;
    while (found === 0) found = poll(fds, count, sliceMs);
    // A signal; or there is no memory, and trying again at once would not help.
    if (found < 0) Atomics.wait(memory, shared.STATE, helper.RUNNING, 1);
    if (found < 0 || Atomics.load(memory, shared.STATE) !== helper.RUNNING) continue;

    // A hang-up: the thread has ended, and the number may be another's already.
    if (((shorts[3] ?? 0) & ~POLLIN) !== 0) break;
    if (shorts[3] !== 0) read(readFd, bytes, bytes.length);
    let hasFired = false;
    for (let index = 1; index < count; index++) {
      if (shorts[index * 4 + 3] === 0) continue;
      const at = places[index] ?? 0;
      if (Atomics.compareExchange(memory, at, slot.ARMED, slot.FIRED) === slot.ARMED) hasFired = true;
    }
    if (hasFired && Atomics.exchange(memory, shared.NOTIFIED, 1) === 0) notify();
  }
  Atomics.store(memory, shared.STATE, helper.STOPPED);
  Atomics.notify(memory, shared.STATE);
}

/** The helper's program: for `new Worker`, with `eval`. It may be run as a script or as a module. */
export const HELPER_PROGRAM = `
Promise.all([import("node:module"), import("node:worker_threads")]).then(
  ([{ createRequire }, { parentPort, workerData }]) =>
    (${serveDescriptors.toString()})(workerData, createRequire, () => parentPort.postMessage(0)),
);`;
