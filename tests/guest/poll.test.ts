/** Holds poll_oneoff as a guest with a descriptor table of its own is served it, over the operating system. */

import { describe, expect, test } from "vitest";
import { clock, createCaller as createScripted, event, failed, fd as subscription } from "../engine/scripted-caller.js";
import {
  CLOCK,
  FD_READ,
  FD_WRITE,
  readEvents,
  REALTIME,
  SUBSCRIPTION_SIZE,
  writeSubscription,
} from "../engine/wasi-bytes.js";
import { createNodeBackend } from "../../host/node/backend.js";
import {
  backend,
  createCaller,
  createConnection,
  createServer,
  DATA_AT,
  Errno,
  owned,
  ownedPair,
  PAGE,
  receive,
} from "./support.js";
import { POLLERS } from "../backend/support.js";

const MINUTE_NS = 60_000_000_000n;

describe.each(POLLERS)("over %s", (poller) => {
  const on = createNodeBackend({ poller });

  test("standard input and output are pipes like any other", () => {
    const [caller, { stdin }] = createCaller({}, { on });
    const both = [subscription(0, FD_READ, 1n), subscription(1, FD_WRITE, 2n)];
    expect(caller.poll(...both)).toEqual([event(2n, FD_WRITE)]);
    backend.write(stdin, Buffer.from("x"));
    expect(caller.poll(...both)).toHaveLength(2);
    expect(caller.poll(subscription(0, FD_READ, 1n))).toEqual([event(1n, FD_READ)]);
  });

  test("a pipe whose writer is gone hangs up, with what is left to read", () => {
    const [stdin, far] = ownedPair(backend, backend.pipe());
    const [caller] = createCaller({ stdio: [{ fd: stdin }, { fd: stdin }, { fd: stdin }] }, { on });
    backend.write(far, Buffer.from("bye"));
    backend.close(far);
    expect(caller.poll(subscription(0, FD_READ, 1n))).toEqual([event(1n, FD_READ, { hangup: true, nbytes: 3 })]);
    expect(caller.read(0)).toBe("bye");
    expect(caller.poll(subscription(0, FD_READ, 1n))).toEqual([event(1n, FD_READ, { hangup: true, nbytes: 0 })]);
  });

  test.each([
    ["was never open", 17],
    ["is of no process", 0x7fffffff],
    ["is negative", -1],
  ])("a descriptor that %s has an event that says EBADF, beside those of good ones", (_name, bad) => {
    const [caller, { stdin }] = createCaller({}, { on });
    backend.write(stdin, Buffer.from("x"));
    const events = caller.poll(
      subscription(bad >>> 0, FD_READ, 1n),
      subscription(0, FD_READ, 2n),
      subscription(bad >>> 0, FD_WRITE, 3n),
      clock(4n, MINUTE_NS),
    );
    expect(events).toEqual([event(2n, FD_READ), failed(1n, FD_READ, Errno.BADF), failed(3n, FD_WRITE, Errno.BADF)]);
  });

  test("a descriptor that the guest has closed is a bad one, whatever the host has under its number", () => {
    const [caller, { stdin }] = createCaller({}, { on });
    backend.write(stdin, Buffer.from("x"));
    expect(caller.poll(subscription(0, FD_READ, 1n))).toEqual([event(1n, FD_READ)]);
    caller.calls.fd_close(0);
    expect(caller.poll(subscription(0, FD_READ, 1n))).toEqual([failed(1n, FD_READ, Errno.BADF)]);
  });

  test("a descriptor that moves is watched under its new number", () => {
    const [caller, { stdin }] = createCaller({}, { on });
    backend.write(stdin, Buffer.from("x"));
    caller.poll(subscription(0, FD_READ, 1n));
    caller.calls.fd_renumber(0, 2);
    expect(caller.poll(subscription(2, FD_READ, 1n), subscription(0, FD_READ, 2n))).toEqual([
      event(1n, FD_READ),
      failed(2n, FD_READ, Errno.BADF),
    ]);
  });

  test("each subscription for the same descriptor has an event, a bad one's as well", () => {
    const [caller, { stdin }] = createCaller({}, { on });
    backend.write(stdin, Buffer.from("x"));
    const events = caller.poll(
      subscription(0, FD_READ, 1n),
      subscription(1, FD_WRITE, 2n),
      subscription(0, FD_READ, 3n),
      subscription(9, FD_READ, 4n),
      subscription(9, FD_READ, 5n),
      subscription(0, FD_READ, 6n),
      subscription(1, FD_WRITE, 7n),
    );
    if (typeof events === "number") throw new Error(`errno ${events}`);
    expect(events.toSorted((a, b) => Number(a.userdata - b.userdata))).toEqual([
      event(1n, FD_READ),
      event(2n, FD_WRITE),
      event(3n, FD_READ),
      failed(4n, FD_READ, Errno.BADF),
      failed(5n, FD_READ, Errno.BADF),
      event(6n, FD_READ),
      event(7n, FD_WRITE),
    ]);
    caller.read(0);
    expect(caller.poll(subscription(0, FD_READ, 1n), clock(2n, 1n))).toEqual([failed(2n, CLOCK, 0)]);
  });

  test.each([
    ["monotonic, relative", () => clock(1n, 1_000_000n)],
    ["monotonic, absolute", () => clock(1n, BigInt(backend.clock.monotonicNs()) + 1_000_000n, { absolute: true })],
    ["monotonic, absolute, past", () => clock(1n, 1n, { absolute: true })],
    ["realtime, relative", () => clock(1n, 1_000_000n, { id: REALTIME })],
    ["realtime, absolute", () => clock(1n, backend.clock.realtimeNs() + 1_000_000n, { id: REALTIME, absolute: true })],
  ])("a clock is waited for, with descriptors that are not ready: %s", (_name, due) => {
    const [caller] = createCaller({}, { on });
    expect(caller.poll(due(), subscription(0, FD_READ, 2n), clock(3n, MINUTE_NS))).toEqual([failed(1n, CLOCK, 0)]);
  });
});

