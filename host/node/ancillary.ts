/**
 * Owns the calls of {@link AncillaryCalls}: options that are no whole number, multicast groups, and what Unix sockets pass
 * along. Knows no poll set and no loop. Results are -errno for a failure.
 *
 * ```
 * struct ip_mreqn   0       4        8       12     struct ipv6_mreq   0           16      20
 *                   | group | address| index |                         | group     | index |
 * struct ucred      0       4        8       12     struct cmsghdr     0           8       12     16
 *  (Linux)          | pid   | uid    | gid   |       (Linux)           | length    | level | type | descriptors
 * struct msghdr     0      8          16     24     32        40              48      56
 *  (Linux)          | name | length   | iov  | count| control | control length| flags |
 * ```
 */

import { isIP, isIPv4 } from "node:net";
import { isMainThread, threadId } from "node:worker_threads";
import type { AncillaryCalls, NetworkInterface, PassedDescriptors } from "../backend/backend.js";
import { copyOf, copyTo, isLength, lengthOf } from "../backend/bytes.js";
import { AddressBuffer } from "./addresses.js";
import { AF_INET, errnos, type PlatformConstants, socketLevel } from "./constants.js";
import type { Libc } from "./libc.js";
import { ledger } from "./threads/records.js";

const TEXT_BYTES = 64;
const MREQN_BYTES = 12;
const MREQ6_BYTES = 20;
const SO_PEERCRED = 17;
const SCM_RIGHTS = 1;
/** SCM_MAX_FD. */
const DESCRIPTORS_MAX = 253;
const CONTROL_HEADER_BYTES = 16;
const MSG_CTRUNC = 8;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const BUFFER_BYTES = 65_536;

/** The buffers of a message with descriptors. Their addresses are in the message, so they are made once. */
interface Message {
  readonly header: BigUint64Array;
  readonly flags: Uint32Array;
  readonly vector: BigUint64Array;
  readonly bytes: Uint8Array;
  readonly bytesAt: bigint;
  /** Of what is sent, and of what is received. */
  readonly control: Int32Array;
  readonly controlAt: bigint;
  readonly received: Int32Array;
  readonly receivedAt: bigint;
}

