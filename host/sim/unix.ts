/** Owns Unix stream sockets: paths, pairs, and the descriptors that they pass along. Knows streams; knows no network. */

import type { SocketAddress } from "../backend/backend.js";
import { copyOf, lengthOf } from "../backend/bytes.js";
import { E, type SimFile } from "./file.js";
import { pathOf } from "./paths.js";
import type { Found } from "./socket.js";
import { StreamSocket } from "./stream-socket.js";
import type { Surroundings } from "./surroundings.js";
import { UnixInput } from "./unix-input.js";
import type { UnixNames } from "./unix-names.js";

/** Descriptors on their way, and the bytes that they came with: from one place in the stream to another. */
interface Passed {
  readonly from: number;
  readonly to: number;
  readonly files: readonly SimFile[];
}

export class UnixStream extends StreamSocket {
  declare peer: UnixStream | undefined;
  declare readonly input: UnixInput;
  readonly #names: UnixNames;
  #path: string | undefined;
  #passed: Passed[] = [];

  constructor(around: Surroundings, names: UnixNames, bytes: number) {
    super(around, "unix", bytes, bytes, new UnixInput());
    this.#names = names;
  }

  /** Connects two to each other. */
  pair(other: UnixStream): void {
    this.peer = other;
    other.peer = this;
    this.state = "connected";
    other.state = "connected";
  }

  get localAddress(): SocketAddress {
    return { path: this.#path ?? "" };
  }

  get remoteAddress(): SocketAddress | undefined {
    return this.state === "connected" ? this.peer?.localAddress : undefined;
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

  protected prepareListen(): number {
    return this.#path === undefined ? -E.EINVAL : 0;
  }

  protected unbind(): void {
    if (this.#path !== undefined) this.#names.release(this.#path, this, this.type);
  }

  connect(address: SocketAddress): number {
    const path = pathOf(address);
    if (typeof path === "number") return path;
    const listener = this.#names.at(path, this.type);
    if (typeof listener === "number") return listener;
    if (!(listener instanceof UnixStream)) return -E.EPROTOTYPE;
    if (!listener.isListening) return -E.ECONNREFUSED;
    const { faults, address: host } = this.around;
    if (faults.hits("refuse", host, path)) return -E.ECONNREFUSED;
    if (listener.isFull) return -E.EAGAIN;
    if (this.state === "connected") return -E.EISCONN;
    if (this.state === "listening") return -E.EINVAL;
    const server = new UnixStream(this.around, this.#names, listener.sendBytes);
    server.#path = listener.#path;
    server.options.inherit(listener.options);
    this.pair(server);
    listener.offer(server);
    this.changed();
    return 0;
  }

  sendFiles(data: Uint8Array, files: readonly SimFile[]): number {
    const count = this.taking(lengthOf(data));
    const { peer } = this;
    if (count <= 0 || peer === undefined) return count;
    if (files.length > 0) {
      for (const file of files) file.references += 1;
      peer.#passed.push({ from: peer.input.receivedBytes, to: peer.input.receivedBytes + count, files });
    }
    this.transfer(copyOf(data, count));
    return count;
  }

  override sendUrgent(data: Uint8Array): number {
    return lengthOf(data) === 0 ? -E.EOPNOTSUPP : super.sendUrgent(data);
  }

  override receiveUrgent(target: Uint8Array, room: number): number {
    const at = this.input.urgentAt;
    const count = this.state === "connected" ? super.receiveUrgent(target, room) : -E.EINVAL;
    if (count < 0) return count;
    // What came after the byte that was taken is one byte nearer.
    this.#passed = this.#passed.map((each) =>
      each.from > at ? { from: each.from - 1, to: each.to - 1, files: each.files } : each,
    );
    // As in Linux, whether or not there was room for it.
    return 1;
  }

  /** A read does not go beyond the bytes that descriptors came with: unix(7). */
  #limit(most: number): number {
    const first = this.#passed[0];
    return first === undefined ? most : Math.min(most, first.to - this.input.readBytes - this.input.skipped);
  }

  #limitOfRead(most: number): number {
    this.input.skipUrgent();
    return this.#limit(most);
  }

  override receive(target: Uint8Array, most: number): number {
    if (this.#passed.length === 0) return super.receive(target, most);
    const count = super.receive(target, this.#limitOfRead(most));
    if (count > 0) dropAll(this.#taken());
    return count;
  }

  override peek(target: Uint8Array, most: number): number {
    return super.peek(target, this.#limit(most));
  }

  override takeBytes(most: number): Uint8Array | number {
    if (this.#passed.length === 0) return super.takeBytes(most);
    const data = super.takeBytes(this.#limitOfRead(most));
    if (typeof data !== "number") dropAll(this.#taken());
    return data;
  }

  override receiveMessage(most: number): Found | number {
    if (this.#passed.length === 0) return super.receiveMessage(most);
    const data = super.takeBytes(this.#limitOfRead(most));
    if (typeof data === "number") return data;
    return { data, address: this.remoteAddress ?? { path: "" }, files: this.#taken() };
  }

  /** What came with the bytes that were read: with the first of its bytes. */
  #taken(): readonly SimFile[] {
    const first = this.#passed[0];
    if (first === undefined || this.input.readBytes <= first.from) return [];
    this.#passed.shift();
    return first.files;
  }

  protected override refuse(): void {
    super.refuse();
    this.#dropPassed();
  }

  override release(): void {
    super.release();
    this.#dropPassed();
  }

  #dropPassed(): void {
    for (const { files } of this.#passed.splice(0)) dropAll(files);
  }
}

/** Nobody took them. */
export function dropAll(files: readonly SimFile[]): void {
  for (const file of files) {
    file.references -= 1;
    if (file.references === 0) file.release();
  }
}
