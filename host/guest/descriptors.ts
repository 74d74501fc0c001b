/**
 * Owns a guest's descriptor table: its numbers, and what each stands for. Knows the backend seam; knows no memory and
 * no call of WASI.
 *
 * The backend's descriptors that a guest owns are closed with it. Standard input, output and error are lent: closing
 * them takes them from the guest, and leaves the host's own open.
 */

import type { Backend } from "../backend/backend.js";
import { ERRNO_BADF, ERRNO_SUCCESS } from "../wasi/errno.js";
import { Filetype, Rights } from "../wasi/layout.js";
import { givenRights } from "./rights.js";

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
  /** WASI's `rights`. Default: those of a stream or socket that is readable, writable or both. */
  readonly rights?: bigint;
  /** The rights that what is opened beneath a directory may have. Default: none. */
  readonly inheriting?: bigint;
  /** `fdflags` that mean something for files alone: APPEND and so on. Default: none. */
  readonly fileFlags?: number;
  /** Beneath a directory that is granted for reading alone. Default: false. */
  readonly isReadOnly?: boolean;
  /** The path by which a guest knows a directory that it is given. */
  readonly preopen?: Uint8Array;
}

export class Descriptor {
  readonly fd: number;
  readonly filetype: number;
  readonly owned: boolean;
  readonly isReadOnly: boolean;
  readonly preopen: Uint8Array | undefined;
  /** Must calls that would wait answer EAGAIN? Sockets of the backend never wait: their calls are repeated. */
  nonBlocking: boolean;
  fileFlags: number;
  #readable: boolean;
  #writable: boolean;
  #rights: bigint;
  #inheriting: bigint;
  /** A WASI errno that a poll has taken from the socket, until a call of the guest takes it from here. */
  #pendingError = ERRNO_SUCCESS;

  constructor(init: DescriptorInit) {
    this.fd = init.fd;
    this.filetype = init.filetype;
    this.owned = init.owned;
    this.nonBlocking = init.nonBlocking;
    this.isReadOnly = init.isReadOnly ?? false;
    this.preopen = init.preopen;
    this.fileFlags = init.fileFlags ?? 0;
    this.#readable = init.readable;
    this.#writable = init.writable;
    this.#rights = init.rights ?? givenRights(init.filetype, init.readable, init.writable);
    this.#inheriting = init.inheriting ?? 0n;
  }

  get readable(): boolean {
    return this.#readable;
  }

  get writable(): boolean {
    return this.#writable;
  }

  get rights(): bigint {
    return this.#rights;
  }

  get inheriting(): bigint {
    return this.#inheriting;
  }

  /** Gives up rights. @returns whether the descriptor had all of these. */
  setRights(rights: bigint, inheriting: bigint): boolean {
    if ((rights & ~this.#rights) !== 0n || (inheriting & ~this.#inheriting) !== 0n) return false;
    this.#rights = rights;
    this.#inheriting = inheriting;
    this.#readable &&= (rights & Rights.FD_READ) !== 0n;
    this.#writable &&= (rights & Rights.FD_WRITE) !== 0n;
    return true;
  }

  get isDirectory(): boolean {
    return this.filetype === Filetype.DIRECTORY;
  }

  /** Does it have positions, sizes and times, and never make a call wait? */
  get isFile(): boolean {
    return this.filetype === Filetype.REGULAR_FILE;
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

  /** Leaves a number that no descriptor ever gets. */
  skip(): void {
    this.#slots.push(undefined);
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
