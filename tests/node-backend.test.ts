/**
 * Holds the Node backend to `Backend`: descriptors, sockets, addresses, options and look-ups.
 * Its poll sets have node-backend-pollset.test.ts, and watching node-backend-watch.test.ts.
 */

import { mkdtempSync, openSync, rmSync } from "node:fs";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { Ready } from "../host/backend.js";
import { AddressBuffer } from "../host/node/addresses.js";
import { createNodeBackend } from "../host/node/backend.js";
import { platformConstants } from "../host/node/constants.js";
import { loadLibc } from "../host/node/libc.js";
import {
  addressOf,
  anyAddress,
  boundSocket,
  closeOwned,
  connectedPair,
  ERRNO,
  owned,
  ownedPair,
  ownedSet,
  POLLERS,
  waitFor,
} from "./node-backend-support.js";

const backend = createNodeBackend();

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function text(data: Uint8Array, length: number): string {
  return new TextDecoder().decode(data.subarray(0, length));
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

describe("the backend itself", () => {
  test.each(POLLERS)("is named after its poller, %s", (poller) => {
    expect(createNodeBackend({ poller }).name).toBe(poller);
  });

  test("polls through epoll unless told otherwise", () => {
    expect(createNodeBackend().name).toBe("epoll");
  });

  test("refuses a poller that it does not know", () => {
    expect(() => createNodeBackend({ poller: "kqueue" as "poll" })).toThrow(RangeError);
  });

  test("names error numbers as Node does, and those without a name by number", () => {
    expect(backend.errorCode(-ERRNO.ECONNREFUSED)).toBe("ECONNREFUSED");
    expect(backend.errorCode(-ERRNO.EAGAIN)).toBe("EAGAIN");
    expect(backend.errorCode(-ERRNO.ENOTSUP)).toBe("ENOTSUP");
    expect(backend.errorCode(-ERRNO.EIDRM)).toBe("EIDRM");
    expect(backend.errorCode(-999)).toBe("E999");
  });

  test("has a monotonic clock of whole nanoseconds and a realtime clock that agrees with Date", () => {
    const first = backend.clock.monotonicNs();
    const second = backend.clock.monotonicNs();
    expect(Number.isSafeInteger(first)).toBe(true);
    expect(second).toBeGreaterThanOrEqual(first);
    const before = BigInt(Date.now());
    const now = backend.clock.realtimeNs() / 1_000_000n;
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(BigInt(Date.now()));
  });
});

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
    set.update(server, Ready.READ);
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
    const taken = backend.sendVector(one, Array.from({ length: 1100 }, () => piece));
    expect(taken).toBeGreaterThan(0);
    expect(taken).toBeLessThanOrEqual(1024 * 1025);
  });

  test("sends nothing of a datagram that has too many pieces", () => {
    const [one, other] = ownedPair(backend, backend.socketPair("dgram"));
    const piece = new Uint8Array(1025);
    expect(backend.sendVector(one, Array.from({ length: 1100 }, () => piece))).toBe(-ERRNO.EMSGSIZE);
    expect(backend.recv(other, new Uint8Array(8))).toBe(-ERRNO.EAGAIN);
  });

  test("makes one datagram of many pieces", () => {
    const [one, other] = ownedPair(backend, backend.socketPair("dgram"));
    expect(backend.sendVector(one, Array.from({ length: 2000 }, () => bytes("ab")))).toBe(4000);
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

describe("addresses", () => {
  test("that are no number and no path are refused", () => {
    const fd = owned(backend, backend.socket("IPv4", "stream"));
    expect(backend.bind(fd, { host: "localhost", port: 0 })).toBe(-ERRNO.EINVAL);
    expect(backend.connect(fd, { host: "", port: 1 })).toBe(-ERRNO.EINVAL);
    expect(backend.bind(fd, { host: "127.0.0.1", port: 65536 })).toBe(-ERRNO.EINVAL);
  });

  test("keep every byte of an IPv4 address", () => {
    const fd = owned(backend, backend.socket("IPv4", "dgram"));
    expect(backend.connect(fd, { host: "127.250.0.199", port: 65535 })).toBe(0);
    expect(backend.remoteAddress(fd)).toEqual({ host: "127.250.0.199", port: 65535 });
  });

  test("of the wrong family are the operating system's to refuse", () => {
    const fd = owned(backend, backend.socket("IPv4", "stream"));
    expect(backend.bind(fd, { host: "::1", port: 0 })).toBeLessThan(0);
  });

  test("IPv6 scope ids are kept, the interface by name or by number", () => {
    const [name] = Object.entries(networkInterfaces()).find(([, all]) => all?.some((each) => each.internal)) ?? [];
    if (name === undefined) throw new Error("there is no loopback interface");
    // Link-local multicast can be bound on any interface; the loopback has no link-local address of its own.
    const fd = owned(backend, backend.socket("IPv6", "dgram"));
    expect(backend.bind(fd, { host: `ff02::1%${name}`, port: 0 })).toBe(0);
    expect(addressOf(backend, backend.localAddress(fd)).host).toBe(`ff02::1%${name}`);
    expect(backend.bind(fd, { host: "fe80::1%no-such-if", port: 0 })).toBe(-ERRNO.ENODEV);
  });

  test.each(["fe80::1%99", "2001:db8::1%3", "2001:db8::1"])("%s is written into a sockaddr and read back", (host) => {
    const address = new AddressBuffer(loadLibc(), platformConstants());
    address.length[0] = address.encode({ host, port: 0x1234 });
    expect(address.decode()).toEqual({ host, port: 0x1234 });
  });

  test("Unix paths are told back, and are beyond ASCII where the file system is", () => {
    const path = join(temporaryDirectory(), "söcket");
    const fd = owned(backend, backend.socket("unix", "stream"));
    expect(backend.bind(fd, { path })).toBe(0);
    expect(backend.localAddress(fd)).toEqual({ path });
  });

  test("an unnamed Unix socket has the empty path", () => {
    const [one] = ownedPair(backend, backend.socketPair("stream"));
    expect(backend.localAddress(one)).toEqual({ path: "" });
    expect(backend.remoteAddress(one)).toEqual({ path: "" });
  });

  test("abstract names work, NULs within them too", () => {
    const name = `\0wasyncore-${process.pid}\0${performance.now()}`;
    const fd = owned(backend, backend.socket("unix", "stream"));
    expect(backend.bind(fd, { path: name })).toBe(0);
    expect(backend.localAddress(fd)).toEqual({ path: name });
    backend.listen(fd, 1);
    const client = owned(backend, backend.socket("unix", "stream"));
    expect(backend.connect(client, { path: name })).toBe(0);
    expect(backend.remoteAddress(client)).toEqual({ path: name });
  });

  test("Unix paths too long for a sockaddr are ENAMETOOLONG, to the byte", () => {
    const directory = temporaryDirectory();
    const longest = `${directory}/${"x".repeat(107 - directory.length - 1)}`;
    const fd = owned(backend, backend.socket("unix", "stream"));
    expect(backend.bind(fd, { path: `${longest}x` })).toBe(-ERRNO.ENAMETOOLONG);
    expect(backend.bind(fd, { path: `\0${"x".repeat(108)}` })).toBe(-ERRNO.ENAMETOOLONG);
    expect(backend.bind(fd, { path: "a\0b" })).toBe(-ERRNO.EINVAL);
    expect(backend.bind(fd, { path: longest })).toBe(0);
    expect(backend.localAddress(fd)).toEqual({ path: longest });
  });

  test("numeric ones are told from names", () => {
    expect(backend.isNumeric("127.0.0.1")).toBe(4);
    expect(backend.isNumeric("::ffff:1.2.3.4")).toBe(6);
    expect(backend.isNumeric("fe80::1%eth0")).toBe(6);
    expect(backend.isNumeric("localhost")).toBe(0);
    expect(backend.isNumeric("")).toBe(0);
  });
});

describe("options", () => {
  test.each(["SO_REUSEADDR", "SO_REUSEPORT", "SO_KEEPALIVE", "SO_OOBINLINE", "TCP_NODELAY"] as const)(
    "%s is switched on and off",
    (option) => {
      const fd = owned(backend, backend.socket("IPv4", "stream"));
      expect(backend.getOption(fd, option)).toBe(0);
      expect(backend.setOption(fd, option, 1)).toBe(0);
      expect(backend.getOption(fd, option)).toBe(1);
      expect(backend.setOption(fd, option, 0)).toBe(0);
      expect(backend.getOption(fd, option)).toBe(0);
    },
  );

  test("SO_LINGER is seconds, and -1 for off", () => {
    const fd = owned(backend, backend.socket("IPv4", "stream"));
    expect(backend.getOption(fd, "SO_LINGER")).toBe(-1);
    for (const seconds of [0, 5, -1]) {
      expect(backend.setOption(fd, "SO_LINGER", seconds)).toBe(0);
      expect(backend.getOption(fd, "SO_LINGER")).toBe(seconds);
    }
  });

  test("SO_TYPE, SO_ACCEPTCONN, SO_BROADCAST, IPV6_V6ONLY and the buffer sizes are known", () => {
    const [stream] = boundSocket(backend, "IPv6", "stream");
    const dgram = owned(backend, backend.socket("IPv4", "dgram"));
    expect(backend.getOption(stream, "SO_TYPE")).toBe(1);
    expect(backend.getOption(dgram, "SO_TYPE")).toBe(2);
    expect(backend.getOption(stream, "SO_ACCEPTCONN")).toBe(0);
    backend.listen(stream, 1);
    expect(backend.getOption(stream, "SO_ACCEPTCONN")).toBe(1);
    expect(backend.setOption(dgram, "SO_BROADCAST", 1)).toBe(0);
    expect(backend.getOption(dgram, "SO_BROADCAST")).toBe(1);
    const six = owned(backend, backend.socket("IPv6", "stream"));
    expect(backend.setOption(six, "IPV6_V6ONLY", 1)).toBe(0);
    expect(backend.getOption(six, "IPV6_V6ONLY")).toBe(1);
    for (const option of ["SO_RCVBUF", "SO_SNDBUF"] as const) {
      expect(backend.setOption(dgram, option, 20_000)).toBe(0);
      expect(backend.getOption(dgram, option)).toBeGreaterThanOrEqual(20_000);
    }
    expect(backend.setOption(stream, "SO_RCVLOWAT", 9)).toBe(0);
    expect(backend.getOption(stream, "SO_RCVLOWAT")).toBe(9);
  });

  test("SO_ERROR is 0 without an error, and options of no socket are ENOTSOCK", () => {
    const fd = owned(backend, backend.socket("IPv4", "stream"));
    expect(backend.getOption(fd, "SO_ERROR")).toBe(0);
    const [pipeEnd] = ownedPair(backend, backend.pipe());
    expect(backend.getOption(pipeEnd, "SO_ERROR")).toBe(-ERRNO.ENOTSOCK);
    expect(backend.setOption(pipeEnd, "SO_KEEPALIVE", 1)).toBe(-ERRNO.ENOTSOCK);
    expect(backend.family(pipeEnd)).toBe(-ERRNO.ENOTSOCK);
  });
});

describe("descriptors", () => {
  test("pipes block until told not to, and carry bytes", () => {
    const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
    expect(backend.setNonBlocking(readEnd, true)).toBe(0);
    const target = new Uint8Array(8);
    expect(backend.read(readEnd, target)).toBe(-ERRNO.EAGAIN);
    expect(backend.write(writeEnd, bytes("abc"))).toBe(3);
    expect(text(target, backend.read(readEnd, target))).toBe("abc");
    closeOwned(backend, writeEnd);
    expect(backend.read(readEnd, target)).toBe(0);
  });

  test("writing to a pipe without a reader is EPIPE", () => {
    const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
    closeOwned(backend, readEnd);
    expect(backend.write(writeEnd, bytes("x"))).toBe(-ERRNO.EPIPE);
  });

  test("a duplicate keeps the file open", () => {
    const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
    const copy = owned(backend, backend.duplicate(writeEnd));
    closeOwned(backend, writeEnd);
    expect(backend.write(copy, bytes("y"))).toBe(1);
    expect(backend.read(readEnd, new Uint8Array(4))).toBe(1);
  });

  test("files are read", () => {
    const fd = owned(backend, openSync(new URL(import.meta.url), "r"));
    const target = new Uint8Array(3);
    expect(text(target, backend.read(fd, target))).toBe("/**");
  });

  test("a closed descriptor is EBADF to every call", () => {
    const fd = backend.socket("IPv4", "stream");
    expect(backend.close(fd)).toBe(0);
    const buffer = new Uint8Array(4);
    const address = anyAddress("IPv4");
    const calls = [
      backend.close(fd),
      backend.bind(fd, address),
      backend.listen(fd, 1),
      backend.accept(fd),
      backend.connect(fd, address),
      backend.shutdown(fd, "both"),
      backend.recv(fd, buffer),
      backend.send(fd, buffer),
      backend.sendVector(fd, [buffer]),
      backend.recvFrom(fd, buffer),
      backend.sendTo(fd, buffer, address),
      backend.getOption(fd, "SO_TYPE"),
      backend.setOption(fd, "SO_KEEPALIVE", 1),
      backend.localAddress(fd),
      backend.remoteAddress(fd),
      backend.family(fd),
      backend.read(fd, buffer),
      backend.write(fd, buffer),
      backend.duplicate(fd),
      backend.setNonBlocking(fd, true),
    ];
    expect(calls).toEqual(calls.map(() => -ERRNO.EBADF));
  });
});

describe("looking names up", () => {
  test("finds localhost, blocking and not", async () => {
    expect(backend.lookupSync("localhost", 4)).toBe("127.0.0.1");
    expect(await backend.lookup("localhost", 4)).toBe("127.0.0.1");
    expect(["127.0.0.1", "::1"]).toContain(backend.lookupSync("localhost", 0));
    expect(await backend.lookup("localhost", 0)).toBe(backend.lookupSync("localhost", 0));
  });

  test("gives a numeric address back, but not for the other family", async () => {
    expect(backend.lookupSync("::1", 0)).toBe("::1");
    expect(await backend.lookup("127.0.0.1", 4)).toBe("127.0.0.1");
    expect(() => backend.lookupSync("127.0.0.1", 6)).toThrow("ENOTFOUND");
    await expect(backend.lookup("::1", 4)).rejects.toThrow("ENOTFOUND");
  });

  // A resolver that cannot be reached says EAI_AGAIN: it cannot know that there is no such name.
  test("says which name was not found", async () => {
    const host = "no-such-host.invalid";
    const failure = {
      name: "OSError",
      code: expect.stringMatching(/^(ENOTFOUND|EAI_AGAIN)$/) as string,
      errno: expect.any(Number) as number,
      syscall: "getaddrinfo",
      address: host,
    };
    expect(() => backend.lookupSync(host, 0)).toThrow(expect.objectContaining(failure));
    await expect(backend.lookup(host, 0)).rejects.toMatchObject(failure);
  });

  test.each(["", "a\0b", "x".repeat(300)])("refuses what can be no name (%j)", async (host) => {
    expect(() => backend.lookupSync(host, 0)).toThrow("ENOTFOUND");
    await expect(backend.lookup(host, 0)).rejects.toThrow("ENOTFOUND");
  });
});
