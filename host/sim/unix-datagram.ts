/** Owns Unix datagram sockets: paths, pairs, and the descriptors that they pass along. Nothing of theirs is lost. */

import type { SocketAddress } from "../backend/backend.js";
import { copyOf, lengthOf } from "../backend/bytes.js";
import { DatagramSocket } from "./datagram-socket.js";
import { E, type SimFile } from "./file.js";
import { pathOf } from "./paths.js";
import type { Message } from "./socket.js";
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
    // As in Linux: one that has a name needs no free one.
    if (this.#path !== undefined) return path === "" ? 0 : -E.EINVAL;
    const bound = this.#names.bind(path, this, this.type);
    if (typeof bound === "number") return bound;
    this.#path = bound;
    return 0;
  }

  connect(address: SocketAddress): number {
    const found = this.#at(address);
    if (typeof found === "number") return found;
    if (!found.#admits(this)) return -E.EPERM;
    const former = this.#peer;
    this.#peer = found;
    if (former !== undefined && former !== found) this.#leave(former);
    this.changed();
    return 0;
  }

  /** One that is connected receives from its peer alone. */
  #admits(sender: UnixDatagram): boolean {
    return this.#peer === undefined || this.#peer === sender;
  }

  /** It is no longer connected to `former`. As in Linux, its queue is dropped. If that held anything, a peer that is connected to it gets ECONNRESET. */
  #leave(former: UnixDatagram): void {
    const hadUnread = this.hasUnread;
    this.purge();
    if (!hadUnread || former.isClosed || former.#peer !== this) return;
    former.error = -E.ECONNRESET;
    former.changed();
  }

  #at(address: SocketAddress): UnixDatagram | number {
    const path = pathOf(address);
    if (typeof path === "number") return path;
    const socket = this.#names.at(path, this.type);
    if (typeof socket === "number") return socket;
    return socket instanceof UnixDatagram ? socket : -E.EPROTOTYPE;
  }

  protected sendWhole(data: Uint8Array): number {
    return this.#sendToPeer(data, NOTHING);
  }

  sendTo(data: Uint8Array, address: SocketAddress): number {
    const to = this.#at(address);
    return typeof to === "number" ? to : this.#send(copyOf(data, lengthOf(data)), to, NOTHING);
  }

  sendFiles(data: Uint8Array, files: readonly SimFile[]): number {
    return this.#sendToPeer(copyOf(data, lengthOf(data)), files);
  }

  #sendToPeer(data: Uint8Array, files: readonly SimFile[]): number {
    if (this.#peer === undefined) return this.isWriteShut ? -E.EPIPE : -E.ENOTCONN;
    return this.#send(data, this.#peer, files);
  }

  #send(data: Uint8Array, to: UnixDatagram, files: readonly SimFile[]): number {
    const refused = this.sending(data.length, this.sendBytes);
    if (refused < 0) return refused;
    if (!to.#admits(this)) return -E.EPERM;
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
    to.deliver(this.#messageOf(data, files));
    return data.length;
  }

  /** As in Linux, it is from where the sender is bound when it is received. */
  #messageOf(data: Uint8Array, files: readonly SimFile[]): Message {
    const from = (): SocketAddress => this.localAddress;
    return {
      data,
      files,
      get address() {
        return from();
      },
    };
  }

  protected override wasRead(): void {
    this.#peer?.changed();
    for (const each of this.#waiting) each.changed();
    this.#waiting.clear();
  }

  override release(): void {
    super.release();
    if (this.#path !== undefined) this.#names.release(this.#path, this, this.type);
    for (const each of this.#waiting) each.changed();
    this.#peer?.changed();
    this.#peer = undefined;
  }
}
