/** What a guarded backend refuses because no rule grants it, with which errno and event, over real sockets. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ForwardingBackend } from "../../backend/forwarding.js";
import { addressOf, boundSocket, bytes, ERRNO, owned, ownedPair, waitFor } from "../../backend/support.js";
import { guarded, host, openServer, portOf, socketOf } from "./support.js";

/** Is a connection waiting at a listening socket of the host? */
function isReached(fd: number): boolean {
  const accepted = host.accept(fd);
  if (typeof accepted === "number") return false;
  owned(host, accepted.fd);
  return true;
}

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "policy-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

describe("connecting", () => {
  test("where it is not granted is EACCES, reaches nobody, and is an event", () => {
    const server = openServer();
    const { backend, events, account } = guarded({ connect: [`127.0.0.2:${server.port}`, "192.0.2.0/24:*"] });
    const fd = socketOf(backend);
    expect(backend.connect(fd, { host: "127.0.0.1", port: server.port })).toBe(-ERRNO.EACCES);
    const six = socketOf(backend, "IPv6");
    for (const host of ["::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0.0.0.0", "::", "::1"]) {
      expect([host, backend.connect(six, { host, port: server.port })]).toEqual([host, -ERRNO.EACCES]);
    }
    for (const host of ["0.0.0.0", "127.1", "localhost", "2130706433", "0177.0.0.1", "", "127.0.0.1%lo"]) {
      expect([host, backend.connect(fd, { host, port: server.port })]).toEqual([host, -ERRNO.EACCES]);
    }
    expect(isReached(server.fd)).toBe(false);
    expect(events).toEqual([{ plugin: "test", limit: "connect", value: `127.0.0.1:${server.port}`, count: 1 }]);
    expect(account.snapshot()).toMatchObject({ connections: 0, connected: 0, refused: { connect: 13 } });
  });

  test.each(["127.0.0.1", "0.0.0.0"])("where it is granted connects (%s)", (name) => {
    const server = openServer();
    const { backend, account } = guarded({ connect: [`127.0.0.1:${server.port}`] });
    const fd = socketOf(backend);
    expect(backend.connect(fd, { host: name, port: server.port })).toBe(-ERRNO.EINPROGRESS);
    const set = backend.createPollSet();
    onTestFinished(() => set.close());
    set.update(fd, 2);
    waitFor(set, fd, 2);
    expect(backend.remoteAddress(fd)).toEqual({ host: "127.0.0.1", port: server.port });
    expect(isReached(server.fd)).toBe(true);
    expect(account.snapshot()).toMatchObject({ sockets: 1, connections: 1, connected: 1, refused: {} });
  });

  test("to a name goes to the address that it had when the plugin started", () => {
    const server = openServer();
    const asked: string[] = [];
    class Resolver extends ForwardingBackend {
      override lookupSync(name: string): readonly [string] {
        asked.push(name);
        return [asked.length === 1 ? "192.0.2.1" : "127.0.0.1"];
      }
    }
    const { backend } = guarded({ connect: [`rebound.example.com:${server.port}`] }, { inner: new Resolver(host) });
    for (let again = 0; again < 3; again++) expect(backend.lookupSync("rebound.example.com", 0)).toEqual(["192.0.2.1"]);
    expect(asked).toEqual(["rebound.example.com"]);
    const fd = socketOf(backend);
    expect(backend.connect(fd, { host: "127.0.0.1", port: server.port })).toBe(-ERRNO.EACCES);
    expect(backend.connect(fd, { host: "rebound.example.com", port: server.port })).toBe(-ERRNO.EACCES);
    expect(isReached(server.fd)).toBe(false);
  });

  test("finds no name that is not in the policy, blocking or not", async () => {
    const { backend, events } = guarded({ connect: ["127.0.0.1:1"] });
    const failure = { code: "ENOTFOUND", syscall: "getaddrinfo", address: "localhost" };
    expect(() => backend.lookupSync("localhost", 4)).toThrow(expect.objectContaining(failure));
    await expect(backend.lookup("localhost", 0)).rejects.toMatchObject(failure);
    expect(backend.lookupSync("127.0.0.1", 4)).toEqual(["127.0.0.1"]);
    expect(events).toEqual([{ plugin: "test", limit: "connect", value: "localhost", count: 1 }]);
  });

  test("to a Unix socket takes the granted path alone", () => {
    const [path, other] = [join(directory(), "granted"), join(directory(), "other")];
    for (const each of [path, other, "\0policy-test-abstract"]) {
      const fd = owned(host, host.socket("unix", "stream"));
      expect(host.bind(fd, { path: each })).toBe(0);
      host.listen(fd, 5);
    }
    const { backend, events } = guarded({ connect: [path] });
    const to = (path: string) => backend.connect(socketOf(backend, "unix"), { path });
    expect(to(path)).toBe(0);
    for (const each of [other, `${path}/../other`, "\0policy-test-abstract", "", "/var/run/docker.sock"]) {
      expect(to(each)).toBe(-ERRNO.EACCES);
    }
    expect(events[0]).toMatchObject({ limit: "connect", value: other });
  });
});

