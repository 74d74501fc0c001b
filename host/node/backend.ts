/**
 * Owns the Node backend: puts its parts together. Knows no layout and no signature.
 */

import { performance } from "node:perf_hooks";
import type { Backend, Clock, PollSet, PollSetOptions } from "../backend/backend.js";
import { checkBoolean, checkInteger, checkOneOf, checkOptions } from "../backend/check.js";
import { UnsupportedPlatformError } from "../backend/errors.js";
import { createAncillaryCalls } from "./ancillary.js";
import { Batch } from "./batch/batch.js";
import { type OrderedCalls, orderCalls } from "./batch/order.js";
import { Records } from "./batch/record.js";
import { CLOCK_REALTIME, errorCode, type PlatformConstants, platformConstants } from "./constants.js";
import { createDescriptorCalls } from "./descriptors.js";
import { EpollPollSet } from "./epoll.js";
import { createFileCalls, StatusReader } from "./files.js";
import { type Libc, loadLibc } from "./libc.js";
import { createLookupCalls } from "./lookup.js";
import { createPathCalls } from "./paths.js";
import { PollPollSet } from "./poll.js";
import { createRowWriter } from "./readiness.js";
import { Scratch } from "./scratch.js";
import { createSocketCalls } from "./sockets.js";
import { recordingLibc } from "./threads/release.js";

export interface NodeBackendOptions {
  /** How descriptors are polled: epoll(7), which only Linux has and where it is the default, or poll(2). */
  readonly poller?: "epoll" | "poll" | undefined;
  /**
   * With epoll, the calls of a turn are batched when at least this many connections are ready at once: they are read
   * ahead, and output is sent at the end of the turn at the latest. Infinity: never. Default 4. See docs/batches.md.
   */
  readonly batchMin?: number | undefined;
  /**
   * A connection takes part in batches after this many reads in a row that each took everything that had arrived.
   * Default 2; 0 is for tests, in which most connections are read less often.
   */
  readonly batchAfterReads?: number | undefined;
  /**
   * On the main thread of Node on Linux, over epoll, `loop` waits in an epoll_wait(2) of its own, which Node's event loop is
   * put into, rather than in Node's event loop. False: never. Default true. See docs/turn.md.
   */
  readonly ownWait?: boolean | undefined;
}

/** All of them, or this does not compile. */
const OPTIONS = Object.keys({
  poller: true,
  batchMin: true,
  batchAfterReads: true,
  ownWait: true,
} satisfies Record<keyof NodeBackendOptions, true>);
const BATCH_MIN = 4;
const BATCH_AFTER_READS = 2;
const READS_MAX = 255;

/** A wrapper of one, which sees each call, is another backend. */
const made = new WeakSet<Backend>();

/** Is this backend the operating system itself? Then code that does not use the backend may use its descriptors. */
export function isNodeBackend(backend: Backend): boolean {
  return made.has(backend);
}

/** One for the thread, shared by all its backends, because descriptors belong to the process and not to a backend. */
let batchOfThread: Batch | undefined;

/**
 * The operating system, called from Node through libc. Owns no descriptor: the caller closes those that it makes.
 * @throws TypeError, RangeError for an unknown or wrong option
 * @throws UnsupportedPlatformError where it does not run, or where `poller` is "epoll" and there is none
 */
export function createNodeBackend(options: NodeBackendOptions = {}): Backend {
  checkOptions("options", options as unknown, OPTIONS);
  if (options.poller !== undefined) checkOneOf("options.poller", options.poller, ["epoll", "poll"]);
  const { batchMin = BATCH_MIN, batchAfterReads = BATCH_AFTER_READS, ownWait = true } = options;
  if (batchMin !== Infinity) checkInteger("options.batchMin", batchMin, 1, Number.MAX_SAFE_INTEGER);
  checkInteger("options.batchAfterReads", batchAfterReads, 0, READS_MAX);
  checkBoolean("options.ownWait", ownWait);
  const libc = recordingLibc(loadLibc());
  const { linux } = libc;
  const poller = options.poller ?? (linux === undefined ? "poll" : "epoll");
  if (poller === "epoll" && linux === undefined) {
    throw new UnsupportedPlatformError(`there is no epoll on ${process.platform}: the poller has to be "poll"`);
  }
  const constants = platformConstants();
  const scratch = new Scratch(libc);
  const status = new StatusReader(libc);
  const { isNumeric, lookup, lookupSync } = createLookupCalls(libc, constants);
  const direct: OrderedCalls = {
    ...createSocketCalls(libc, constants, scratch),
    ...createDescriptorCalls(libc, constants, scratch),
    ...createFileCalls(libc, scratch, status),
    ...createPathCalls(libc, status),
    ...createAncillaryCalls(libc, constants),
    lookupSync,
  };
  const batch = (batchOfThread ??= createBatch(libc, direct));
  const writeRow = createRowWriter(libc, constants, batch.records);

  const epollOptions = { ownWait, connections: batchMin, shortReads: batchAfterReads };

  function createPollSet({ asksWriters = false }: PollSetOptions = {}): PollSet {
    if (poller === "poll" || linux === undefined) return new PollPollSet(libc, constants, writeRow, batch);
    return new EpollPollSet(libc, linux, writeRow, batch, { ...epollOptions, asksWriters });
  }

  const backend: Backend = {
    name: poller,
    clock: createClock(libc, constants),
    errorCode,
    isNumeric,
    lookup,
    createPollSet,
    ...orderCalls(direct, batch, scratch.slab),
  };
  made.add(backend);
  return backend;
}

function createBatch(libc: Libc, direct: OrderedCalls): Batch {
  const batch = new Batch(libc, platformConstants(), new Records(), direct);
  // process.exit in a callback runs no `finally`, so the turn would not end. Prepended, because another listener of the
  // same event releases the descriptors of a worker thread.
  process.prependListener("exit", () => batch.finish());
  return batch;
}

/** How many calls of this thread have been batched. */
export function batchedCalls(): number {
  return batchOfThread?.batchedCalls ?? 0;
}

function createClock(libc: Libc, { CLOCK_THREAD_CPUTIME_ID }: PlatformConstants): Clock {
  /** struct timespec: seconds and nanoseconds, 64 bits each. */
  const time = new BigInt64Array(2);

  function read(clock: number): bigint {
    libc.clock_gettime(clock, time);
    const [seconds = 0n, nanoseconds = 0n] = time;
    return seconds * 1_000_000_000n + nanoseconds;
  }

  return {
    monotonicNs: () => Math.round(performance.now() * 1e6),
    realtimeNs: () => read(CLOCK_REALTIME),
    threadCpuNs: () => read(CLOCK_THREAD_CPUTIME_ID),
    turnTaker: undefined,
  };
}
