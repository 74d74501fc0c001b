/**
 * Owns what was put off in a batch and not taken by the operating system when it was over, until it is. That is rare: it
 * had said that there was room. Knows how to send; knows no poll set.
 */

import type { Backend, ShutdownHow } from "../../backend/backend.js";
import { errnos } from "../constants.js";

/** Failures that mean "not now". */
const LATER: ReadonlySet<number> = new Set([-errnos.EAGAIN, -errnos.EINTR, -errnos.ENOBUFS, -errnos.ENOMEM]);

/** Does `errno`, negative, mean that it can go well later? */
export function isLater(errno: number): boolean {
  return LATER.has(errno);
}

/** Those that owe something. */
const owing = new Set<Owed>();

/** Once more, before the process ends. */
export function settleAll(): void {
  for (const owed of owing) for (const fd of [...owed.fds()]) owed.settle(fd);
}

export class Owed {
  readonly #direct: Pick<Backend, "send" | "shutdown">;
  readonly #onError: (fd: number, errno: number) => void;
  readonly #onSettled: (fd: number) => void;
  readonly #rests = new Map<number, Uint8Array>();
  /** What is to be shut down when the rest is sent. */
  readonly #shutdowns = new Map<number, ShutdownHow>();

  /**
   * @param onError told when a connection takes nothing any more
   * @param onSettled told when a connection has taken the rest
   */
  constructor(
    direct: Pick<Backend, "send" | "shutdown">,
    onError: (fd: number, errno: number) => void,
    onSettled: (fd: number) => void,
  ) {
    this.#direct = direct;
    this.#onError = onError;
    this.#onSettled = onSettled;
  }

  get size(): number {
    return this.#rests.size;
  }

  fds(): IterableIterator<number> {
    return this.#rests.keys();
  }

  has(fd: number): boolean {
    return this.#rests.has(fd);
  }

  add(fd: number, rest: Uint8Array): void {
    this.#rests.set(fd, rest);
    owing.add(this);
  }

  /** Shuts down what can be shut down only after the rest. @returns 0 */
  shutdownLater(fd: number, how: ShutdownHow): number {
    this.#shutdowns.set(fd, how);
    return 0;
  }

  /** Sends what is owed on `fd`. @returns whether nothing is any more */
  settle(fd: number): boolean {
    const rest = this.#rests.get(fd);
    if (rest === undefined) return true;
    const sent = this.#direct.send(fd, rest);
    if (isLater(sent)) return false;
    if (sent >= 0 && sent < rest.length) {
      this.#rests.set(fd, rest.subarray(sent));
      return false;
    }
    const how = this.#shutdowns.get(fd);
    this.delete(fd);
    if (sent < 0) {
      this.#onError(fd, sent);
      return true;
    }
    if (how !== undefined) this.#direct.shutdown(fd, how);
    this.#onSettled(fd);
    return true;
  }

  delete(fd: number): void {
    this.#rests.delete(fd);
    this.#shutdowns.delete(fd);
    if (this.#rests.size === 0) owing.delete(this);
  }
}
