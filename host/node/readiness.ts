/**
 * Owns what epoll(7) and poll(2) have in common: interest as event bits, event bits as a row of
 * {@link PollSet.ready}, and timeouts. Both use the same bits: EPOLLIN is POLLIN, and so on.
 * Knows no set of descriptors.
 */

import { Ready, ReadyRow } from "../backend/backend.js";
import type { Records } from "./batch/record.js";
import { errnos, type PlatformConstants, socketLevel } from "./constants.js";
import type { Libc } from "./libc.js";

export const POLLIN = 1;
const POLLPRI = 2;
export const POLLOUT = 4;
const POLLERR = 8;
const POLLHUP = 16;
export const POLLNVAL = 32;

const MSG_PEEK = 2;

/** The bits that a caller may be interested in. */
export const INTEREST = Ready.READ | Ready.WRITE | Ready.PRIORITY;
/** Those of them that are ready when nothing blocks any more. */
const UNBLOCKED = Ready.READ | Ready.WRITE;

const TIMEOUT_MAX_MS = 0x7fffffff;

/** Events to request; errors and hang-ups are always reported. */
export function eventsOf(interest: number): number {
  let events = (interest & Ready.READ) === 0 ? 0 : POLLIN;
  if ((interest & Ready.WRITE) !== 0) events |= POLLOUT;
  return (interest & Ready.PRIORITY) === 0 ? events : events | POLLPRI;
}

/** The interest that {@link eventsOf} turned into `events`. */
export function interestOf(events: number): number {
  let interest = (events & POLLIN) === 0 ? 0 : Ready.READ;
  if ((events & POLLOUT) !== 0) interest |= Ready.WRITE;
  return (events & POLLPRI) === 0 ? interest : interest | Ready.PRIORITY;
}

/** What a descriptor that never blocks would report: everything of interest, except urgent data. */
export function unblockedEventsOf(interest: number): number {
  return eventsOf(interest) & ~POLLPRI;
}

/** Whole milliseconds for poll(2) and epoll_wait(2); -1 is without end. */
export function timeoutOf(timeoutMs: number): number {
  // A wait of less than a microsecond is the rounding of a deadline that has come.
  if (!(timeoutMs >= 0.001)) return 0;
  if (timeoutMs > TIMEOUT_MAX_MS) return timeoutMs === Infinity ? -1 : TIMEOUT_MAX_MS;
  return Math.ceil(timeoutMs);
}

/** Writes one row of {@link PollSet.ready} at `at`. */
export type RowWriter = (rows: Int32Array, at: number, fd: number, events: number, interest: number) => void;

/** A writer of rows that reads the pending error and the number of bytes from libc where the row needs them. */
export function createRowWriter(libc: Libc, constants: PlatformConstants, records: Records): RowWriter {
  const level = socketLevel(constants);
  const [, SO_ERROR] = constants.options.SO_ERROR;
  const { FIONREAD } = constants;
  const value = new Int32Array(1);
  const length = new Uint32Array(1);

  function pendingError(fd: number, events: number): number {
    if ((events & POLLNVAL) !== 0) return -errnos.EBADF;
    value[0] = 0;
    length[0] = 4;
    return libc.getsockopt(fd, level, SO_ERROR, value, length) < 0 ? 0 : -(value[0] ?? 0);
  }

  function readableBytes(fd: number): number {
    if (libc.ioctl(fd, FIONREAD, value) < 0) return -1;
    const unread = records.get(fd)?.unreadBytes ?? 0;
    if (unread > 0) return unread + (value[0] ?? 0);
    // It counts up to the urgent byte only: nothing may mean that more comes after it.
    if (value[0] === 0 && libc.recv(fd, value, 1, MSG_PEEK) > 0) return 1;
    return value[0] ?? -1;
  }

  return (rows, at, fd, events, interest) => {
    rows[at + ReadyRow.FD] = fd;
    // What most rows say.
    if (events === POLLIN) {
      rows[at + ReadyRow.BITS] = Ready.READ;
      rows[at + ReadyRow.ERROR] = 0;
      rows[at + ReadyRow.READABLE] = -1;
      return;
    }
    let bits = 0;
    if ((events & POLLIN) !== 0) bits |= Ready.READ;
    if ((events & POLLOUT) !== 0) bits |= Ready.WRITE;
    if ((events & POLLPRI) !== 0) bits |= Ready.PRIORITY;
    let error = 0;
    let readable = -1;
    if ((events & (POLLERR | POLLHUP | POLLNVAL)) !== 0) {
      // Nothing blocks any more: select(2) says ready in both directions then.
      if ((events & POLLNVAL) === 0) bits |= interest & UNBLOCKED;
      if ((events & (POLLERR | POLLNVAL)) !== 0) {
        bits |= Ready.ERROR;
        error = pendingError(fd, events);
      }
      // After the error, which reading would take.
      if ((events & POLLHUP) !== 0) {
        bits |= Ready.HANGUP;
        readable = readableBytes(fd);
      }
    }
    rows[at + ReadyRow.BITS] = bits;
    rows[at + ReadyRow.ERROR] = error;
    rows[at + ReadyRow.READABLE] = readable;
  };
}
