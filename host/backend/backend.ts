/**
 * The seam between the host and the operating system: {@link Backend}, composed of one interface a subject, and nothing
 * else. Everything that is not deterministic enters here.
 *
 * A call that can fail returns a number, and a negative one is `-errno` in the numbering of the platform, as in
 * libuv and in Node's own errors; -EBADF for a number that is not a descriptor, -EINVAL for a negative length. Nothing
 * here throws because of an error of the operating system, and only {@link PollSet.wait} and
 * {@link NameCalls.lookupSync} block.
 *
 * No member is optional, and none needs more than its arguments: a wrapper forwards each of them, or does not compile.
 */

import type { AncillaryCalls } from "./ancillary.js";
import type { Clock } from "./clock.js";
import type { FileCalls } from "./files.js";
import type { NameCalls } from "./names.js";
import type { PathCalls } from "./paths.js";
import type { PollCalls } from "./polling.js";
import type { SocketCalls } from "./sockets.js";

export type * from "./addresses.js";
export type * from "./ancillary.js";
export type * from "./clock.js";
export type * from "./files.js";
export type * from "./names.js";
export type * from "./paths.js";
export * from "./polling.js";
export type * from "./sockets.js";
export type * from "./turns.js";

/** Polls descriptors and does socket operations. Descriptors are small non-negative integers. */
export interface Backend extends SocketCalls, AncillaryCalls, FileCalls, PathCalls, NameCalls, PollCalls {
  /** "epoll", "poll", ... */
  readonly name: string;
  readonly clock: Clock;
  /** "ECONNREFUSED" for -111; "E999" for a number without a name. */
  errorCode(errno: number): string;
}
