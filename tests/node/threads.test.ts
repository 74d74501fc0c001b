/**
 * A thread or a process that ends while a loop waits in it, in whatever way: it ends with the status that it should have,
 * no signal ends the process, and nothing is left of the thread.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { BUILD_TIMEOUT_MS, buildGuest, TRACING_REACTOR } from "../assembly/programs.js";
import { requireBuild, start, startScript } from "../support/processes.js";
import { POLLERS } from "../backend/support.js";

const WORKER = "tests/node/ended-worker.mjs";
/** Of each way to end, after a first round that is not counted. */
const ROUNDS = 3;

interface Left {
  readonly ends: readonly string[];
  readonly before: object;
  readonly after: object;
}

async function runWorkers(...parameters: string[]): Promise<Left> {
  requireBuild("dist/index.js");
  const { code, signal, stdout, stderr } = await start(process.execPath, [WORKER, ...parameters]).ended;
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: "" });
  return JSON.parse(stdout) as Left;
}

const ENDS = ["terminate: ", "exit: ", "throw: thrown", "reject: rejected"];

describe.each(POLLERS)("a worker thread that ends, over %s", (poller) => {
  test.each(["loop", "loopSync"])("in %s leaves no descriptor and no context behind", async (how) => {
    const { ends, before, after } = await runWorkers(poller, how, String(ROUNDS));
    // Under loopSync nobody hears of a rejection.
    const expected = how === "loop" ? ENDS : [...ENDS.slice(0, 3), "reject: "];
    expect(ends).toEqual(Array.from({ length: ROUNDS }, () => expected).flat());
    expect(after).toEqual(before);
  });

  test.each(["quiet loop", "quiet loopSync"])("in a wait without end (%s) can be terminated", async (how) => {
    const { ends, before, after } = await runWorkers(poller, how, "1");
    expect(ends).toEqual(ENDS.slice(0, 1));
    expect(after).toEqual(before);
  });
});

describe("a worker thread that drives a guest", () => {
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "guest-"));
    writeFileSync(join(directory, "guest.wasm"), await buildGuest(TRACING_REACTOR, "--reactor"));
    return () => rmSync(directory, { recursive: true });
  }, BUILD_TIMEOUT_MS);

  test("ends with the error that it should have", async () => {
    const { ends } = await runWorkers("epoll", "driveGuest", "1", join(directory, "guest.wasm"));
    expect(ends).toEqual(ENDS);
  });
});

describe.each(POLLERS)("a process that ends while a loop waits over %s", (poller) => {
  test.each([
    ["exit in a callback", 7],
    ["exit in a timer", 7],
    ["uncaught error", 1],
    ["unhandled rejection", 1],
    ["exit code", 7],
    ["error in an exit listener", 7],
  ])("by %s has the status %i", async (end, status) => {
    requireBuild("dist/index.js");
    const ending = await start(process.execPath, ["tests/node/ended-process.mjs", poller, end]).ended;
    expect([ending.code, ending.signal]).toEqual([status, null]);
  });
});

test("what nobody can reach any more is closed, and a map with a running loop can be reached", async () => {
  const program = `
    import { readdirSync, readFileSync } from "node:fs";
    import { setTimeout } from "node:timers/promises";
    import { setFlagsFromString } from "node:v8";
    import { runInNewContext } from "node:vm";
    import { ChannelMap, createNodeBackend, DispatcherWithSend, FileWrapper, loop, loopSync, Socket } from "wasyncore";

    setFlagsFromString("--expose-gc");
    const gc = runInNewContext("gc");
    const descriptors = () => readdirSync("/proc/self/fd").length;
    /** Until the collector has found all of it; the test's own time ends it otherwise. */
    async function collectUntil(wanted) {
      while (descriptors() > wanted) {
        gc();
        await setTimeout(1);
      }
    }
    class Echo extends DispatcherWithSend {
      handleRead() { this.send(this.recv(100)); }
      handleClose() { this.close(); }
    }
    async function lose() {
      const map = new ChannelMap({ backend: createNodeBackend({ batchMin: 1 }) });
      const [server, client] = Socket.pair();
      new Echo(server, map);
      client.send(Buffer.from("lost"));
      loopSync({ map, count: 2, timeoutMs: 0 });
      await loop({ map, count: 1, timeoutMs: 0 });
      new FileWrapper(0);
    }
    function serve() {
      const map = new ChannelMap();
      const [server, client] = Socket.pair();
      new Echo(server, map);
      void loop({ map });
      return client;
    }

    await lose();
    const client = serve();
    const before = descriptors();
    for (let i = 0; i < 10; i++) await lose();
    await collectUntil(before);
    client.send(Buffer.from("kept"));
    let answer;
    while (answer === undefined) {
      try { answer = client.recv(10); } catch (error) { if (error.code !== "EAGAIN") throw error; }
      await setTimeout(1);
    }
    console.log(Buffer.from(answer).toString());
    client.close();
  `;
  const { code, signal, stdout, stderr } = await startScript(program).ended;
  expect({ code, signal, stdout, stderr }).toEqual({ code: 0, signal: null, stdout: "kept\n", stderr: "" });
});
