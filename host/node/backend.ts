/**
 * Owns the Node backend: puts its parts together, and keeps the poll sets in step with the descriptors that are
 * closed through it. Knows no layout and no signature.
 */

import type { Backend, Clock, PollSet } from "../backend/backend.js";
import { checkInteger, checkOneOf } from "../backend/check.js";
import { UnsupportedPlatformError } from "../backend/errors.js";
import { CLOCK_REALTIME, errorCode, platformConstants } from "./constants.js";
import { createDescriptorCalls } from "./descriptors.js";
import { EpollPollSet } from "./epoll.js";
import { type Libc, loadLibc } from "./libc.js";
import { createLookupCalls } from "./lookup.js";
import { PollPollSet } from "./poll.js";
import { createRowWriter } from "./readiness.js";
import { Scratch } from "./scratch.js";
import { createSocketCalls } from "./sockets.js";
import { type DirectCalls, endBatchUnderWay, Streams } from "./batch/streams.js";
import { forgetDescriptor } from "./threads/records.js";
import { recordingLibc } from "./threads/release.js";

export interface NodeBackendOptions {
  /** How descriptors are polled: epoll(7), the default on Linux, which alone has it, or poll(2). */
  readonly poller?: "epoll" | "poll" | undefined;
  /**
   * From how many ready connections on epoll's loop makes the calls for them together: reads ahead, and puts off sends to
   * the end of the turn at the latest. Infinity: never. Default 4. See docs/batches.md.
   */
  readonly batchMin?: number | undefined;
}

const BATCH_MIN = 4;

/**
 * The operating system, called from Node through libc. Owns no descriptor: what it makes is the caller's to close.
 * @throws TypeError, RangeError for a `poller` that is neither.
 * @throws UnsupportedPlatformError where it does not run, or where `poller` is "epoll" and there is none.
 */
export function createNodeBackend(options: NodeBackendOptions = {}): Backend {
  if (options.poller !== undefined) checkOneOf("options.poller", options.poller, ["epoll", "poll"]);
  const { batchMin = BATCH_MIN } = options;
  if (batchMin !== Infinity) checkInteger("options.batchMin", batchMin, 1, Number.MAX_SAFE_INTEGER);
  const libc = recordingLibc(loadLibc());
  const { linux } = libc;
  const poller = options.poller ?? (linux === undefined ? "poll" : "epoll");
  if (poller === "epoll" && linux === undefined) {
    throw new UnsupportedPlatformError(`there is no epoll on ${process.platform}: the poller has to be "poll"`);
  }
  const constants = platformConstants();
  const writeRow = createRowWriter(libc, constants);
  const scratch = new Scratch(libc);
  const direct: DirectCalls = {
    ...createSocketCalls(libc, constants, scratch),
    ...createDescriptorCalls(libc, constants),
  };
  const pollSets = new Set<PollSet>();
  const reconsider = (fd: number): void => {
    for (const set of pollSets) if (set instanceof EpollPollSet) set.reconsider(fd);
  };
  const streams = new Streams(direct, reconsider);
  const calls = poller === "epoll" ? orderedCalls(direct, streams) : direct;
  const lookups = createLookupCalls(libc, constants);
  const forget = (set: PollSet): void => void pollSets.delete(set);

  return {
    name: poller,
    clock: createClock(libc),
    scratch: scratch.bytes,
    errorCode,

    createPollSet() {
      const set =
        poller === "epoll" && linux !== undefined
          ? new EpollPollSet(libc, linux, constants, writeRow, streams, batchMin, forget)
          : new PollPollSet(libc, constants, writeRow, forget);
      pollSets.add(set);
      return set;
    },

    ...calls,
    ...lookups,

    lookupSync(host, lookupFamily) {
      endBatchUnderWay();
      return lookups.lookupSync(host, lookupFamily);
    },

    giveAway(fd) {
      const failed = poller === "epoll" ? streams.giveAway(fd) : 0;
      if (failed === 0) forgetDescriptor(fd);
      return failed;
    },

    setOption(fd, option, value) {
      const result = calls.setOption(fd, option, value);
      if (option === "SO_SNDBUF") reconsider(fd);
      return result;
    },

    close(fd) {
      const lost = streams.release(fd);
      // While it is open still: epoll goes on reporting a closed number whose file a duplicate keeps open, and could
      // not be told to stop.
      for (const set of pollSets) set.update(fd, 0);
      return direct.close(fd) || lost;
    },
  };
}

/** All calls on descriptors, each in its turn: see {@link Streams}. */
function orderedCalls(direct: DirectCalls, streams: Streams): Omit<DirectCalls, "close"> {
  return {
    ...direct,
    socket: (family, type) => streams.made(direct.socket(family, type)),
    socketPair: (type) => streams.madePair(direct.socketPair(type)),
    pipe: () => streams.madePair(direct.pipe()),
    bind: streams.inOrder(direct.bind),
    listen: streams.inOrder(direct.listen),
    accept: (fd) => streams.accept(fd),
    connect: streams.inOrder(direct.connect),
    shutdown: streams.shutdown,
    recv: (fd, target, length = target.length) => streams.recv(fd, target, length),
    receive: (fd, maxBytes) => streams.receive(fd, maxBytes),
    recvOutOfBand: streams.inOrder(direct.recvOutOfBand),
    recvFrom: (fd, target) => streams.recvFrom(fd, target),
    read: (fd, target, length = target.length) => streams.read(fd, target, length),
    send: (fd, data) => streams.send(fd, data),
    sendVector: (fd, pieces) => streams.sendVector(fd, pieces),
    sendOutOfBand: streams.afterOwed(direct.sendOutOfBand),
    sendTo: streams.afterOwed(direct.sendTo),
    write: streams.afterOwed(direct.write),
    getOption: streams.inOrder(direct.getOption),
    setOption: streams.inOrder(direct.setOption),
    localAddress: streams.inOrder(direct.localAddress),
    remoteAddress: streams.inOrder(direct.remoteAddress),
    family: streams.inOrder(direct.family),
    duplicate: (fd) => streams.duplicate(fd),
    setNonBlocking: streams.inOrder(direct.setNonBlocking),
    setCloseOnExec: streams.inOrder(direct.setCloseOnExec),
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
