/** What a guarded backend charges to the account of a plugin, what it gives back, and where the limits are, over real sockets. */

import { describe, expect, onTestFinished, test } from "vitest";
import type { Backend } from "../../../host/backend/backend.js";
import { boundSocket, bytes, ERRNO, owned, ownedPair, wait, waitFor } from "../../backend/support.js";
import { guarded, host, openServer, socketOf } from "./support.js";

describe("limits", () => {
  test("of descriptors are EMFILE to every call that makes one, until one is closed", () => {
    const { backend, account, events } = guarded({ limits: { maxDescriptors: 4 }, dirs: ["/tmp"] });
    const server = openServer();
    const pair = ownedPair(backend, backend.socketPair("stream"));
    const [first] = [socketOf(backend)];
    expect(backend.socketPair("stream")).toBe(-ERRNO.EMFILE);
    expect(backend.pipe()).toBe(-ERRNO.EMFILE);
    const last = backend.duplicate(pair[0]);
    owned(backend, last);
    expect([
      backend.socket("IPv4", "stream"),
      backend.duplicate(first),
      backend.openBeneath(first, ".", 0, 0),
      backend.accept(server.fd),
    ]).toEqual(Array(4).fill(-ERRNO.EMFILE));
    expect(account.snapshot()).toMatchObject({ descriptors: 4, refused: { maxDescriptors: 6 } });
    expect(events).toEqual([{ plugin: "test", limit: "maxDescriptors", value: 5, count: 1 }]);
    backend.close(first);
    expect(socketOf(backend)).toBeGreaterThan(0);
  });

  test("of connections are EMFILE to accept and ENOBUFS to connect, and leave waiting ones where they are", () => {
    const server = openServer();
    const { backend, account } = guarded({ limits: { maxConnections: 1 }, connect: ["127.0.0.1:*"] });
    const client = owned(host, host.socket("IPv4", "stream"));
    const second = owned(host, host.socket("IPv4", "stream"));
    const set = host.createPollSet();
    onTestFinished(() => set.close());
    for (const fd of [client, second]) host.connect(fd, { host: "127.0.0.1", port: server.port });
    set.update(server.fd, 1);
    waitFor(set, server.fd, 1);
    const accepted = backend.accept(server.fd);
    if (typeof accepted === "number") throw new Error(backend.errorCode(accepted));
    expect(backend.accept(server.fd)).toBe(-ERRNO.EMFILE);
    expect(backend.connect(socketOf(backend), { host: "127.0.0.1", port: server.port })).toBe(-ERRNO.ENOBUFS);
    backend.close(accepted.fd);
    waitFor(set, server.fd, 1);
    const next = backend.accept(server.fd);
    if (typeof next === "number") throw new Error(backend.errorCode(next));
    backend.close(next.fd);
    expect(account.snapshot()).toMatchObject({ connections: 0, accepted: 2, refused: { maxConnections: 2 } });
  });

  test("a connect that fails at once takes no connection; one that fails later gives it back when it is closed", () => {
    const { backend, account } = guarded({ connect: ["127.0.0.1:*", "[::1]:*"], limits: { maxConnections: 1 } });
    const fd = backend.socket("IPv4", "stream");
    expect(backend.connect(fd, { host: "::1", port: 1 })).toBe(-ERRNO.EAFNOSUPPORT);
    expect(account.snapshot().connections).toBe(0);
    const [, address] = boundSocket(host, "IPv4", "stream");
    expect(backend.connect(fd, address)).toBe(-ERRNO.EINPROGRESS);
    expect(account.snapshot().connections).toBe(1);
    backend.close(fd);
    expect(account.snapshot()).toMatchObject({ connections: 0, sockets: 0, descriptors: 0 });
  });

  test("of host memory are ENOBUFS for buffers, ENOMEM for poll tables, and an error for a set", () => {
    const { backend, account } = guarded({ limits: { maxHostBytes: 1_048_576, maxDescriptors: "unlimited" } });
    const fd = socketOf(backend);
    expect(backend.setOption(fd, "SO_RCVBUF", 1_000_000)).toBe(0);
    expect(backend.setOption(fd, "SO_SNDBUF", 1_000_000)).toBe(-ERRNO.ENOBUFS);
    expect(() => backend.createPollSet()).toThrow("ENOMEM");
    expect(backend.setOption(fd, "SO_RCVBUF", 4096)).toBe(0);
    backend.setOption(fd, "SO_SNDBUF", NaN);
    const set = backend.createPollSet();
    expect(set.update(fd, 1)).toBe(0);
    expect(backend.setOption(fd, "SO_RCVBUF", 1_048_576 - 65_536 - 512 - 64)).toBe(0);
    const pair = host.socketPair("stream");
    const [other] = ownedPair(host, pair);
    expect(set.update(other, 1)).toBe(-ERRNO.ENOMEM);
    set.update(fd, 0);
    expect(set.update(other, 1)).toBe(0);
    set.close();
    backend.close(fd);
    expect(account.snapshot()).toMatchObject({ hostBytes: 0, refused: { maxHostBytes: 3 } });
  });

  test("duplicates hold a connection until the last is closed", () => {
    const server = openServer();
    const { backend, account } = guarded({ connect: ["127.0.0.1:*"] });
    const fd = backend.socket("IPv4", "stream");
    backend.connect(fd, { host: "127.0.0.1", port: server.port });
    const copy = backend.duplicate(fd);
    backend.close(fd);
    expect(account.snapshot()).toMatchObject({ connections: 1, sockets: 1, descriptors: 1 });
    backend.close(copy);
    expect(account.snapshot()).toMatchObject({ connections: 0, sockets: 0, descriptors: 0, hostBytes: 0 });
  });
});

