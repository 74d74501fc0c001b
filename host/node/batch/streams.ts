/**
 * Owns the order of the calls on connections while a poll set's batch is under way: what is read ahead is given before
 * what the operating system has, and what was put off is sent before any other call is made. So every call has the
 * effect that it would have had alone, in the order in which they were made. Knows the batch under way; knows no poll set.
 */

import type { Accepted, Backend, Received } from "../../backend/backend.js";
import { errnos } from "../constants.js";
import type { DescriptorCalls } from "../descriptors.js";
import type { SocketCalls } from "../sockets.js";
import { Drained } from "./drained.js";
import { Owed, settleAll } from "./owed.js";
import type { ReadAhead } from "./read-ahead.js";
import { Unread } from "./unread.js";
import type { Shortfall, WriteBehind } from "./write-behind.js";

/** What a poll set does together in one turn. */
export interface Batch {
  readonly ahead: ReadAhead;
  readonly behind: WriteBehind;
}

/** The calls that {@link Streams} stands before. */
export type DirectCalls = SocketCalls & DescriptorCalls;

type CallOn<A extends readonly unknown[], R> = (fd: number, ...rest: A) => R;

/** Ends the batch of whatever backend that is under way in this thread: there is one at a time. */
let endCurrent = (): void => {};
let isExitWatched = false;

/** What may take long, or looks at connections from elsewhere, comes after the batch under way. */
export function endBatchUnderWay(): void {
  endCurrent();
}

/** process.exit in a callback runs no `finally`, and what was put off would not be sent. */
function watchExit(): void {
  if (isExitWatched) return;
  isExitWatched = true;
  // Before the descriptors of a worker are released.
  process.prependListener("exit", () => {
    endCurrent();
    settleAll();
  });
}

export class Streams implements Shortfall {
  readonly drained = new Drained();
  readonly unread = new Unread();
  readonly owed: Owed;
  readonly #direct: DirectCalls;
  readonly #onChange: (fd: number) => void;
  #batch: Batch | undefined;

  /** @param onChange told when what is kept of `fd` has changed, so that it may have to be watched in another way */
  constructor(direct: DirectCalls, onChange: (fd: number) => void) {
    this.#direct = direct;
    this.#onChange = onChange;
    this.owed = new Owed(direct, this.fail, onChange);
  }

  /** From here on `batch` is the one under way. */
  begin(batch: Batch): void {
    endCurrent();
    endCurrent = this.end;
    this.#batch = batch;
    watchExit();
  }

  isUnderWay(batch: Batch): boolean {
    return this.#batch === batch;
  }

  /** Is something kept of `fd` that comes before what the operating system has? */
  isHolding(fd: number): boolean {
    return (this.unread.size > 0 && this.unread.has(fd)) || (this.owed.size > 0 && this.owed.has(fd));
  }

