/**
 * Whatever a plugin opens, accepts, duplicates, resets and closes, and in whatever order: the account has what is open,
 * never more than the limits, and nothing in the end.
 */

import * as fc from "fast-check";
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import type { Backend, PollSet } from "../../../host/backend/backend.js";
import { guarded, host, portOf } from "./support.js";

const LIMITS = { maxDescriptors: 12, maxConnections: 4, maxHostBytes: 1_048_576 };

/** What one run works on. `pick` chooses one of what there is. */
interface World {
  readonly backend: Backend;
  readonly open: Set<number>;
  readonly sets: Set<PollSet>;
  /** The host's ends of connections. */
  readonly peers: number[];
  readonly port: number;
  readonly listener: number;
  /** How many descriptors the host has handed over. */
  handedOver: number;
}

type Step = readonly [name: keyof typeof STEPS, choice: number];

function pick<T>(all: Iterable<T>, choice: number): T | undefined {
  const list = [...all];
  return list[choice % Math.max(1, list.length)];
}

function keep({ open }: World, ...fds: number[]): void {
  for (const fd of fds) if (fd >= 0) open.add(fd);
}

function keepPair(world: World, pair: readonly [number, number] | number): void {
  if (typeof pair !== "number") keep(world, ...pair);
}

const FAMILIES = ["IPv4", "IPv6", "unix"] as const;
const TYPES = ["stream", "dgram"] as const;

const STEPS = {
  socket: (world: World, choice: number) =>
    keep(world, world.backend.socket(FAMILIES[choice % 3] ?? "IPv4", TYPES[choice % 2] ?? "stream")),
  stream: (world: World) => keep(world, world.backend.socket("IPv4", "stream")),
  socketPair: (world: World, choice: number) =>
    keepPair(world, world.backend.socketPair(TYPES[choice % 2] ?? "stream")),
  pipe: (world: World) => keepPair(world, world.backend.pipe()),
  duplicate: (world: World, choice: number) => keep(world, world.backend.duplicate(pick(world.open, choice) ?? -1)),
  connect: (world: World, choice: number) => {
    const port = [world.port, 1, 0][choice % 3] ?? 0;
    world.backend.connect(pick(world.open, choice) ?? -1, { host: "127.0.0.1", port });
  },
  refused: (world: World, choice: number) =>
    world.backend.connect(pick(world.open, choice) ?? -1, { host: "192.0.2.1", port: 1 }),
  arrive: (world: World) => {
    const peer = host.socket("IPv4", "stream");
    world.peers.push(peer);
    host.connect(peer, { host: "127.0.0.1", port: portOf(host.localAddress(world.listener)) });
  },
  reset: (world: World) => {
    const peer = world.peers.pop();
    if (peer === undefined) return;
    host.setLinger(peer, { on: true, seconds: 0 });
    host.close(peer);
  },
  accept: (world: World) => {
    const accepted = world.backend.accept(world.listener);
    if (typeof accepted !== "number") keep(world, accepted.fd);
  },
  close: (world: World, choice: number) => {
    const fd = pick(world.open, choice);
    if (fd === undefined) return;
    expect(world.backend.close(fd)).toBe(0);
    world.open.delete(fd);
  },
  closeTwice: (world: World, choice: number) => {
    STEPS.close(world, choice);
    for (const fd of [-1, NaN, 2 ** 31, 99_999]) expect(world.backend.close(fd)).toBeLessThan(0);
  },
  buffer: (world: World, choice: number) =>
    world.backend.setOption(pick(world.open, choice) ?? -1, choice % 2 === 0 ? "SO_RCVBUF" : "SO_SNDBUF", choice * 37),
  createSet: (world: World) => {
    try {
      world.sets.add(world.backend.createPollSet());
    } catch (error) {
      expect(error).toMatchObject({ code: "ENOMEM" });
    }
  },
  update: (world: World, choice: number) =>
    pick(world.sets, choice)?.update(pick(world.open, choice) ?? world.listener, choice % 8),
  wait: (world: World, choice: number) => {
    const set = pick(world.sets, choice);
    if (set !== undefined) expect(set.wait(0)).toBeGreaterThanOrEqual(0);
  },
  closeSet: (world: World, choice: number) => {
    const set = pick(world.sets, choice);
    if (set === undefined) return;
    set.close();
    world.sets.delete(set);
  },
  handOver: (world: World, choice: number) => {
    const fd = pick(world.open, choice);
    if (fd === undefined || world.backend.release(fd) !== 0) return;
    world.open.delete(fd);
    if (choice % 2 === 0) {
      expect(world.backend.adopt(fd)).toBe(0);
      world.handedOver++;
      world.open.add(fd);
    } else {
      host.close(fd);
    }
  },
};

const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom(...(Object.keys(STEPS) as (keyof typeof STEPS)[])),
  fc.integer({ min: 0, max: 100_000 }),
);

test("what was taken is given back", () => {
  const before = process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const [server, listener] = [openPlain(), openPlain()];
      const { backend, account } = guarded({
        connect: ["127.0.0.1:*"],
        limits: { ...LIMITS, bytesPerSecondIn: 1000, bytesPerSecondOut: 1000 },
      });
      const world: World = {
        backend,
        open: new Set(),
        sets: new Set(),
        peers: [],
        port: server.port,
        listener: listener.fd,
        handedOver: 0,
      };
      try {
        for (const [name, choice] of steps) {
          STEPS[name](world, choice);
          const { descriptors, connections, hostBytes } = account.snapshot();
          // What is handed over is charged in any case.
          expect(descriptors).toBe(world.open.size);
          // What the host hands over is charged in any case.
          expect(connections).toBeLessThanOrEqual(LIMITS.maxConnections + world.handedOver);
          expect(hostBytes).toBeLessThanOrEqual(LIMITS.maxHostBytes);
        }
      } finally {
        for (const fd of world.open) backend.close(fd);
        for (const set of world.sets) set.close();
        backend.close(listener.fd);
        for (const fd of [...world.peers, server.fd]) host.close(fd);
      }
      expect(account.snapshot()).toMatchObject({ descriptors: 0, sockets: 0, connections: 0, hostBytes: 0 });
    }),
    { numRuns: 300 },
  );
  if (process.platform === "linux") expect(readdirSync("/proc/self/fd")).toHaveLength(before);
});

/** A listening socket, to be closed by the caller. */
function openPlain(): { fd: number; port: number } {
  const fd = host.socket("IPv4", "stream");
  host.bind(fd, { host: "127.0.0.1", port: 0 });
  host.listen(fd, 100);
  return { fd, port: portOf(host.localAddress(fd)) };
}
