/** Holds a backend's sockets to what Linux does where manuals say little: connects that are asked about twice, names, refusals. */

import { release } from "node:os";
import { getSystemErrorName } from "node:util";
import { describe, expect, test } from "vitest";
import { type Backend, Ready } from "../../host/backend/backend.js";
import { leaveOut, missingLinux } from "../support/missing.js";
import { boundSocket, bytes, ERRNO, owned, ownedPair, ownedSet, text, waitFor } from "./support.js";
import type { System } from "./system.js";

/** Unix streams have had urgent data since Linux 5.15. */
const [major = 0, minor = 0] = release().split(".").map(Number);
const hasUnixUrgent = major > 5 || (major === 5 && minor >= 15);

export function describeCorners(backend: Backend, system: System): void {
  const withoutUrgent =
    !system.isLinux || hasUnixUrgent ? "" : leaveOut("Tests of urgent data on Unix streams", "it needs Linux 5.15");
  const made = (family: "IPv4" | "IPv6" | "unix", type: "stream" | "dgram"): number =>
    owned(backend, backend.socket(family, type));
  /** A socket whose connect has come to its end. */
  function connectedTo(address: { host: string; port: number }): number {
    const fd = made("IPv4", "stream");
    expect(backend.connect(fd, address)).toBe(-ERRNO.EINPROGRESS);
    const set = ownedSet(backend);
    set.update(fd, Ready.WRITE);
    waitFor(set, fd, Ready.WRITE);
    return fd;
  }
  function inetOf(fd: number): { host: string; port: number } {
    const address = backend.localAddress(fd);
    if (typeof address === "number" || address.path !== undefined) throw new Error("no address");
    return { host: address.host, port: address.port };
  }

  test("errors have the names that they have in Node's own", () => {
    // One that Node does not know has a sentence for a name.
    const known = Object.values(ERRNO).filter((errno) => /^E\w+$/.test(getSystemErrorName(-errno)));
    expect(known.map((errno) => backend.errorCode(-errno))).toEqual(known.map((errno) => getSystemErrorName(-errno)));
  });

  const missing = system.isLinux ? "" : leaveOut("Tests of corners of Linux", missingLinux());
  describe.skipIf(missing !== "")("corners of Linux", () => {
    test("the next connect hears once that the connection is made", () => {
      const [listener] = boundSocket(backend, "IPv4", "stream");
      backend.listen(listener, 5);
      const to = inetOf(listener);
      const fd = connectedTo(to);
      expect(backend.connect(fd, to)).toBe(0);
      expect(backend.connect(fd, to)).toBe(-ERRNO.EISCONN);
      const other = connectedTo(to);
      expect(backend.shutdown(other, "write")).toBe(0);
      expect(backend.connect(other, to)).toBe(-ERRNO.EISCONN);
    });

    test("a socket whose connect failed says so to the next one, and may be bound, and connects again", () => {
      const [listener] = boundSocket(backend, "IPv4", "stream");
      const to = inetOf(listener);
      const fd = connectedTo(to);
      // The wait took the error.
      expect(backend.listen(fd, 5)).toBe(-ERRNO.EINVAL);
      expect(backend.connect(fd, to)).toBe(-ERRNO.ECONNABORTED);
      expect(backend.bind(fd, { host: "127.0.0.1", port: 0 })).toBe(0);
      backend.listen(listener, 5);
      expect(backend.connect(fd, to)).toBe(-ERRNO.EINPROGRESS);
      const set = ownedSet(backend);
      set.update(fd, Ready.WRITE);
      expect(waitFor(set, fd, Ready.WRITE).error).toBe(0);
    });

    test("there is no urgent byte before there is a connection, and a listener is not connected", () => {
      const fd = made("IPv4", "stream");
      expect(backend.recvOutOfBand(fd, new Uint8Array(1))).toBe(-ERRNO.EINVAL);
      backend.listen(fd, 1);
      expect(backend.recvOutOfBand(fd, new Uint8Array(1))).toBe(-ERRNO.ENOTCONN);
    });

    test("a specific IPv6 address leaves the port to IPv4", () => {
      const four = made("IPv4", "stream");
      backend.bind(four, { host: "0.0.0.0", port: 0 });
      const { port } = inetOf(four);
      expect(backend.bind(made("IPv6", "stream"), { host: "::1", port })).toBe(0);
      expect(backend.bind(made("IPv6", "stream"), { host: "::", port })).toBe(-ERRNO.EADDRINUSE);
    });

    test("an IPv6 stream cannot have an IPv4 address; an IPv6 datagram can be sent to one", () => {
      const [receiver] = boundSocket(backend, "IPv4", "dgram");
      const to = inetOf(receiver);
      expect(backend.connect(made("IPv6", "stream"), to)).toBe(-ERRNO.EINVAL);
      expect(backend.sendTo(made("IPv6", "dgram"), bytes("x"), to)).toBe(1);
      const only = made("IPv6", "dgram");
      backend.setOption(only, "IPV6_V6ONLY", 1);
      expect(backend.sendTo(only, bytes("x"), to)).toBe(-ERRNO.ENETUNREACH);
      expect(backend.connect(only, to)).toBe(-ERRNO.EAFNOSUPPORT);
      const connected = made("IPv6", "dgram");
      expect(backend.connect(connected, to)).toBe(0);
      expect(backend.remoteAddress(connected)).toEqual({ host: `::ffff:${to.host}`, port: to.port });
      expect(backend.setOption(connected, "IPV6_V6ONLY", 1)).toBe(-ERRNO.EINVAL);
    });

    test("a datagram socket has a port once it was to send, though it knew no destination", () => {
      const fd = made("IPv4", "dgram");
      expect(backend.send(fd, bytes("x"))).toBe(-ERRNO.EDESTADDRREQ);
      expect(inetOf(fd).port).toBeGreaterThan(0);
      expect(backend.bind(fd, { host: "127.0.0.1", port: 0 })).toBe(-ERRNO.EINVAL);
    });

    test("a connected datagram socket hears of a refusal by its peer alone", () => {
      const [peer, to] = boundSocket(backend, "IPv4", "dgram");
      const fd = made("IPv4", "dgram");
      backend.connect(fd, to);
      // Its own address takes nothing but what its peer sends.
      const own = inetOf(fd);
      expect(backend.sendTo(fd, bytes("x"), own)).toBe(1);
      expect(backend.getOption(fd, "SO_ERROR")).toBe(0);
      expect(backend.receive(peer, 10)).toBe(-ERRNO.EAGAIN);
    });

    test("a datagram arrives though the socket was shut down for reading", () => {
      const [fd] = boundSocket(backend, "IPv4", "dgram");
      const [sender, from] = boundSocket(backend, "IPv4", "dgram");
      backend.connect(fd, from);
      expect(backend.shutdown(fd, "read")).toBe(0);
      backend.sendTo(sender, bytes("x"), inetOf(fd));
      expect(backend.receive(fd, 10)).toEqual(bytes("x"));
    });

    test("a Unix datagram socket that is connected receives from its peer alone", () => {
      const [one, oneAddress] = boundSocket(backend, "unix", "dgram");
      const [, otherAddress] = boundSocket(backend, "unix", "dgram");
      expect(backend.connect(one, otherAddress)).toBe(0);
      const stranger = made("unix", "dgram");
      expect(backend.sendTo(stranger, bytes("x"), oneAddress)).toBe(-ERRNO.EPERM);
      expect(backend.connect(stranger, oneAddress)).toBe(-ERRNO.EPERM);
    });

    test("a Unix datagram socket that is connected elsewhere loses what had come, and its former peer hears of it", () => {
      const [one, oneAddress] = boundSocket(backend, "unix", "dgram");
      const [two, twoAddress] = boundSocket(backend, "unix", "dgram");
      const [, otherAddress] = boundSocket(backend, "unix", "dgram");
      backend.connect(one, twoAddress);
      backend.connect(two, oneAddress);
      expect(backend.send(two, bytes("x"))).toBe(1);
      expect(backend.connect(one, otherAddress)).toBe(0);
      expect(backend.receive(one, 10)).toBe(-ERRNO.EAGAIN);
      expect(backend.getOption(two, "SO_ERROR")).toBe(ERRNO.ECONNRESET);
    });

    test("what a Unix datagram socket has sent takes of its own buffer until it is received", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("dgram"));
      backend.setOption(one, "SO_SNDBUF", 1);
      const set = ownedSet(backend);
      set.update(one, Ready.WRITE);
      let sent = 0;
      while (sent < 20 && backend.send(one, bytes("x")) === 1) sent += 1;
      expect(sent).toBeLessThan(10);
      expect([backend.send(one, bytes("x")), set.wait(0)]).toEqual([-ERRNO.EAGAIN, 0]);
      for (; sent > 0; sent--) expect(backend.receive(other, 10)).toEqual(bytes("x"));
      waitFor(set, one, Ready.WRITE);
      expect(backend.send(one, new Uint8Array(4608))).toBe(-ERRNO.EMSGSIZE);
    });

    test("a Unix datagram socket that was shut down says so, whatever it was to send to", () => {
      const [one] = ownedPair(backend, backend.socketPair("dgram"));
      backend.shutdown(one, "write");
      expect(backend.sendTo(one, bytes("x"), { path: "\0nobody" })).toBe(-ERRNO.EPIPE);
    });

    test("the names of Unix sockets: one is enough, each type has its own, and a peer's is the one that it has now", () => {
      const [listener, address] = boundSocket(backend, "unix", "stream");
      expect(backend.bind(listener, { path: "" })).toBe(0);
      expect(backend.bind(made("unix", "dgram"), address)).toBe(0);
      expect(backend.connect(made("unix", "dgram"), address)).toBe(0);
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      expect(backend.bind(one, { path: "" })).toBe(0);
      expect(backend.remoteAddress(other)).toEqual(backend.localAddress(one));
      const [sender, receiver] = ownedPair(backend, backend.socketPair("dgram"));
      backend.send(sender, bytes("x"));
      backend.bind(sender, { path: "" });
      expect(backend.receiveFrom(receiver, 10)).toEqual({ data: bytes("x"), address: backend.localAddress(sender) });
    });

    test("a Unix stream that nobody listens on is refused to one that is connected as well", () => {
      const [one] = ownedPair(backend, backend.socketPair("stream"));
      const [, address] = boundSocket(backend, "unix", "stream");
      expect(backend.connect(one, address)).toBe(-ERRNO.ECONNREFUSED);
      expect(backend.shutdown(made("unix", "stream"), "both")).toBe(0);
    });

    test.skipIf(withoutUrgent !== "")(
      "a Unix stream has an urgent byte, which ends a read and can be taken once",
      () => {
        const [one, other] = ownedPair(backend, backend.socketPair("stream"));
        const target = new Uint8Array(1);
        expect(backend.recvOutOfBand(other, target)).toBe(-ERRNO.EINVAL);
        expect(backend.sendOutOfBand(one, bytes("ab!"))).toBe(3);
        expect(backend.send(one, bytes("cd"))).toBe(2);
        const set = ownedSet(backend);
        set.update(other, Ready.READ | Ready.PRIORITY);
        waitFor(set, other, Ready.READ | Ready.PRIORITY);
        expect(backend.receive(other, 10)).toEqual(bytes("ab"));
        expect([backend.recvOutOfBand(other, target), text(target)]).toEqual([1, "!"]);
        expect(backend.recvOutOfBand(other, target)).toBe(-ERRNO.EINVAL);
        expect(backend.receive(other, 10)).toEqual(bytes("cd"));
        expect(backend.sendOutOfBand(one, bytes(""))).toBe(-ERRNO.EOPNOTSUPP);
      },
    );

    test("descriptors end a read behind the bytes that they came with, not before them", () => {
      const [one, other] = ownedPair(backend, backend.socketPair("stream"));
      backend.send(one, bytes("1234"));
      expect(backend.sendDescriptors(one, bytes("5"), [one])).toBe(1);
      backend.send(one, bytes("6789"));
      const found = backend.receiveDescriptors(other, 20, 1);
      if (typeof found === "number") throw new Error(backend.errorCode(found));
      for (const fd of found.descriptors) owned(backend, fd);
      expect([text(found.data), found.descriptors.length]).toEqual(["12345", 1]);
      expect(backend.receive(other, 20)).toEqual(bytes("6789"));
    });

    test("an option of another protocol cannot be asked for", () => {
      expect(backend.getOption(made("IPv4", "dgram"), "TCP_NODELAY")).toBe(-ERRNO.EOPNOTSUPP);
      expect(backend.setOption(made("IPv4", "dgram"), "TCP_NODELAY", 1)).toBe(-ERRNO.ENOPROTOOPT);
      expect(backend.getOption(made("IPv4", "stream"), "IPV6_V6ONLY")).toBe(-ERRNO.EOPNOTSUPP);
    });
  });
}
