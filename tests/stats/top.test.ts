/** `wasyncore top`, which shows the statistics that programs serve. */

import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Report } from "../../host/stats/report.js";
import { view } from "../../host/cli/top-view.js";
import { type Ending, requireBuild, ROOT, Running } from "../support/processes.js";
import { ownRuntime } from "./support.js";

let runtime = "";

beforeEach(() => {
  runtime = ownRuntime();
});

describe("wasyncore top", () => {
  function top(...parameters: string[]): Running {
    requireBuild("dist/cli/main.js");
    const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
    return new Running(process.execPath, ["dist/cli/main.js", "top", ...parameters], ROOT, { env });
  }

  /** A program that serves its statistics, and says so. */
  async function serving(body = "", way = "await loop()"): Promise<Running> {
    requireBuild("dist/index.js");
    const script = `
      import { loop, loopSync, serveStats, socketMap } from "wasyncore";
      serveStats();
      socketMap.callEvery(5, function beat() { ${body} });
      console.log("serving");
      ${way};`;
    const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
    const running = new Running(process.execPath, ["--input-type=module", "--eval", script], ROOT, { env });
    await running.line(/^serving$/);
    return running;
  }

  test.for(["await loop()", "loopSync()"])("--once shows a program that runs %s", async (way) => {
    const { child } = await serving("", way);
    const { code, stdout, stderr } = await top("--pid", String(child.pid), "--once", "--interval", "0.3").ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(new RegExp(`^pid ${child.pid} `));
    expect(stdout).toMatch(/timers 1 {2}turns\/s \d/);
    expect(stdout).toMatch(/slowest callback: beat of a timer, \d+\.\d\d ms/);
    // oxlint-disable-next-line no-control-regex
    expect(stdout).not.toMatch(/\u001b/);
  });

  test("--json prints reports, until SIGINT", async () => {
    const program = await serving("for (const end = performance.now() + 3; performance.now() < end;);");
    const running = top("--json", "--interval", "0.2");
    const [line] = await running.line(/^\{.*"slowest":\{.*\}$/);
    const report = JSON.parse(line) as Report;
    expect(report.pid).toBe(program.child.pid);
    expect(report.maps[0]?.slowest).toMatchObject({ callback: "beat" });
    running.child.kill("SIGINT");
    expect(await running.ended).toMatchObject({ code: 0, signal: null, stderr: "" });
  });

  test("says what is the matter", async () => {
    const refuse = async (message: RegExp, code: number, ...parameters: string[]): Promise<void> => {
      const ended: Ending = await top(...parameters).ended;
      expect(ended).toMatchObject({ code, stdout: "", stderr: expect.stringMatching(message) });
    };
    await refuse(/^wasyncore: no process serves its statistics: a program must call serveStats\(\)\n$/, 1);
    await refuse(/process \d+ does not serve its statistics/, 1, "--pid", String(process.pid));
    await refuse(/--pid 0x5: a process id/, 2, "--pid", "0x5");
    await refuse(/--interval 0: a number of seconds/, 2, "--interval", "0");
    await refuse(/nothing serves statistics at/, 1, "--socket", join(runtime, "none.sock"));
    const [one, two] = [await serving(), await serving()];
    const { code, stderr } = await top().ended;
    expect(code).toBe(1);
    for (const { child } of [one, two]) expect(stderr).toContain(`--pid ${child.pid}`);
  });

  test("removes the socket of a process that was killed", async () => {
    const killed = await serving();
    const { pid = 0 } = killed.child;
    const path = join(runtime, "wasyncore", `${pid}.sock`);
    killed.child.kill("SIGKILL");
    await killed.ended;
    expect(existsSync(path)).toBe(true);
    expect(await top("--pid", String(pid)).ended).toMatchObject({
      code: 1,
      stderr: `wasyncore: process ${pid} is not running\n`,
    });
    expect(existsSync(path)).toBe(false);
  });

  test("a server that resets the connection is an error in one line", async () => {
    const path = join(runtime, "fake.sock");
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      socket.on("error", () => undefined);
      // What was not read makes it a reset.
      setTimeout(() => socket.destroy(), 200);
    });
    server.listen(path);
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const stderr = "wasyncore: the process has ended, or has 8 clients already\n";
    expect(await top("--socket", path, "--once", "--interval", "0.2").ended).toMatchObject({ code: 1, stderr });
  });

  test.each([
    ["null", "null\n"],
    ["without maps", '{"version":1}\n'],
    [
      "with a map without counters",
      '{"version":1,"pid":1,"program":"x","node":"v","atMs":1,"uptimeMs":1,"rssBytes":1,"cpuMs":1,"maps":[{}]}\n',
    ],
    ["in an endless line", "x".repeat(5_000_000)],
  ])("an answer that is no report, %s, is an error in one line", async (_what, answer) => {
    const path = join(runtime, "fake.sock");
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      socket.on("data", () => socket.write(answer));
    });
    server.listen(path);
    await once(server, "listening");
    onTestFinished(() => void server.close());
    const message = "wasyncore: the answer is not a report of this version of wasyncore\n";
    expect(await top("--socket", path, "--once", "--interval", "0.2").ended).toMatchObject({
      code: 1,
      stderr: message,
    });
  });

  test("--pid finds the worker thread that serves, and removes what an ended one has left", async () => {
    requireBuild("dist/index.js");
    const worker = `
      import { parentPort } from "node:worker_threads";
      import { loop, serveStats, socketMap } from "wasyncore";
      parentPort.postMessage(serveStats().path);
      socketMap.callEvery(5, function beat() {});
      await loop();`;
    // A thread that imports the package closes what its workers leave open.
    const script = `
      import "wasyncore";
      import { Worker } from "node:worker_threads";
      const thread = new Worker(${JSON.stringify(worker)}, { eval: true });
      thread.once("message", (path) => console.log("thread " + path));
      process.once("SIGUSR2", async () => {
        await thread.terminate();
        console.log("ended");
      });
      setInterval(() => {}, 1000);`;
    const env = { ...process.env, XDG_RUNTIME_DIR: runtime };
    const program = new Running(process.execPath, ["--input-type=module", "--eval", script], ROOT, { env });
    const [, path = ""] = await program.line(/^thread (.*)$/);
    const { pid = 0 } = program.child;
    expect(path).toBe(join(runtime, "wasyncore", `${pid}-1.sock`));
    const shown = await top("--pid", String(pid), "--once", "--interval", "0.2").ended;
    expect([shown.code, shown.stderr]).toEqual([0, ""]);
    expect(shown.stdout).toMatch(/slowest callback: beat of a timer/);
    program.child.kill("SIGUSR2");
    await program.line(/^ended$/);
    const after = await top("--pid", String(pid), "--once").ended;
    expect(after.stderr).toBe(`wasyncore: process ${pid} does not serve its statistics: it must call serveStats()\n`);
    expect(existsSync(path)).toBe(false);
  });

  test("a process that ends removes its socket, and top says so", async () => {
    const program = await serving("", 'process.on("SIGTERM", () => process.exit(0)); await loop()');
    const path = join(runtime, "wasyncore", `${program.child.pid}.sock`);
    const running = top("--json", "--interval", "0.2");
    await running.line(/^\{/);
    program.child.kill("SIGTERM");
    expect(await program.ended).toMatchObject({ code: 0 });
    expect(existsSync(path)).toBe(false);
    const { code, stderr } = await running.ended;
    expect([code, stderr]).toEqual([1, "wasyncore: the process has ended, or no longer serves\n"]);
  });
});

