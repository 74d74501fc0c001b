/** Holds a backend's sockets to what Linux does with ports and addresses: who has which, how long, and what IPv6 has to do with IPv4. */

import { describe, expect, test } from "vitest";
import { type Backend, Ready } from "../../host/backend/backend.js";
import { leaveOut, missingLinux } from "../support/missing.js";
import { boundSocket, bytes, closeOwned, ERRNO, owned, ownedSet, waitFor } from "./support.js";
import type { System } from "./system.js";

export function describePorts(backend: Backend, system: System): void {
  const made = (family: "IPv4" | "IPv6", type: "stream" | "dgram" = "stream"): number =>
    owned(backend, backend.socket(family, type));
  function inetOf(fd: number): { host: string; port: number } {
    const address = backend.localAddress(fd);
    if (typeof address === "number" || address.path !== undefined) throw new Error("no address");
    return { host: address.host, port: address.port };
  }
  /** Connects to where nobody listens, and waits until it has failed. */
  function refused(fd: number): void {
    const [nobody] = boundSocket(backend, "IPv4", "stream");
    expect(backend.connect(fd, inetOf(nobody))).toBe(-ERRNO.EINPROGRESS);
    const set = ownedSet(backend);
    set.update(fd, Ready.WRITE);
    expect(waitFor(set, fd, Ready.ERROR).error).toBe(-ERRNO.ECONNREFUSED);
  }

  const missing = system.isLinux ? "" : leaveOut("Tests of ports and addresses", missingLinux());
  describe.skipIf(missing !== "")("ports and addresses", () => {
    test("the families look at an address in different orders when a socket is bound again", () => {
      for (const type of ["stream", "dgram"] as const) {
        const [four] = boundSocket(backend, "IPv4", type);
        const [six] = boundSocket(backend, "IPv6", type);
        expect(backend.bind(four, { host: "192.0.2.1", port: 0 })).toBe(-ERRNO.EADDRNOTAVAIL);
        expect(backend.bind(six, { host: "::ffff:192.0.2.1", port: 0 })).toBe(-ERRNO.EINVAL);
      }
    });

    test("a connect that failed gives an address back that it was not bound to", () => {
      const fd = made("IPv4");
      refused(fd);
      const { port } = inetOf(fd);
      expect(backend.connect(fd, { host: "127.0.0.1", port })).toBe(-ERRNO.ECONNABORTED);
      expect(inetOf(fd)).toEqual({ host: "0.0.0.0", port });
    });

    test("an end of a connection has its port, also when the listener is closed", () => {
      const [listener, address] = boundSocket(backend, "IPv4", "stream");
      backend.listen(listener, 1);
      const client = made("IPv4");
      expect(backend.connect(client, address)).toBe(-ERRNO.EINPROGRESS);
      const set = ownedSet(backend);
      set.update(listener, Ready.READ);
      waitFor(set, listener, Ready.READ);
      const accepted = backend.accept(listener);
      if (typeof accepted === "number") throw new Error(backend.errorCode(accepted));
      closeOwned(backend, listener);
      const server = owned(backend, accepted.fd);
      for (const end of [client, server]) expect(backend.bind(made("IPv4"), inetOf(end))).toBe(-ERRNO.EADDRINUSE);
      // The listener's port is theirs alone. The client's may be that of other connections of this machine as well.
      backend.setOption(server, "SO_REUSEADDR", 1);
      closeOwned(backend, sharing("SO_REUSEADDR", inetOf(server).port));
    });

    function sharing(option: "SO_REUSEADDR" | "SO_REUSEPORT", port = 0): number {
      const fd = made("IPv4");
      backend.setOption(fd, option, 1);
      expect(backend.bind(fd, { host: "127.0.0.1", port })).toBe(0);
      return fd;
    }

    test("one that no longer listens keeps a port that it asked for, and no other", () => {
      const first = sharing("SO_REUSEPORT");
      const second = sharing("SO_REUSEPORT", inetOf(first).port);
      for (const [fd, result] of [
        [first, 0],
        [second, -ERRNO.EINVAL],
      ] as const) {
        expect([backend.listen(fd, 1), backend.shutdown(fd, "read")]).toEqual([0, 0]);
        expect(backend.bind(fd, { host: "127.0.0.1", port: 0 })).toBe(result);
      }
    });

    test("a socket cannot listen on a port that another one no longer shares", () => {
      const one = sharing("SO_REUSEADDR");
      const other = sharing("SO_REUSEADDR", inetOf(one).port);
      backend.setOption(one, "SO_REUSEADDR", 0);
      expect(backend.listen(other, 1)).toBe(-ERRNO.EADDRINUSE);
    });

    test("a listener that is shut down for writing goes on", () => {
      const [fd] = boundSocket(backend, "IPv4", "stream");
      backend.listen(fd, 1);
      expect(backend.shutdown(fd, "write")).toBe(0);
      expect(backend.accept(fd)).toBe(-ERRNO.EAGAIN);
    });

    test("a socket that is not connected is shut down all the same", () => {
      const stream = made("IPv4");
      expect(backend.receive(stream, 10)).toBe(-ERRNO.ENOTCONN);
      expect(backend.shutdown(stream, "read")).toBe(-ERRNO.ENOTCONN);
      expect(backend.receive(stream, 10)).toEqual(bytes(""));
      const [datagrams] = boundSocket(backend, "IPv4", "dgram");
      expect(backend.shutdown(datagrams, "both")).toBe(-ERRNO.ENOTCONN);
      const set = ownedSet(backend);
      set.update(datagrams, Ready.READ);
      waitFor(set, datagrams, Ready.READ | Ready.HANGUP);
    });

    test("a socket that is shut down before it has heard that its connect failed connects no more", () => {
      const fd = made("IPv4");
      refused(fd);
      expect(backend.shutdown(fd, "write")).toBe(-ERRNO.ENOTCONN);
      expect(backend.connect(fd, { host: "127.0.0.1", port: 1 })).toBe(-ERRNO.EINVAL);
      expect(backend.listen(fd, 1)).toBe(-ERRNO.EINVAL);
    });

    test("a stream connects to itself", () => {
      const [fd, address] = boundSocket(backend, "IPv4", "stream");
      expect(backend.connect(fd, address)).toBe(-ERRNO.EINPROGRESS);
      const set = ownedSet(backend);
      set.update(fd, Ready.WRITE);
      waitFor(set, fd, Ready.WRITE);
      expect(backend.remoteAddress(fd)).toEqual(address);
      expect(backend.send(fd, bytes("echo"))).toBe(4);
      set.update(fd, Ready.READ);
      waitFor(set, fd, Ready.READ);
      expect(backend.receive(fd, 10)).toEqual(bytes("echo"));
      expect(backend.shutdown(fd, "write")).toBe(0);
      waitFor(set, fd, Ready.READ);
      expect(backend.receive(fd, 10)).toEqual(bytes(""));
    });

    test("an IPv6 socket that is bound to one address has no IPv4 addresses, and the other way round", () => {
      const [listener] = boundSocket(backend, "IPv4", "stream");
      backend.listen(listener, 1);
      const to = { host: "::ffff:127.0.0.1", port: inetOf(listener).port };
      for (const type of ["stream", "dgram"] as const) {
        const [six] = boundSocket(backend, "IPv6", type);
        expect(backend.getOption(six, "IPV6_V6ONLY")).toBe(1);
        expect(backend.connect(six, to)).toBe(-ERRNO.ENETUNREACH);
        const mapped = made("IPv6", type);
        expect(backend.bind(mapped, { host: "::ffff:127.0.0.1", port: 0 })).toBe(0);
        expect(backend.connect(mapped, { host: "::1", port: to.port })).toBe(-ERRNO.EAFNOSUPPORT);
      }
    });

    test("an IPv6 socket may be bound to every IPv4 address, but not one that has none", () => {
      const any = { host: "::ffff:0.0.0.0", port: 0 };
      const fd = made("IPv6");
      expect(backend.bind(fd, any)).toBe(0);
      expect(inetOf(fd).host).toBe(any.host);
      const only = made("IPv6");
      backend.setOption(only, "IPV6_V6ONLY", 1);
      expect(backend.bind(only, any)).toBe(-ERRNO.EINVAL);
      expect(backend.connect(only, { host: "::ffff:127.0.0.1", port: 1 })).toBe(-ERRNO.ENETUNREACH);
    });

    test("a datagram socket has a port once it was to connect, and may be connected to port 0", () => {
      const fd = made("IPv4", "dgram");
      expect(backend.connect(fd, { host: "::1", port: 9 })).toBe(-ERRNO.EAFNOSUPPORT);
      expect(inetOf(fd).port).toBeGreaterThan(0);
      expect(backend.connect(fd, { host: "127.0.0.1", port: 0 })).toBe(0);
      expect(backend.remoteAddress(fd)).toBe(-ERRNO.ENOTCONN);
      expect(backend.send(fd, bytes("x"))).toBe(1);
    });
  });
}
