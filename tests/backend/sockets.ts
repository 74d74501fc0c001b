/** Holds a backend's sockets to `SocketCalls`: streams, datagrams, and sending several pieces in one call. */

import { describe, expect, test } from "vitest";
import { type Backend, Ready } from "../../host/backend/backend.js";
import {
  addressOf,
  boundSocket,
  bytes,
  connectedPair,
  ERRNO,
  owned,
  ownedPair,
  ownedSet,
  text,
  waitFor,
} from "./support.js";

export function describeSockets(backend: Backend): void {
  describe("stream sockets", () => {
    test.each(["IPv4", "IPv6", "unix"] as const)("carry bytes both ways over %s", (family) => {
      const { client, server } = connectedPair(backend, family);
      const target = new Uint8Array(16);
      expect(backend.send(client, bytes("ping"))).toBe(4);
      expect(text(target, backend.recv(server, target))).toBe("ping");
      expect(backend.send(server, bytes("pong!"))).toBe(5);
      expect(text(target, backend.recv(client, target))).toBe("pong!");
      expect(backend.recv(client, target)).toBe(-ERRNO.EAGAIN);
      expect(backend.family(server)).toBe(family);
    });

    test.each(["IPv4", "IPv6"] as const)("tell both ends' addresses over %s", (family) => {
      const { client, server } = connectedPair(backend, family);
      const local = addressOf(backend, backend.localAddress(client));
      expect(local.host).toBe(family === "IPv4" ? "127.0.0.1" : "::1");
      expect(backend.remoteAddress(server)).toEqual(local);
      expect(backend.remoteAddress(client)).toEqual(backend.localAddress(server));
    });

    test("are accepted with the peer's address, and not at all when nobody waits", () => {
      const [listener, address] = boundSocket(backend, "IPv4", "stream");
      expect(backend.listen(listener, 5)).toBe(0);
      expect(backend.accept(listener)).toBe(-ERRNO.EAGAIN);
      const client = owned(backend, backend.socket("IPv4", "stream"));
      backend.connect(client, address);
      const set = ownedSet(backend);
      set.update(listener, Ready.READ);
      waitFor(set, listener, Ready.READ);
      const accepted = backend.accept(listener);
      if (typeof accepted === "number") throw new Error(backend.errorCode(accepted));
      owned(backend, accepted.fd);
      expect(accepted.address).toEqual(backend.localAddress(client));
    });

    test("receive into the part of a buffer that a subarray names, and nowhere else", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      const large = new Uint8Array(96).fill(7);
      backend.send(one, large.subarray(0, 3));
      large.fill(0, 40, 50);
      expect(backend.recv(other, large.subarray(42, 48))).toBe(3);
      expect([...large.subarray(39, 51)]).toEqual([7, 0, 0, 7, 7, 7, 0, 0, 0, 0, 0, 7]);
    });

    test("end at end of input after a shutdown, and refuse to send with EPIPE, without a signal", () => {
      const { client, server } = connectedPair(backend);
      expect(backend.shutdown(client, "write")).toBe(0);
      const set = ownedSet(backend);
      set.update(server, Ready.READ);
      waitFor(set, server, Ready.READ);
      expect(backend.recv(server, new Uint8Array(8))).toBe(0);
      expect(backend.send(client, bytes("x"))).toBe(-ERRNO.EPIPE);
      expect(backend.sendVector(client, [bytes("x")])).toBe(-ERRNO.EPIPE);
    });

    test("take and give one urgent byte", () => {
      const { client, server } = connectedPair(backend);
      const target = new Uint8Array(4);
      expect(backend.recvOutOfBand(server, target)).toBe(-ERRNO.EINVAL);
      expect(backend.sendOutOfBand(client, bytes("!"))).toBe(1);
      const set = ownedSet(backend);
      set.update(server, Ready.READ | Ready.PRIORITY);
      waitFor(set, server, Ready.PRIORITY);
      expect(text(target, backend.recvOutOfBand(server, target))).toBe("!");
    });
  });

  describe("sendVector", () => {
    test("sends small and large pieces in their order, empty ones among them", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      const sizes = [3, 0, 5000, 10, 1024, 1025, 0, 1, 20_000, 7];
      const pieces = sizes.map((size, index) => new Uint8Array(size).fill(index + 1));
      const total = sizes.reduce((sum, size) => sum + size, 0);
      expect(backend.sendVector(one, pieces)).toBe(total);
      const target = new Uint8Array(total + 1);
      expect(backend.recv(other, target)).toBe(total);
      expect(Buffer.compare(target.subarray(0, total), Buffer.concat(pieces))).toBe(0);
    });

    test("sends subarrays, and pieces of more than a gathering buffer together", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      backend.setOption(one, "SO_SNDBUF", 400_000);
      const source = Uint8Array.from({ length: 100_000 }, (_, index) => index % 251);
      const pieces = Array.from({ length: 100 }, (_, index) => source.subarray(index * 1000, (index + 1) * 1000));
      const target = new Uint8Array(100_000);
      expect(backend.sendVector(one, pieces)).toBe(100_000);
      let length = 0;
      while (length < target.length) length += Math.max(backend.recv(other, target.subarray(length)), 1);
      expect(Buffer.compare(target, source)).toBe(0);
    });

    test("takes as many pieces of a stream as one call can", () => {
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      const piece = new Uint8Array(1025);
      const taken = backend.sendVector(
        one,
        Array.from({ length: 1100 }, () => piece),
      );
      expect(taken).toBeGreaterThan(0);
      expect(taken).toBeLessThanOrEqual(1024 * 1025);
    });

    test("sends nothing of a datagram that has too many pieces", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("dgram"));
      const piece = new Uint8Array(1025);
      expect(
        backend.sendVector(
          one,
          Array.from({ length: 1100 }, () => piece),
        ),
      ).toBe(-ERRNO.EMSGSIZE);
      expect(backend.recv(other, new Uint8Array(8))).toBe(-ERRNO.EAGAIN);
    });

    test("makes one datagram of many pieces", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("dgram"));
      expect(
        backend.sendVector(
          one,
          Array.from({ length: 2000 }, () => bytes("ab")),
        ),
      ).toBe(4000);
      expect(backend.recv(other, new Uint8Array(5000))).toBe(4000);
    });

    test("sends an empty datagram for no pieces", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("dgram"));
      expect(backend.sendVector(one, [])).toBe(0);
      expect(backend.recv(other, new Uint8Array(8))).toBe(0);
    });

    test("says EAGAIN when nothing could be taken", () => {
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      const piece = new Uint8Array(65536);
      let taken = 0;
      while (taken >= 0) taken = backend.sendVector(one, [piece, piece]);
      expect(taken).toBe(-ERRNO.EAGAIN);
      expect(backend.send(one, piece)).toBe(-ERRNO.EAGAIN);
    });
  });

  describe("datagram sockets", () => {
    test.each(["IPv4", "IPv6", "unix"] as const)("tell who sent, over %s", (family) => {
      const [receiver, to] = boundSocket(backend, family, "dgram");
      const [sender, from] = boundSocket(backend, family, "dgram");
      const target = new Uint8Array(16);
      expect(backend.recvFrom(receiver, target)).toBe(-ERRNO.EAGAIN);
      expect(backend.sendTo(sender, bytes("hello"), to)).toBe(5);
      expect(backend.recvFrom(receiver, target)).toEqual({ length: 5, address: from });
      expect(text(target, 5)).toBe("hello");
      expect(backend.sendTo(sender, new Uint8Array(0), to)).toBe(0);
      expect(backend.recvFrom(receiver, target)).toEqual({ length: 0, address: from });
    });

    test("have an unnamed sender when a Unix socket without a name sends", () => {
      const [receiver, to] = boundSocket(backend, "unix", "dgram");
      const sender = owned(backend, backend.socket("unix", "dgram"));
      backend.sendTo(sender, bytes("x"), to);
      expect(backend.recvFrom(receiver, new Uint8Array(4))).toEqual({ length: 1, address: { path: "" } });
    });

    test("a stream's recvFrom names the peer", () => {
      const { client, server } = connectedPair(backend);
      backend.send(client, bytes("x"));
      const set = ownedSet(backend);
      set.update(server, Ready.READ);
      waitFor(set, server, Ready.READ);
      expect(backend.recvFrom(server, new Uint8Array(4))).toEqual({ length: 1, address: backend.localAddress(client) });
    });
  });
}
