/** Arguments of a wrong kind, and extreme ones, are refused with a typed error; nothing that a scenario throws ends `explore`. */

import { onTestFinished, expect, test } from "vitest";
import { setLogSink } from "../../host/index.js";
import { explore, type FaultTable, type SimHost, SimWorld } from "../../host/sim/index.js";
import { simulated } from "../../host/testing/index.js";

const ADDRESS = "10.0.0.1";

/** As a program in JavaScript may have it. */
const wrong = <T>(value: unknown): T => value as T;

function hostOf(world = new SimWorld()): SimHost {
  return world.host(ADDRESS);
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

function refusal(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    return codeOf(error);
  }
  return "not refused";
}

const REFUSED: Readonly<Record<string, string>> = {
  ERR_INVALID_ARG_TYPE: "a wrong type",
  ERR_OUT_OF_RANGE: "a wrong value",
  ERR_UNKNOWN_OPTION: "an option that there is not",
};

test.each(["clock-jump", "partition", "pause", "crash"] as const)("moments of %s are checked", (name) => {
  const found: (string | undefined)[] = [];
  const moment = (fields: object): void => {
    const faults = { [name]: { at: [{ atMs: 1, host: ADDRESS, ...fields }] } } as FaultTable;
    found.push(refusal(() => new SimWorld({ faults })));
  };
  for (const forMs of [Number.NaN, Infinity, -Infinity, "1", null, [], {}, 1n]) moment({ forMs });
  moment({ forMs: name === "clock-jump" ? 1e308 : -1 });
  for (const host of [1, null, {}]) moment({ host });
  for (const to of [1, null, {}]) moment({ to });
  for (const oneWay of [1, null, "yes"]) moment({ oneWay });
  if (name !== "partition") moment({ to: ADDRESS });
  for (const code of found) expect(Object.keys(REFUSED)).toContain(code);
});

test("a clock jumps by a finite time alone", () => {
  for (const forMs of [Number.NaN, Infinity, 1e308, "1", null, 1n]) {
    const setting = wrong<number>(forMs);
    expect(REFUSED).toHaveProperty([
      String(refusal(() => new SimWorld({ faults: { "clock-jump": { everyMs: 1, forMs: setting } } }))),
    ]);
    expect(REFUSED).toHaveProperty([String(refusal(() => hostOf().jumpClock(setting)))]);
  }
  const host = hostOf();
  const before = host.backend.clock.realtimeNs();
  host.jumpClock(-0.5);
  expect(host.backend.clock.realtimeNs() - before).toBe(-500_000n);
});

test("a world begins and ends at a time that a Date can have", () => {
  for (const start of [null, [], {}, 1e308, -1, "2000", new Date(Number.NaN)]) {
    expect(REFUSED).toHaveProperty([String(refusal(() => new SimWorld({ start: wrong<Date>(start) })))]);
  }
  expect(refusal(() => new SimWorld({ limitMs: 1e308 }))).toBe("ERR_OUT_OF_RANGE");
});

test("files of a host have a path, bytes or a text, and flags", () => {
  const host = hostOf();
  for (const value of [1, null, undefined, {}, []]) {
    expect(refusal(() => host.writeFile("/a", wrong<string>(value)))).toBe("ERR_INVALID_ARG_TYPE");
    expect(refusal(() => host.readFile(wrong<string>(value)))).toBe("ERR_INVALID_ARG_TYPE");
    if (value !== 1 && value !== undefined)
      expect(refusal(() => host.open("/", wrong<number>(value)))).toBe("ERR_INVALID_ARG_TYPE");
  }
  expect(refusal(() => host.open("/", Number.NaN))).toBe("ERR_OUT_OF_RANGE");
});

test("a program that restarts its host while that starts it is refused", async () => {
  const world = new SimWorld();
  let starts = 0;
  hostOf(world).start((host) => {
    starts += 1;
    host.crash();
    host.restart();
  });
  await expect(world.run({ untilMs: 10 })).rejects.toMatchObject({ code: "ERR_HOST_STARTING" });
  expect(starts).toBe(1);
});

test("no program is started on a host that crashes while it starts", () => {
  const world = new SimWorld();
  const host = hostOf(world);
  const calls: string[] = [];
  host.start(() => void calls.push("first"));
  let crashes = false;
  host.start(() => {
    calls.push("second");
    if (crashes) host.crash();
  });
  host.start(() => void calls.push("third"));
  host.crash();
  crashes = true;
  calls.length = 0;
  host.restart();
  expect(calls).toEqual(["first", "second"]);
});

/** None of them has a text, or a property that can be read. */
const THROWN: Readonly<Record<string, unknown>> = {
  undefined,
  "a frozen object without a text": Object.freeze({
    toString() {
      throw new Error("no text");
    },
  }),
  "a proxy that throws": new Proxy(
    {},
    {
      get() {
        throw new Error("no property");
      },
    },
  ),
  "an error whose message throws": Object.defineProperty(new Error("hidden"), "message", {
    get() {
      throw new Error("no message");
    },
  }),
  "an object without a prototype": Object.create(null) as unknown,
  "a symbol": Symbol("thrown"),
};

test.each(Object.entries(THROWN))("a scenario may throw %s", async (_name, thrown) => {
  onTestFinished(setLogSink(() => undefined));
  const scenario = (): void => {
    throw thrown;
  };
  const { failure } = await explore({ seeds: 2, size: 2, scenario });
  expect(failure).toMatchObject({ seed: 1, size: 1 });
  expect(failure?.error === thrown).toBe(true);
  await expect(simulated(scenario)()).rejects.toThrow("seed 1 fails");
});

test("a scenario that waits for what never comes ends the exploration", async () => {
  const scenario = async (world: SimWorld): Promise<void> => {
    await world.run({ untilMs: 10 });
    if (world.seed === 3) await new Promise(() => undefined);
  };
  const exploration = explore({ seeds: 5, patienceMs: 50, scenario });
  await expect(exploration).rejects.toMatchObject({ code: "ERR_SCENARIO_STALLED" });
  await expect(exploration).rejects.toThrow("seed 3");
});

test("a scenario takes as long as it takes while its world goes on", async () => {
  let slices = 0;
  const { failure } = await explore({
    seeds: 1,
    patienceMs: 20,
    async scenario(world) {
      const begun = performance.now();
      while (performance.now() - begun < 100) {
        await world.run({ untilMs: world.nowMs + 1 });
        slices += 1;
      }
    },
  });
  expect(failure).toBeUndefined();
  expect(slices).toBeGreaterThan(1);
});
