/**
 * Owns the order of the calls on connections while a poll set's batch is under way: what is read ahead is given before
 * what the operating system has, and what was put off is sent before any other call is made. So every call has the
 * effect that it would have had alone, in the order in which they were made. Knows the batch under way; knows no poll set.
 */

import type { Accepted, Backend, Received } from "../../backend.js";
import { errnos } from "../constants.js";
import type { DescriptorCalls } from "../descriptors.js";
import { Drained } from "./drained.js";
import type { ReadAhead, Rest } from "./read-ahead.js";
import type { SocketCalls } from "../sockets.js";
import type { Shortfall, WriteBehind } from "./write-behind.js";

/** What a poll set does together in one turn. */
export interface Batch {
  readonly ahead: ReadAhead;
  readonly behind: WriteBehind;
}

/** The calls that {@link Streams} stands before. */
export type DirectCalls = SocketCalls & DescriptorCalls;

type CallOn<A extends readonly unknown[], R> = (fd: number, ...rest: A) => R;

/** Ends the batch that is under way in this thread: there is one at a time. */
let endCurrent = (): void => {};
let isExitWatched = false;

/** process.exit in a callback runs no `finally`, and what was put off would not be sent. */
function watchExit(): void {
  if (isExitWatched) return;
  isExitWatched = true;
  process.on("exit", () => endCurrent());
}

export class Streams implements Shortfall {
  readonly drained = new Drained();
  /** Read ahead in a batch that is over, and not taken since. */
  readonly unread = new Map<number, Rest>();
  /** Put off in a batch, and not taken by the operating system when it was over. */
  readonly owed = new Map<number, Uint8Array>();
  readonly #direct: DirectCalls;
  #batch: Batch | undefined;

  constructor(direct: DirectCalls) {
    this.#direct = direct;
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
    if (this.unread.size > 0) {
      const rest = this.#takeRest(fd, most);
      if (rest !== undefined) return rest;
    }
    const received = this.#direct.receive(fd, most);
    this.drained.note(fd, typeof received === "number" ? received : received.length, most);
    return received;
  }

  recv(fd: number, target: Uint8Array, most: number): number {
    const kept = this.#takeInto(fd, target, most);
    if (kept !== undefined) return kept;
    const length = this.#direct.recv(fd, target, most);
    this.drained.note(fd, length, most);
    return length;
  }

  read(fd: number, target: Uint8Array, most: number): number {
    return this.#takeInto(fd, target, most) ?? this.#direct.read(fd, target, most);
  }

  recvFrom(fd: number, target: Uint8Array): Received | number {
    const kept = this.#takeInto(fd, target, target.length);
    if (kept === undefined) return this.#direct.recvFrom(fd, target);
    if (kept < 0) return kept;
    const address = this.#direct.remoteAddress(fd);
    return { length: kept, address: typeof address === "number" ? { path: "" } : address };
  }

  send(fd: number, data: Uint8Array): number {
    const batch = this.#batch;
    if (batch !== undefined) {
      if (batch.behind.put(fd, data)) return data.length;
      batch.behind.flush();
    }
    return this.settle(fd) ? this.#direct.send(fd, data) : -errnos.EAGAIN;
  }

  sendVector(fd: number, pieces: readonly Uint8Array[]): number {
    const batch = this.#batch;
    if (batch !== undefined) {
      const taken = batch.behind.putAll(fd, pieces);
      if (taken > 0) return taken;
      batch.behind.flush();
    }
    return this.settle(fd) ? this.#direct.sendVector(fd, pieces) : -errnos.EAGAIN;
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

  /** The same for a call that sends: what is owed comes before it. */
  afterOwed<A extends readonly unknown[]>(call: CallOn<A, number>): CallOn<A, number> {
    return (fd, ...rest) => {
      this.#finish(fd);
      return this.settle(fd) ? call(fd, ...rest) : -errnos.EAGAIN;
    };
  }

  /** The same for shutdown, which cannot be made later. */
  shutdown: Backend["shutdown"] = (fd, how) => {
    this.#finish(fd);
    return this.settle(fd) ? this.#direct.shutdown(fd, how) : -errnos.ENOBUFS;
  };

  /**
   * Makes `fd` ready to be closed.
   * @returns 0, or -ENOBUFS where something that was sent will not arrive
   */
  release(fd: number): number {
    this.#finish(fd);
    const isWhole = this.settle(fd);
    // With input unread close(2) resets a connection, and what was read ahead is unread still.
    if (!isWhole || this.#unreadBytes(fd) > 0) this.#direct.setOption(fd, "SO_LINGER", 0);
    this.forget(fd);
    return isWhole ? 0 : -errnos.ENOBUFS;
  }

  /** Makes `fd` ready to be given away. @returns 0, or -EBUSY where something that was read or sent would be lost */
  giveAway(fd: number): number {
    this.#finish(fd);
    if (!this.settle(fd) || this.#unreadBytes(fd) > 0) return -errnos.EBUSY;
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

  /** Sends what is owed on `fd`. @returns whether nothing is any more */
  settle(fd: number): boolean {
    const rest = this.owed.size === 0 ? undefined : this.owed.get(fd);
    if (rest === undefined) return true;
    const sent = this.#direct.send(fd, rest);
    if (sent === -errnos.EAGAIN) return false;
    if (sent >= 0 && sent < rest.length) {
      this.owed.set(fd, rest.subarray(sent));
      return false;
    }
    this.owed.delete(fd);
    if (sent < 0) this.fail(fd, sent);
    return true;
  }

  owe(fd: number, rest: Uint8Array): void {
    this.owed.set(fd, rest);
  }

  /** Whoever reads next is told; after what there is to read. */
  readonly fail = (fd: number, errno: number): void => {
    if (!this.unread.has(fd)) this.unread.set(fd, errno);
    this.drained.clear(fd);
  };

  readonly #keep = (fd: number, rest: Uint8Array): void => {
    this.unread.set(fd, rest);
    this.drained.clear(fd);
  };

  /** How many bytes have been read ahead of `fd`, and not been taken. */
  #unreadBytes(fd: number): number {
    const rest = this.unread.get(fd);
    return typeof rest === "object" ? rest.length : (this.#batch?.ahead.lengthOf(fd) ?? 0);
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
    const rest = this.unread.size === 0 ? undefined : this.#takeRest(fd, Math.min(most, target.length));
    if (rest === undefined || typeof rest === "number") return rest;
    target.set(rest);
    return rest.length;
  }

  #takeRest(fd: number, most: number): Rest | undefined {
    const rest = this.unread.get(fd);
    if (typeof rest === "object" && most < rest.length) {
      this.unread.set(fd, rest.subarray(most));
      return rest.slice(0, most);
    }
    this.unread.delete(fd);
    return rest;
  }
}
