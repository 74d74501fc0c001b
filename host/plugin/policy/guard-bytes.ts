/**
 * Owns the calls that move bytes: counts them, holds sockets to the rates of a policy, and checks where datagrams go to and
 * come from. A socket that has used up its rate answers EAGAIN, as one that is not ready.
 */

import type { Datagram, PassedDescriptors, Received, SocketAddress } from "../../backend/backend.js";
import { fieldOf, GuardAddresses } from "./guard-addresses.js";
import type { OpenFile } from "./open-files.js";
import { EACCES, EAGAIN, EOPNOTSUPP } from "./refusals.js";

/** So many datagrams from elsewhere are dropped in a call; the others wait for the next. */
const DROPS_MAX = 32;

export class GuardBytes extends GuardAddresses {
  override recv(fd: number, target: Uint8Array, length?: number): number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.recv(fd, target, length);
    return this.#receiveInto(fd, file, target, length, false);
  }

  /** Nothing is paid for what stays unread. Of a datagram nothing would tell where it comes from. */
  override peek(fd: number, target: Uint8Array, length?: number): number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.peek(fd, target, length);
    if (this.#isFiltered(file)) return EOPNOTSUPP;
    const most = this.#mostIn(file, length ?? target.length);
    return most === 0 ? EAGAIN : this.inner.peek(fd, target, most ?? length);
  }

  override read(fd: number, target: Uint8Array, length?: number): number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.read(fd, target, length);
    return this.#receiveInto(fd, file, target, length, true);
  }

  override receive(fd: number, maxBytes: number): Uint8Array | number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.receive(fd, maxBytes);
    return this.#receiveNew(fd, file, maxBytes, false);
  }

  override readBytes(fd: number, maxBytes: number): Uint8Array | number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.readBytes(fd, maxBytes);
    return this.#receiveNew(fd, file, maxBytes, true);
  }

  override recvFrom(fd: number, target: Uint8Array, length?: number): Received | number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.recvFrom(fd, target, length);
    const most = this.#mostIn(file, length ?? target.length);
    if (most === 0) return EAGAIN;
    return this.#filtered(file, () => {
      const received = this.inner.recvFrom(fd, target, most ?? length);
      if (typeof received !== "number") this.#countIn(received.length);
      return received;
    });
  }

  override receiveFrom(fd: number, maxBytes: number): Datagram | number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.receiveFrom(fd, maxBytes);
    const most = this.#mostIn(file, maxBytes);
    if (most === 0) return EAGAIN;
    return this.#filtered(file, () => {
      const received = this.inner.receiveFrom(fd, most ?? maxBytes);
      if (typeof received !== "number") this.#countIn(received.data.length);
      return received;
    });
  }

  override recvOutOfBand(fd: number, target: Uint8Array): number {
    const file = this.fileOf(fd);
    if (file !== undefined && this.#isFiltered(file)) return EOPNOTSUPP;
    const result = this.inner.recvOutOfBand(fd, target);
    if (result > 0) this.#countIn(result);
    return result;
  }

  override receiveDescriptors(fd: number, maxBytes: number, maxDescriptors: number): PassedDescriptors | number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket || this.grants.everything) {
      return this.inner.receiveDescriptors(fd, maxBytes, maxDescriptors);
    }
    if (this.#isFiltered(file)) return EOPNOTSUPP;
    const most = this.#mostIn(file, maxBytes);
    if (most === 0) return EAGAIN;
    // The kernel closes what is not asked for.
    const passed = this.inner.receiveDescriptors(fd, most ?? maxBytes, 0);
    if (typeof passed !== "number") {
      this.#countIn(passed.data.length);
      if (passed.isTruncated) this.account.refuse("descriptors", fd);
    }
    return passed;
  }

  override send(fd: number, data: Uint8Array): number {
    return this.#sendWith(fd, data, (part) => this.inner.send(fd, part));
  }

  override write(fd: number, data: Uint8Array): number {
    return this.#sendWith(fd, data, (part) => this.inner.write(fd, part));
  }

  override sendVector(fd: number, pieces: readonly Uint8Array[]): number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.sendVector(fd, pieces);
    const most = this.#mostOut(
      file,
      pieces.reduce((sum, { length }) => sum + length, 0),
    );
    if (most === 0) return EAGAIN;
    const result = this.inner.sendVector(fd, most === undefined ? pieces : beginningOf(pieces, most));
    if (result > 0) this.#countOut(result);
    return result;
  }

  /** The urgent byte is the last one: the data is sent as a whole. */
  override sendOutOfBand(fd: number, data: Uint8Array): number {
    const file = this.fileOf(fd);
    if (file?.isSocket === true && this.#mostOut(file, 1) === 0) return EAGAIN;
    const result = this.inner.sendOutOfBand(fd, data);
    if (result > 0) this.#countOut(result);
    return result;
  }

  override sendTo(fd: number, data: Uint8Array, address: SocketAddress): number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return this.inner.sendTo(fd, data, address);
    const granted = file.isDatagram ? this.grants.datagram(address) : this.grants.connect(address);
    if (granted === undefined) return this.refuseAddress(fieldOf(file, address), address);
    return this.#sendWith(fd, data, (part) => this.inner.sendTo(fd, part, granted));
  }

  override sendDescriptors(fd: number, data: Uint8Array, descriptors: readonly number[]): number {
    if (descriptors.length > 0 && !this.grants.everything) {
      this.account.refuse("descriptors", descriptors.length);
      return EACCES;
    }
    return this.#sendWith(fd, data, (part) => this.inner.sendDescriptors(fd, part, descriptors));
  }

  #receiveInto(fd: number, file: OpenFile, target: Uint8Array, length: number | undefined, isRead: boolean): number {
    const most = this.#mostIn(file, length ?? target.length);
    if (most === 0) return EAGAIN;
    if (this.#isFiltered(file)) {
      const received = this.recvFrom(fd, target, length);
      return typeof received === "number" ? received : received.length;
    }
    const result = isRead ? this.inner.read(fd, target, most ?? length) : this.inner.recv(fd, target, most ?? length);
    if (result > 0) this.#countIn(result);
    return result;
  }

  #receiveNew(fd: number, file: OpenFile, maxBytes: number, isRead: boolean): Uint8Array | number {
    const most = this.#mostIn(file, maxBytes);
    if (most === 0) return EAGAIN;
    if (this.#isFiltered(file)) {
      const received = this.receiveFrom(fd, maxBytes);
      return typeof received === "number" ? received : received.data;
    }
    const result = isRead ? this.inner.readBytes(fd, most ?? maxBytes) : this.inner.receive(fd, most ?? maxBytes);
    if (typeof result !== "number") this.#countIn(result.length);
    return result;
  }

  #sendWith(fd: number, data: Uint8Array, send: (part: Uint8Array) => number): number {
    const file = this.fileOf(fd);
    if (file === undefined || !file.isSocket) return send(data);
    const most = this.#mostOut(file, data.length);
    if (most === 0) return EAGAIN;
    const result = send(most === undefined ? data : data.subarray(0, most));
    if (result > 0) this.#countOut(result);
    return result;
  }

  /** Is it a socket to which anybody may send, although nobody was granted to? Its port is known to those it sends to. */
  #isFiltered(file: OpenFile): boolean {
    return file.isDatagram && file.isInternet && !file.isReachable && !this.grants.everything;
  }

  /** What `receive` gets, without the datagrams that come from where the policy says nothing of. */
  #filtered<R extends { readonly address: SocketAddress }>(file: OpenFile, receive: () => R | number): R | number {
    if (!this.#isFiltered(file)) return receive();
    for (let dropped = 0; dropped < DROPS_MAX; dropped++) {
      const received = receive();
      if (typeof received === "number" || this.grants.source(received.address)) return received;
      this.refuseAddress("udp", received.address);
    }
    return EAGAIN;
  }

  /** undefined where all of `wanted` may be received, 0 where nothing may be now. A datagram comes as a whole. */
  #mostIn(file: OpenFile, wanted: number): number | undefined {
    const { input, limits } = this.account;
    if (!input.isLimited) return undefined;
    const { allowed } = input;
    if (allowed === 0) this.account.refuse("bytesPerSecondIn", limits.bytesPerSecondIn);
    return allowed > 0 && (file.isDatagram || !(wanted > allowed)) ? undefined : allowed;
  }

  #mostOut(file: OpenFile, wanted: number): number | undefined {
    const { output, limits } = this.account;
    if (!output.isLimited) return undefined;
    const { allowed } = output;
    if (allowed === 0) this.account.refuse("bytesPerSecondOut", limits.bytesPerSecondOut);
    return allowed > 0 && (file.isDatagram || wanted <= allowed) ? undefined : allowed;
  }

  #countIn(bytes: number): void {
    this.account.count("bytesIn", bytes);
    this.account.input.spend(bytes);
  }

  #countOut(bytes: number): void {
    this.account.count("bytesOut", bytes);
    this.account.output.spend(bytes);
  }
}

/** The first `length` bytes. */
function beginningOf(pieces: readonly Uint8Array[], length: number): Uint8Array[] {
  const beginning: Uint8Array[] = [];
  let left = length;
  for (const piece of pieces) {
    if (left === 0) break;
    const part = piece.subarray(0, left);
    beginning.push(part);
    left -= part.length;
  }
  return beginning;
}
