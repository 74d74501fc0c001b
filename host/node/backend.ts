/**
 * Owns the Node backend: puts its parts together, and keeps the poll sets in step with the descriptors that are
 * closed through it. Knows no layout and no signature.
 */

import type { Backend, Clock, PollSet } from "../backend.js";
import { checkOneOf } from "../check.js";
import { UnsupportedPlatformError } from "../errors.js";
import { CLOCK_REALTIME, errorCode, platformConstants } from "./constants.js";
import { createDescriptorCalls } from "./descriptors.js";
import { EpollPollSet } from "./epoll.js";
import { type Libc, loadLibc } from "./libc.js";
import { createLookupCalls } from "./lookup.js";
import { PollPollSet } from "./poll.js";
import { createRowWriter } from "./readiness.js";
import { Scratch } from "./scratch.js";
import { createSocketCalls } from "./sockets.js";

export interface NodeBackendOptions {
  /** How descriptors are polled: epoll(7), the default on Linux, which alone has it, or poll(2). */
  readonly poller?: "epoll" | "poll" | undefined;
}

/**
 * The operating system, called from Node through libc. Owns no descriptor: what it makes is the caller's to close.
 * @throws TypeError, RangeError for a `poller` that is neither.
 * @throws UnsupportedPlatformError where it does not run, or where `poller` is "epoll" and there is none.
 */
export function createNodeBackend(options: NodeBackendOptions = {}): Backend {
  if (options.poller !== undefined) checkOneOf("options.poller", options.poller, ["epoll", "poll"]);
  const libc = loadLibc();
  const { linux } = libc;
  const poller = options.poller ?? (linux === undefined ? "poll" : "epoll");
  if (poller === "epoll" && linux === undefined) {
    throw new UnsupportedPlatformError(`there is no epoll on ${process.platform}: the poller has to be "poll"`);
  }
  const constants = platformConstants();
  const writeRow = createRowWriter(libc, constants);
  const scratch = new Scratch(libc);
  const descriptors = createDescriptorCalls(libc, constants);
  const pollSets = new Set<PollSet>();
  const forget = (set: PollSet): void => void pollSets.delete(set);

  return {
    name: poller,
    clock: createClock(libc),
    scratch: scratch.bytes,
    errorCode,

    createPollSet() {
      const set =
        poller === "epoll" && linux !== undefined
          ? new EpollPollSet(libc, linux, writeRow, forget)
          : new PollPollSet(libc, constants, writeRow, forget);
      pollSets.add(set);
      return set;
    },

    ...createSocketCalls(libc, constants, scratch),
    ...descriptors,
    ...createLookupCalls(libc, constants),

    close(fd) {
      // While it is open still: epoll goes on reporting a closed number whose file a duplicate keeps open, and could
      // not be told to stop.
      for (const set of pollSets) set.update(fd, 0);
      return descriptors.close(fd);
    },
  };
}

function createClock(libc: Libc): Clock {
  /** struct timespec: seconds and nanoseconds, 64 bits each. */
  const time = new BigInt64Array(2);
  return {
    monotonicNs: () => Math.round(performance.now() * 1e6),
    realtimeNs() {
      libc.clock_gettime(CLOCK_REALTIME, time);
      const [seconds = 0n, nanoseconds = 0n] = time;
      return seconds * 1_000_000_000n + nanoseconds;
    },
  };
}
