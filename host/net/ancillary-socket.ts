/**
 * Owns what a socket does besides bytes and addresses: its options, urgent bytes, multicast groups, and what Unix sockets
 * pass along. Knows the backend seam; knows no loop and no handler.
 */

import type {
  Backend,
  NetworkInterface,
  PassedDescriptors,
  PeerCredentials,
  SocketOption,
  TextOption,
} from "../backend/backend.js";
import { checkArray, checkBytes, checkDescriptor, checkInteger, checkString } from "../backend/check.js";
import { errorOf } from "./results.js";
import {
  checkOption,
  isTextOption,
  readOption,
  type SocketNumber,
  type SocketSwitch,
  writeOption,
} from "./socket-options.js";

const NUMBER_MIN = -0x8000_0000;
const NUMBER_MAX = 0x7fff_ffff;
/** SCM_MAX_FD. */
const DESCRIPTORS_MAX = 253;

/** The other half of `Socket`; not meant to be used without it. */
export abstract class AncillarySocket {
  abstract get fd(): number;
  protected abstract get backend(): Backend;
  /** Counts bytes that were received or sent. */
  protected abstract count(received: number, sent: number): void;
  /** Takes an error, as -errno, that was found before the call that it is for; 0 if there is none. */
  protected abstract takePending(): number;

  /**
   * Reads an option: 0 or 1 for a switch. `SO_ERROR` gives a pending error once, as a positive errno; `SO_LINGER` is -1 where
   * it is off. A text for `SO_BINDTODEVICE` and `TCP_CONGESTION`. getsockopt(2).
   */
  getOption(option: SocketOption): number;
  getOption(option: TextOption): string;
  getOption(option: SocketOption | TextOption): number | string {
    if (isTextOption(option)) {
      const text = this.backend.getTextOption(this.fd, option);
      return typeof text === "number" ? AncillarySocket.#check(this, text, "getsockopt") : text;
    }
    checkOption(option);
    const pending = option === "SO_ERROR" ? this.takePending() : 0;
    return pending !== 0 ? -pending : readOption(this.backend, this.fd, option);
  }

  /**
   * Sets an option: true or false, or 1 or 0, for a switch; a text for `SO_BINDTODEVICE` and `TCP_CONGESTION`; a whole
   * number for the others. setsockopt(2).
   */
  setOption(option: SocketSwitch, value: boolean | number): void;
  setOption(option: SocketNumber, value: number): void;
  setOption(option: TextOption, value: string): void;
  setOption(option: SocketOption | TextOption, value: boolean | number | string): void {
    if (isTextOption(option)) {
      checkString("value", value);
      AncillarySocket.#check(this, this.backend.setTextOption(this.fd, option, value), "setsockopt");
      return;
    }
    checkOption(option);
    writeOption(this.backend, this.fd, option, value);
  }

  /**
   * Reads an option by the platform's own numbers, as in C's headers: SOL_SOCKET, SO_PRIORITY, ... getsockopt(2).
   * @param maxBytes bytes of its value at most: 4 for an int
   */
  getRawOption(level: number, option: number, maxBytes = 4): Buffer {
    checkInteger("level", level, 0, NUMBER_MAX);
    checkInteger("option", option, 0, NUMBER_MAX);
    checkInteger("maxBytes", maxBytes, 0, NUMBER_MAX);
    const value = this.backend.getRawOption(this.fd, level, option, maxBytes);
    if (typeof value === "number") throw errorOf(this.backend, value, "getsockopt");
    return Buffer.from(value.buffer, value.byteOffset, value.length);
  }

  /** Sets an option by the platform's own numbers. setsockopt(2). @param value bytes; or a number, for an int */
  setRawOption(level: number, option: number, value: number | Uint8Array): void {
    checkInteger("level", level, 0, NUMBER_MAX);
    checkInteger("option", option, 0, NUMBER_MAX);
    if (typeof value === "number") checkInteger("value", value, NUMBER_MIN, NUMBER_MAX);
    else checkBytes("value", value);
    const bytes = typeof value === "number" ? new Uint8Array(Int32Array.of(value).buffer) : value;
    AncillarySocket.#check(this, this.backend.setRawOption(this.fd, level, option, bytes), "setsockopt");
  }