test("bytes are counted each way, of sockets alone", () => {
  const { backend, account } = guarded({});
  const [one, other] = ownedPair(backend, backend.socketPair("stream"));
  const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
  backend.write(writeEnd, bytes("not counted"));
  backend.read(readEnd, new Uint8Array(100));
  backend.send(one, bytes("12345"));
  backend.sendVector(one, [bytes("678"), bytes("90")]);
  backend.write(one, bytes("x"));
  expect(wait(pollOf(backend, other))).toHaveLength(1);
  expect(backend.receive(other, 4)).toHaveLength(4);
  expect(backend.recv(other, new Uint8Array(100))).toBe(7);
  expect(account.snapshot()).toMatchObject({ bytesIn: 11, bytesOut: 11 });
});

function pollOf(backend: Backend, fd: number) {
  const set = backend.createPollSet();
  onTestFinished(() => set.close());
  set.update(fd, 1);
  return set;
}

test("a descriptor that is closed behind the guard's back is given back when its number is used again", () => {
  const { backend, account } = guarded({});
  const first = backend.socket("IPv4", "stream");
  host.close(first);
  const again = owned(backend, backend.socket("IPv4", "dgram"));
  expect(again).toBe(first);
  expect(account.snapshot()).toMatchObject({ descriptors: 1, sockets: 1 });
});

test("a connection that the host hands over is charged, and given back when it is closed", () => {
  const { backend, account } = guarded({ limits: { maxConnections: 0 } });
  const pair = host.socketPair("stream");
  if (typeof pair === "number") throw new Error(host.errorCode(pair));
  owned(host, pair[1]);
  for (let again = 0; again < 2; again++) expect(backend.adopt(pair[0])).toBe(0);
  expect(account.snapshot()).toMatchObject({ descriptors: 1, sockets: 1, connections: 1 });
  backend.close(pair[0]);
  expect(account.snapshot()).toMatchObject({ descriptors: 0, sockets: 0, connections: 0 });
});

test("the host's descriptors that are lent stay its own, and are not charged", () => {
  const { backend, account } = guarded({});
  const [readEnd, writeEnd] = ownedPair(host, host.pipe());
  expect(backend.write(writeEnd, bytes("line"))).toBe(4);
  expect(backend.readBytes(readEnd, 10)).toEqual(bytes("line"));
  expect(account.snapshot()).toMatchObject({ descriptors: 0, sockets: 0, hostBytes: 0 });
});
