/** Each fault comes, does what its name says, and is listed. */

import { describe, expect, test } from "vitest";
import { Dispatcher, loop, type OSError } from "../../host/index.js";
import { type FaultName, FAULTS, type FaultTable, type SimHost, SimWorld } from "../../host/sim/index.js";
import { EchoClient, echoProgram, echoWorld, mapOf, SERVER, texts } from "./chat.js";
import { connected, textFrom } from "./support.js";

const TEXTS = texts(4, 20_000);

/** Runs the echo server under faults. */
async function echo(faults: FaultTable, seed = 1, untilMs = 600_000): Promise<[SimWorld, EchoClient[]]> {
  const world = new SimWorld({ seed, faults });
  const clients = echoWorld(world, TEXTS);
  await world.run({ untilMs });
  return [world, clients];
}

function came(world: SimWorld, name: FaultName): number {
  return world.injections.filter((each) => each.name === name).length;
}

describe("what must not be noticed", () => {
  test.each([
    ["loss", { loss: 0.3 }],
    ["short-read", { "short-read": 1 }],
    ["short-write", { "short-write": 1 }],
    ["not-ready", { "not-ready": 0.5 }],
    ["interrupt", { interrupt: 0.5 }],
    ["latency", { latency: { ms: 50, jitterMs: 100 } }],
    ["bandwidth", { bandwidth: { bytes: 10_000 } }],
    ["small-buffers", { "small-buffers": { bytes: 1 } }],
    ["pause", { pause: { everyMs: 1, forMs: 3 } }],
    ["partition", { partition: { at: [{ atMs: 0.25, forMs: 5000, host: SERVER }] } }],
    ["clock-jump", { "clock-jump": { everyMs: 1, forMs: -1_000_000 } }],
  ] as const satisfies [FaultName, FaultTable][])(
    "every byte comes, once and in its order: %s",
    async (name, faults) => {
      const [world, clients] = await echo(faults, 1, 30_000);
      expect(clients.map(({ received }, index) => received === TEXTS[index])).toEqual([true, true, true, true]);
      expect(clients.flatMap(({ ends }) => ends)).toEqual([]);
      const hasNoList = name === "latency" || name === "bandwidth" || name === "small-buffers";
      expect(came(world, name) > 0).toBe(!hasNoList);
    },
  );
});