describe("binding and listening", () => {
  test("are refused by default", () => {
    const { backend, account } = guarded({ connect: ["127.0.0.1:1"], udp: ["127.0.0.1:1"] });
    const fd = socketOf(backend);
    expect(backend.listen(fd, 5)).toBe(-ERRNO.EACCES);
    expect(backend.bind(fd, { host: "127.0.0.1", port: 0 })).toBe(-ERRNO.EACCES);
    // What connect would do by itself; but nobody is to connect to it.
    expect(backend.bind(fd, { host: "0.0.0.0", port: 0 })).toBe(0);
    expect(backend.listen(fd, 5)).toBe(-ERRNO.EACCES);
    const unix = socketOf(backend, "unix");
    for (const path of ["", "\0policy-test-bind", "/tmp/policy-test-bind"]) {
      expect(backend.bind(unix, { path })).toBe(-ERRNO.EACCES);
    }
    expect(backend.listen(unix, 5)).toBe(-ERRNO.EACCES);
    expect(account.snapshot().refused).toEqual({ bind: 7 });
  });

  test("are granted where the policy says so", () => {
    const path = join(directory(), "mine");
    const { backend, account } = guarded({ bind: ["127.0.0.1:0", path] });
    for (const [family, address] of [
      ["IPv4", { host: "127.0.0.1", port: 0 }],
      ["unix", { path }],
    ] as const) {
      const fd = socketOf(backend, family);
      expect(backend.bind(fd, address)).toBe(0);
      expect(backend.listen(fd, 5)).toBe(0);
      const client = owned(host, host.socket(family, "stream"));
      host.connect(client, addressOf(backend, backend.localAddress(fd)));
      const set = backend.createPollSet();
      set.update(fd, 1);
      waitFor(set, fd, 1);
      set.close();
      const accepted = backend.accept(fd);
      if (typeof accepted === "number") throw new Error(backend.errorCode(accepted));
      owned(backend, accepted.fd);
    }
    expect(account.snapshot()).toMatchObject({ descriptors: 4, sockets: 4, connections: 2, accepted: 2 });
  });

  test("to [::] grants no IPv4 address", () => {
    const { backend } = guarded({ bind: ["[::]:0"] });
    const fd = socketOf(backend, "IPv6");
    expect(backend.setOption(fd, "IPV6_V6ONLY", 0)).toBe(0);
    expect(backend.bind(fd, { host: "::", port: 0 })).toBe(0);
    expect(backend.getOption(fd, "IPV6_V6ONLY")).toBe(1);
    expect(backend.setOption(fd, "IPV6_V6ONLY", 0)).toBe(-ERRNO.EINVAL);
    const both = guarded({ bind: ["[::]:0", "0.0.0.0:0"] }).backend;
    const second = socketOf(both, "IPv6");
    expect(both.bind(second, { host: "::", port: 0 })).toBe(0);
    expect(both.getOption(second, "IPV6_V6ONLY")).toBe(0);
  });

  test("a listening socket of the host's may be used, and is charged when it is adopted", () => {
    const { backend, account } = guarded({});
    const server = openServer();
    expect(backend.listen(server.fd, 10)).toBe(0);
    expect(backend.accept(server.fd)).toBe(-ERRNO.EAGAIN);
    expect(account.snapshot()).toMatchObject({ descriptors: 0, sockets: 1 });
    const copy = host.duplicate(server.fd);
    expect(backend.adopt(copy)).toBe(0);
    expect(account.snapshot()).toMatchObject({ descriptors: 1, sockets: 2 });
    expect(backend.close(copy)).toBe(0);
    expect(account.snapshot()).toMatchObject({ descriptors: 0, sockets: 1 });
  });
});

