/** Owns what TCP and Unix stream sockets have in common: listening, accepting, sending and receiving. Knows no address. */

import { type Family, Ready, type SocketAddress } from "../backend/backend.js";
import { copyOf, lengthOf } from "../backend/bytes.js";
import { joined } from "./bytes.js";
import { E, type SimFile } from "./file.js";
import { Options } from "./options.js";
import type { Found, SimSocket } from "./socket.js";
import { Stream } from "./stream.js";
import type { Input } from "./stream-input.js";
import type { Surroundings } from "./surroundings.js";

/** SOMAXCONN. */
const BACKLOG_MAX = 4096;

export abstract class StreamSocket extends Stream implements SimSocket {
  readonly family: Family;
  readonly type = "stream";
  readonly options: Options;
  state: "idle" | "listening" | "connecting" | "connected" = "idle";
  protected backlog = 0;
  protected readonly pending: StreamSocket[] = [];

  constructor(around: Surroundings, family: Family, sendBytes: number, receiveBytes: number, input?: Input) {
    super(around, sendBytes, receiveBytes, input);
    this.family = family;
    this.isSocket = true;
    this.options = new Options(family, "stream");
  }

  abstract readonly localAddress: SocketAddress;
  abstract readonly remoteAddress: SocketAddress | undefined;
  abstract bind(address: SocketAddress): number;
  abstract connect(address: SocketAddress): number;
  abstract sendFiles(data: Uint8Array, files: readonly SimFile[]): number;
  /** What listen(2) needs first. */
  protected abstract prepareListen(): number;
  protected abstract unbind(): void;

  get isListening(): boolean {
    return this.state === "listening";
  }

  get isPaired(): boolean {
    return this.state === "connected";
  }

  override ready(): number {
    if (this.state === "connected" || this.isDead) return super.ready();
    if (this.state === "listening") return this.pending.length > 0 ? Ready.READ : 0;
    if (this.state === "connecting") return 0;
    const bits = Ready.WRITE | Ready.HANGUP | (this.isReadShut ? Ready.READ : 0);
    return this.error === 0 ? bits : bits | Ready.ERROR;
  }

  listen(backlog: number): number {
    if (this.state !== "idle" && this.state !== "listening") return -E.EINVAL;
    const failed = this.prepareListen();
    if (failed < 0) return failed;
    this.state = "listening";
    this.backlog = Math.min(Math.max(backlog | 0, 0), BACKLOG_MAX);
    this.changed();
    return 0;
  }

  /** Linux's queue takes one more than its length. */
  protected get isFull(): boolean {
    return this.pending.length > this.backlog;
  }

  protected offer(socket: StreamSocket): void {
    this.pending.push(socket);
    this.changed();
  }

  accept(): StreamSocket | number {
    if (this.state !== "listening") return -E.EINVAL;
    const first = this.pending[0];
    if (first === undefined) return -E.EAGAIN;
    if (this.around.faults.hits("not-ready", this.around.address, "a connection waits to be accepted"))
      return -E.EAGAIN;
    this.pending.shift();
    return first;
  }

  unaccept(socket: SimSocket): void {
    this.pending.unshift(socket as StreamSocket);
  }

  shutdown(how: "read" | "write" | "both"): number {
    if (this.state === "listening") {
      if (how !== "write") this.stopListening();
      return 0;
    }
    const isOver = this.isDead || (this.family !== "unix" && this.isEnded && this.isWriteShut);
    if (this.state === "connecting" || isOver) return -E.ENOTCONN;
    // One that is not connected remembers it until it is.
    if (how !== "write") this.shutRead();
    if (how !== "read") this.shutWrite();
    return this.family === "unix" || this.state === "connected" ? 0 : -E.ENOTCONN;
  }

  protected stopListening(): void {
    this.state = "idle";
    for (const each of this.pending.splice(0)) each.refuse();
    this.stoppedListening();
    this.changed();
  }

  /** It no longer listens. */
  protected stoppedListening(): void {
    this.unbind();
  }

  /** Nobody will accept it. */
  protected refuse(): void {
    this.unbind();
    this.closeStream(true);
  }

  /** @returns 0 where it can receive, or -errno */
  protected receiving(): number {
    if (this.state === "connected" || this.isDead) return 0;
    if (this.state === "connecting") return -E.EAGAIN;
    if (this.family === "unix") return -E.EINVAL;
    if (this.error !== 0) return this.takeError();
    return this.isReadShut && this.state === "idle" ? 0 : -E.ENOTCONN;
  }

  receive(target: Uint8Array, most: number): number {
    return this.receiving() || this.read(target, most);
  }

  override peek(target: Uint8Array, most: number): number {
    return this.receiving() || super.peek(target, most);
  }

  takeBytes(most: number): Uint8Array | number {
    return this.receiving() || this.take(most);
  }

  receiveMessage(most: number): Found | number {
    const data = this.takeBytes(most);
    if (typeof data === "number") return data;
    return { data, address: this.remoteAddress ?? { path: "" }, files: [] };
  }

  receiveUrgent(target: Uint8Array, room: number): number {
    return this.state === "listening" ? -E.ENOTCONN : this.readUrgent(target, room);
  }

  /** How many bytes it takes; or -errno. */
  protected taking(length: number): number {
    if (this.state === "connected" || this.isDead) return this.sendable(length);
    if (this.state === "connecting") return -E.EAGAIN;
    if (this.family === "unix") return -E.ENOTCONN;
    return this.takeError() || -E.EPIPE;
  }

  send(data: Uint8Array): number {
    const count = this.taking(lengthOf(data));
    if (count > 0) this.transfer(copyOf(data, count));
    return count;
  }

  sendPieces(pieces: readonly Uint8Array[]): number {
    let total = 0;
    for (const piece of pieces) total += lengthOf(piece);
    const count = this.taking(total);
    if (count > 0) this.transfer(joined(pieces, count));
    return count;
  }

  sendUrgent(data: Uint8Array): number {
    const length = lengthOf(data);
    const count = this.taking(length);
    // The urgent byte is the last one that is taken: where not all were, there is none.
    if (count > 0) this.transfer(copyOf(data, count), count === length);
    return count;
  }

  sendTo(data: Uint8Array, _address: SocketAddress): number {
    if (this.family !== "unix") return this.send(data);
    return this.state === "connected" ? -E.EISCONN : -E.EOPNOTSUPP;
  }

  override release(): void {
    if (this.state === "listening") this.stopListening();
    this.unbind();
    const { on, seconds } = this.options.linger;
    this.closeStream(on && seconds === 0);
  }

  override abandon(): void {
    super.abandon();
    for (const each of this.pending) each.abandon();
  }
}