test("a listener is ready when somebody connects, and not before", () => {
  const { caller, address } = createServer();
  expect(caller.poll(subscription(3, FD_READ, 1n), clock(2n, 1n))).toEqual([failed(2n, CLOCK, 0)]);
  backend.connect(backend.socket("IPv4", "stream"), address);
  expect(caller.poll(subscription(3, FD_READ, 1n), clock(2n, MINUTE_NS))).toEqual([event(1n, FD_READ)]);
  expect([caller.accept(3), caller.accept(3)]).toEqual([4, -Errno.AGAIN]);
});

test("a connection that comes under the number of one that was closed, the host's as well, is watched anew", () => {
  const { caller, fd, peer } = createConnection();
  const array = [subscription(fd, FD_READ, 1n), clock(2n, 1n)];
  expect(caller.poll(...array)).toEqual([failed(2n, CLOCK, 0)]);
  const address = backend.remoteAddress(peer);
  if (typeof address === "number") throw new Error(backend.errorCode(address));
  const second = owned(backend, backend.socket("IPv4", "stream"));
  backend.connect(second, address);
  caller.calls.fd_close(fd);
  expect(receive(peer)).toHaveLength(0);
  expect(caller.accept(3)).toBe(fd);
  backend.send(second, Buffer.from("x"));
  expect(caller.poll(subscription(fd, FD_READ, 1n), clock(2n, 5_000_000_000n))).toEqual([event(1n, FD_READ)]);
});

test("each subscription for a descriptor that cannot be watched has an event that says why", () => {
  const { call, pollSet } = createScripted();
  pollSet.refused.set(7, -9);
  const array = [subscription(7, FD_READ, 1n), subscription(7, FD_WRITE, 2n), subscription(7, FD_READ, 3n)];
  const events = [failed(1n, FD_READ, Errno.BADF), failed(3n, FD_READ, Errno.BADF), failed(2n, FD_WRITE, Errno.BADF)];
  expect(call(...array)).toEqual(events);
  expect(call(subscription(7, FD_READ, 4n))).toEqual([failed(4n, FD_READ, Errno.BADF)]);
});

describe("what makes no sense", () => {
  test("more subscriptions than any guest has use for: EINVAL", () => {
    const count = 0x40001;
    const [{ calls, memory }] = createCaller({}, { pages: Math.ceil((count * SUBSCRIPTION_SIZE) / PAGE) + 1 });
    expect(calls.poll_oneoff(PAGE, PAGE, count, 0)).toBe(Errno.INVAL);
    writeSubscription(memory.buffer, PAGE, clock(1n, 1n));
    expect(calls.poll_oneoff(PAGE, 0, 1, 512)).toBe(Errno.SUCCESS);
  });

  test("none at all: EINVAL; beyond the memory: EFAULT", () => {
    const [{ calls }] = createCaller();
    expect([
      calls.poll_oneoff(0, DATA_AT, 0, 0),
      calls.poll_oneoff(PAGE, DATA_AT, 1, 0),
      calls.poll_oneoff(0, -8, 1, 0),
    ]).toEqual([28, 21, 21]);
  });
});

test("memory that has grown is read and written where it is now, by every call", () => {
  const [caller, { stdin, stdout }] = createCaller();
  backend.write(stdin, Buffer.from("one"));
  expect(caller.read(0)).toBe("one");
  const grown = new ArrayBuffer(2 * PAGE);
  new Uint8Array(grown).set(new Uint8Array(caller.memory.buffer));
  // As memory.grow leaves it: detached.
  structuredClone(caller.memory.buffer, { transfer: [caller.memory.buffer] });
  caller.memory.buffer = grown;
  backend.write(stdin, Buffer.from("two"));
  expect(caller.poll(subscription(0, FD_READ, 7n))).toEqual([event(7n, FD_READ)]);
  expect(caller.calls.fd_read(0, ...caller.iovecs([2 * PAGE - 3, 3]), PAGE)).toBe(Errno.SUCCESS);
  expect([caller.u32(PAGE), caller.text(2 * PAGE - 3, 3)]).toEqual([3, "two"]);
  expect(caller.calls.fd_write(1, ...caller.iovecs([2 * PAGE - 3, 3]), PAGE)).toBe(Errno.SUCCESS);
  expect(receive(stdout, 3).toString()).toBe("two");
});

test("events are written wherever they are, in the upper half of a large memory as well", () => {
  const pages = 33_000;
  const [{ calls, memory }] = createCaller({}, { pages });
  const at = 2 ** 31 + 65_536;
  writeSubscription(memory.buffer, at, { userdata: 7n, tag: 0, id: 1, timeoutNs: 0n, absolute: false });
  writeSubscription(memory.buffer, at + 48, { userdata: 8n, tag: 2, id: 1, timeoutNs: 0n, absolute: false });
  expect(calls.poll_oneoff(at | 0, (at + 4096) | 0, 2, (at + 8192) | 0)).toBe(Errno.SUCCESS);
  expect(new DataView(memory.buffer).getUint32(at + 8192, true)).toBe(2);
  expect(readEvents(memory.buffer, at + 4096, 2)).toEqual([
    expect.objectContaining({ userdata: 8n, type: 2, error: 0 }),
    expect.objectContaining({ userdata: 7n, type: 0, error: 0 }),
  ]);
});