describe("datagrams", () => {
  test("go where the policy says, each of them", () => {
    const [near, nearAddress] = boundSocket(host, "IPv4", "dgram");
    const [far, farAddress] = boundSocket(host, "IPv4", "dgram");
    const { backend, events } = guarded({ udp: [`127.0.0.1:${portOf(nearAddress)}`], connect: ["127.0.0.1:*"] });
    const fd = socketOf(backend, "IPv4", "dgram");
    expect(backend.sendTo(fd, bytes("one"), nearAddress)).toBe(3);
    expect(backend.sendTo(fd, bytes("two"), farAddress)).toBe(-ERRNO.EACCES);
    expect(backend.connect(fd, farAddress)).toBe(-ERRNO.EACCES);
    expect(backend.connect(fd, nearAddress)).toBe(0);
    expect(backend.send(fd, bytes("three"))).toBe(5);
    expect(backend.sendTo(fd, bytes("four"), farAddress)).toBe(-ERRNO.EACCES);
    expect([host.receive(near, 10), host.receive(near, 10)]).toEqual([bytes("one"), bytes("three")]);
    expect(host.receive(far, 10)).toBe(-ERRNO.EAGAIN);
    expect(events).toMatchObject([{ limit: "udp", value: `127.0.0.1:${portOf(farAddress)}` }]);
  });

  test.each(["recv", "read", "recvFrom", "receive", "readBytes", "receiveFrom"] as const)(
    "come from where they may go to, and are dropped otherwise: %s",
    (call) => {
      const [near, nearAddress] = boundSocket(host, "IPv4", "dgram");
      const [far] = boundSocket(host, "IPv4", "dgram");
      const { backend, account } = guarded({ udp: [`127.0.0.1:${portOf(nearAddress)}`] });
      const fd = socketOf(backend, "IPv4", "dgram");
      expect(backend.bind(fd, { host: "0.0.0.0", port: 0 })).toBe(0);
      const to = { host: "127.0.0.1", port: portOf(backend.localAddress(fd)) };
      host.sendTo(far, bytes("stray"), to);
      host.sendTo(near, bytes("wanted"), to);
      host.sendTo(far, bytes("stray"), to);
      const target = new Uint8Array(10);
      const received = {
        recv: () => backend.recv(fd, target),
        read: () => backend.read(fd, target),
        recvFrom: () => backend.recvFrom(fd, target),
        receive: () => backend.receive(fd, 10),
        readBytes: () => backend.readBytes(fd, 10),
        receiveFrom: () => backend.receiveFrom(fd, 10),
      }[call];
      const expected = {
        recv: 6,
        read: 6,
        recvFrom: { length: 6, address: nearAddress },
        receive: bytes("wanted"),
        readBytes: bytes("wanted"),
        receiveFrom: { data: bytes("wanted"), address: nearAddress },
      }[call];
      expect(received()).toEqual(expected);
      expect(received()).toBe(-ERRNO.EAGAIN);
      expect(account.snapshot().refused).toEqual({ udp: 2 });
    },
  );

  test("that were there before a connect are dropped as well", () => {
    const [near, nearAddress] = boundSocket(host, "IPv4", "dgram");
    const [far] = boundSocket(host, "IPv4", "dgram");
    const { backend } = guarded({ udp: [`127.0.0.1:${portOf(nearAddress)}`] });
    const fd = socketOf(backend, "IPv4", "dgram");
    backend.bind(fd, { host: "0.0.0.0", port: 0 });
    const to = { host: "127.0.0.1", port: portOf(backend.localAddress(fd)) };
    host.sendTo(far, bytes("stray"), to);
    expect(backend.connect(fd, nearAddress)).toBe(0);
    host.sendTo(near, bytes("wanted"), to);
    expect(backend.receive(fd, 10)).toEqual(bytes("wanted"));
  });

  test("are not read by calls that do not say where they come from", () => {
    const { backend } = guarded({ udp: ["127.0.0.1:9"] });
    const fd = socketOf(backend, "IPv4", "dgram");
    backend.bind(fd, { host: "0.0.0.0", port: 0 });
    const [stray] = boundSocket(host, "IPv4", "dgram");
    host.sendTo(stray, bytes("stray"), { host: "127.0.0.1", port: portOf(backend.localAddress(fd)) });
    expect(backend.peek(fd, new Uint8Array(10))).toBe(-ERRNO.EOPNOTSUPP);
    expect(backend.recvOutOfBand(fd, new Uint8Array(10))).toBe(-ERRNO.EOPNOTSUPP);
    expect(backend.receiveDescriptors(fd, 10, 0)).toBe(-ERRNO.EOPNOTSUPP);
  });

  test("come from anybody to a socket that was bound by a grant", () => {
    const { backend } = guarded({ bind: ["127.0.0.1:0"] });
    const fd = socketOf(backend, "IPv4", "dgram");
    backend.bind(fd, { host: "127.0.0.1", port: 0 });
    const [anybody] = boundSocket(host, "IPv4", "dgram");
    host.sendTo(anybody, bytes("hello"), addressOf(backend, backend.localAddress(fd)));
    expect(backend.receive(fd, 10)).toEqual(bytes("hello"));
  });

  test("of groups are joined where the group may be sent to", () => {
    const { backend } = guarded({ udp: ["239.255.76.67:1000"] });
    const fd = socketOf(backend, "IPv4", "dgram");
    expect(backend.setMembership(fd, "239.255.76.68", "", true)).toBe(-ERRNO.EACCES);
    expect(backend.setMembership(fd, "239.255.76.67", "lo", true)).toBe(
      process.platform === "linux" ? 0 : -ERRNO.ENODEV,
    );
  });
});