export function createAncillaryCalls(libc: Libc, constants: PlatformConstants): AncillaryCalls {
  const { errno, linux } = libc;
  const { EINVAL, ENODEV, ENOSYS, ENOTCONN, EINTR, ENOPROTOOPT } = errnos;
  const address = new AddressBuffer(libc, constants);
  const valueLength = new Uint32Array(1);
  let message: Message | undefined;

  function getRawOption(fd: number, level: number, option: number, maxBytes: number): Uint8Array | number {
    if (!isLength(maxBytes)) return -EINVAL;
    // Not smaller than an address that can be passed cheaply.
    const value = new Uint8Array(Math.max(maxBytes, TEXT_BYTES));
    valueLength[0] = maxBytes;
    if (libc.getsockopt(fd, level, option, value, valueLength) < 0) return -errno();
    return copyOf(value, Math.min(valueLength[0], maxBytes));
  }

  function setRawOption(fd: number, level: number, option: number, value: Uint8Array): number {
    return libc.setsockopt(fd, level, option, value, lengthOf(value)) < 0 ? -errno() : 0;
  }

  /** The index of an interface that is named or numbered; 0 for the system's choice, and for an address. */
  function indexOf(networkInterface: NetworkInterface): number {
    if (typeof networkInterface === "number") return networkInterface;
    if (networkInterface === "" || isIPv4(networkInterface)) return 0;
    return libc.if_nametoindex(networkInterface) || -ENODEV;
  }

  /** struct ip_mreqn. */
  function membership4(group: string, networkInterface: NetworkInterface, index: number): Uint8Array {
    const value = new Uint8Array(MREQN_BYTES);
    libc.inet_pton(AF_INET, group, value.subarray(0, 4));
    const own = typeof networkInterface === "string" && isIPv4(networkInterface) ? networkInterface : "0.0.0.0";
    const at = new Uint8Array(4);
    libc.inet_pton(AF_INET, own, at);
    value.set(at, 4);
    new DataView(value.buffer).setInt32(8, index, true);
    return value;
  }

  /** struct ipv6_mreq. */
  function membership6(group: string, index: number): Uint8Array {
    const value = new Uint8Array(MREQ6_BYTES);
    const at = new Uint8Array(16);
    libc.inet_pton(constants.AF_INET6, group, at);
    value.set(at);
    new DataView(value.buffer).setUint32(16, index, true);
    return value;
  }

  function setMembership(fd: number, group: string, networkInterface: NetworkInterface, joins: boolean): number {
    const kind = group.includes("%") ? 0 : isIP(group);
    if (kind === 0) return -EINVAL;
    const index = indexOf(networkInterface);
    if (index < 0) return index;
    const { multicast } = constants;
    const [level, join, leave] = kind === 4 ? multicast.membership4 : multicast.membership6;
    const value = kind === 4 ? membership4(group, networkInterface, index) : membership6(group, index);
    return setRawOption(fd, level, joins ? join : leave, value);
  }

  function setMulticastInterface(fd: number, networkInterface: NetworkInterface): number {
    address.reset();
    if (libc.getsockname(fd, address.bytes, address.length) < 0) return -errno();
    const index = indexOf(networkInterface);
    if (index < 0) return index;
    const { multicast } = constants;
    if (address.family === AF_INET) {
      return setRawOption(fd, ...multicast.interface4, membership4("0.0.0.0", networkInterface, index));
    }
    return setRawOption(fd, ...multicast.interface6, new Uint8Array(Int32Array.of(index).buffer));
  }

  function messageOf(): Message {
    if (message !== undefined) return message;
    const [bytes, control] = [new Uint8Array(BUFFER_BYTES), new Int32Array(4 + DESCRIPTORS_MAX + 1)];
    const received = (isMainThread ? undefined : ledger.receivedBy(threadId)) ?? new Int32Array(control.length);
    // More than 64 bytes each: V8 keeps smaller ones inside of the object, from which it may move them.
    const [header, vector] = [new BigUint64Array(16), new BigUint64Array(16)];
    header[2] = libc.addressOf(vector);
    header[3] = 1n;
    message = {
      header,
      flags: new Uint32Array(header.buffer, 48, 1),
      vector,
      bytes,
      bytesAt: libc.addressOf(bytes),
      control,
      controlAt: libc.addressOf(control),
      received,
      receivedAt: libc.addressOf(received),
    };
    return message;
  }

  /** Makes the call until no signal interrupts it. */
  function repeat(call: () => number): number {
    while (true) {
      const count = call();
      if (count >= 0) return count;
      const failed = errno();
      if (failed !== EINTR) return -failed;
    }
  }

  function sendDescriptors(fd: number, data: Uint8Array, descriptors: readonly number[]): number {
    if (linux === undefined) return -ENOSYS;
    const length = lengthOf(data);
    if (length === 0 || descriptors.length > DESCRIPTORS_MAX) return -EINVAL;
    const { header, vector, bytes, bytesAt, control, controlAt } = messageOf();
    const isSmall = length <= BUFFER_BYTES;
    if (isSmall) copyTo(bytes, data);
    vector[0] = isSmall ? bytesAt : libc.addressOf(data);
    vector[1] = BigInt(length);
    const controlLength = CONTROL_HEADER_BYTES + 4 * descriptors.length;
    control.set([controlLength, 0, socketLevel(constants), SCM_RIGHTS, ...descriptors]);
    header[4] = descriptors.length === 0 ? 0n : controlAt;
    header[5] = descriptors.length === 0 ? 0n : BigInt(controlLength);
    header[6] = 0n;
    return repeat(() => libc.sendmsg(fd, header, constants.MSG_NOSIGNAL));
  }

  function receiveDescriptors(fd: number, maxBytes: number, maxDescriptors: number): PassedDescriptors | number {
    if (linux === undefined) return -ENOSYS;
    if (!isLength(maxBytes) || !isLength(maxDescriptors) || maxDescriptors > DESCRIPTORS_MAX) return -EINVAL;
    const { header, flags, vector, bytes, bytesAt, received, receivedAt } = messageOf();
    const target = maxBytes <= BUFFER_BYTES ? bytes : new Uint8Array(maxBytes);
    vector[0] = target === bytes ? bytesAt : libc.addressOf(target);
    vector[1] = BigInt(maxBytes);
    received[0] = 0;
    header[4] = receivedAt;
    header[5] = BigInt(maxDescriptors === 0 ? 0 : CONTROL_HEADER_BYTES + 4 * maxDescriptors);
    header[6] = 0n;
    const count = repeat(() => libc.recvmsg(fd, header, MSG_CMSG_CLOEXEC));
    if (count < 0) return count;
    const end = Math.min(Number(header[5]), received[0] ?? 0);
    // V8 may end a thread in any call and in any loop: until each is recorded, the ledger has what the kernel has written.
    if (!isMainThread && received[3] === SCM_RIGHTS) {
      for (let at = CONTROL_HEADER_BYTES / 4; at < end >> 2; at++) ledger.owners[received[at] ?? 0] = threadId;
    }
    received[0] = 0;
    let descriptors: readonly number[] = [];
    try {
      descriptors = passedIn(received, end);
      return { data: copyOf(target, count), descriptors, isTruncated: ((flags[0] ?? 0) & MSG_CTRUNC) !== 0 };
    } catch (error) {
      // No memory for the data: nobody else knows of the descriptors.
      for (const each of descriptors) libc.close(each);
      throw error;
    }
  }

  return {
    getTextOption(fd, option) {
      const [level, number] = constants.textOptions[option];
      const value = level < 0 ? -ENOPROTOOPT : getRawOption(fd, level, number, TEXT_BYTES);
      if (typeof value === "number") return value;
      const end = value.indexOf(0);
      return Buffer.from(end < 0 ? value : value.subarray(0, end)).toString();
    },
    setTextOption(fd, option, text) {
      const [level, number] = constants.textOptions[option];
      // With its NUL, which SO_BINDTODEVICE needs where the text is empty.
      return level < 0 ? -ENOPROTOOPT : setRawOption(fd, level, number, Buffer.from(`${text}\0`));
    },
    getRawOption,
    setRawOption,
    setMembership,
    setMulticastInterface,
    peerCredentials(fd) {
      if (linux === undefined) return -ENOSYS;
      const value = getRawOption(fd, socketLevel(constants), SO_PEERCRED, MREQN_BYTES);
      if (typeof value === "number") return value;
      const [pid = 0, uid = 0, gid = 0] = new Uint32Array(value.buffer, value.byteOffset, 3);
      // What the kernel says of a socket without a peer: no process, and the user -1.
      return pid === 0 && uid === 0xffff_ffff ? -ENOTCONN : { pid, uid, gid };
    },
    sendDescriptors,
    receiveDescriptors,
  };
}

/** The descriptors in a control message of so many bytes. */
function passedIn(control: Int32Array, end: number): number[] {
  if (end < CONTROL_HEADER_BYTES || control[3] !== SCM_RIGHTS) return [];
  return [...control.subarray(CONTROL_HEADER_BYTES / 4, end >> 2)];
}
