/** Owns Unix datagram sockets: paths, pairs, and the descriptors that they pass along. Nothing of theirs is lost. */

import { Ready, type SocketAddress } from "../backend/backend.js";
import { copyOf, lengthOf } from "../backend/bytes.js";
import { DatagramSocket } from "./datagram-socket.js";
import { E, type SimFile } from "./file.js";
import { pathOf } from "./paths.js";
import type { Message } from "./socket.js";
import type { Surroundings } from "./surroundings.js";
import type { UnixNames } from "./unix-names.js";

const NOTHING: readonly SimFile[] = [];
/** net.unix.max_dgram_qlen. As in Linux, one more is taken. */
const QUEUE_MAX = 10;
/** What of SO_SNDBUF no datagram can have. */
const RESERVED_BYTES = 32;
/** Linux's sk_buff, and what follows its data. */
const HEAD_BYTES = 256;
const TAIL_BYTES = 320;
/** What goes beyond it lies in pages of its own. */
const LINEAR_BYTES_MAX = 16_064;
const PAGE_BYTES = 4096;

/** A datagram that takes of its sender's buffer until it is received. As in Linux, it is from where the sender is bound then. */
class Letter implements Message {
  readonly data: Uint8Array;
  readonly files: readonly SimFile[];
  readonly sender: UnixDatagram;

  constructor(data: Uint8Array, files: readonly SimFile[], sender: UnixDatagram) {
    this.data = data;
    this.files = files;
    this.sender = sender;
  }

  get address(): SocketAddress {
    return this.sender.localAddress;
  }

  /** What it takes of a buffer: Linux allocates a power of two. */
  get bufferBytes(): number {
    const linear = Math.min(this.data.length, LINEAR_BYTES_MAX);
    const pages = Math.ceil((this.data.length - linear) / PAGE_BYTES);
    return HEAD_BYTES + 2 ** Math.ceil(Math.log2(Math.max(linear + TAIL_BYTES, 512))) + pages * PAGE_BYTES;
  }
}

export class UnixDatagram extends DatagramSocket {
  readonly #names: UnixNames;
  #path: string | undefined;
  #peer: UnixDatagram | undefined;
  /** Those that found no room here. */
  readonly #waiting = new Set<UnixDatagram>();
  /** What it has sent and nobody has received. */
  #sentBytes = 0;

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
    const isRoomy = this.#sentBytes * 4 <= this.sendBytes;
    return isRoomy && (this.#peer === undefined || !this.#waitsFor(this.#peer)) ? bits : bits & ~Ready.WRITE;
  }

  /** Is a queue full for it? Then it is notified when there is room. Nothing limits those that are connected to each other. */
  #waitsFor(to: UnixDatagram): boolean {
    const isFull = to !== this && to.#peer !== this && !to.isClosed && to.unread > QUEUE_MAX;
    if (isFull) to.#waiting.add(this);
    return isFull;
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
    // Connected to each other, neither queue is full.
    found.changed();
    return 0;
  }

  /** One that is connected receives from its peer alone. */
  #admits(sender: UnixDatagram): boolean {
    return this.#peer === undefined || this.#peer === sender;
  }

  /** It is no longer connected to `former`. As in Linux, its queue is dropped. If that held anything, a peer that is connected to it gets ECONNRESET. */
  #leave(former: UnixDatagram): void {
    const hadUnread = this.unread > 0;
    this.purge();
    if (!hadUnread || former.isClosed || former.#peer !== this) return;
    former.error = -E.ECONNRESET;
    former.changed();
  }

  #at(address: SocketAddress): UnixDatagram | number {
    const path = pathOf(address);
    return typeof path === "number" ? path : this.#named(path);
  }

  #named(path: string): UnixDatagram | number {
    const socket = this.#names.at(path, this.type);
    if (typeof socket === "number") return socket;
    return socket instanceof UnixDatagram ? socket : -E.EPROTOTYPE;
  }

  protected sendWhole(data: Uint8Array): number {
    return this.#sendToPeer(data, NOTHING);
  }

  sendTo(data: Uint8Array, address: SocketAddress): number {
    const path = pathOf(address);
    if (typeof path === "number") return path;
    return this.#send(copyOf(data, lengthOf(data)), () => this.#named(path), NOTHING);
  }

  sendFiles(data: Uint8Array, files: readonly SimFile[]): number {
    return this.#sendToPeer(copyOf(data, lengthOf(data)), files);
  }

  #sendToPeer(data: Uint8Array, files: readonly SimFile[]): number {
    return this.#send(data, () => this.#peer ?? -E.ENOTCONN, files);
  }

  /** @param find finds the receiver: as in Linux, once the sender has room for the datagram */
  #send(data: Uint8Array, find: () => UnixDatagram | number, files: readonly SimFile[]): number {
    const refused = this.sending(data.length, this.sendBytes - RESERVED_BYTES);
    if (refused < 0) return refused;
    if (this.#sentBytes >= this.sendBytes) return -E.EAGAIN;
    const to = find();
    if (typeof to === "number") return to;
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
    if (this.#waitsFor(to)) return -E.EAGAIN;
    for (const file of files) file.references += 1;
    const letter = new Letter(data, files, this);
    this.#sentBytes += letter.bufferBytes;
    to.deliver(letter);
    return data.length;
  }

  protected override left({ sender, bufferBytes }: Letter): void {
    sender.#sentBytes -= bufferBytes;
    sender.changed();
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
