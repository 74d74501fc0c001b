/** What a guarded poll set withholds: it waits for it, and does not spin. */

import { describe, expect, onTestFinished, test } from "vitest";
import { type Backend, type PollSet, Ready } from "../../../host/backend/backend.js";
import { Account } from "../../../host/plugin/policy/account.js";
import { guardBackend } from "../../../host/plugin/policy/guard.js";
import { parsePolicy } from "../../../host/plugin/policy/schema.js";
import type { PolicyInput } from "../../../host/plugin/policy/types.js";
import { closeOwned, ERRNO, owned, ownedPair, rowsOf, wait, waitFor } from "../../backend/support.js";
import { guarded, host, openServer } from "./support.js";
import { VirtualTime } from "./virtual-time.js";

const { READ, WRITE, HANGUP } = Ready;

/** A plugin's backend whose waits take no time. */
function virtual(input: PolicyInput) {
  const time = new VirtualTime(host);
  const policy = parsePolicy(input);
  const account = new Account({ plugin: "virtual", limits: policy.limits, nowMs: () => time.nowMs });
  return { backend: guardBackend(time, policy, account), account, time };
}

function setOf(backend: Backend): PollSet {
  const set = backend.createPollSet();
  onTestFinished(() => set.close());
  return set;
}

describe("a rate", () => {
  const RATE = 10_000;
  const SECONDS = 20;

  /** Serves what is ready until so much time has passed. @returns how many waits the guest made */
  function serve(set: PollSet, time: VirtualTime, each: (fd: number, bits: number) => void): number {
    let waits = 0;
    while (time.nowMs < SECONDS * 1000) {
      const count = set.wait(1_000_000);
      for (const { fd, bits } of rowsOf(set, count)) each(fd, bits);
      waits++;
    }
    return waits;
  }

  /** Between one bucket and one bucket and a quantum more than the rate. */
  function expectRate(moved: number): void {
    expect(moved).toBeGreaterThan(RATE * SECONDS * 0.95);
    expect(moved).toBeLessThanOrEqual(RATE * SECONDS + RATE / 4 + RATE / 50);
  }

  test("of output is kept, in few waits, and none of them returns at once again and again", () => {
    const { backend, account, time } = virtual({ limits: { bytesPerSecondOut: RATE } });
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    const set = setOf(backend);
    set.update(one, WRITE);
    const sink = new Uint8Array(100_000);
    const waits = serve(set, time, (fd) => {
      backend.send(fd, new Uint8Array(5000));
      host.recv(other, sink);
    });
    expectRate(account.snapshot().bytesOut);
    // Every quantum of 20 ms: one that finds it, one that parks it, one that waits.
    expect(waits).toBeLessThan((SECONDS * 1000) / 20 + 200 + ((SECONDS * 1000) / 20) * 3);
    expect(time.waits.filter(({ found }) => found > 0).length).toBeLessThan(SECONDS * 50 * 2 + 10);
  });

  test("of input is kept: what has arrived waits in the kernel", () => {
    const { backend, account, time } = virtual({ limits: { bytesPerSecondIn: RATE } });
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    const set = setOf(backend);
    set.update(one, READ);
    const target = new Uint8Array(5000);
    const flood = new Uint8Array(20_000);
    let refused = 0;
    host.send(other, flood);
    serve(set, time, (fd) => {
      if (backend.recv(fd, target) === -ERRNO.EAGAIN) refused++;
      host.send(other, flood);
    });
    expectRate(account.snapshot().bytesIn);
    // What was ready could be read.
    expect(refused).toBe(0);
    expect(account.snapshot().refused.bytesPerSecondIn).toBeLessThan(SECONDS * 50 + 10);
  });

  test("is shared by many connections, each of which gets some of it", () => {
    const { backend, account, time } = virtual({ limits: { bytesPerSecondIn: RATE } });
    const pairs = Array.from({ length: 100 }, () => ownedPair(host, host.socketPair("stream")));
    const set = setOf(backend);
    const got = new Map<number, number>();
    for (const [one, other] of pairs) {
      set.update(one, READ);
      host.send(other, new Uint8Array(50_000));
    }
    const target = new Uint8Array(100);
    serve(set, time, (fd) => {
      const result = backend.recv(fd, target);
      if (result > 0) got.set(fd, (got.get(fd) ?? 0) + result);
    });
    expectRate(account.snapshot().bytesIn);
    const shares = pairs.map(([one]) => got.get(one) ?? 0);
    expect(Math.min(...shares)).toBeGreaterThan(Math.max(...shares) / 3);
    // Not all of them are looked at in each quantum.
    expect(time.waits.reduce((sum, { found }) => sum + found, 0)).toBeLessThan(SECONDS * 50 * 12);
  });

  test("does not hold back the other direction, other files, or a wait's own end", () => {
    const { backend, time } = virtual({ limits: { bytesPerSecondOut: RATE } });
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    const [readEnd, writeEnd] = ownedPair(backend, backend.pipe());
    const set = setOf(backend);
    set.update(one, READ | WRITE);
    set.update(readEnd, READ);
    while (backend.send(one, new Uint8Array(1000)) > 0);
    expect(wait(set, 0)).toEqual([]);
    expect(wait(set, 5)).toEqual([]);
    expect(time.waits.at(-1)?.timeoutMs).toBeLessThanOrEqual(5);
    host.send(other, new Uint8Array(1));
    expect(wait(set, 0)).toEqual([{ fd: one, bits: READ, error: 0, readable: -1 }]);
    host.write(writeEnd, new Uint8Array(1));
    expect(wait(set, 0).map(({ fd }) => fd)).toEqual(expect.arrayContaining([one, readEnd]));
    time.nowMs += 1000;
    expect(wait(set, 0).find(({ fd }) => fd === one)?.bits).toBe(READ | WRITE);
  });

  test("lets a pending error through, once", () => {
    const { backend, time } = virtual({ limits: { bytesPerSecondIn: RATE } });
    const server = openServer();
    const client = owned(host, host.socket("IPv4", "stream"));
    host.connect(client, { host: "127.0.0.1", port: server.port });
    const hostSet = host.createPollSet();
    onTestFinished(() => hostSet.close());
    hostSet.update(server.fd, READ);
    waitFor(hostSet, server.fd, READ);
    const accepted = backend.accept(server.fd);
    if (typeof accepted === "number") throw new Error(backend.errorCode(accepted));
    const fd = owned(backend, accepted.fd);
    const [one, other] = ownedPair(backend, backend.socketPair("stream"));
    host.send(other, new Uint8Array(10_000));
    while (backend.recv(one, new Uint8Array(1000)) > 0);
    host.setLinger(client, { on: true, seconds: 0 });
    host.close(client);
    const set = setOf(backend);
    set.update(fd, READ);
    const rows = until(() => wait(set, 1));
    expect(rows).toMatchObject([{ fd, error: -ERRNO.ECONNRESET }]);
    const before = time.waits.length;
    expect(wait(set, 1)).toEqual([]);
    expect(wait(set, 1)).toEqual([]);
    expect(time.waits.slice(before + 1)).toMatchObject([{ found: 0 }]);
  });

  test("holds a hang-up back with what is left to read, and then tells of it", () => {
    const { backend, time } = virtual({ limits: { bytesPerSecondIn: RATE } });
    const [one, other] = ownedPair(host, host.socketPair("stream"));
    host.send(other, new Uint8Array(4000));
    host.shutdown(other, "write");
    const set = setOf(backend);
    set.update(one, READ);
    const target = new Uint8Array(10_000);
    expect(backend.recv(one, target)).toBe(RATE / 4);
    expect(backend.recv(one, target)).toBe(-ERRNO.EAGAIN);
    expect(wait(set, 0)).toEqual([]);
    let left = 4000 - RATE / 4;
    while (left > 0) {
      wait(set, 100);
      const result = backend.recv(one, target);
      if (result > 0) left -= result;
    }
    expect(until(() => wait(set, 100)).map(({ bits }) => bits & (READ | HANGUP))).toEqual([READ]);
    time.nowMs += 100;
    expect(backend.recv(one, target)).toBe(0);
  });

  test("lets datagrams be sent as a whole, and has them paid for", () => {
    const { backend, account, time } = virtual({ udp: ["127.0.0.1:*"], limits: { bytesPerSecondOut: RATE } });
    const fd = owned(backend, backend.socket("IPv4", "dgram"));
    const to = { host: "127.0.0.1", port: 9 };
    expect(backend.sendTo(fd, new Uint8Array(20_000), to)).toBe(20_000);
    expect(backend.sendTo(fd, new Uint8Array(1), to)).toBe(-ERRNO.EAGAIN);
    time.nowMs += 1700;
    expect(backend.sendTo(fd, new Uint8Array(1), to)).toBe(-ERRNO.EAGAIN);
    time.nowMs += 100;
    expect(backend.sendTo(fd, new Uint8Array(1), to)).toBe(1);
    expect(account.snapshot().bytesOut).toBe(20_001);
  });

  /** Looks until something is there. */
  function until<T>(look: () => readonly T[]): readonly T[] {
    for (let looks = 0; looks < 10_000; looks++) {
      const found = look();
      if (found.length > 0) return found;
    }
    throw new Error("nothing was ever ready");
  }
});