describe("what leads around the policy", () => {
  test("descriptors are neither sent nor received", () => {
    const { backend, account } = guarded({});
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    expect(backend.sendDescriptors(one, bytes("x"), [one])).toBe(-ERRNO.EACCES);
    if (process.platform !== "linux") return;
    expect(backend.sendDescriptors(one, bytes("y"), [])).toBe(1);
    expect(host.sendDescriptors(one, bytes("z"), [one, other])).toBe(1);
    const received = [backend.receiveDescriptors(other, 10, 5), backend.receiveDescriptors(other, 10, 5)];
    const data = received.map((each) => (typeof each === "number" ? each : Buffer.from(each.data).toString()));
    expect(data.join("")).toContain("z");
    expect(received).toMatchObject([{ descriptors: [] }, expect.anything()]);
    expect(account.snapshot()).toMatchObject({ descriptors: 2, refused: { descriptors: 2 } });
  });

  test("options by number, and to another interface, are refused", () => {
    const { backend, account } = guarded({});
    const fd = socketOf(backend);
    expect(backend.setRawOption(fd, 0, 4, new Uint8Array(4))).toBe(-ERRNO.EACCES);
    expect(backend.getRawOption(fd, 0, 4, 4)).toBe(-ERRNO.EACCES);
    expect(backend.setTextOption(fd, "SO_BINDTODEVICE", "lo")).toBe(-ERRNO.EACCES);
    expect(account.snapshot().refused).toEqual({ options: 3 });
  });

  test("a socket does not linger, and a reset is still one", () => {
    const { backend } = guarded({});
    const fd = socketOf(backend);
    expect(backend.setLinger(fd, { on: true, seconds: 3600 })).toBe(0);
    expect(backend.getLinger(fd)).toEqual({ on: true, seconds: 3600 });
    expect(host.getLinger(fd)).toMatchObject({ on: false });
    expect(backend.setLinger(fd, { on: true, seconds: 0 })).toBe(0);
    expect(host.getLinger(fd)).toEqual({ on: true, seconds: 0 });
    expect(backend.getLinger(fd)).toEqual({ on: true, seconds: 0 });
  });

  test("files are opened only where a directory is granted", () => {
    const { backend, events } = guarded({});
    expect(backend.openBeneath(0, "etc/passwd", 0, 0)).toBe(-ERRNO.EACCES);
    expect(events).toMatchObject([{ limit: "dirs", value: "etc/passwd" }]);
  });
});