  /** Receives the urgent byte (MSG_OOB). */
  recvOutOfBand(): Uint8Array {
    const target = new Uint8Array(1);
    return target.subarray(0, AncillarySocket.#check(this, this.backend.recvOutOfBand(this.fd, target), "recv"));
  }

  /** Sends the last byte of `data` as urgent (MSG_OOB). */
  sendOutOfBand(data: Uint8Array): number {
    checkBytes("data", data);
    const length = AncillarySocket.#check(this, this.backend.sendOutOfBand(this.fd, data), "send");
    this.count(0, length);
    return length;
  }

  /**
   * Joins a multicast group: datagrams to it are received. As in Node's dgram.
   * @param group a numeric address
   * @param networkInterface its name, its index, or an IPv4 address of it; by default the system's choice
   */
  addMembership(group: string, networkInterface: NetworkInterface = ""): void {
    AncillarySocket.#setMembership(this, group, networkInterface, true);
  }

  /** Leaves a multicast group. As in Node's dgram. */
  dropMembership(group: string, networkInterface: NetworkInterface = ""): void {
    AncillarySocket.#setMembership(this, group, networkInterface, false);
  }

  /** Chooses the interface from which multicast datagrams are sent. As in Node's dgram. */
  setMulticastInterface(networkInterface: NetworkInterface): void {
    checkInterface(networkInterface);
    AncillarySocket.#check(this, this.backend.setMulticastInterface(this.fd, networkInterface), "setsockopt");
  }

  /**
   * The process at the other end of a Unix socket, as it was when the connection was made. SO_PEERCRED: Linux.
   * @throws OSError ENOTCONN, ENOSYS
   */
  peerCredentials(): PeerCredentials {
    const credentials = this.backend.peerCredentials(this.fd);
    if (typeof credentials === "number") throw errorOf(this.backend, credentials, "getsockopt");
    return credentials;
  }

  /**
   * Sends bytes and, with the first of them, duplicates of descriptors, on a Unix socket. SCM_RIGHTS: Linux.
   * @param data at least one byte
   * @param descriptors at most 253; they stay open here
   * @returns how many bytes were taken: perhaps not all, but the descriptors in any case
   * @throws BlockingIOError where it would have to wait; OSError: EBADF, ETOOMANYREFS, ENOSYS, ...
   */
  sendDescriptors(data: Uint8Array, descriptors: readonly number[]): number {
    checkBytes("data", data);
    checkArray("descriptors", descriptors);
    for (const each of descriptors) checkDescriptor("descriptors", each);
    const sent = AncillarySocket.#check(this, this.backend.sendDescriptors(this.fd, data, descriptors), "sendmsg");
    this.count(0, sent);
    return sent;
  }

  /**
   * Receives bytes and the descriptors that came with them: close-on-exec, and yours to close or to pass to
   * `Socket.fromDescriptor`. Any other way of receiving drops descriptors, so receive everything by this one.
   * @param maxDescriptors at most 253; the kernel closes what is more, and `isTruncated` says so
   */
  receiveDescriptors(maxBytes: number, maxDescriptors = DESCRIPTORS_MAX): PassedDescriptors {
    checkInteger("maxBytes", maxBytes, 0, NUMBER_MAX);
    checkInteger("maxDescriptors", maxDescriptors, 0, DESCRIPTORS_MAX);
    const passed = this.backend.receiveDescriptors(this.fd, maxBytes, maxDescriptors);
    if (typeof passed === "number") throw errorOf(this.backend, passed, "recvmsg");
    this.count(passed.data.length, 0);
    return passed;
  }

  // Static, because private methods would take a field of each socket.

  static #setMembership(
    socket: AncillarySocket,
    group: string,
    networkInterface: NetworkInterface,
    joins: boolean,
  ): void {
    checkString("group", group);
    checkInterface(networkInterface);
    const result = socket.backend.setMembership(socket.fd, group, networkInterface, joins);
    AncillarySocket.#check(socket, result, "setsockopt");
  }

  static #check(socket: AncillarySocket, result: number, syscall: string): number {
    if (result < 0) throw errorOf(socket.backend, result, syscall);
    return result;
  }
}

function checkInterface(networkInterface: NetworkInterface): void {
  if (typeof networkInterface === "number") checkInteger("networkInterface", networkInterface, 0, NUMBER_MAX);
  else checkString("networkInterface", networkInterface);
}