describe("what is noticed", () => {
  test("a reset comes behind some of the bytes, on both sides", async () => {
    const [world, clients] = await echo({ reset: 0.2 });
    expect(came(world, "reset")).toBeGreaterThan(0);
    const ends = clients.flatMap((client) => client.ends);
    expect(ends).not.toEqual([]);
    for (const [index, client] of clients.entries()) expect(TEXTS[index]?.startsWith(client.received)).toBe(true);
  });

  test.each([
    ["refuse", "ECONNREFUSED", 1],
    ["connect-timeout", "ETIMEDOUT", 127_000],
  ] as const)("%s is %s", async (name, code, afterMs) => {
    const world = new SimWorld({ faults: { [name]: { nth: [1] } } });
    const clients = echoWorld(world, TEXTS);
    let failedMs = 0;
    await world.run({ until: () => clients.some(({ ends }) => ends.length > 0) });
    failedMs = world.nowMs;
    expect(clients.map(({ ends }) => ends)).toEqual([[code], [], [], []]);
    expect(Math.abs(failedMs - afterMs)).toBeLessThan(2);
    expect(came(world, name)).toBe(1);
  });

  test.each([
    ["emfile", "EMFILE"],
    ["enfile", "ENFILE"],
  ] as const)("%s comes at the nth call that makes a descriptor", (name, code) => {
    const { backend } = new SimWorld({ faults: { [name]: { nth: [2] } } }).host("10.0.0.1");
    const made = [1, 2, 3].map(() => backend.socket("IPv4", "stream"));
    expect(made.map((fd) => (fd < 0 ? backend.errorCode(fd) : "made"))).toEqual(["made", code, "made"]);
  });

  test("enobufs comes at the nth call that sends", () => {
    const { backend } = new SimWorld({ faults: { enobufs: { nth: [2] } } }).host("10.0.0.1");
    const [one] = backend.socketPair("stream") as [number, number];
    const sent = [1, 2, 3].map(() => backend.send(one, new Uint8Array(1)));
    expect(sent.map((count) => (count < 0 ? backend.errorCode(count) : count))).toEqual([1, "ENOBUFS", 1]);
  });

  test("a slow name takes its time, a dead one is EAI_AGAIN", () => {
    const slow = new SimWorld({ faults: { "slow-name": { rate: 1, ms: 700 } } });
    slow.host("10.0.0.9", { names: ["a.test"] });
    expect(slow.host("10.0.0.1").backend.lookupSync("a.test", 0)).toEqual(["10.0.0.9"]);
    expect(slow.nowMs).toBeGreaterThanOrEqual(700);
    const dead = new SimWorld({ faults: { "dead-name": 1 } }).host("10.0.0.1").backend;
    expect(() => dead.lookupSync("a.test", 0)).toThrow("EAI_AGAIN");
    expect(dead.lookupSync("10.0.0.9", 0)).toEqual(["10.0.0.9"]);
  });

  test("a clock that jumps moves the realtime alone", () => {
    const world = new SimWorld({ start: 1_000_000, faults: { "clock-jump": { at: [{ atMs: 5, forMs: -2000 }] } } });
    const { clock } = world.host("10.0.0.1").backend;
    const before = clock.realtimeNs();
    world.runSync({ untilMs: 10 });
    expect(before).toBe(1_000_000_000_000n);
    expect(clock.realtimeNs()).toBe(before + 10_000_000n - 2_000_000_000n);
    expect(clock.monotonicNs()).toBe(10_000_000);
  });

  test("a crash ends a program without a word; when the host is back, its program starts anew", async () => {
    const world = new SimWorld({ faults: { crash: { at: [{ atMs: 100, forMs: 1000, host: SERVER }] } } });
    const server = world.host(SERVER);
    let starts = 0;
    server.start((host) => {
      starts += 1;
      return echoProgram(host);
    });
    const ends: string[][] = [];
    world.host("10.0.0.2").start(async (host) => {
      const map = mapOf(host);
      // One that waits for an answer through the crash, and notices when it sends; one that comes after it.
      const waiting = new EchoClient(map, SERVER, "x".repeat(10));
      waiting.handleRead = () => void waiting.recv(100);
      map.callLater(500, () => waiting.fd >= 0 && waiting.send(Buffer.from("?")));
      map.callLater(5000, () => {
        const late = new EchoClient(map, SERVER, "hello");
        ends.push(late.ends);
      });
      ends.push(waiting.ends);
      await loop({ map });
    });
    await world.run({ untilMs: 60_000 });
    expect(starts).toBe(2);
    expect(ends).toEqual([["closed"], []]);
    expect(world.explain()).toMatch(/^100\.000000 ms {2}10\.0\.0\.1 {2}crash: gone for 1000 ms$/);
  });

  test("a partition one way lets the other way pass", async () => {
    const world = new SimWorld();
    const got: string[] = [];
    const talker = (host: SimHost, to: string): Promise<void> => {
      const map = mapOf(host);
      class Listener extends Dispatcher {
        override handleRead(): void {
          got.push(`${host.address} ${Buffer.from(this.socket.recvFrom(10).data).toString()}`);
        }
      }
      const listener = new Listener(undefined, map);
      listener.createSocket({ type: "dgram" });
      listener.bind({ host: host.address, port: 9 });
      map.callLater(10, () => listener.socket.sendTo(Buffer.from("hi"), { host: to, port: 9 }));
      return loop({ map });
    };
    const one = world.host("10.0.0.1").start((host) => talker(host, "10.0.0.2"));
    const other = world.host("10.0.0.2").start((host) => talker(host, "10.0.0.1"));
    world.partition(one, other, true);
    await world.run({ untilMs: 1000 });
    expect(got).toEqual(["10.0.0.1 hi"]);
  });

  test("what is sent after a segment that is sent again arrives after it, however slow the way", () => {
    const world = new SimWorld({ faults: { latency: { ms: 1000 } } });
    const [one, other] = [world.host("10.0.0.1"), world.host("10.0.0.2")];
    const sender = connected(world, one, other);
    one.backend.send(sender[0], Buffer.from("first "));
    const cut: { end?: () => void } = {};
    world.at(world.nowMs + 500, () => one.backend.send(sender[0], Buffer.from("second")));
    world.at(world.nowMs + 990, () => (cut.end = world.partition(one, other)));
    world.at(world.nowMs + 1050, () => cut.end?.());
    world.runSync({ untilMs: world.nowMs + 10_000 });
    expect(textFrom(other, sender[1])).toBe("first second");
  });

  test("what a host has not sent when it crashes is never sent", () => {
    const world = new SimWorld();
    const [one, other] = [world.host("10.0.0.1"), world.host("10.0.0.2")];
    const [sender, receiver] = connected(world, one, other);
    const end = world.partition(one, other);
    one.backend.send(sender, Buffer.from("lost"));
    world.runSync({ untilMs: world.nowMs + 10 });
    one.crash();
    one.restart();
    end();
    world.runSync({ untilMs: world.nowMs + 10_000 });
    expect(textFrom(other, receiver)).toBe("EAGAIN");
  });

  test.each([
    ["loss", { loss: 1 }, []],
    ["duplicate", { duplicate: { nth: [2] } }, [0, 1, 1, 2]],
    ["reorder", { reorder: { nth: [1], ms: 50 } }, [1, 2, 0]],
  ] as const satisfies [FaultName, FaultTable, number[]][])("datagrams: %s", (name, faults, expected) => {
    const world = new SimWorld({ seed: 3, faults });
    const [from, to] = [world.host("10.0.0.1").backend, world.host("10.0.0.2").backend];
    const receiver = to.socket("IPv4", "dgram");
    to.bind(receiver, { host: "10.0.0.2", port: 9 });
    const sender = from.socket("IPv4", "dgram");
    for (const byte of [0, 1, 2]) {
      expect(from.sendTo(sender, Uint8Array.of(byte), { host: "10.0.0.2", port: 9 })).toBe(1);
    }
    world.runSync();
    const got: number[] = [];
    for (let one = to.receive(receiver, 10); typeof one !== "number"; one = to.receive(receiver, 10))
      got.push(one[0] ?? -1);
    expect(got).toEqual(expected);
    expect(came(world, name)).toBeGreaterThan(0);
  });
});

