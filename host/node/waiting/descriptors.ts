/**
 * Owns the choice of how the event loop of this thread waits for a descriptor. Knows the runtime and the thread that it
 * runs in.
 *
 * | | |
 * | --- | --- |
 * | the main thread of Node | uv_poll: the cheapest, but no native handle may be open when its thread ends |
 * | worker threads of Node, on Linux | a handle of Node's own that has become an epoll set's |
 * | all others, Bun and Deno | a helper thread that blocks in poll(2) |
 */

import { isMainThread } from "node:worker_threads";
import { OSError } from "../../backend/errors.js";
import type { PlatformConstants } from "../constants.js";
import type { Libc, LinuxCalls } from "../libc.js";
import { POLLIN } from "../readiness.js";
import { HandleDescriptor } from "./handle.js";
import { HelperDescriptor } from "./helper.js";
import { LoopDescriptor } from "./loop-poll.js";
import type { LoopWatch, WatchedDescriptor } from "./watch.js";

const { bun, deno } = process.versions;
const isNode = bun === undefined && deno === undefined;
const hasLoopPoll = isNode && isMainThread;

/** Waits for an epoll set that no other code uses. @throws OSError where there is no descriptor left */
export function watchSet(libc: Libc, linux: LinuxCalls, watch: LoopWatch, epollFd: number): WatchedDescriptor {
  if (hasLoopPoll) return new LoopDescriptor(libc, watch, epollFd, POLLIN, false);
  if (isNode) return new HandleDescriptor(libc, linux, watch, epollFd);
  return new HelperDescriptor(libc, watch, epollFd, POLLIN);
}

/**
 * Waits for a descriptor of any kind.
 * @param isStream is it a socket, a pipe or a terminal, which uv_poll takes?
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
    // Under a number of its own: Node may watch the original, or the original may be closed behind our back.
    const own = isStream ? libc.fcntl(fd, constants.F_DUPFD_CLOEXEC, 0) : -1;
    return own < 0 ? undefined : new LoopDescriptor(libc, watch, own, events, true);
  }
  if (isNode && libc.linux !== undefined) return HandleDescriptor.ofOne(libc, libc.linux, watch, fd, events);
  try {
    return new HelperDescriptor(libc, watch, fd, events);
  } catch (error) {
    if (error instanceof OSError) return undefined;
    throw error;
  }
}
