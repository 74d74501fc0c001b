/**
 * Owns a guest's descriptor table: its numbers, and what each stands for. Knows the backend seam; knows no memory and
 * no call of WASI.
 *
 * The backend's descriptors that a guest owns are closed with it. Standard input, output and error are lent: closing
 * them takes them from the guest, and leaves the host's own open.
 */

import type { Backend } from "../backend/backend.js";
import { ERRNO_BADF, ERRNO_SUCCESS } from "../wasi/errno.js";
import { Filetype } from "../wasi/layout.js";

/** What a guest's descriptor stands for. */
export interface DescriptorInit {
  /** The backend's descriptor. */
  readonly fd: number;
  /** WASI's `filetype`. */
  readonly filetype: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** Is it the guest's, to be closed with it? */
  readonly owned: boolean;
  readonly nonBlocking: boolean;
}

export class Descriptor {
  readonly fd: number;
  readonly filetype: number;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly owned: boolean;
  /** Must calls that would wait answer EAGAIN? Sockets of the backend never wait: their calls are repeated. */
  nonBlocking: boolean;
  /** A WASI errno that a poll has taken from the socket, until a call of the guest takes it from here. */
  #pendingError = ERRNO_SUCCESS;

  constructor(init: DescriptorInit) {
    this.fd = init.fd;
    this.filetype = init.filetype;
    this.readable = init.readable;
    this.writable = init.writable;
    this.owned = init.owned;
    this.nonBlocking = init.nonBlocking;
  }

  get isSocket(): boolean {
    return this.filetype === Filetype.SOCKET_STREAM || this.filetype === Filetype.SOCKET_DGRAM;
  }

  get isDatagram(): boolean {
    return this.filetype === Filetype.SOCKET_DGRAM;
  }

  setPendingError(errno: number): void {
    this.#pendingError = errno;
  }

  takePendingError(): number {
    const errno = this.#pendingError;
    this.#pendingError = ERRNO_SUCCESS;
    return errno;
  }
}

export class DescriptorTable {
  readonly #backend: Backend;
  readonly #onRemove: (descriptor: Descriptor) => void;
  readonly #capacity: number;
  readonly #slots: (Descriptor | undefined)[] = [];
  /** Numbers to be given out again, the last one first. */
  readonly #free: number[] = [];
  readonly #byBackend = new Map<number, Descriptor>();

  /**
   * @param capacity how many descriptors the guest may have
   * @param onRemove called before a descriptor is closed
   */
  constructor(backend: Backend, capacity: number, onRemove: (descriptor: Descriptor) => void) {
    this.#backend = backend;
    this.#capacity = capacity;
    this.#onRemove = onRemove;
  }

  /** Is there no room for another? */
  get isFull(): boolean {
    return this.#free.length === 0 && this.#slots.length >= this.#capacity;
  }

  /** By the guest's number, which may be any i32. */
  get(number: number): Descriptor | undefined {
    return this.#slots[number >>> 0];
  }

  /** By the backend's number. */
  ofBackend(fd: number): Descriptor | undefined {
    return this.#byBackend.get(fd);
  }

  /** Gives it a number; the caller has checked {@link isFull}. */
  add(descriptor: Descriptor): number {
    const number = this.#free.pop() ?? this.#slots.length;
    this.#slots[number] = descriptor;
    this.#byBackend.set(descriptor.fd, descriptor);
    return number;
  }

  /** Closes it. @returns 0, or -errno of the backend; the number is free in any case. */
  remove(number: number): number {
    const descriptor = this.get(number);
    if (descriptor === undefined) return 0;
    this.#slots[number >>> 0] = undefined;
    this.#free.push(number >>> 0);
    return this.#release(descriptor);
  }

  /** Moves `from` to the number `to`, closing what is there. @returns a WASI errno. */
  renumber(from: number, to: number): number {
    const moved = this.get(from);
    const replaced = this.get(to);
    if (moved === undefined || replaced === undefined) return ERRNO_BADF;
    if (moved === replaced) return ERRNO_SUCCESS;
    this.#slots[to >>> 0] = moved;
    this.#slots[from >>> 0] = undefined;
    this.#free.push(from >>> 0);
    this.#release(replaced);
    return ERRNO_SUCCESS;
  }

  /** Closes all of them. */
  close(): void {
    for (let number = 0; number < this.#slots.length; number++) this.remove(number);
  }

  #release(descriptor: Descriptor): number {
    this.#byBackend.delete(descriptor.fd);
    this.#onRemove(descriptor);
    return descriptor.owned ? this.#backend.close(descriptor.fd) : 0;
  }
}
