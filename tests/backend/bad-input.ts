/** Holds a backend to its checks: what is no descriptor, no length, or a view that lies about its length. */

import { describe, expect, test } from "vitest";
import type { Backend } from "../../host/backend/backend.js";
import { anyAddress, boundSocket, bytes, ERRNO, owned, ownedPair, text } from "./support.js";

type Call = (fd: number) => unknown;

const buffer = new Uint8Array(4);
const address = anyAddress("IPv4");

/** Every member that takes a descriptor, by name. */
export function callsOn(backend: Backend): Record<string, Call> {
  return {
    bind: (fd) => backend.bind(fd, address),
    listen: (fd) => backend.listen(fd, 1),
    accept: (fd) => backend.accept(fd),
    connect: (fd) => backend.connect(fd, address),
    shutdown: (fd) => backend.shutdown(fd, "both"),
    recv: (fd) => backend.recv(fd, buffer),
    receive: (fd) => backend.receive(fd, 4),
    recvFrom: (fd) => backend.recvFrom(fd, buffer),
    receiveFrom: (fd) => backend.receiveFrom(fd, 4),
    recvOutOfBand: (fd) => backend.recvOutOfBand(fd, buffer),
    send: (fd) => backend.send(fd, buffer),
    sendVector: (fd) => backend.sendVector(fd, [buffer]),
    sendOutOfBand: (fd) => backend.sendOutOfBand(fd, buffer),
    sendTo: (fd) => backend.sendTo(fd, buffer, address),
    getOption: (fd) => backend.getOption(fd, "SO_KEEPALIVE"),
    setOption: (fd) => backend.setOption(fd, "SO_KEEPALIVE", 1),
    getTextOption: (fd) => backend.getTextOption(fd, "TCP_CONGESTION"),
    setTextOption: (fd) => backend.setTextOption(fd, "TCP_CONGESTION", "reno"),
    getRawOption: (fd) => backend.getRawOption(fd, 1, 3, 4),
    setRawOption: (fd) => backend.setRawOption(fd, 1, 9, buffer),
    setMembership: (fd) => backend.setMembership(fd, "224.0.0.251", "", true),
    setMulticastInterface: (fd) => backend.setMulticastInterface(fd, ""),
    peerCredentials: (fd) => backend.peerCredentials(fd),
    sendDescriptors: (fd) => backend.sendDescriptors(fd, buffer, []),
    receiveDescriptors: (fd) => backend.receiveDescriptors(fd, 4, 1),
    getLinger: (fd) => backend.getLinger(fd),
    setLinger: (fd) => backend.setLinger(fd, { on: false, seconds: 0 }),
    socketType: (fd) => backend.socketType(fd),
    family: (fd) => backend.family(fd),
    localAddress: (fd) => backend.localAddress(fd),
    remoteAddress: (fd) => backend.remoteAddress(fd),
    openBeneath: (fd) => backend.openBeneath(fd, ".", 0, 0),
    read: (fd) => backend.read(fd, buffer),
    readBytes: (fd) => backend.readBytes(fd, 4),
    write: (fd) => backend.write(fd, buffer),
    duplicate: (fd) => backend.duplicate(fd),
    setNonBlocking: (fd) => backend.setNonBlocking(fd, true),
    setCloseOnExec: (fd) => backend.setCloseOnExec(fd, true),
    close: (fd) => backend.close(fd),
  };
}

/** A view that says that it has more bytes than it has. */
function lying(view: Uint8Array, length = 1_000_000): Uint8Array {
  return Object.defineProperty(view, "length", { value: length });
}

export function describeBadInput(backend: Backend): void {
  describe("a closed descriptor", () => {
    test.each(Object.keys(callsOn(backend)))("is EBADF to %s", (name) => {
      const fd = backend.socket("IPv4", "stream");
      expect(backend.close(fd)).toBe(0);
      expect(callsOn(backend)[name]?.(fd)).toBe(-ERRNO.EBADF);
    });
  });

  describe("what is no descriptor", () => {
    test.each([-1, NaN, 1.5, undefined, "0", 2 ** 32])("is EBADF to every call (%s)", (fd) => {
      const calls = callsOn(backend);
      const answers = Object.entries(calls).map(([name, call]) => [name, call(fd as number)]);
      expect(answers).toEqual(Object.keys(calls).map((name) => [name, -ERRNO.EBADF]));
    });
  });

  describe("a length", () => {
    test.each([-1, NaN, -Infinity])("that is none is EINVAL to every call that receives (%d)", (length) => {
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      backend.send(other, bytes("abcd"));
      const target = new Uint8Array(8);
      expect([
        backend.recv(one, target, length),
        backend.receive(one, length),
        backend.recvFrom(one, target, length),
        backend.receiveFrom(one, length),
        backend.read(one, target, length),
        backend.readBytes(one, length),
      ]).toEqual(Array(6).fill(-ERRNO.EINVAL));
      expect(text(target, backend.recv(one, target))).toBe("abcd");
    });

    test("beyond the end of a view is that of the view", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      const memory = new Uint8Array(300).fill(7);
      for (const room of [3, 100]) {
        backend.send(other, new Uint8Array(200));
        expect(backend.recv(one, memory.subarray(0, room), 200)).toBe(room);
        expect([memory[room - 1], memory[room]]).toEqual([0, 7]);
        expect(backend.receive(one, 1000)).toHaveLength(200 - room);
        memory.fill(7);
      }
    });
  });

  describe("a view with a length of its own", () => {
    test.each([8, 100, 5000])("receives no more than it has room for (%d bytes)", (room) => {
      const memory = new Uint8Array(room + 4096).fill(7);
      const target = () => lying(memory.subarray(0, room));
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      for (const receive of [
        () => backend.recv(one, target()),
        () => backend.recv(one, target(), 1_000_000),
        () => backend.recvFrom(one, target()),
        () => backend.read(one, target()),
      ]) {
        backend.send(other, new Uint8Array(room + 4096));
        const received = receive();
        expect(typeof received === "number" ? received : received.length).toBe(room);
        expect(memory.subarray(room).every((byte) => byte === 7)).toBe(true);
        expect(backend.receive(one, 100_000)).toHaveLength(4096);
        memory.fill(7);
      }
    });

    test.each([8, 100, 5000])("sends the bytes that it has (%d)", (length) => {
      const data = () => lying(Uint8Array.from({ length }, (_, index) => index));
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      expect(backend.send(one, data())).toBe(length);
      expect(backend.sendVector(one, [data(), data()])).toBe(2 * length);
      expect(backend.write(one, data())).toBe(length);
      expect(backend.receive(other, 100_000)).toHaveLength(4 * length);
      const [receiver, to] = boundSocket(backend, "IPv4", "dgram");
      const sender = owned(backend, backend.socket("IPv4", "dgram"));
      expect(backend.sendTo(sender, data(), to)).toBe(length);
      expect(backend.recv(receiver, new Uint8Array(100_000))).toBe(length);
    });

    test("sends all that it has where it says that it has less", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      expect(backend.send(one, lying(bytes("abcd"), 1))).toBe(4);
      expect(backend.receive(other, 10)).toHaveLength(4);
    });
  });
}
