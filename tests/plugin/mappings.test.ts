/**
 * A process that comes near its limit of memory mappings starts no further thread for a plugin: when that is, how rarely the
 * mappings are counted, and what becomes of plugins then. What `wasyncore serve` makes of it is in tests/cli.
 */

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { PluginHost } from "wasyncore/plugin";
import {
  Mappings,
  mappingsOf,
  type MappedThread,
  type MappingSource,
  processMappings,
  type ThreadMappings,
} from "../../host/plugin/mappings.js";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { requireBuild } from "../support/processes.js";
import { ask, buildPlugin, Client, portOf, Told } from "./support.js";

const LIMIT = 10_000;
/** What the limit leaves for threads. */
const ALLOWED = 7500;
/** What a thread is taken for before it has been counted. */
const THREAD = 128;

/** An operating system that a test makes up. */
class Source implements MappingSource {
  limited: number | undefined = LIMIT;
  mapped: number | undefined;
  readings = 0;
  nowMs = 0;

  constructor(mapped: number | undefined) {
    this.mapped = mapped;
  }

  limit(): number | undefined {
    return this.limited;
  }

  count(): number | undefined {
    this.readings++;
    return this.mapped;
  }
}

function create(mapped: number | undefined): { source: Source; mappings: Mappings } {
  const source = new Source(mapped);
  return { source, mappings: new Mappings(source, () => source.nowMs) };
}

function started(mappings: Mappings): MappedThread {
  const thread = mappings.reserve();
  if ("limit" in thread) throw new Error(`refused at ${thread.mapped} of ${thread.limit}`);
  return thread;
}

describe("the mappings of a process", () => {
  test("leave no room for a thread above three quarters of their limit", () => {
    const { source, mappings } = create(ALLOWED - THREAD + 1);
    expect(mappings.reserve()).toEqual({ mapped: ALLOWED - THREAD + 1, limit: LIMIT });
    source.mapped = ALLOWED - THREAD;
    source.nowMs = 1000;
    started(mappings);
  });

  test("are counted when threads may have used up the room, and not before", () => {
    const { source, mappings } = create(500);
    const fitting = Math.floor((ALLOWED - 500) / THREAD);
    for (let index = 0; index < fitting; index++) started(mappings).end();
    expect(source.readings).toBe(1);
    // Each has left three.
    source.mapped = 500 + fitting * 3;
    started(mappings).end();
    expect(source.readings).toBe(2);
  });

  test("are counted again after ten seconds, because others map memory as well", () => {
    const { source, mappings } = create(500);
    started(mappings).settle();
    source.mapped = ALLOWED;
    source.nowMs = 9999;
    started(mappings).settle();
    source.nowMs = 10_000;
    expect(mappings.reserve()).toEqual({ mapped: ALLOWED, limit: LIMIT });
  });

  test("have room for threads that have been started and not mapped what they need", () => {
    const { source, mappings } = create(ALLOWED - 3 * THREAD);
    const threads = [started(mappings), started(mappings), started(mappings)];
    expect(mappings.reserve()).toMatchObject({ limit: LIMIT });
    for (const thread of threads) thread.settle();
    // What they needed is in the number now, and was less.
    source.mapped = ALLOWED - THREAD;
    source.nowMs = 1000;
    started(mappings);
  });

  test("have room for what a thread needs in addition, until it is counted", () => {
    const { source, mappings } = create(ALLOWED - 2 * THREAD - 200);
    const thread = mappings.reserve(200);
    if ("limit" in thread) throw new Error("refused");
    started(mappings);
    expect(mappings.reserve()).toMatchObject({ limit: LIMIT });
    thread.settle();
    source.nowMs = 1000;
    expect(mappings.reserve(201)).toMatchObject({ limit: LIMIT });
    source.nowMs = 2000;
    expect("settle" in mappings.reserve(200)).toBe(true);
  });

  test("of further modules and memories are in addition to those of a thread", () => {
    expect(mappingsOf(0, 0)).toBe(0);
    expect(mappingsOf(1, 1)).toBe(0);
    expect(mappingsOf(4, 2)).toBe(6);
  });

  test("are not counted for each of many attempts that are refused", () => {
    const { source, mappings } = create(ALLOWED);
    for (let attempt = 0; attempt < 100; attempt++) expect(mappings.reserve()).toMatchObject({ mapped: ALLOWED });
    expect(source.readings).toBe(1);
    source.nowMs = 999;
    mappings.reserve();
    expect(source.readings).toBe(1);
    source.nowMs = 1000;
    mappings.reserve();
    expect(source.readings).toBe(2);
  });

  test("are refused by a limit that was lowered, and granted by one that was raised", () => {
    const { source, mappings } = create(3000);
    source.limited = 3000;
    expect(mappings.reserve()).toEqual({ mapped: 3000, limit: 3000 });
    source.limited = 6000;
    source.nowMs = 1000;
    started(mappings).end();
    source.limited = 3000;
    source.nowMs = 11_000;
    expect(mappings.reserve()).toEqual({ mapped: 3000, limit: 3000 });
  });

  test("are estimated by the threads that have run where they cannot be counted", () => {
    const { mappings } = create(undefined);
    let count = 0;
    while (count < 10_000) {
      const thread = mappings.reserve();
      if ("limit" in thread) break;
      thread.end();
      count++;
    }
    // Each leaves three or so.
    expect(count).toBeGreaterThan(1000);
    expect(count).toBeLessThan((LIMIT - 1000) / 3);
  });

  test("have no limit elsewhere than on Linux", () => {
    const { source, mappings } = create(undefined);
    source.limited = undefined;
    for (let index = 0; index < 10_000; index++) started(mappings);
    expect(source.readings).toBe(0);
  });

  test("of this process are those that Linux lists", () => {
    if (process.platform !== "linux") return expect(processMappings.limit()).toBe(undefined);
    const listed = readFileSync("/proc/self/maps", "latin1").split("\n").length;
    expect(Math.abs((processMappings.count() ?? 0) - listed)).toBeLessThan(listed / 4);
    expect(processMappings.limit()).toBe(Number(readFileSync("/proc/sys/vm/max_map_count", "latin1")));
  });
});