describe("a plugin without room for a connection", () => {
  function full() {
    const server = openServer();
    const made = guarded({ limits: { maxConnections: 1 } });
    const { backend } = made;
    const clients = [0, 1].map(() => owned(host, host.socket("IPv4", "stream")));
    for (const fd of clients) host.connect(fd, { host: "127.0.0.1", port: server.port });
    const set = setOf(backend);
    set.update(server.fd, READ);
    waitFor(set, server.fd, READ);
    const accepted = backend.accept(server.fd);
    if (typeof accepted === "number") throw new Error(backend.errorCode(accepted));
    return { ...made, server, set, accepted: owned(backend, accepted.fd) };
  }

  test("finds no listening socket ready until one is closed, and is told why", () => {
    const { backend, events, server, set, accepted } = full();
    expect(wait(set, 0)).toEqual([]);
    expect(wait(set, 1)).toEqual([]);
    expect(events).toEqual([{ plugin: "test", limit: "maxConnections", value: 2, count: 1 }]);
    backend.shutdown(accepted, "both");
    backend.close(accepted);
    expect(waitFor(set, server.fd, READ)).toMatchObject({ fd: server.fd, bits: READ });
  });

  test("or for its descriptor neither, until any descriptor is closed", () => {
    const server = openServer();
    const { backend, events } = guarded({ limits: { maxDescriptors: 2 } });
    host.connect(owned(host, host.socket("IPv4", "stream")), { host: "127.0.0.1", port: server.port });
    const set = setOf(backend);
    set.update(server.fd, READ);
    waitFor(set, server.fd, READ);
    const [one] = ownedPair(backend, backend.socketPair("stream"));
    expect(wait(set, 0)).toEqual([]);
    expect(events).toMatchObject([{ limit: "maxDescriptors", value: 3 }]);
    closeOwned(backend, one);
    expect(wait(set, 0)).toMatchObject([{ fd: server.fd, bits: READ }]);
  });

  test("is woken on the host's event loop when one is closed", async () => {
    const { backend, server, set, accepted } = full();
    expect(wait(set, 0)).toEqual([]);
    const woken = new Promise<void>((resolve) => {
      const watch = set.watch(() => {
        watch.stop();
        resolve();
      });
    });
    backend.close(accepted);
    await woken;
    expect(wait(set, 0)).toMatchObject([{ fd: server.fd, bits: READ }]);
  });
});

