/** Holds a backend to `AncillaryCalls`. What Linux alone has is ENOSYS or ENOPROTOOPT elsewhere. */

import { describe, expect, test } from "vitest";
import type { Backend, PassedDescriptors } from "../../host/backend/backend.js";
import { leaveOut, missingLinux } from "../support/missing.js";
import type { System } from "./system.js";
import { bytes, ERRNO, owned, ownedPair, text } from "./support.js";

/** What came, with descriptors that are closed when the test ends. */
function received(backend: Backend, passed: PassedDescriptors | number): PassedDescriptors {
  if (typeof passed === "number") throw new Error(backend.errorCode(passed));
  for (const fd of passed.descriptors) owned(backend, fd);
  return passed;
}

export function describeAncillary(backend: Backend, system: System): void {
  const { isLinux, loopback } = system;
  const missing = isLinux ? "" : leaveOut("Tests of descriptors that are sent over Unix sockets", missingLinux());

  describe("options by number, and of text", () => {
    test("are those that have names as well", () => {
      const fd = owned(backend, backend.socket("IPv4", "stream"));
      const [level, keepAlive] = isLinux ? [1, 9] : [0xffff, 8];
      expect(backend.setRawOption(fd, level, keepAlive, new Uint8Array(Int32Array.of(1).buffer))).toBe(0);
      expect(backend.getOption(fd, "SO_KEEPALIVE")).toBe(1);
      const value = backend.getRawOption(fd, level, keepAlive, 4);
      expect(value).toHaveLength(4);
      expect((value as Uint8Array)[0]).not.toBe(0);
      expect(backend.getRawOption(fd, level, keepAlive, -1)).toBe(-ERRNO.EINVAL);
      expect(backend.getRawOption(fd, level, 9999, 4)).toBe(-ERRNO.ENOPROTOOPT);
      expect(backend.setRawOption(fd, level, keepAlive, new Uint8Array(1))).toBe(-ERRNO.EINVAL);
    });

    test("times of keep-alive, and of the Internet protocols", () => {
      const four = owned(backend, backend.socket("IPv4", "stream"));
      const six = owned(backend, backend.socket("IPv6", "dgram"));
      for (const [fd, option, value] of [
        [four, "TCP_KEEPIDLE", 17],
        [four, "TCP_KEEPINTVL", 5],
        [four, "TCP_KEEPCNT", 3],
        [four, "IP_TOS", 0x10],
        [four, "IP_TTL", 9],
        [six, "IPV6_UNICAST_HOPS", 9],
        [six, "IPV6_MULTICAST_HOPS", 3],
        [six, "IPV6_MULTICAST_LOOP", 0],
        [six, "IPV6_TCLASS", 0x20],
      ] as const) {
        expect(backend.setOption(fd, option, value)).toBe(0);
        expect([option, backend.getOption(fd, option)]).toEqual([option, value]);
      }
      const datagrams = owned(backend, backend.socket("IPv4", "dgram"));
      for (const option of ["IP_MULTICAST_TTL", "IP_MULTICAST_LOOP"] as const) {
        expect(backend.getOption(datagrams, option)).toBe(1);
        expect(backend.setOption(datagrams, option, 0)).toBe(0);
        expect(backend.getOption(datagrams, option)).toBe(0);
      }
      expect(backend.setOption(four, "TCP_USER_TIMEOUT", 5000)).toBe(isLinux ? 0 : -ERRNO.ENOPROTOOPT);
      expect(backend.getOption(four, "TCP_USER_TIMEOUT")).toBe(isLinux ? 5000 : -ERRNO.ENOPROTOOPT);
    });

    test("the interface that a socket is bound to", () => {
      const fd = owned(backend, backend.socket("IPv4", "dgram"));
      expect(backend.getTextOption(fd, "SO_BINDTODEVICE")).toBe(isLinux ? "" : -ERRNO.ENOPROTOOPT);
      expect(backend.setTextOption(fd, "SO_BINDTODEVICE", "no-such-device")).toBe(
        isLinux ? -ERRNO.ENODEV : -ERRNO.ENOPROTOOPT,
      );
      if (!isLinux) return;
      expect(backend.setTextOption(fd, "SO_BINDTODEVICE", "lo")).toBe(0);
      expect(backend.getTextOption(fd, "SO_BINDTODEVICE")).toBe("lo");
    });
  });

  describe("multicast groups", () => {
    test("are joined and left once", () => {
      for (const [family, group] of [
        ["IPv4", "239.255.76.67"],
        ["IPv6", "ff02::7667"],
      ] as const) {
        const fd = owned(backend, backend.socket(family, "dgram"));
        expect(backend.setMulticastInterface(fd, loopback)).toBe(0);
        expect(backend.setMembership(fd, group, loopback, false)).toBe(-ERRNO.EADDRNOTAVAIL);
        expect(backend.setMembership(fd, group, loopback, true)).toBe(0);
        expect(backend.setMembership(fd, group, loopback, true)).toBe(-ERRNO.EADDRINUSE);
        expect(backend.setMembership(fd, group, loopback, false)).toBe(0);
      }
    });

    test("what is no group is EINVAL, and no interface ENODEV", () => {
      const fd = owned(backend, backend.socket("IPv4", "dgram"));
      for (const group of ["localhost", "", "127.0.0.1", "ff02::1%lo"]) {
        expect(backend.setMembership(fd, group, "", true)).toBe(-ERRNO.EINVAL);
      }
      expect(backend.setMembership(fd, "239.255.76.67", "no-such-device", true)).toBe(-ERRNO.ENODEV);
      expect(backend.setMulticastInterface(fd, "no-such-device")).toBe(-ERRNO.ENODEV);
    });
  });

  describe("what Unix sockets pass along", () => {
    test("the credentials of the peer", () => {
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      expect(backend.peerCredentials(one)).toEqual(isLinux ? system.credentials : -ERRNO.ENOSYS);
      if (!isLinux) return;
      const [alone, pipeEnd] = [
        owned(backend, backend.socket("unix", "stream")),
        ownedPair(backend, backend.pipe())[0],
      ];
      expect(backend.peerCredentials(alone)).toBe(-ERRNO.ENOTCONN);
      expect(backend.peerCredentials(pipeEnd)).toBe(-ERRNO.ENOTSOCK);
    });

    test.each(["stream", "dgram"] as const)("descriptors: %s", (type) => {
      const [one, other] = ownedPair(backend, backend.socketPair(type));
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      const sent = backend.sendDescriptors(one, bytes("with two"), [readEnd, writeEnd]);
      expect(sent).toBe(isLinux ? 8 : -ERRNO.ENOSYS);
      if (!isLinux) return expect(backend.receiveDescriptors(other, 10, 2)).toBe(-ERRNO.ENOSYS);
      const { data, descriptors, isTruncated } = received(backend, backend.receiveDescriptors(other, 100, 5));
      expect([text(data), descriptors.length, isTruncated]).toEqual(["with two", 2, false]);
      const [readCopy = -1, writeCopy = -1] = descriptors;
      expect([readCopy, writeCopy]).not.toContain(readEnd);
      system.write(writeCopy, bytes("through the pipe"));
      const target = Buffer.alloc(100);
      expect(target.toString("utf8", 0, system.read(readCopy, target))).toBe("through the pipe");
      expect(system.identityOf(readCopy)).toBe(system.identityOf(readEnd));
    });

    test.skipIf(missing !== "")("more descriptors than asked for are closed, and bytes may come without any", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
      for (const most of [0, 1]) {
        backend.sendDescriptors(one, bytes("x"), [readEnd, writeEnd]);
        const passed = received(backend, backend.receiveDescriptors(other, 10, most));
        expect([passed.descriptors.length, passed.isTruncated]).toEqual([most, true]);
      }
      backend.sendDescriptors(one, bytes("without"), []);
      expect(backend.receiveDescriptors(other, 10, 3)).toMatchObject({ descriptors: [], isTruncated: false });
      expect(backend.receiveDescriptors(other, 10, 3)).toBe(-ERRNO.EAGAIN);
    });

    test.skipIf(missing !== "")("many bytes at once, and wrong arguments", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      const large = Uint8Array.from({ length: 100_000 }, (_, index) => index & 0xff);
      expect(backend.sendDescriptors(one, large, [one])).toBe(100_000);
      const first = received(backend, backend.receiveDescriptors(other, 200_000, 1));
      expect(first.descriptors).toHaveLength(1);
      const pieces = [first.data];
      // Linux ends a read behind the bytes that descriptors came with.
      while (Buffer.concat(pieces).length < large.length) {
        pieces.push(received(backend, backend.receiveDescriptors(other, 200_000, 1)).data);
      }
      expect(Buffer.compare(Buffer.concat(pieces), large)).toBe(0);
      expect(backend.sendDescriptors(one, new Uint8Array(0), [one])).toBe(-ERRNO.EINVAL);
      expect(backend.sendDescriptors(one, bytes("x"), Array<number>(254).fill(one))).toBe(-ERRNO.EINVAL);
      expect(backend.sendDescriptors(one, bytes("x"), [999_999])).toBe(-ERRNO.EBADF);
      expect(backend.receiveDescriptors(other, -1, 1)).toBe(-ERRNO.EINVAL);
      expect(backend.receiveDescriptors(other, 1, 254)).toBe(-ERRNO.EINVAL);
    });
  });
}
