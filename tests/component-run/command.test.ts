/** `wasyncore run` with a component: its listening sockets, what it refuses, a policy, and how it ends. */

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { PluginHost } from "wasyncore/plugin";
import { buildComponent, missing } from "../assembly/component-support.js";
import { client, exchange, runModule } from "../guest/command.js";
import { pattern } from "../support/sockets.js";
import { component, importing } from "./support.js";
import { testServing } from "./serving.js";

const BUILD_LIMIT_MS = 180_000;
const STRANGE = "package tests:strange@1.0.0 { interface things { make: func(how: u32); } }";
/** Waits without end. */
const WAIT = `(i32.store (i32.const 128) (call $timer (i64.const -1)))
  (call $poll (i32.const 128) (i32.const 1) (i32.const 64)) (i32.const 0)`;

test("the first bytes of a component alone are one that is no command", async () => {
  const ended = await runModule(Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0])).ended;
  expect(ended).toMatchObject({
    code: 1,
    stderr: "wasyncore: cannot run guest.wasm: it exports no wasi:cli/run@0.2 or 0.3: it is no command\n",
  });
});

describe.skipIf(missing !== "")("a component", () => {
  let echo: Uint8Array;
  beforeAll(async () => {
    echo = readFileSync(await buildComponent("examples/portable/echo-guest.ts", "component-run-echo", "component"));
  }, BUILD_LIMIT_MS);

  test.each([[[]], [["--max-memory", "32M"]]])("takes the listening socket of the host, with %j", async (policy) => {
    const run = runModule(echo, "--listen", "web=127.0.0.1:0", ...policy);
    const port = await run.port();
    expect(await run.stderr(/\(web\)\n/)).not.toBeNull();
    // The host listens before the component does: nothing is refused meanwhile.
    for (let round = 0; round < 3; round++) {
      const data = pattern(300_000);
      expect(Buffer.compare(await exchange(await client(port), data), data)).toBe(0);
    }
    run.child.kill("SIGINT");
    expect((await run.ended).stderr).toBe(`listening on 127.0.0.1:${port} (web)\n`);
  });

  testServing(() => echo);

  test("binds under a policy what that grants, and nothing else", async () => {
    const granted = runModule(echo, "--bind", "127.0.0.1:0", "--env", "LISTEN=127.0.0.1:0");
    const port = await granted.port();
    expect((await exchange(await client(port), "granted")).toString()).toBe("granted");
    const refused = await runModule(echo, "--bind", "127.0.0.1:1", "--env", "LISTEN=127.0.0.1:2").ended;
    expect(refused.stderr).toContain("wasyncore: guest.wasm was refused by its policy (--bind): 127.0.0.1:2\n");
    expect(refused.code).toBe(1);
  });

  test("has not more memory than its policy allows", async () => {
    const grows = await component([], `(i32.eq (memory.grow (i32.const 4)) (i32.const -1))`);
    expect((await runModule(grows, "--max-memory", "1M").ended).code).toBe(0);
    expect((await runModule(grows, "--max-memory", "128K").ended).code).toBe(1);
  });

  test("shares no thread with other plugins", async () => {
    await using host = new PluginHost();
    const started = host.start(echo, { name: "echo", run: "shared", listen: ["127.0.0.1:0"] });
    await expect(started).rejects.toThrow("is a component, which would block the thread that it shares");
  });

  test("has not come up when it has only written a line", async () => {
    const line = `(i32.store8 (i32.const 0) (i32.const 10)) (call $flush (call $stdout) (i32.const 0) (i32.const 1) (i32.const 64))`;
    const bytes = await component(["stdout", "flush"], `${line} (i32.const 1)`);
    await using host = new PluginHost();
    const lines: string[] = [];
    host.on("line", ({ line }) => lines.push(line));
    const started = host.start(bytes, { name: "line", stdio: { stdout: "lines" } });
    await expect(started).rejects.toThrow("line did not start: it exited with 1");
    expect(lines).toEqual([""]);
  });

  test.each([
    ["that traps", [], "(unreachable)", [], 134, /^wasyncore: guest\.wasm trapped: unreachable\n/],
    [
      "that breaks a rule",
      ["poll"],
      "(call $poll (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 0)",
      [],
      134,
      /^wasyncore: guest\.wasm trapped: it polls an empty list\n/,
    ],
    ["that fails", [], "(i32.const 1)", [], 1, /^$/],
    ["that fails under a policy", [], "(i32.const 1)", ["--max-memory", "2M"], 1, /^$/],
    [
      "that traps under a policy",
      [],
      "(unreachable)",
      ["--max-memory", "2M"],
      134,
      /^wasyncore: guest\.wasm trapped: unreachable\n/,
    ],
    [
      "that traps with the memory that its policy allows",
      [],
      "(drop (memory.grow (i32.const 1))) (unreachable)",
      ["--max-memory", "128K"],
      134,
      /^wasyncore: guest\.wasm trapped: unreachable, with 131072 of the 131072 bytes of memory that its policy allows/,
    ],
    [
      "that computes for too long",
      [],
      "(loop (br 0)) (i32.const 0)",
      ["--cpu-turn", "100ms"],
      137,
      /was ended by its policy \(--cpu-turn\)/,
    ],
    [
      "that waits beyond its lifetime",
      ["timer", "poll"],
      WAIT,
      ["--lifetime", "100ms", "--stop-timeout", "0"],
      137,
      /was ended by its policy \(--lifetime\)/,
    ],
  ] as const)("%s ends with its status", async (_name, imports, body, options, status, stderr) => {
    const ended = await runModule(await component(imports, body), ...options).ended;
    expect(ended.stderr).toMatch(stderr);
    expect(ended.code).toBe(status);
  });

  test("that imports an interface which is not served is refused by its name", async () => {
    const { code, stderr } = await runModule(await importing("tests:strange/things@1.0.0", "make", STRANGE)).ended;
    expect(stderr).toBe("wasyncore: cannot run guest.wasm: it imports what is not there: tests:strange/things@1.0.0\n");
    expect(code).toBe(1);
  });

  test.each([
    [
      ["--record", "calls.wrec"],
      2,
      /^wasyncore: --record: guest\.wasm is a component, of which no calls are recorded\n/,
    ],
    [
      ["--sockets", "--unix", "a.sock"],
      2,
      /^wasyncore: --unix: guest\.wasm is a component, and WASI 0\.2 has no Unix sockets\n/,
    ],
    [
      ["--listen", "./a.sock"],
      1,
      /^wasyncore: cannot run guest\.wasm: it is a component, and WASI 0\.2 has no Unix sockets to listen on\n$/,
    ],
  ])("takes no %j", async (options, status, stderr) => {
    const ended = await runModule(echo, ...options).ended;
    expect(ended.stderr).toMatch(stderr);
    expect(ended.code).toBe(status);
  });

  test("that is damaged anywhere is refused, or runs into its damage alone", { timeout: 60_000 }, async () => {
    const { compileComponent } = await import("../../host/component/index.js");
    const { GuestError } = await import("../../host/guest/module.js");
    for (let seed = 1; seed <= 300; seed++) {
      const damaged = Uint8Array.from(echo);
      const at = (seed * 2_654_435_761) % damaged.length;
      damaged[at] = (damaged[at] ?? 0) ^ (1 + (seed % 255));
      const bytes = seed % 3 === 0 ? damaged.subarray(0, at) : damaged;
      try {
        await compileComponent(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(GuestError);
      }
    }
  });
});