test("what is withheld wakes the host's event loop when it may be used again", async () => {
  const { backend, account } = guarded({ limits: { bytesPerSecondOut: 20_000 } });
  const [one] = ownedPair(backend, backend.socketPair("stream"));
  const set = setOf(backend);
  set.update(one, WRITE);
  while (backend.send(one, new Uint8Array(1000)) > 0);
  expect(wait(set, 0)).toEqual([]);
  let sent = 0;
  await new Promise<void>((resolve) => {
    const watch = set.watch(() => {
      for (const { fd } of wait(set, 0)) {
        const result = backend.send(fd, new Uint8Array(1000));
        if (result > 0) sent += result;
      }
      if (sent < 2000) return;
      watch.stop();
      resolve();
    });
  });
  expect(account.snapshot().bytesOut).toBeGreaterThanOrEqual(7000);
});

test("a descriptor that is closed while it is parked is not heard of again, and its number is watched anew", () => {
  const { backend, time } = virtual({ limits: { bytesPerSecondOut: 1000 } });
  const set = setOf(backend);
  const first = backend.socket("IPv4", "dgram");
  const [one] = ownedPair(backend, backend.socketPair("stream"));
  while (backend.send(one, new Uint8Array(100)) > 0);
  set.update(first, WRITE);
  expect(wait(set, 0)).toEqual([]);
  backend.close(first);
  const again = owned(backend, backend.socket("IPv4", "dgram"));
  expect(again).toBe(first);
  time.nowMs += 1000;
  expect(wait(set, 0)).toEqual([]);
  set.update(again, WRITE);
  expect(wait(set, 0)).toMatchObject([{ fd: again, bits: WRITE }]);
});

test("a coarse clock stands still between its steps, and a wait ends at a step", () => {
  const time = new VirtualTime(host);
  let nowNs = 0;
  Object.defineProperty(time, "clock", {
    value: {
      monotonicNs: () => nowNs + time.nowMs * 1e6,
      realtimeNs: () => BigInt(nowNs + time.nowMs * 1e6),
      threadCpuNs: () => 12_345_678n,
    },
  });
  const policy = parsePolicy({ clocks: { resolutionMs: 10 } });
  const backend = guardBackend(time, policy, new Account({ plugin: "coarse", limits: policy.limits }));
  const set = setOf(backend);
  nowNs = 12.5e6;
  expect([backend.clock.monotonicNs(), backend.clock.realtimeNs()]).toEqual([10e6, BigInt(10e6)]);
  expect(backend.clock.threadCpuNs()).toBe(10_000_000n);
  expect(wait(set, 3)).toEqual([]);
  expect(backend.clock.monotonicNs()).toBe(20e6);
  expect(time.nowMs).toBeCloseTo(7.5);
  expect(wait(set, 0)).toEqual([]);
  expect(time.nowMs).toBeCloseTo(7.5);
});
