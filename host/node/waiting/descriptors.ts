/**
 * Owns the choice of how the event loop of this thread waits for a descriptor. Knows the runtime and the thread that it
 * runs in.
 *
 * | | |
 * | --- | --- |
 * | the main thread of Node, on Linux, an epoll set | this thread's own epoll_wait(2), which the event loop is put into |
| the main thread of Node, otherwise | uv_poll, whose native handle must be closed before the thread ends |
 * | worker threads of Node, on Linux | a handle of Node's own, whose descriptor is replaced by an epoll set's |
 * | all others, Bun and Deno | a helper thread that blocks in poll(2) |
 */

import { isMainThread } from "node:worker_threads";
import { OSError } from "../../backend/errors.js";
import type { PlatformConstants } from "../constants.js";
import type { Libc, LinuxCalls } from "../libc.js";
import { POLLIN } from "../readiness.js";
import { HandleDescriptor } from "./handle.js";
import { HelperDescriptor } from "./helper.js";
import { hostLoop } from "./host-loop.js";
import { LoopDescriptor } from "./loop-poll.js";
import { type OwnSet, OwnWait } from "./own-wait.js";
import type { LoopWatch, WatchedDescriptor } from "./watch.js";

const { bun, deno } = process.versions;
const isNode = bun === undefined && deno === undefined;
const hasLoopPoll = isNode && isMainThread;

/**
 * Waits for an epoll set that only the caller uses.
 * @param own where this thread may wait for it itself
 * @throws OSError where there is no descriptor left
 */
export function watchSet(
  libc: Libc,
  linux: LinuxCalls,
  watch: LoopWatch,
  epollFd: number,
  own?: OwnSet,
): WatchedDescriptor {
  const loop = own === undefined ? undefined : hostLoop(libc);
  if (own !== undefined && loop !== undefined) return new OwnWait(libc, loop, watch, own, epollFd);
  if (hasLoopPoll) return new LoopDescriptor(libc, watch, epollFd, POLLIN, false);
  if (isNode) return new HandleDescriptor(libc, linux, watch, epollFd);
  return new HelperDescriptor(libc, watch, epollFd, POLLIN);
}

/**
 * Waits for a descriptor of any kind.
 * @param isStream is it a socket, a pipe or a terminal, which uv_poll accepts?
 * @returns undefined where that is not possible
 */
export function watchOne(
  libc: Libc,
  constants: PlatformConstants,
  watch: LoopWatch,
  fd: number,
  events: number,
  isStream: boolean,
): WatchedDescriptor | undefined {
  if (hasLoopPoll) {
    // A duplicate: Node may watch the original number, and other code may close it.
    const own = isStream ? libc.fcntl(fd, constants.F_DUPFD_CLOEXEC, 0) : -1;
    if (own < 0) return undefined;
    try {
      return new LoopDescriptor(libc, watch, own, events, true);
    } catch {
      // libuv has no room for it.
      return undefined;
    }
  }
  if (isNode && libc.linux !== undefined) return HandleDescriptor.ofOne(libc, libc.linux, watch, fd, events);
  try {
    return new HelperDescriptor(libc, watch, fd, events);
  } catch (error) {
    if (error instanceof OSError) return undefined;
    throw error;
  }
}
