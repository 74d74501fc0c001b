/** Owns Unix datagram sockets: paths, pairs, and the descriptors that they pass along. Nothing of theirs is lost. */

import type { SocketAddress } from "../backend/backend.js";
import { copyOf, lengthOf } from "../backend/bytes.js";
import { DatagramSocket } from "./datagram-socket.js";
import { E, type SimFile } from "./file.js";
import { pathOf } from "./paths.js";
import type { Surroundings } from "./surroundings.js";
import type { UnixNames } from "./unix-names.js";

const NOTHING: readonly SimFile[] = [];

export class UnixDatagram extends DatagramSocket {
  readonly #names: UnixNames;
  #path: string | undefined;
  #peer: UnixDatagram | undefined;
  /** Those that found no room here. */
  readonly #waiting = new Set<UnixDatagram>();

  constructor(around: Surroundings, names: UnixNames, bytes: number) {
    super(around, "unix", bytes, bytes);
    this.#names = names;
  }

  pair(other: UnixDatagram): void {
    this.#peer = other;
    other.#peer = this;
  }

  get localAddress(): SocketAddress {
    return { path: this.#path ?? "" };
  }

  get remoteAddress(): SocketAddress | undefined {
    return this.#peer === undefined ? undefined : this.#peer.localAddress;
  }

  override ready(): number {
    const bits = super.ready();
    const peer = this.#peer;
    return peer === undefined || peer.isClosed || peer.hasRoom(1) ? bits : bits & ~2;
  }

  bind(address: SocketAddress): number {
    const path = pathOf(address);
    if (typeof path === "number") return path;
    if (this.#path !== undefined) return -E.EINVAL;
    const bound = this.#names.bind(path, this);
    if (typeof bound === "number") return bound;
    this.#path = bound;
    return 0;
  }

  connect(address: SocketAddress): number {
    const found = this.#at(address);
    if (typeof found === "number") return found;
    this.#peer = found;
    return 0;
  }

  #at(address: SocketAddress): UnixDatagram | number {
    const path = pathOf(address);
    if (typeof path === "number") return path;
    const socket = this.#names.at(path);
    if (typeof socket === "number") return socket;
    return socket instanceof UnixDatagram ? socket : -E.EPROTOTYPE;
  }

  protected sendWhole(data: Uint8Array): number {
    if (this.#peer === undefined) return this.isWriteShut ? -E.EPIPE : -E.ENOTCONN;
    return this.#send(data, this.#peer, NOTHING);
  }

  sendTo(data: Uint8Array, address: SocketAddress): number {
    const to = this.#at(address);
    return typeof to === "number" ? to : this.#send(copyOf(data, lengthOf(data)), to, NOTHING);
  }

  sendFiles(data: Uint8Array, files: readonly SimFile[]): number {
    return this.#peer === undefined ? -E.ENOTCONN : this.#send(copyOf(data, lengthOf(data)), this.#peer, files);
  }

  #send(data: Uint8Array, to: UnixDatagram, files: readonly SimFile[]): number {
    const refused = this.sending(data.length, this.sendBytes);
    if (refused < 0) return refused;
    if (to.isClosed) {
      // As in Linux, it is connected no more, and what had come is gone.
      if (to === this.#peer) {
        this.#peer = undefined;
        this.purge();
        this.changed();
      }
      return -E.ECONNREFUSED;
    }
    if (to.isReadShut) return -E.EPIPE;
    if (!to.hasRoom(data.length)) {
      to.#waiting.add(this);
      return -E.EAGAIN;
    }
    for (const file of files) file.references += 1;
    to.deliver({ data, address: this.localAddress, files });
    return data.length;
  }

  protected override wasRead(): void {
    this.#peer?.changed();
    for (const each of this.#waiting) each.changed();
    this.#waiting.clear();
  }

  override release(): void {
    super.release();
    if (this.#path !== undefined) this.#names.release(this.#path, this);
    for (const each of this.#waiting) each.changed();
    this.#peer?.changed();
  }
}
