/** Owns the descriptor of a file, a pipe or a terminal, with the socket methods that handlers use. Knows the backend seam. */

import type { Backend, ShutdownHow } from "../backend/backend.js";
import { checkArray, checkBackend, checkBytes, checkDescriptor, checkInteger } from "../backend/check.js";
import { defaultBackend } from "../node/default.js";
import { INSPECT, inspectAs, type Inspect, type InspectOptions } from "../backend/inspect.js";
import type { Endpoint, EndpointAddresses, ConnectionState } from "./endpoint.js";
import { OSError } from "../backend/errors.js";
import { plainBytes } from "./plain-bytes.js";
import { errorOf, wouldBlock } from "./results.js";
import { closeWhenUnreachable, forgetOwner } from "./unreachable.js";

const FILE: ConnectionState = { kind: "connected" };

/** asyncore's `file_wrapper`: duplicates the descriptor it is given, and owns the duplicate. */
export class FileWrapper implements Endpoint {
  readonly #backend: Backend;
  #fd: number;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(fd: number, backend: Backend = defaultBackend()) {
    checkDescriptor("fd", fd);
    checkBackend("backend", backend);
    const duplicate = backend.duplicate(fd);
    if (duplicate < 0) throw errorOf(backend, duplicate, "dup");
    this.#backend = backend;
    this.#fd = duplicate;
    closeWhenUnreachable(this, backend, duplicate);
  }

  get fd(): number {
    return this.#fd;
  }

  get closed(): boolean {
    return this.#fd < 0;
  }

  get bytesIn(): number {
    return this.#bytesIn;
  }

  get bytesOut(): number {
    return this.#bytesOut;
  }

  /** Reads up to `maxBytes`; nothing at end of file. read(2). */
  recv(maxBytes: number): Uint8Array {
    checkInteger("maxBytes", maxBytes, 0, 0x7fffffff);
    const data = this.#backend.readBytes(this.#fd, maxBytes);
    if (typeof data === "number") throw errorOf(this.#backend, data, "read");
    this.#bytesIn += data.length;
    return data;
  }

  /**
   * Reads into `target`, up to its length.
   * @returns how many bytes, 0 at end of file
   * @throws TypeError for anything but a Uint8Array, and for one whose memory was transferred
   */
  recvInto(target: Uint8Array): number {
    const plain = plainBytes("target", target);
    const length = this.#backend.read(this.#fd, plain);
    if (length < 0) throw errorOf(this.#backend, length, "read");
    this.#bytesIn += length;
    return length;
  }

  /** {@link recv}: asyncore gives both names. */
  read(maxBytes: number): Uint8Array {
    return this.recv(maxBytes);
  }

  /** Writes. @returns how many bytes were taken, perhaps not all. write(2). */
  send(data: Uint8Array): number {
    checkBytes("data", data);
    return this.#written(data, false);
  }

  /** {@link send}: asyncore gives both names. */
  write(data: Uint8Array): number {
    return this.send(data);
  }

  /** @internal */
  sendSome(data: Uint8Array): number {
    checkBytes("data", data);
    return this.#written(data, true);
  }

  /** Writes the first of several pieces. @internal */
  sendSomeOf(pieces: readonly Uint8Array[]): number {
    checkArray("pieces", pieces);
    const first = pieces[0];
    return first === undefined ? 0 : this.sendSome(first);
  }

  /** @internal */
  get isStream(): boolean {
    return true;
  }

  /** A file needs no connection. @throws OSError EBADF once it is closed @internal */
  connectionState(): ConnectionState {
    if (this.#fd < 0) throw new OSError("EBADF", { syscall: "fstat" });
    return FILE;
  }

  /** A file has none. @internal */
  addresses(): EndpointAddresses {
    return {};
  }

  /** @throws OSError ENOTSOCK: only a connection has halves */
  shutdown(_how: ShutdownHow): never {
    throw new OSError("ENOTSOCK", { syscall: "shutdown" });
  }

  /** Closes the duplicate; safe to call again. */
  close(): void {
    const fd = this.#fd;
    if (fd < 0) return;
    this.#fd = -1;
    forgetOwner(this);
    const result = this.#backend.close(fd);
    if (result < 0) throw errorOf(this.#backend, result, "close");
  }

  /** For `util.inspect` and `console.log`. @internal */
  [INSPECT](depth: number, options: InspectOptions, inspect: Inspect): string {
    const { fd, bytesIn, bytesOut } = this;
    return inspectAs(this, "FileWrapper", () => ({ fd, bytesIn, bytesOut }), depth, options, inspect);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @param zeroIfFull is 0 returned, rather than an error thrown, where it would have to wait? */
  #written(data: Uint8Array, zeroIfFull: boolean): number {
    const length = this.#backend.write(this.#fd, data);
    if (length < 0) {
      if (zeroIfFull && wouldBlock(this.#backend, length)) return 0;
      throw errorOf(this.#backend, length, "write");
    }
    this.#bytesOut += length;
    return length;
  }
}
