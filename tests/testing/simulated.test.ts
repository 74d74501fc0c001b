/** A world a test: its seed, how a failure says it, the clock, and what a test asks of a world. */

import { promisify } from "node:util";
import { afterEach, describe, expect, test, vi } from "vitest";
import { expectTrace, simulated, until, useWorldClock } from "../../host/testing/index.js";
import { SimWorld } from "../../host/sim/index.js";
import { Dispatcher, loop, type Socket } from "../../host/index.js";
import { echoWorld, texts } from "../sim/chat.js";

afterEach(() => vi.unstubAllEnvs());

describe("simulated", () => {
  test("runs with each seed, in a world of its own", async () => {
    const worlds: SimWorld[] = [];
    await simulated((world) => worlds.push(world), { seed: 7, seeds: 3 })();
    expect(worlds.map(({ seed }) => seed)).toEqual([7, 8, 9]);
    expect(new Set(worlds).size).toBe(3);
  });

  test("runs with the seed of the environment alone", async () => {
    vi.stubEnv("WASYNCORE_SEED", "42");
    const seeds: number[] = [];
    await simulated(({ seed }) => seeds.push(seed), { seeds: 100 })();
    expect(seeds).toEqual([42]);
    for (const wrong of ["x", "-1", "4294967296", "1.5"]) {
      vi.stubEnv("WASYNCORE_SEED", wrong);
      await expect(simulated(() => undefined)()).rejects.toThrow(RangeError);
    }
  });

  test("a failure says its seed and the faults that came, and stays the error that it is", async () => {
    const failing = simulated(
      async (world) => {
        echoWorld(world, texts(1, 100));
        await world.run({ untilMs: 1000 });
        if (world.seed === 3) expect(1).toBe(2);
      },
      { seeds: 5, faults: { "short-read": 1 } },
    );
    const error = (await failing().catch((thrown: unknown) => thrown)) as Error;
    expect(error.name).toBe("AssertionError");
    expect(error.message).toMatch(
      /^expected 1 to be 2[^]*\n\nseed 3 fails; run it again with WASYNCORE_SEED=3 in the environment\n/,
    );
    expect(error.message).toContain("short-read: ");
    expect(error.stack).toContain("WASYNCORE_SEED=3");
  });

  test("what is thrown that is no error becomes the cause of one", async () => {
    const thrown = (await simulated(() => Promise.reject("text"))().catch((error: unknown) => error)) as Error;
    expect(thrown.message).toMatch(/^text\n\nseed 1 fails/);
    expect(thrown.cause).toBe("text");
    const frozen = Object.freeze(new Error("frozen"));
    await expect(simulated(() => Promise.reject(frozen))()).rejects.toMatchObject({ cause: frozen });
  });

  test("refuses what is no option", () => {
    expect(() => simulated(() => undefined, { sedd: 1 } as object)).toThrow('unknown option "sedd"');
    expect(() => simulated(1 as never)).toThrow(TypeError);
    expect(() => simulated(() => undefined, { seeds: 0 })).toThrow(RangeError);
  });
});

describe("until", () => {
  test("runs the world until something is so", async () => {
    const world = new SimWorld();
    const sent = texts(2, 500);
    const clients = echoWorld(world, sent);
    await until(world, () => clients.every(({ received }, index) => received === sent[index]));
    expect(world.nowMs).toBeLessThan(100);
  });

  test("says what did not come, and why", async () => {
    const world = new SimWorld({ faults: { refuse: 1 } });
    echoWorld(world, texts(1, 10));
    const never = until(world, () => false, { withinMs: 50, what: "an answer" });
    await expect(never).rejects.toThrow(/^an answer: 50 ms have passed\n.*refuse: /);
    await expect(until(new SimWorld(), () => false)).rejects.toThrow("nothing is left that could happen");
  });
});

test("expectTrace holds a run against an earlier one", async () => {
  const run = async (seed: number): Promise<SimWorld> => {
    const world = new SimWorld({ seed, faults: { latency: { jitterMs: 3 } } });
    echoWorld(world, texts(2, 100));
    await world.run({ untilMs: 100 });
    return world;
  };
  const hash = (await run(1)).traceHash();
  expectTrace(await run(1), hash);
  const other = await run(2);
  expect(() => expectTrace(other, hash)).toThrow(`is ${other.traceHash()}, not ${hash}`);
});

