/** A guest behind the guard: what WASI's calls answer where a policy says no. */

import { describe, expect, onTestFinished, test } from "vitest";
import type { PolicyInput } from "../../../host/plugin/policy/types.js";
import { processOptions } from "../../../host/plugin/policy/process-options.js";
import { anyAddress, owned } from "../../backend/support.js";
import { address, DGRAM, INET4, INET6, open, storage, STREAM, UNIX } from "../../guest/extension-support.js";
import { Caller, Errno, PAGE, RESULT_AT } from "../../guest/support.js";
import { guarded, host, openServer } from "./support.js";

const ACCES = 2;
const NOBUFS = 42;

function guestOf(input: PolicyInput, listeners: readonly { fd: number }[] = []) {
  const made = guarded(input);
  const [stdin, stdout] = host.pipe() as readonly [number, number];
  for (const fd of [stdin, stdout]) owned(host, fd);
  const stdio = [{ fd: stdin }, { fd: stdout }, { fd: stdout }] as const;
  const caller = new Caller({ ...processOptions(made.policy, made.account), stdio, listeners }, made.backend, 64);
  for (const { fd } of listeners) made.backend.adopt(fd);
  return { ...made, caller, calls: caller.calls as Required<typeof caller.calls> };
}

test("a guest that may reach nothing has no calls for sockets", () => {
  expect(guestOf({}).caller.calls.sock_open).toBeUndefined();
});

test("connect, bind, send to: EACCES for whatever the guest writes as an address", () => {
  const server = openServer();
  const { caller, calls, account } = guestOf({ connect: ["192.0.2.1:1", "/run/granted.sock"] });
  const mapped = [...Array.from({ length: 10 }, () => 0), 0xff, 0xff, 127, 0, 0, 1];
  const stream = open(caller, calls, INET4, STREAM);
  expect(calls.sock_connect(stream, address(caller, 127, 0, 0, 1), server.port)).toBe(ACCES);
  expect(calls.sock_connect(stream, address(caller, 0, 0, 0, 0), server.port)).toBe(ACCES);
  expect(calls.sock_bind(stream, address(caller, 127, 0, 0, 1), 0)).toBe(ACCES);
  expect(calls.sock_listen(stream, 5)).toBe(ACCES);
  const six = open(caller, calls, INET6, STREAM);
  expect(calls.sock_connect(six, address(caller, ...mapped), server.port)).toBe(ACCES);
  expect(calls.sock_connect(six, address(caller, ...Array.from({ length: 16 }, () => 0)), server.port)).toBe(ACCES);
  const unix = open(caller, calls, UNIX, STREAM);
  const docker = storage(UNIX, Buffer.from("/var/run/docker.sock"));
  expect(calls.sock_connect(unix, address(caller, ...docker), 0)).toBe(ACCES);
  const datagrams = open(caller, calls, INET4, DGRAM);
  const to = address(caller, 127, 0, 0, 1);
  expect(calls.sock_send_to(datagrams, ...caller.data("x"), to, 9, 0, RESULT_AT)).toBe(ACCES);
  expect(host.accept(server.fd)).toBeLessThan(0);
  const { connected, bytesOut, refused } = account.snapshot();
  expect({ connected, bytesOut, refused }).toMatchObject({ connected: 0, bytesOut: 0, refused: { bind: 2, udp: 1 } });
  expect(refused.connect).toBeGreaterThanOrEqual(4);
});

