/**
 * Owns what sockets and files have in common: a descriptor, and bytes read ahead of the handler. Knows no channel.
 *
 * Some hosts say that everything is ready as soon as one descriptor is. So that a handler is notified only of what is there,
 * the loop reads before it calls `handleRead`; the first `recv` in it gets those bytes, and no call more is made than
 * without. What the handler leaves is kept, and counts as ready in the next turn.
 */

import { ERRNO_AGAIN, ERRNO_BADF, ERRNO_SUCCESS } from "../shared/errno";
import { closeDescriptor } from "../wasi/system";
import { ascii } from "./ascii";
import { raiseErrno } from "./errors";
import { bytesAt } from "./memory";

/** How much one call reads at most. */
const READ_BYTES: i32 = 65_536;

export const NO_BYTES = bytesAt(0, 0);

/** Read ahead for the handler that is being notified. */
const ahead = heap.alloc(READ_BYTES);
let aheadOwner: Endpoint | null = null;
/** How far it is taken, and its length; a negative length is -errno. */
let aheadAt: i32 = 0;
let aheadLength: i32 = 0;

/** For reading at any other time. */
const scratch = heap.alloc(READ_BYTES);

/** Why {@link Endpoint.take} gave nothing: an errno, ERRNO_SUCCESS at end of input. */
let takeErrno: i32 = ERRNO_SUCCESS;


@inline
export function lastErrno(): i32 {
  return takeErrno;
}

export abstract class Endpoint {
  /** Is it a byte stream? */
  readonly isStream: bool;
  private descriptor: i32;
  /** What a handler left of what was read ahead, and how far that is taken. */
  private kept: Uint8Array | null = null;
  private keptAt: i32 = 0;
  private keptErrno: i32 = ERRNO_SUCCESS;

  constructor(fd: i32, isStream: bool) {
    this.descriptor = fd;
    this.isStream = isStream;
  }

  /** The descriptor; -1 once closed. */
  get fd(): i32 {
    return this.descriptor;
  }

  get closed(): bool {
    return this.descriptor < 0;
  }

  /** @returns bytes, or -errno. */
  protected abstract readInto(at: usize, length: i32): i32;
  protected abstract writeFrom(at: usize, length: i32): i32;

  /** Receives up to `maxBytes`, at most 64 KiB; nothing at end of input, or when nothing is there yet. */
  recv(maxBytes: i32): Uint8Array {
    const data = this.take(maxBytes);
    if (takeErrno != ERRNO_SUCCESS) raiseErrno(takeErrno, ascii("recv"));
    return data;
  }

  /** Sends. @returns how many bytes were taken: perhaps not all, 0 when it would have to wait. */
  send(data: Uint8Array): i32 {
    const sent = this.put(data.dataStart, data.length);
    if (sent >= 0) return sent;
    raiseErrno(-sent, ascii("send"));
    return 0;
  }

  /** Closes the descriptor; safe to call again. */
  close(): void {
    const fd = this.detach();
    if (fd < 0) return;
    const result = closeDescriptor(fd);
    // Of a descriptor that is not open no more than that is wanted.
    if (result < 0 && result != -ERRNO_BADF) raiseErrno(-result, ascii("close"));
  }

  /** Gives the descriptor away: closing it is the caller's business from then on. */
  detach(): i32 {
    const fd = this.descriptor;
    this.descriptor = -1;
    this.kept = null;
    this.keptErrno = ERRNO_SUCCESS;
    if (aheadOwner === this) aheadOwner = null;
    return fd;
  }

  // What the handlers and the loop use. No error is noted by these.

  /** As {@link recv}; {@link lastErrno} says why there is nothing. */
  take(maxBytes: i32): Uint8Array {
    takeErrno = ERRNO_SUCCESS;
    if (aheadOwner === this) return this.takeAhead(maxBytes);
    if (this.hasKept) return this.takeKept(maxBytes);
    if (this.descriptor < 0) takeErrno = ERRNO_BADF;
    if (this.descriptor < 0 || maxBytes <= 0) return NO_BYTES;
    const length = this.readInto(scratch, min(maxBytes, READ_BYTES));
    if (length < 0) takeErrno = -length;
    return length > 0 ? bytesAt(scratch, length) : NO_BYTES;
  }

  /** As {@link send}. @returns bytes taken, or -errno. */
  put(at: usize, length: i32): i32 {
    if (this.descriptor < 0) return -ERRNO_BADF;
    if (length == 0) return 0;
    const sent = this.writeFrom(at, length);
    return sent == -ERRNO_AGAIN ? 0 : sent;
  }

  /** Something is said to be there. @returns whether it is: bytes, an end or an error. */
  readAhead(): bool {
    if (!this.isStream || this.hasKept) return true;
    const length = this.readInto(ahead, READ_BYTES);
    if (length == -ERRNO_AGAIN) return false;
    aheadOwner = this;
    aheadAt = 0;
    aheadLength = length;
    return true;
  }

  /** The handler has been notified: keeps what it left. An end need not be kept, it will be reported again. */
  keepAhead(): void {
    if (aheadOwner !== this) return;
    aheadOwner = null;
    if (aheadLength < 0) this.keptErrno = -aheadLength;
    else if (aheadLength > aheadAt) this.kept = bytesAt(ahead + aheadAt, aheadLength - aheadAt);
    // Nothing was kept before: see readAhead.
    this.keptAt = 0;
  }

  /** Is something kept that the handler left? */
  get hasKept(): bool {
    return this.kept !== null || this.keptErrno != ERRNO_SUCCESS;
  }

  private takeAhead(maxBytes: i32): Uint8Array {
    if (aheadLength <= 0) {
      aheadOwner = null;
      takeErrno = -aheadLength;
      return NO_BYTES;
    }
    const start = aheadAt;
    const length = max(0, min(maxBytes, aheadLength - start));
    aheadAt = start + length;
    if (aheadAt == aheadLength) aheadOwner = null;
    return bytesAt(ahead + start, length);
  }

  private takeKept(maxBytes: i32): Uint8Array {
    const kept = this.kept;
    if (kept === null) {
      takeErrno = this.keptErrno;
      this.keptErrno = ERRNO_SUCCESS;
      return NO_BYTES;
    }
    const start = this.keptAt;
    const length = max(0, min(maxBytes, kept.length - start));
    this.keptAt = start + length;
    if (this.keptAt == kept.length) this.kept = null;
    return bytesAt(kept.dataStart + start, length);
  }
}