describe("the world's clock", () => {
  test("is that of Date and of timers, until it is restored", async () => {
    const world = new SimWorld({ start: 1_000_000 });
    const own = { Date, setTimeout, setInterval };
    const restore = useWorldClock(world);
    const seen: (number | string)[] = [];
    try {
      setTimeout((text: string) => seen.push(text, Date.now(), new Date().getTime()), 3_600_000, "an hour");
      clearTimeout(setTimeout(() => seen.push("cleared"), 10));
      const ticks = setInterval(() => seen.push(Math.round(world.nowMs)), 1_000_000);
      world.at(3_500_000, () => clearInterval(ticks));
      expect(new Date(0).toISOString()).toBe("1970-01-01T00:00:00.000Z");
      expect(new Date() instanceof Date).toBe(true);
      expect(await world.run()).toBe("idle");
    } finally {
      restore();
    }
    expect(seen).toEqual([1_000_000, 2_000_000, 3_000_000, "an hour", 4_600_000, 4_600_000]);
    expect({ Date, setTimeout, setInterval }).toEqual(own);
  });

  test("timers are Node's, as far as programs use them", async () => {
    const world = new SimWorld();
    const restore = useWorldClock(world);
    const seen: string[] = [];
    const note = (what: string) => (): void => void seen.push(`${what} ${Math.round(world.nowMs)}`);
    try {
      expect(() => setTimeout("text" as never, 1)).toThrow(/"callback" must be a function/);
      // Cleared by its number, by `close`, and by another kind's call.
      clearTimeout(Number(setTimeout(note("cleared by number"), 1)));
      setTimeout(note("closed"), 1).close();
      clearInterval(setTimeout(note("cleared as an interval"), 1));
      // Refreshed: before it calls back, and after.
      const late = setTimeout(note("refreshed"), 100);
      world.at(50, () => late.refresh());
      world.at(500, () => late.refresh());
      world.at(550, () => clearTimeout(late));
      world.at(560, () => late.refresh());
      const tick = setInterval(() => {
        note("tick")();
        if (world.nowMs > 250) clearInterval(tick);
      }, 100);
      expect([late.hasRef(), late.unref().hasRef(), late.ref().hasRef()]).toEqual([true, false, true]);
      void promisify(setTimeout)(700, "a value").then((value) => note(String(value))());
      const ending = new AbortController();
      void promisify(setTimeout)(800, undefined, { signal: ending.signal }).catch((error: Error) => note(error.name)());
      world.at(750, () => ending.abort());
      await world.run();
    } finally {
      restore();
    }
    expect(seen).toEqual([
      ...["tick 100", "refreshed 150", "tick 200", "tick 300"],
      ...["a value 700", "AbortError 750"],
    ]);
  });

  test("an interval goes on after what its callback throws", async () => {
    const world = new SimWorld();
    const restore = useWorldClock(world);
    let calls = 0;
    try {
      const tick = setInterval(() => {
        calls += 1;
        if (calls === 3) clearInterval(tick);
        else throw new Error(`call ${calls}`);
      }, 10);
      await expect(world.run()).rejects.toThrow("call 1");
      await expect(world.run()).rejects.toThrow("call 2");
      expect(await world.run()).toBe("idle");
    } finally {
      restore();
    }
    expect(calls).toBe(3);
  });

  test("a timer that was cleared leaves nothing in the world", async () => {
    const world = new SimWorld();
    const restore = useWorldClock(world);
    try {
      clearTimeout(setTimeout(() => undefined, 3_600_000));
      expect(await world.run()).toBe("idle");
      expect(world.nowMs).toBe(0);
    } finally {
      restore();
    }
  });

  test("dates of others are dates, and can be made from dates", () => {
    const made = new Date(5);
    const restore = useWorldClock(new SimWorld({ start: 1000 }));
    try {
      expect(made instanceof Date).toBe(true);
      expect(new (class extends Date {})().getTime()).toBe(1000);
      expect(new Date().constructor).toBe(made.constructor);
      expect(new Date(2026, 0, 1).getFullYear()).toBe(2026);
      expect(typeof (Date as unknown as () => string)()).toBe("string");
      expect(Date.parse("1970-01-01T00:00:01Z")).toBe(1000);
    } finally {
      restore();
    }
  });

  test("is used for a test on request", async () => {
    await simulated(
      async (world) => {
        let isOver = false;
        setTimeout(() => (isOver = true), 86_400_000);
        await until(world, () => isOver, { withinMs: 90_000_000 });
        expect(Date.now()).toBe(world.startMs + 86_400_000);
      },
      { clock: true },
    )();
  });
});

test("programs of a host use the default map of their host", async () => {
  const world = new SimWorld();
  const heard: string[] = [];
  const listen = (address: string): void => {
    world.host(address).start(async () => {
      const server = new (class extends Dispatcher {
        override handleAccepted(socket: Socket): void {
          // After a promise as well.
          void Promise.resolve().then(() => {
            const reader = new (class extends Dispatcher {
              override handleRead(): void {
                heard.push(`${address} ${Buffer.from(this.recv(10)).toString()}`);
                this.close();
              }
            })(socket);
            return expect(reader.map).toBe(server.map);
          });
        }
      })();
      server.createSocket();
      server.bind({ host: "0.0.0.0", port: 80 });
      server.listen(1);
      await loop();
    });
  };
  listen("10.0.0.1");
  listen("10.0.0.2");
  world.host("10.0.0.3").start(async () => {
    for (const host of ["10.0.0.1", "10.0.0.2"]) {
      const client = new Dispatcher();
      client.handleConnect = () => void client.send(Buffer.from(`to ${host.slice(-1)}`));
      client.handleClose = () => client.close();
      client.handleRead = () => void client.recv(10);
      client.createSocket();
      client.connect({ host, port: 80 });
    }
    await loop();
  });
  await world.run({ untilMs: 1000 });
  expect(heard.toSorted()).toEqual(["10.0.0.1 to 1", "10.0.0.2 to 2"]);
});