describe("limits", () => {
  test("are EMFILE and ENOBUFS, and everything is given back when the guest ends", () => {
    const server = openServer();
    const { caller, calls, account } = guestOf({
      connect: ["127.0.0.1:*"],
      limits: { maxDescriptors: 4, maxConnections: 2 },
    });
    for (let each = 0; each < 2; each++) {
      const fd = open(caller, calls, INET4, STREAM);
      caller.setNonBlocking(fd);
      expect(calls.sock_connect(fd, address(caller, 127, 0, 0, 1), server.port)).toBe(Errno.INPROGRESS);
    }
    const third = open(caller, calls, INET4, STREAM);
    expect(calls.sock_connect(third, address(caller, 127, 0, 0, 1), server.port)).toBe(NOBUFS);
    let errno = Errno.SUCCESS as number;
    while (errno === Errno.SUCCESS) errno = calls.sock_open(INET4, STREAM, RESULT_AT);
    expect(errno).toBe(Errno.MFILE);
    expect(account.snapshot()).toMatchObject({ connections: 2, descriptors: 4, refused: { maxDescriptors: 1 } });
    caller.preview1.close();
    expect(account.snapshot()).toMatchObject({ descriptors: 0, sockets: 0, connections: 0, hostBytes: 0 });
  });

  test("of connections let the guest wait for a listening socket until it closes one", () => {
    const server = host.socket("IPv4", "stream");
    host.bind(server, anyAddress("IPv4"));
    host.listen(server, 10);
    const to = host.localAddress(server);
    if (typeof to === "number") throw new Error(host.errorCode(to));
    const { caller, account } = guestOf({ limits: { maxConnections: 1 } }, [{ fd: server }]);
    for (let each = 0; each < 2; each++) host.connect(owned(host, host.socket("IPv4", "stream")), to);
    const readable = { userdata: 7n, tag: 1, id: 3, timeoutNs: 0n, absolute: false } as const;
    const soon = { userdata: 8n, tag: 0, id: 1, timeoutNs: 5_000_000n, absolute: false } as const;
    expect(caller.poll(readable)).toMatchObject([{ userdata: 7n }]);
    const first = caller.accept(3);
    expect(first).toBeGreaterThan(3);
    expect(caller.poll(readable, soon)).toMatchObject([{ userdata: 8n }]);
    expect(caller.accept(3)).toBe(-Errno.MFILE);
    expect(caller.calls.fd_close(first)).toBe(Errno.SUCCESS);
    expect(caller.poll(readable)).toMatchObject([{ userdata: 7n }]);
    expect(caller.accept(3)).toBeGreaterThan(3);
    expect(account.snapshot()).toMatchObject({ connections: 1, accepted: 2 });
  });

  test("of host memory are EINVAL to a poll with more subscriptions than there is room for", () => {
    const { caller, account } = guestOf({ limits: { maxHostBytes: 1_048_576 } });
    const subscriptions = 20_000;
    const [at, events, count] = [PAGE, 40 * PAGE, 8];
    for (const [asked, errno] of [
      [subscriptions, Errno.INVAL],
      [5000, Errno.SUCCESS],
      [0xffff_ffff, Errno.INVAL],
    ] as const) {
      expect(caller.calls.poll_oneoff(at, events, asked, count)).toBe(errno);
    }
    expect(account.snapshot().refused).toEqual({ maxHostBytes: 2 });
  });

  test("of a rate make a call wait where the guest lets it wait", () => {
    const { caller, calls, backend, account } = guestOf({
      connect: ["127.0.0.1:*"],
      limits: { bytesPerSecondOut: 20_000 },
    });
    const server = openServer();
    const fd = open(caller, calls, INET4, STREAM);
    expect(calls.sock_connect(fd, address(caller, 127, 0, 0, 1), server.port)).toBe(Errno.SUCCESS);
    const accepted = host.accept(server.fd);
    if (typeof accepted === "number") throw new Error(host.errorCode(accepted));
    onTestFinished(() => void host.close(accepted.fd));
    // More than a full bucket: the call returns when all of it is sent.
    expect(caller.write(fd, new Uint8Array(6000))).toBe(6000);
    caller.setNonBlocking(fd);
    expect(account.snapshot().bytesOut).toBe(6000);
    expect(caller.write(fd, new Uint8Array(6000))).toBeLessThan(6000);
    expect(backend.name).toBe(host.name);
  });
});
