/**
 * Owns recording the calls that move bytes, which a server makes for each message: straight into the block, without an array of
 * parameters. The record is the one that `GuestRecorder` makes of any call. Knows the four calls; makes none itself.
 */

import type { RecordingWriter } from "../../record/writer.js";
import type { Contents } from "./contents.js";
import { type CallMemory, storedAt } from "./values.js";

export const MOVING: ReadonlySet<string> = new Set(["fd_read", "fd_write", "sock_recv", "sock_send"]);

export type MovingCall = (
  fd: number,
  at: number,
  count: number,
  fourth: number,
  fifth?: number,
  sixth?: number,
) => unknown;

/** The most that such a call has in a record besides contents: mask, seven numbers, errno, hash, length and flags. */
const MOST = 56;
const PARAMETERS = 6;

/** What records a call. */
export interface MovingParts {
  readonly memory: CallMemory;
  readonly writer: RecordingWriter;
  readonly contents: Contents;
  /** The record is whole. */
  readonly close: () => void;
}

export function recordMoving(kind: number, name: string, call: MovingCall, parts: MovingParts): MovingCall {
  const { memory, writer, contents, close } = parts;
  const { vector } = contents;
  const isSent = name.endsWith("write") || name.endsWith("send");
  const isSocket = name.startsWith("sock");
  const hasFlags = name === "sock_recv";
  // What the last call that is in the recording was given: the length of its vector, then the parameters.
  const before = new Int32Array(1 + PARAMETERS);
  return (fd, at, count, fourth, fifth = 0, sixth = 0) => {
    memory.follow();
    vector.read(memory, at >>> 0, count >>> 0);
    const total = vector.total | 0;
    const errno = call(fd, at, count, fourth, fifth, sixth) as number;
    const length = errno === 0 ? storedAt(memory, isSocket ? fifth : fourth) : 0;
    const kept = isSent && !contents.keepsSent ? 0 : Math.min(length, vector.total);
    writer.open(kind, MOST + kept);
    const bytes = writer.held;
    const maskAt = writer.at;
    let to = maskAt + 1;
    let mask = 0;
    if (total !== before[0]) {
      before[0] = total;
      mask = 1;
      to = putVarint(bytes, to, total);
    }
    if (fd !== before[1]) {
      before[1] = fd;
      mask |= 2;
      to = putVarint(bytes, to, fd);
    }
    if (at !== before[2]) {
      before[2] = at;
      mask |= 4;
      to = putVarint(bytes, to, at);
    }
    if (count !== before[3]) {
      before[3] = count;
      mask |= 8;
      to = putVarint(bytes, to, count);
    }
    if (fourth !== before[4]) {
      before[4] = fourth;
      mask |= 16;
      to = putVarint(bytes, to, fourth);
    }
    if (fifth !== before[5]) {
      before[5] = fifth;
      mask |= 32;
      to = putVarint(bytes, to, fifth);
    }
    if (sixth !== before[6]) {
      before[6] = sixth;
      mask |= 64;
      to = putVarint(bytes, to, sixth);
    }
    bytes[maskAt] = mask;
    to = putVarint(bytes, to, errno);
    if (errno === 0) {
      if (isSent) {
        const hash = contents.hashOfSent(length);
        bytes[to] = hash;
        bytes[to + 1] = hash >>> 8;
        bytes[to + 2] = hash >>> 16;
        bytes[to + 3] = hash >>> 24;
        to += 4;
      }
      to = putVarint(bytes, to, length);
      if (hasFlags) {
        const flags = memory.view.getUint16(sixth >>> 0, true);
        bytes[to] = flags;
        bytes[to + 1] = flags >>> 8;
        to += 2;
      }
    }
    writer.at = to;
    if (kept > 0) contents.put(kept);
    close();
    return errno;
  };
}

/** A number of 32 bits. @returns where the next byte goes */
function putVarint(bytes: Uint8Array, at: number, value: number): number {
  let to = at;
  let rest = value >>> 0;
  for (; rest >= 0x80; rest >>>= 7) bytes[to++] = (rest & 0x7f) | 0x80;
  bytes[to] = rest;
  return to + 1;
}