describe("a host whose process is near its limit", () => {
  const LISTEN = ["127.0.0.1:0"];
  const REFUSED = { code: "ERR_PLUGIN_MAPPINGS", message: expect.stringMatching(/50000 of the 65530 .*max_map_count/) };
  let module: Uint8Array;
  let other: Uint8Array;

  beforeAll(async () => {
    [module, other] = await Promise.all([buildPlugin("first"), buildPlugin("second")]);
  }, BUILD_TIMEOUT_MS);

  class NearHost extends PluginHost {
    isNear = false;
    protected override readonly mappings: ThreadMappings = {
      reserve: () => (this.isNear ? { mapped: 50_000, limit: 65_530 } : { settle() {}, end() {} }),
    };
  }

  function createNear(isNear: boolean): { host: NearHost; told: Told } {
    requireBuild("dist/plugin/index.js");
    const host = new NearHost();
    host.isNear = isNear;
    onTestFinished(() => host.close({ timeoutMs: 0 }));
    return { host, told: new Told(host) };
  }

  test("refuses to start an isolated plugin, of which nothing is left, and starts shared ones", async () => {
    const { host } = createNear(true);
    await expect(host.start(module, { name: "echo", listen: LISTEN })).rejects.toMatchObject(REFUSED);
    expect(host.names).toEqual([]);
    await host.start(module, { name: "echo", run: "shared", listen: LISTEN });
    expect(await ask(portOf(host, "echo"), "who")).toBe("first");
    host.isNear = false;
    await host.start(module, { name: "isolated", listen: LISTEN });
    expect(await ask(portOf(host, "isolated"), "who")).toBe("first");
  });

  test("refuses a replacement, and the old one goes on", async () => {
    const { host } = createNear(false);
    await host.start(module, { name: "echo", listen: LISTEN });
    const port = portOf(host, "echo");
    host.isNear = true;
    await expect(host.replace("echo", other)).rejects.toMatchObject(REFUSED);
    expect(await ask(port, "who")).toBe("first");
    host.isNear = false;
    await host.replace("echo", other);
    expect(await ask(port, "who")).toBe("second");
  });

  test("starts a plugin that has failed again when there is room, as its policy says", async () => {
    const { host, told } = createNear(false);
    const restart = { when: "failure", minDelayMs: 1, maxDelayMs: 20, maxRestarts: 1000 } as const;
    await host.start(module, { name: "echo", listen: LISTEN, restart });
    const port = portOf(host, "echo");
    host.isNear = true;
    const client = await Client.connect(port);
    await client.ask("trap");
    // Its own end, and then those of the attempts.
    await told.until("exit", 3);
    expect(host.snapshot("echo").lastEnding).toMatchObject({ kind: "failed", error: REFUSED });
    host.isNear = false;
    await told.until("up", 2);
    expect(await ask(port, "who")).toBe("first");
  });

  test("gives a plugin up when it has been started again as often as its policy allows", async () => {
    const { host, told } = createNear(true);
    const restart = { when: "failure", minDelayMs: 1, maxRestarts: 2 } as const;
    await host.start(module, { name: "echo", listen: LISTEN, restart, onStartFailure: "restart" });
    await told.until("down");
    expect(host.snapshot("echo")).toMatchObject({
      ...{ state: "down", restarts: 2, lastEnding: { kind: "failed", error: REFUSED } },
    });
  });
});
