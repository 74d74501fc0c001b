/** A world: its time, its hosts, what runs on them, and that the same seed gives the same run. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import {
  ChannelMap,
  Dispatcher,
  DispatcherWithSend,
  loop,
  loopSync,
  Socket,
  type SocketAddress,
} from "../../host/index.js";
import { SimWorld } from "../../host/sim/index.js";
import { EchoClient, echoProgram, echoWorld, mapOf, SERVER, texts } from "./chat.js";

describe("hosts", () => {
  test("talk to each other, each with its own address", async () => {
    const world = new SimWorld();
    const sent = texts(20, 3000);
    const clients = echoWorld(world, sent);
    await world.run({ untilMs: 1000 });
    expect(clients.map(({ received }) => received)).toEqual(sent);
    expect(clients.flatMap(({ ends }) => ends)).toEqual([]);
  });

  test("are found by name, over IPv6 as well", async () => {
    const world = new SimWorld();
    const server = world.host("10.0.0.1", { addresses: ["fd00::1"], names: ["server.test"] });
    const seen: string[] = [];
    server.start((host) => {
      const map = mapOf(host);
      class Server extends Dispatcher {
        override handleAccepted(socket: Socket, address: SocketAddress): void {
          seen.push(address.host ?? "");
          socket.close();
        }
      }
      const listener = new Server(undefined, map);
      listener.createSocket({ family: "IPv6" });
      listener.bind({ host: "::", port: 80 });
      listener.listen(5);
      return loop({ map });
    });
    for (const [address, others] of [
      ["10.0.0.2", []],
      ["10.0.0.3", ["fd00::3"]],
    ] as const) {
      world.host(address, { addresses: others }).start((host) => {
        const map = mapOf(host);
        const client = new DispatcherWithSend(undefined, map);
        client.handleRead = () => void client.recv(10);
        client.handleClose = () => client.close();
        client.connect({ host: others.length > 0 ? "fd00::1" : "server.test", port: 80 });
        return loop({ map });
      });
    }
    await world.run({ untilMs: 1000 });
    expect(seen.toSorted()).toEqual(["::ffff:10.0.0.2", "fd00::3"]);
  });

  test("are the same object for the same address, and are refused where no host can have it", () => {
    const world = new SimWorld();
    const host = world.host("10.0.0.1", { addresses: ["fd00::1"] });
    expect(world.host("fd00:0::1")).toBe(host);
    expect(world.hosts).toEqual([host]);
    for (const address of ["127.0.0.1", "0.0.0.0", "224.0.0.1", "::", "server.test"]) {
      expect(() => world.host(address)).toThrow(RangeError);
    }
  });

  test("have files, and as many descriptors as they may", () => {
    const host = new SimWorld().host("10.0.0.1", { descriptorLimit: 2 });
    host.writeFile("/etc/motd", "hello");
    const fd = host.open("/etc/motd");
    expect(Buffer.from(host.backend.readBytes(fd, 100) as Uint8Array).toString()).toBe("hello");
    expect(() => host.open("/etc/nothing")).toThrow("ENOENT");
    expect(host.backend.errorCode(host.backend.pipe() as number)).toBe("EMFILE");
    host.backend.close(fd);
    expect(host.openDescriptors).toBe(0);
    host.unlink("/etc/motd");
    expect(host.readFile("/etc/motd")).toBeUndefined();
  });
});

test("another thread cannot wake a loop in a world", () => {
  expect(() => mapOf(new SimWorld().host("10.0.0.1")).waker()).toThrow("simulated");
});

describe("time", () => {
  test("an hour without anything to do is over at once", async () => {
    const world = new SimWorld();
    const fired: number[] = [];
    world.host("10.0.0.1").start((host) => {
      const map = mapOf(host);
      map.callLater(3_600_000, () => fired.push(map.now()));
      return loop({ map });
    });
    expect(await world.run()).toBe("idle");
    expect(fired).toHaveLength(1);
    expect(fired[0]).toBeGreaterThanOrEqual(3_600_000);
    expect(world.turns).toBeLessThan(200);
  });

  test("the same handlers run under loopSync, which lets the others run while it waits", () => {
    const world = new SimWorld();
    world.host(SERVER).start(echoProgram);
    const map = mapOf(world.host("10.0.0.2"));
    const client = new EchoClient(map, SERVER, "hello");
    loopSync({ map });
    expect(client.received).toBe("hello");
    expect(world.nowMs).toBeGreaterThan(0.3);
  });

  test("a wait that nothing can end is EDEADLK instead of the end of the test", () => {
    const world = new SimWorld({ limitMs: 60_000 });
    const host = world.host("10.0.0.1");
    const map = new ChannelMap({ backend: host.backend });
    new Dispatcher(Socket.pair("stream", host.backend)[0], map);
    expect(() => loopSync({ map, timeoutMs: Infinity })).toThrow("EDEADLK");
  });

  test("promises of handlers go on before time does", async () => {
    const world = new SimWorld();
    const times: number[] = [];
    world.host("10.0.0.1").start(async (host) => {
      const map = mapOf(host);
      map.callLater(10, () => undefined);
      await loop({ map });
      times.push(Math.floor(world.nowMs));
      map.callLater(20, () => undefined);
      await loop({ map });
      times.push(Math.floor(world.nowMs));
    });
    world.host("10.0.0.2").start((host) => {
      const map = mapOf(host);
      map.callLater(1000, () => undefined);
      return loop({ map });
    });
    await world.run();
    expect(times).toEqual([10, 30]);
  });

  test("a run ends at a time, after turns, or when a test says so; then it goes on", async () => {
    const world = new SimWorld();
    let ticks = 0;
    world.host("10.0.0.1").start((host) => {
      const map = mapOf(host);
      map.callEvery(10, () => (ticks += 1));
      return loop({ map });
    });
    expect(await world.run({ untilMs: 95 })).toBe("time");
    expect([ticks, world.nowMs]).toEqual([9, 95]);
    expect(await world.run({ turns: 2 })).toBe("turns");
    expect(ticks).toBe(11);
    expect(world.runSync({ until: () => ticks === 20 })).toBe("until");
    expect(world.nowMs).toBeCloseTo(200, 1);
  });

  test("sampled interest is sampled again when something else has run", async () => {
    const world = new SimWorld();
    const host = world.host("10.0.0.1");
    const map = mapOf(host);
    const [one, other] = Socket.pair("stream", host.backend);
    let isOpen = false;
    const read: string[] = [];
    class Gated extends Dispatcher {
      override readable(): boolean {
        return isOpen;
      }
      override handleRead(): void {
        read.push(Buffer.from(this.recv(10)).toString());
        this.close();
      }
    }
    new Gated(one, map);
    other.send(Buffer.from("x"));
    host.start(() => loop({ map, timeoutMs: Infinity }));
    world.at(50, () => (isOpen = true));
    await world.run({ untilMs: 49 });
    expect(read).toEqual([]);
    await world.run({ untilMs: 51 });
    expect(read).toEqual(["x"]);
  });

  test("what a program throws, or rejects with, leaves the run", async () => {
    const world = new SimWorld();
    world.host("10.0.0.1").start((host) => {
      const map = mapOf(host);
      map.callLater(5, () => {
        throw new Error("from a timer");
      });
      return loop({ map });
    });
    await expect(world.run()).rejects.toThrow("from a timer");
  });
});

describe("the same seed", () => {
  const FAULTS = {
    latency: { ms: 1, jitterMs: 5 },
    loss: 0.05,
    "short-read": 0.3,
    "short-write": 0.3,
    "not-ready": 0.1,
    interrupt: 0.1,
    reset: 0.01,
  } as const;

  async function hashOf(seed: number): Promise<string> {
    const world = new SimWorld({ seed, faults: FAULTS });
    echoWorld(world, texts(8, 5000));
    await world.run({ untilMs: 10_000 });
    return world.traceHash();
  }

  // On every machine, and with every version of Node.
  test.each([
    [1, "9f01f4ec11bb239a"],
    [2, "3f38578b8084c0a6"],
    [4_294_967_295, "365adc763893fb1d"],
  ])("gives the same run: %d", async (seed, hash) => {
    expect(await hashOf(seed)).toBe(hash);
  });

  test("gives the same run each time, and another seed another one", async () => {
    const hashes = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const hash = await hashOf(seed);
      expect(await hashOf(seed)).toBe(hash);
      hashes.add(hash);
    }
    expect(hashes.size).toBe(50);
  });
});

test("a world that nothing refers to is garbage, whatever still runs in it", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const maps: WeakRef<ChannelMap>[] = [];
  for (let index = 0; index < 10; index++) {
    const world = new SimWorld();
    world.host("10.0.0.1").start((host) => {
      const map = new ChannelMap({ backend: host.backend });
      maps.push(new WeakRef(map));
      const listener = new Dispatcher(undefined, map);
      listener.createSocket();
      listener.bind({ host: "0.0.0.0", port: 7 });
      listener.listen(1);
      return loop({ map, timeoutMs: Infinity });
    });
    await world.run({ untilMs: 1000 });
  }
  // A reference that was made in a task is kept until its end.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  // The last one may still be on the stack of what has run it.
  expect(maps.filter((map) => map.deref() !== undefined).length).toBeLessThan(3);
});
