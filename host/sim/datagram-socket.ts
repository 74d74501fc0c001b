/** Owns what UDP and Unix datagram sockets have in common: the queue of what has arrived. Knows no address. */

import { counted } from "../backend/counted.js";
import { type Family, Ready, type SocketAddress } from "../backend/backend.js";
import { copyOf, copyTo, lengthOf } from "../backend/bytes.js";
import { joined } from "./bytes.js";
import { E, SimFile } from "./file.js";
import { Options } from "./options.js";
import type { Found, Message, SimSocket } from "./socket.js";
import type { Surroundings } from "./surroundings.js";
import { dropAll } from "./unix.js";

export abstract class DatagramSocket extends SimFile implements SimSocket {
  readonly around: Surroundings;
  readonly family: Family;
  readonly type = "dgram";
  readonly options: Options;
  readonly isListening = false;
  readonly isPaired = false;
  sendBytes: number;
  receiveBytes: number;
  lowWater = 1;
  isInline = false;
  protected error = 0;
  protected isClosed = false;
  protected isReadShut = false;
  protected isWriteShut = false;
  readonly #queue: Message[] = [];
  #queuedBytes = 0;

  constructor(around: Surroundings, family: Family, sendBytes: number, receiveBytes: number) {
    super();
    this.around = around;
    this.family = family;
    this.sendBytes = sendBytes;
    this.receiveBytes = receiveBytes;
    this.isSocket = true;
    this.options = new Options(family, "dgram");
  }

  abstract readonly localAddress: SocketAddress;
  abstract readonly remoteAddress: SocketAddress | undefined;
  abstract bind(address: SocketAddress): number;
  abstract connect(address: SocketAddress): number;
  abstract sendTo(data: Uint8Array, address: SocketAddress): number;
  abstract sendFiles(data: Uint8Array, files: readonly SimFile[]): number;
  /** Sends to where it is connected. The bytes are the datagram's. */
  protected abstract sendWhole(data: Uint8Array): number;

  /** How many datagrams nobody has received. */
  protected get unread(): number {
    return this.#queue.length;
  }

  protected get unreadBytes(): number {
    return this.#queuedBytes;
  }

  protected get isConnected(): boolean {
    return this.remoteAddress !== undefined;
  }

  override ready(): number {
    let bits = Ready.WRITE;
    if (this.unread > 0 || this.isReadShut) bits |= Ready.READ;
    if (this.isReadShut && this.isWriteShut) bits |= Ready.HANGUP;
    return this.error === 0 ? bits : bits | Ready.ERROR;
  }

  override readableBytes(): number {
    return this.#queue[0]?.data.length ?? 0;
  }

  override takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }

  /** A datagram has arrived. */
  protected deliver(message: Message): void {
    this.#queue.push(message);
    this.#queuedBytes += message.data.length;
    this.changed();
  }

  /** The next one, which stays; or -errno. */
  #first(): Message | number {
    if (this.error !== 0) return this.takeError();
    const first = this.#queue[0];
    if (first === undefined) return -E.EAGAIN;
    const { faults, address } = this.around;
    if (faults.hits("not-ready", address, "a datagram is there")) return -E.EAGAIN;
    return first;
  }

  #next(): Message | number {
    const first = this.#first();
    if (typeof first === "number") return first;
    this.#queue.shift();
    this.#queuedBytes -= first.data.length;
    this.left(first);
    return first;
  }

  /** A datagram is no longer in the queue: received or dropped. */
  protected left(_message: Message): void {}

  listen(): number {
    return -E.EOPNOTSUPP;
  }

  accept(): number {
    return -E.EOPNOTSUPP;
  }

  unaccept(): void {}

  shutdown(how: "read" | "write" | "both"): number {
    if (how !== "write") this.isReadShut = true;
    if (how !== "read") this.isWriteShut = true;
    this.changed();
    // As in Linux, it is shut down all the same.
    return this.isConnected || this.family === "unix" ? 0 : -E.ENOTCONN;
  }

  receive(target: Uint8Array, most: number): number {
    const message = this.#next();
    if (typeof message === "number") return message;
    dropAll(message.files);
    return cutInto(target, message.data, most);
  }

  peek(target: Uint8Array, most: number): number {
    const message = this.#first();
    return typeof message === "number" ? message : cutInto(target, message.data, most);
  }

  takeBytes(most: number): Uint8Array | number {
    const message = this.#next();
    if (typeof message === "number") return message;
    dropAll(message.files);
    return message.data.length <= most ? message.data : copyOf(message.data, most);
  }

  receiveMessage(most: number): Found | number {
    const message = this.#next();
    if (typeof message === "number") return message;
    return message.data.length <= most ? message : { ...message, data: copyOf(message.data, most) };
  }

  /** As in Linux: UDP has no urgent data, and receives the next datagram. */
  receiveUrgent(target: Uint8Array, room: number): number {
    return this.family === "unix" ? -E.EOPNOTSUPP : this.receive(target, room);
  }

  sendUrgent(): number {
    return -E.EOPNOTSUPP;
  }

  send(data: Uint8Array): number {
    return this.sendWhole(copyOf(data, lengthOf(data)));
  }

  sendPieces(pieces: readonly Uint8Array[]): number {
    return this.sendWhole(joined(pieces));
  }

  /** @returns 0 where it may send so many bytes, or -errno */
  protected sending(bytes: number, most: number): number {
    if (bytes > most) return -E.EMSGSIZE;
    if (this.error !== 0) return this.takeError();
    if (this.isWriteShut) return -E.EPIPE;
    const { faults, address } = this.around;
    if (faults.hits("enobufs", address, `a datagram of ${counted(bytes, "byte")}`)) return -E.ENOBUFS;
    if (faults.hits("not-ready", address, `a datagram of ${counted(bytes, "byte")} to send`)) return -E.EAGAIN;
    return 0;
  }

  override release(): void {
    this.isClosed = true;
    this.purge();
  }

  /** Drops what has arrived. */
  protected purge(): void {
    this.#queuedBytes = 0;
    for (const message of this.#queue.splice(0)) {
      dropAll(message.files);
      this.left(message);
    }
  }

  override abandon(): void {
    this.isClosed = true;
    this.#queue.length = 0;
  }
}

function cutInto(target: Uint8Array, data: Uint8Array, most: number): number {
  const count = Math.min(most, data.length);
  copyTo(target, count === data.length ? data : copyOf(data, count));
  return count;
}
