/** Counters, limits and events of an account. */

import { Worker } from "node:worker_threads";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { Account, type PolicyEvent } from "../../../host/plugin/policy/account.js";
import { setLogSink } from "../../../host/backend/log.js";
import { processOptions, randomSource } from "../../../host/plugin/policy/process-options.js";
import { parsePolicy } from "../../../host/plugin/policy/schema.js";

const { limits } = parsePolicy({ limits: { maxDescriptors: 5 } });

describe("events", () => {
  test("come at most once a second for a limit, with a count of those in between", () => {
    const events: PolicyEvent[] = [];
    let nowMs = 0;
    const account = new Account({ plugin: "p", limits, onEvent: (event) => events.push(event), nowMs: () => nowMs });
    for (let refusal = 0; refusal < 100_000; refusal++) {
      account.refuse("connect", refusal);
      if (refusal === 10) account.refuse("bind", "x");
      nowMs += 0.025;
    }
    expect(events).toEqual([
      { plugin: "p", limit: "connect", value: 0, count: 1 },
      { plugin: "p", limit: "bind", value: "x", count: 1 },
      { plugin: "p", limit: "connect", value: expect.any(Number) as number, count: expect.any(Number) as number },
      { plugin: "p", limit: "connect", value: expect.any(Number) as number, count: expect.any(Number) as number },
    ]);
    expect(events[2]?.count).toBeGreaterThan(39_990);
    expect(account.snapshot().refused).toEqual({ connect: 100_000, bind: 1 });
  });

  test("of a listener that throws are logged, and hurt nobody", () => {
    const lines: string[] = [];
    onTestFinished(setLogSink(({ text }) => void lines.push(text)));
    const fail = (): never => {
      throw new Error("in the listener");
    };
    new Account({ plugin: "p", limits, onEvent: fail }).refuse("udp", 1);
    expect(lines.join()).toContain("in the listener");
  });
});

test("what is taken is given back, and no more than the limit is taken", () => {
  const account = new Account({ plugin: "p", limits });
  expect([account.take("maxDescriptors", 3), account.take("maxDescriptors", 3)]).toEqual([true, false]);
  expect([account.isFull("maxDescriptors"), account.take("maxDescriptors", 2)]).toEqual([false, true]);
  expect([account.isFull("maxDescriptors"), account.take("maxDescriptors")]).toEqual([true, false]);
  account.give("maxDescriptors", 5);
  expect(account.snapshot()).toMatchObject({ descriptors: 0, refused: { maxDescriptors: 2 } });
});

test("another thread reads the counters while this one is busy", async () => {
  const account = new Account({ plugin: "p", limits });
  account.count("bytesIn", 2 ** 40);
  account.charge("maxConnections", 7);
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    const counters = new Float64Array(workerData);
    counters[5] += 1;
    parentPort.postMessage([counters[2], counters[5]]);`;
  const worker = new Worker(code, { eval: true, workerData: account.memory });
  onTestFinished(() => void worker.terminate());
  expect(await once(worker, "message")).toEqual([[7, 2 ** 40 + 1]]);
  expect(Account.read(account.memory)).toMatchObject({ connections: 7, bytesIn: 2 ** 40 + 1 });
});

describe("what a guest is given as a process", () => {
  test("follows from its policy", () => {
    const account = new Account({ plugin: "p", limits });
    expect(processOptions(parsePolicy({ args: ["a"], env: { B: "c" } }), account)).toEqual({
      args: ["a"],
      env: { B: "c" },
      random: undefined,
      maxDescriptors: 1028,
      maySubscribe: expect.any(Function) as unknown,
      socketExtension: false,
      unixPaths: [],
    });
    const { unixPaths } = processOptions(parsePolicy({ connect: ["/a", "127.0.0.1:1"], bind: ["@b"] }));
    expect(unixPaths).toEqual(["/a", "\0b"]);
    for (const input of [{ connect: ["127.0.0.1:1"] }, { udp: ["127.0.0.1:1"] }, { bind: ["127.0.0.1:1"] }]) {
      expect(processOptions(parsePolicy(input), account).socketExtension).toBe(true);
    }
  });

  test("random bytes with a seed are the same each time, in pieces or not, and differ by seed", () => {
    const fill = (seed: number, ...lengths: number[]): string => {
      const random = randomSource({ seed });
      const parts = lengths.map((length) => {
        const part = new Uint8Array(length);
        random?.(part);
        return Buffer.from(part);
      });
      return Buffer.concat(parts).toString("hex");
    };
    expect(fill(1, 64)).toBe(fill(1, 64));
    expect(fill(1, 32, 32)).toBe(fill(1, 64));
    expect(new Set([fill(0, 64), fill(1, 64), fill(2 ** 32, 64), fill(2 ** 32 + 1, 64)]).size).toBe(4);
    expect(fill(7, 3)).toHaveLength(6);
    expect(randomSource("system")).toBeUndefined();
  });
});
