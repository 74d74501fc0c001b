/**
 * Owns output that a batch accepted and the kernel refused, until the kernel takes it. That is rare: a batch accepts only
 * what the kernel has room for, and the room can shrink only if another process sends on the same connection or the
 * kernel is out of memory. Knows records and the calls that send; knows no poll set.
 *
 * Pending output is retried by a timer, by every wait of a poll set and by every call that sends on the same descriptor.
 * Waiting until the descriptor is writable would not do, because a kernel that is out of memory still reports it as
 * writable.
 */

import type { Backend, ShutdownHow } from "../../backend/backend.js";
import { errnos } from "../constants.js";
import type { Records } from "./record.js";
import { timers } from "../../backend/unhooked.js";

/** The calls of the kernel that pending output needs. */
export type OutputCalls = Pick<Backend, "send" | "shutdown" | "duplicate" | "close">;

export const RETRY_MS = 10;

/** Failures that mean "not now". */
const LATER: ReadonlySet<number> = new Set([-errnos.EAGAIN, -errnos.EINTR, -errnos.ENOBUFS, -errnos.ENOMEM]);

/** Can what failed with `errno`, negative, succeed later? */
export function isLater(errno: number): boolean {
  return LATER.has(errno);
}

export class PendingOutput {
  readonly #records: Records;
  readonly #calls: OutputCalls;
  readonly #onFailure: (fd: number, errno: number) => void;
  readonly #fds = new Set<number>();
  #timer: NodeJS.Timeout | undefined;

  /** @param onFailure called when the pending output of an open connection can never be sent */
  constructor(records: Records, calls: OutputCalls, onFailure: (fd: number, errno: number) => void) {
    this.#records = records;
    this.#calls = calls;
    this.#onFailure = onFailure;
  }

  /** How many descriptors have pending output. */
  get size(): number {
    return this.#fds.size;
  }

  /** Does `fd` have no pending output? */
  isFree(fd: number): boolean {
    return !this.#fds.has(fd);
  }

  add(fd: number, bytes: Uint8Array): void {
    this.#records.of(fd).pendingOutput = bytes;
    this.#fds.add(fd);
    // Keeps Node's event loop alive, as a net.Socket with output does.
    this.#timer ??= timers.setInterval(this.retry, RETRY_MS);
  }

  /** Tries to send all pending output. */
  readonly retry = (): void => {
    for (const fd of this.#fds) this.send(fd);
  };

  /** Tries to send the pending output of `fd`. @returns whether none is left */
  send(fd: number): boolean {
    const record = this.#records.get(fd);
    const bytes = record?.pendingOutput;
    if (record === undefined || bytes === undefined) return true;
    const sent = this.#calls.send(fd, bytes);
    if (isLater(sent)) return false;
    if (sent >= 0 && sent < bytes.length) {
      record.pendingOutput = bytes.subarray(sent);
      return false;
    }
    const { isAbandoned, shutdownAfter } = record;
    this.drop(fd);
    if (sent >= 0 && shutdownAfter !== undefined) this.#calls.shutdown(fd, shutdownAfter);
    if (isAbandoned) {
      record.reset();
      this.#calls.close(fd);
    } else if (sent < 0) {
      this.#onFailure(fd, sent);
    }
    return true;
  }

  /** Shuts `fd` down once its pending output is sent; at once where it has none. @returns 0 or -errno */
  shutdown(fd: number, how: ShutdownHow): number {
    const record = this.#records.get(fd);
    if (how === "read" || record === undefined || this.send(fd)) return this.#calls.shutdown(fd, how);
    record.shutdownAfter = how;
    return 0;
  }

  /** Closes `fd`; a duplicate stays open until its pending output is sent. @returns 0 or -errno */
  close(fd: number): number {
    const record = this.#records.get(fd);
    if (this.send(fd) || record?.pendingOutput === undefined) return this.#calls.close(fd);
    const { pendingOutput, shutdownAfter } = record;
    const copy = this.#calls.duplicate(fd);
    if (copy < 0) {
      // No descriptor is free for a duplicate: the number itself stays in use.
      record.isAbandoned = true;
      return 0;
    }
    this.drop(fd);
    this.#records.reset(copy);
    this.add(copy, pendingOutput);
    const abandoned = this.#records.of(copy);
    abandoned.isAbandoned = true;
    abandoned.shutdownAfter = shutdownAfter;
    return this.#calls.close(fd);
  }

  /** Drops the pending output of `fd`. */
  drop(fd: number): void {
    const record = this.#records.get(fd);
    if (record !== undefined) {
      record.pendingOutput = undefined;
      record.shutdownAfter = undefined;
    }
    if (!this.#fds.delete(fd) || this.#fds.size > 0) return;
    timers.clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