test("a report is shown without the control characters that it holds, and within its size", () => {
  const report = (atMs: number, bytesIn: number): Report => ({
    ...{ version: 1, pid: 7, program: "evil\u001b[2J.js", node: "v20.0.0", atMs, uptimeMs: 90_000_000, rssBytes: 5e7 },
    cpuMs: atMs / 2,
    maps: [
      {
        stats: { turns: atMs } as never,
        bytesIn,
        bytesOut: 0,
        slowest: undefined,
        channels: [
          {
            ...{ name: "Chat\u0007", fd: 9, state: "connected", local: "/tmp/\u009b31m", remote: undefined },
            ...{ bytesIn, bytesOut: 0, pendingOutput: 1500, moved: 2_500_000 },
          },
        ],
      },
    ],
  });
  const text = view(report(0, 0), report(1000, 2_500_000), { columns: 90, rows: 20, colors: false });
  // oxlint-disable-next-line no-control-regex
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  expect(text).toContain("up 1d 1h  CPU 50%  memory 50.0 MB");
  expect(text).toContain("turns/s 1000");
  expect(text).toMatch(/Chat\? +9 connected +2\.5 MB +2\.5 MB +0 B +1\.5 kB/);
  expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(90);
  expect(view(report(0, 0), report(1, 0), { columns: 90, rows: 2, colors: true }).split("\n")).toHaveLength(3);
});