test("a broadcast reaches its own host, whatever the option for multicast says", () => {
  const { backend } = new SimWorld().host("10.0.0.1");
  const receiver = backend.socket("IPv4", "dgram");
  backend.bind(receiver, { host: "0.0.0.0", port: 9 });
  const sender = backend.socket("IPv4", "dgram");
  backend.setOption(sender, "SO_BROADCAST", 1);
  backend.setOption(sender, "IP_MULTICAST_LOOP", 0);
  expect(backend.sendTo(sender, Buffer.from("x"), { host: "255.255.255.255", port: 9 })).toBe(1);
  expect(backend.receive(receiver, 10)).toEqual(Buffer.from("x"));
});

test("a peer that is gone is noticed after some 15 minutes: ETIMEDOUT", async () => {
  const world = new SimWorld();
  const server = world.host(SERVER).start(echoProgram);
  const ends: string[] = [];
  world.host("10.0.0.2").start((host) => {
    const map = mapOf(host);
    const client = new EchoClient(map, SERVER, "hello!");
    client.handleRead = () => {
      client.recv(100);
      server.crash();
      client.send(Buffer.from("more"));
    };
    client.handleError = (error) => {
      ends.push((error as OSError).code);
      client.close();
    };
    return loop({ map });
  });
  await world.run();
  expect(ends).toEqual(["ETIMEDOUT"]);
  expect(world.nowMs).toBeGreaterThan(800_000);
});

test("a table with a misspelt name, a rate beyond 1, or what a fault does not take is refused", () => {
  expect(() => new SimWorld({ faults: { losss: 1 } as FaultTable })).toThrow('did you mean "loss"');
  expect(() => new SimWorld({ faults: { loss: 2 } })).toThrow(RangeError);
  expect(() => new SimWorld({ faults: { loss: { everyMs: 2 } } })).toThrow("everyMs");
  expect(Object.keys(FAULTS)).toHaveLength(22);
});