  /** Ends the batch under way: what was put off is sent, and what nobody has read is kept. */
  readonly end = (): void => {
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    batch.behind.flush();
    batch.ahead.end(this.#keep);
  };

  // What recv, send and their like do.

  receive(fd: number, most: number): Uint8Array | number {
    const batch = this.#batch;
    if (batch !== undefined) {
      const buffer = batch.ahead.bufferOf(fd);
      if (buffer >= 0) return batch.ahead.take(buffer, most);
      batch.behind.flush();
    }
    const kept = this.unread.size === 0 ? undefined : this.unread.take(fd, most);
    if (kept !== undefined) return kept;
    const received = this.#direct.receive(fd, most);
    const result = typeof received === "number" ? received : received.length;
    this.drained.note(fd, result, most);
    return (result > 0 ? 0 : this.#takeError(fd)) || received;
  }

  recv(fd: number, target: Uint8Array, most: number): number {
    const kept = this.#takeInto(fd, target, most);
    if (kept !== undefined) return kept;
    const result = this.#direct.recv(fd, target, most);
    this.drained.note(fd, result, most);
    return (result > 0 ? 0 : this.#takeError(fd)) || result;
  }

  read(fd: number, target: Uint8Array, most: number): number {
    return this.#takeInto(fd, target, most) ?? this.#direct.read(fd, target, most);
  }

  recvFrom(fd: number, target: Uint8Array): Received | number {
    const kept = this.#takeInto(fd, target, target.length);
    if (kept === undefined) return this.#direct.recvFrom(fd, target);
    const address = this.#direct.remoteAddress(fd);
    return { length: kept, address: typeof address === "number" ? { path: "" } : address };
  }

  send(fd: number, data: Uint8Array): number {
    if (!this.#settle(fd)) return -errnos.EAGAIN;
    const behind = this.#batch?.behind;
    if (behind !== undefined) {
      if (behind.put(fd, data)) return data.length;
      behind.flush();
    }
    return this.#direct.send(fd, data);
  }

  sendVector(fd: number, pieces: readonly Uint8Array[]): number {
    if (!this.#settle(fd)) return -errnos.EAGAIN;
    const behind = this.#batch?.behind;
    if (behind !== undefined) {
      const taken = behind.putAll(fd, pieces);
      if (taken > 0) return taken;
      behind.flush();
    }
    return this.#direct.sendVector(fd, pieces);
  }

  // All other calls.

  /** `call` in its turn. */
  inOrder<A extends readonly unknown[], R>(call: CallOn<A, R>): CallOn<A, R> {
    return (fd, ...rest) => {
      this.#finish(fd);
      return call(fd, ...rest);
    };
  }

  /** A call has given a new descriptor, or -errno: what was known of the number is of another file. */
  made(fd: number): number {
    this.forget(fd);
    return fd;
  }

  madePair(pair: readonly [number, number] | number): readonly [number, number] | number {
    if (typeof pair === "object") for (const fd of pair) this.forget(fd);
    return pair;
  }

  accept(fd: number): Accepted | number {
    this.#finish(fd);
    const accepted = this.#direct.accept(fd);
    if (typeof accepted === "object") this.forget(accepted.fd);
    return accepted;
  }

  /** The same for `call` that sends: what is owed comes before it. */
  afterOwed<A extends readonly unknown[]>(call: CallOn<A, number>): CallOn<A, number> {
    return (fd, ...rest) => {
      this.#finish(fd);
      return this.#settle(fd) ? call(fd, ...rest) : -errnos.EAGAIN;
    };
  }

  shutdown: Backend["shutdown"] = (fd, how) => {
    this.#finish(fd);
    return how === "read" || this.#settle(fd) ? this.#direct.shutdown(fd, how) : this.owed.shutdownLater(fd, how);
  };

  /** A duplicate would not see what was read ahead. */
  duplicate(fd: number): number {
    this.#finish(fd);
    return this.#unreadBytes(fd) > 0 ? -errnos.EBUSY : this.made(this.#direct.duplicate(fd));
  }

  /**
   * Makes `fd` ready to be closed.
   * @returns 0, or -ENOBUFS where something that was sent will not arrive
   */
  release(fd: number): number {
    this.#finish(fd);
    const isWhole = this.#settle(fd);
    // With input unread close(2) resets a connection, and what was read ahead is unread still.
    if (this.#unreadBytes(fd) > 0) this.#direct.setOption(fd, "SO_LINGER", 0);
    this.forget(fd);
    return isWhole ? 0 : -errnos.ENOBUFS;
  }

  /** Makes `fd` ready to be given away. @returns 0, or -EBUSY where something that was read or sent would be lost */
  giveAway(fd: number): number {
    this.#finish(fd);
    if (!this.#settle(fd) || this.#unreadBytes(fd) > 0) return -errnos.EBUSY;
    this.forget(fd);
    return 0;
  }

  /** Another file has come under the number, or will. */
  forget(fd: number): void {
    this.owed.delete(fd);
    this.unread.delete(fd);
    this.#batch?.ahead.drop(fd);
    this.drained.clear(fd);
  }

  owe(fd: number, rest: Uint8Array): void {
    this.owed.add(fd, rest);
    this.#onChange(fd);
  }

  /** Whoever reads `fd` to the end is told. */
  readonly fail = (fd: number, errno: number): void => {
    this.unread.fail(fd, errno);
    this.drained.clear(fd);
    this.#onChange(fd);
  };

  readonly #keep = (fd: number, rest: Uint8Array): void => {
    this.unread.keep(fd, rest);
    this.drained.clear(fd);
    this.#onChange(fd);
  };

  #settle(fd: number): boolean {
    return this.owed.size === 0 || this.owed.settle(fd);
  }

  #takeError(fd: number): number {
    return this.unread.size === 0 ? 0 : this.unread.takeError(fd);
  }

  /** How many bytes have been read ahead of `fd`, and not been taken. */
  #unreadBytes(fd: number): number {
    return this.unread.lengthOf(fd) + (this.#batch?.ahead.lengthOf(fd) ?? 0);
  }

  /** A call on `fd` follows that changes what may be put off. */
  #finish(fd: number): void {
    const behind = this.#batch?.behind;
    if (behind === undefined) return;
    behind.flush();
    behind.setRoom(fd, false);
  }

  #takeInto(fd: number, target: Uint8Array, most: number): number | undefined {
    const batch = this.#batch;
    if (batch !== undefined) {
      const buffer = batch.ahead.bufferOf(fd);
      if (buffer >= 0) return batch.ahead.takeInto(buffer, target, most);
      batch.behind.flush();
    }
    const kept = this.unread.size === 0 ? undefined : this.unread.take(fd, Math.min(most, target.length));
    if (kept !== undefined) target.set(kept);
    return kept?.length;
  }
}
