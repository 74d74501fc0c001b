/**
 * Owns the backend on WASI 0.2: TCP, UDP, names, standard streams and the clock. There are no Unix sockets, no pipes and no
 * files of other kinds. Knows wasi:sockets through the files here; knows no loop.
 */

import { now } from "wasi:clocks/monotonic-clock@0.2.0";
import { now as wallNow } from "wasi:clocks/wall-clock@0.2.0";
import type { Backend, TurnTaker } from "../backend/backend.js";
import { Descriptors } from "./descriptors.js";
import { errorName } from "./errors.js";
import { createFileCalls } from "./files.js";
import { createNameCalls } from "./names.js";
import { PendingOutput } from "./pending-output.js";
import { Poller } from "./polling.js";
import { createSocketCalls } from "./sockets.js";
import { createMissingCalls } from "./missing.js";

const NS_PER_S = 1_000_000_000n;

/** The backend, and what the event loop of a program waits with. */
export interface Wasi02 {
  readonly backend: Backend;
  readonly poller: Poller;
  /** Closes what the program has left open, as the end of a process does. What the host still has to send is waited for. */
  closeAll(): void;
}

/** @param turnTaker the event loop, which takes the turns of all loops */
export function createWasi02(turnTaker: TurnTaker): Wasi02 {
  const descriptors = new Descriptors();
  const pending = new PendingOutput();
  const poller = new Poller(descriptors, pending);
  const backend: Backend = {
    name: "wasi-0.2",
    errorCode: errorName,
    clock: {
      monotonicNs: now,
      realtimeNs() {
        const { seconds, nanoseconds } = wallNow();
        return BigInt(seconds) * NS_PER_S + BigInt(nanoseconds);
      },
      turnTaker,
      // WASI 0.2 has no such clock.
      threadCpuNs: () => BigInt(now()),
    },
    ...createMissingCalls(descriptors),
    ...createSocketCalls(descriptors, pending),
    ...createFileCalls(descriptors, pending),
    ...createNameCalls(poller.whenReady),
    createPollSet: () => poller.createSet(),
  };
  const closeAll = (): void => {
    for (const descriptor of descriptors.removeAll()) pending.freeWhenSent(descriptor);
  };
  return { backend, poller, closeAll };
}
