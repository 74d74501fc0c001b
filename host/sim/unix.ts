/** Owns Unix stream sockets: paths, pairs, and the descriptors that they pass along. Knows streams; knows no network. */

import type { SocketAddress } from "../backend/backend.js";
import { copyOf, lengthOf } from "../backend/bytes.js";
import { E, type SimFile } from "./file.js";
import { pathOf } from "./paths.js";
import type { Found } from "./socket.js";
import { StreamSocket } from "./stream-socket.js";
import type { Surroundings } from "./surroundings.js";
import type { UnixNames } from "./unix-names.js";

/** Descriptors on their way, and the bytes that they came with: from one place in the stream to another. */
interface Passed {
  readonly from: number;
  readonly to: number;
  readonly files: readonly SimFile[];
}

export class UnixStream extends StreamSocket {
  readonly #names: UnixNames;
  #path: string | undefined;
  #remotePath = "";
  readonly #passed: Passed[] = [];

  constructor(around: Surroundings, names: UnixNames, bytes: number) {
    super(around, "unix", bytes, bytes);
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
    return this.state === "connected" ? { path: this.#remotePath } : undefined;
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

  protected prepareListen(): number {
    return this.#path === undefined ? -E.EINVAL : 0;
  }

  protected unbind(): void {
    if (this.#path !== undefined) this.#names.release(this.#path, this);
  }

  connect(address: SocketAddress): number {
    if (this.state === "connected") return -E.EISCONN;
    if (this.state === "listening") return -E.EINVAL;
    const path = pathOf(address);
    if (typeof path === "number") return path;
    const listener = this.#names.at(path);
    if (typeof listener === "number") return listener;
    if (!(listener instanceof UnixStream)) return -E.EPROTOTYPE;
    if (!listener.isListening) return -E.ECONNREFUSED;
    const { faults, address: host } = this.around;
    if (faults.hits("refuse", host, path)) return -E.ECONNREFUSED;
    if (listener.isFull) return -E.EAGAIN;
    const server = new UnixStream(this.around, this.#names, listener.sendBytes);
    server.#path = listener.#path;
    server.#remotePath = this.#path ?? "";
    this.#remotePath = listener.#path ?? "";
    server.options.inherit(listener.options);
    this.pair(server);
    listener.offer(server);
    this.changed();
    return 0;
  }

  sendFiles(data: Uint8Array, files: readonly SimFile[]): number {
    const count = this.taking(lengthOf(data));
    const peer = this.peer as UnixStream | undefined;
    if (count <= 0 || peer === undefined) return count;
    if (files.length > 0) {
      for (const file of files) file.references += 1;
      peer.#passed.push({ from: peer.input.receivedBytes, to: peer.input.receivedBytes + count, files });
    }
    this.transfer(copyOf(data, count));
    return count;
  }

  /** Where a read has to end: descriptors begin there, or the bytes that they came with end there. */
  #limit(most: number): number {
    const first = this.#passed[0];
    if (first === undefined) return most;
    const end = first.from > this.input.readBytes ? first.from : first.to;
    return Math.min(most, end - this.input.readBytes);
  }

  override receive(target: Uint8Array, most: number): number {
    if (this.#passed.length === 0) return super.receive(target, most);
    const count = super.receive(target, this.#limit(most));
    if (count > 0) dropAll(this.#taken(count));
    return count;
  }

  override peek(target: Uint8Array, most: number): number {
    return super.peek(target, this.#limit(most));
  }

  override takeBytes(most: number): Uint8Array | number {
    if (this.#passed.length === 0) return super.takeBytes(most);
    const data = super.takeBytes(this.#limit(most));
    if (typeof data !== "number") dropAll(this.#taken(data.length));
    return data;
  }

  override receiveMessage(most: number): Found | number {
    if (this.#passed.length === 0) return super.receiveMessage(most);
    const data = super.takeBytes(this.#limit(most));
    if (typeof data === "number") return data;
    return { data, address: { path: this.#remotePath }, files: this.#taken(data.length) };
  }

  /** What came with the `count` bytes that were read. They come with the first of their bytes. */
  #taken(count: number): readonly SimFile[] {
    const first = this.#passed[0];
    const began = this.input.readBytes - count;
    if (first === undefined || count === 0 || began < first.from) return [];
    if (this.input.readBytes >= first.to) this.#passed.shift();
    return began === first.from ? first.files : [];
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
    for (const { from, files } of this.#passed.splice(0)) if (from >= this.input.readBytes) dropAll(files);
  }
}

/** Nobody took them. */
export function dropAll(files: readonly SimFile[]): void {
  for (const file of files) {
    file.references -= 1;
    if (file.references === 0) file.release();
  }
}
