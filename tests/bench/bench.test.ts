/** The benchmark's driver, from its command line to its figures. What the figures are is no matter here. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { leaveOut, missingTools } from "../support/missing.js";
import { type Ending, requireBuild, ROOT, start } from "../support/processes.js";

const reason = process.platform === "linux" ? missingTools("cc") : "the benchmark needs Linux";
const missing = leaveOut("The tests of the benchmark", reason);

interface Report {
  readonly placement: { readonly pinned: boolean; readonly serverCpus: number[]; readonly loadCpus: number[] };
  readonly failures: string[];
  readonly workloads: {
    readonly name: string;
    readonly peers: Record<string, { readonly value: Figure; readonly compared?: Figure; readonly rounds: unknown[] }>;
  }[];
}

interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

function bench(...parameters: string[]): Promise<Ending> {
  return start(process.execPath, ["bench/run.mjs", ...parameters]).ended;
}

interface Statistics {
  summarize(
    workload: object,
    measured: Record<string, readonly (object | null)[]>,
  ): { readonly peers: Record<string, { readonly systemShare?: number; readonly cpuShare?: number }> };
}

test("a figure that a round lacks is the median of the others", async () => {
  const { summarize } = (await import(`${ROOT}bench/statistics.mjs`)) as Statistics;
  const rounds = [{ ns: 1, systemShare: 0.2 }, { ns: 1 }, null, { ns: 1, systemShare: 0.6 }];
  const { c, node } = summarize({ figure: "ns" }, { c: rounds, node: [{ ns: 1 }] }).peers;
  expect(c?.systemShare).toBeCloseTo(0.4);
  expect(node?.systemShare).toBeUndefined();
  // A round that lacks it may be the first.
  const first = summarize({ figure: "ns" }, { c: [{ ns: 1 }, { ns: 1, systemShare: 0.5 }] });
  expect(first.peers["c"]?.systemShare).toBe(0.5);
});

const PAUSE_MS = 20;

/** As little as can be measured. */
const TINY = ["--rounds", "2", "--measure-ms", "20", "--warmup-ms", "5", "--limit-s", "15", "--unpinned"];

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-bench-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

interface Measuring {
  readonly Subject: new (
    name: string,
    peer: object,
    workload: object,
    settings: object,
  ) => { measure(): Promise<{ readonly units: number }>; end(): Promise<void> };
}

describe.skipIf(missing !== "")("a server that is measured", () => {
  test.each([
    ["stays from round to round", false],
    ["is a new one in each round where the workload asks for that", true],
  ])("%s, and ends with the last", async (_name, isFresh) => {
    const { Subject } = (await import(`${ROOT}bench/measure.mjs`)) as Measuring;
    const { buildLoad, prepare } = (await import(`${ROOT}bench/build.mjs`)) as {
      buildLoad(): Promise<void>;
      prepare(peer: object, known: Map<string, string>): Promise<string>;
    };
    const { peersOf } = (await import(`${ROOT}bench/peers.mjs`)) as {
      peersOf(against?: string): { readonly c: object };
    };
    const { workloads } = (await import(`${ROOT}bench/workloads.mjs`)) as {
      readonly workloads: readonly { readonly name: string }[];
    };
    await buildLoad();
    const { c } = peersOf();
    expect(await prepare(c, new Map())).toBe("");
    const workload = { ...workloads.find(({ name }) => name === "echo-1"), isFresh };
    const pids: number[] = [];
    const attach = (pid: number): (() => void) => {
      pids.push(pid);
      return () => undefined;
    };
    const subject = new Subject("c", c, workload, { warmupMs: 5, measureMs: 5, limitS: 15, pin: false, attach });
    try {
      expect((await subject.measure()).units).toBeGreaterThan(0);
      expect((await subject.measure()).units).toBeGreaterThan(0);
    } finally {
      await subject.end();
    }
    expect(new Set(pids).size).toBe(isFresh ? 2 : 1);
    for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(false);
  });
});

describe.skipIf(missing !== "")("npm run bench", () => {
  test("measures peers side by side, and gives a table, JSON and a chart", async () => {
    requireBuild("dist/index.js");
    const directory = temporaryDirectory();
    const json = join(directory, "figures.json");
    const charts = join(directory, "charts");
    const files = ["--json", json, "--charts", charts];
    const { code, stdout, stderr } = await bench("--only", "echo-50", "--peers", "c,node,loop", ...TINY, ...files);
    expect(stderr).not.toMatch(/bench:/);
    expect(code).toBe(0);

    expect(stdout).toMatch(/^64 B echo, 50 connections; a unit: message$/m);
    for (const peer of ["c", "node", "loop"])
      expect(stdout).toMatch(new RegExp(`^${peer} +[\\d.]+ +[\\d.]+-[\\d.]+ `, "m"));
    expect(stdout).toMatch(/^unpinned: the server ran on CPU [\d,]+, the load on CPU [\d,]+, as the scheduler chose$/m);

    const report = JSON.parse(readFileSync(json, "utf8")) as Report;
    expect(report.failures).toEqual([]);
    expect(report.placement.pinned).toBe(false);
    expect(report.workloads.map(({ name }) => name)).toEqual(["echo-50"]);
    const peers = report.workloads[0]?.peers ?? {};
    expect(Object.keys(peers)).toEqual(["c", "node", "loop"]);
    for (const { value, rounds } of Object.values(peers)) {
      expect(rounds).toHaveLength(2);
      expect(value.min).toBeGreaterThan(0);
      expect(value.median).toBeGreaterThanOrEqual(value.min);
      expect(value.max).toBeGreaterThanOrEqual(value.median);
    }
    expect(peers["c"]?.compared).toBeUndefined();
    expect(peers["loop"]?.compared?.median).toBeGreaterThan(0);

    expect(readdirSync(charts)).toEqual(["echo.svg"]);
    expect(readFileSync(join(charts, "echo.svg"), "utf8")).toMatch(/^<svg [^>]+>[^]*<rect [^]*<\/svg>\n$/);

    const again = await bench("--from", json);
    expect(again).toMatchObject({ code: 0, stdout, stderr: "" });
  }, 60_000);

  test("says what does not exist, and ends with status 2", async () => {
    expect(await bench("--only", "echo-51")).toMatchObject({
      code: 2,
      stdout: "",
      stderr: 'bench: --only: there is no "echo-51"; --list shows the names.\n',
    });
    expect(await bench("--rounds", "0")).toMatchObject({ code: 2, stdout: "" });
    expect(await bench("--sizes", "1")).toMatchObject({ code: 2, stdout: "" });
  });

  test("after Ctrl-C leaves no process behind, and ends with status 130", async () => {
    requireBuild("dist/index.js");
    const long = ["--only", "echo-1", "--peers", "loop", "--rounds", "1", "--measure-ms", "60000", "--unpinned"];
    const running = start(process.execPath, ["bench/run.mjs", ...long]);
    const children = await untilMeasured(running.child.pid ?? 0);
    running.child.kill("SIGINT");
    expect((await running.ended).code).toBe(130);
    for (const pid of children) expect(existsSync(`/proc/${pid}`)).toBe(false);
  });
});

/** @returns the server and the load, as soon as the load runs */
async function untilMeasured(driver: number): Promise<number[]> {
  while (true) {
    const text = readFileSync(`/proc/${driver}/task/${driver}/children`, "latin1").trim();
    const children = text === "" ? [] : text.split(" ").map(Number);
    if (children.some((pid) => commandOf(pid).includes("build/bench/load"))) return children;
    await setTimeout(PAUSE_MS);
  }
}

/** The command of a process; "" when it has ended meanwhile. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}
