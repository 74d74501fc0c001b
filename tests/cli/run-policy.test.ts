/** `wasyncore run` under a policy: its options, its file, what it refuses, and how the command ends by a limit. */

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createServer } from "node:net";
import { once } from "node:events";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parseRun } from "../../host/cli/run-options.js";
import { policyOf } from "../../host/cli/run-policy.js";
import type { Policy } from "../../host/plugin/policy/types.js";
import { client, exchange, RunCommand, runModule, temporary } from "../guest/command.js";
import { assemblyScript, wat } from "../guest/modules.js";
import { GUEST } from "../guest/run-guest.js";

let guest: Uint8Array;
beforeAll(async () => {
  guest = await assemblyScript(GUEST);
}, 60_000);

/** The policy of a command line. */
function policy(...argv: string[]): Policy {
  const { policy: values = {}, listen, env, directories, args, hasArgs } = parseRun(["a.wasm", ...argv]);
  return policyOf(values, { listen, env, dir: directories, args: hasArgs ? args : undefined });
}

function file(name: string, text: string): string {
  const path = join(temporary(), name);
  writeFileSync(path, text);
  return path;
}

describe("options are the policy", () => {
  test("of each kind", () => {
    const { limits, ...rest } = policy(
      ...[
        "--connect",
        "10.0.0.0/8:5432",
        "--connect",
        "/run/db.sock",
        "--udp",
        "192.0.2.53:53",
        "--bind",
        "127.0.0.1:0",
      ],
      ...["--max-memory", "64M", "--max-host-memory", "2m", "--max-descriptors", "10", "--max-connections", "5"],
      ...["--bytes-in", "1K", "--bytes-out", "1.5k", "--lines", "7", "--line-bytes", "unlimited"],
      ...["--cpu-turn", "250", "--cpu-total", "2s", "--lifetime", "1.5m"],
      ...["--clock-resolution", "5ms", "--random-seed", "9", "--restart", "always", "--stop-timeout", "1s"],
      ...["--stdio", "lines", "--listen", "web=127.0.0.1:0", "--env", "A=1", "--dir", "/srv::/site:ro", "--", "-x"],
    );
    expect(limits).toEqual({
      ...{ maxMemoryBytes: 64 * 2 ** 20, maxHostBytes: 2 * 2 ** 20, maxDescriptors: 10, maxConnections: 5 },
      ...{ bytesPerSecondIn: 1024, bytesPerSecondOut: 1536, linesPerSecond: 7, lineBytesPerSecond: Infinity },
      ...{ cpuMsPerTurn: 250, cpuMsTotal: 2000, lifetimeMs: 90_000 },
    });
    expect(rest).toMatchObject({
      connect: [{ host: "10.0.0.0/8" }, { path: "/run/db.sock" }],
      ...{ udp: [{ host: "192.0.2.53" }], bind: [{ host: "127.0.0.1" }], listen: [{ name: "web" }] },
      ...{ clocks: { resolutionMs: 5 }, random: { seed: 9 }, restart: { when: "always" }, stopTimeoutMs: 1000 },
      ...{ stdio: { stdin: "none", stdout: "lines", stderr: "lines" }, env: { A: "1" }, args: ["-x"] },
      dirs: [{ host: "/srv", guest: "/site", readOnly: true }],
    });
  });

  test("without --stdio and --restart: the process's own streams, and no restart", () => {
    expect(policy("--max-connections", "1")).toMatchObject({
      stdio: { stdin: "inherit", stdout: "inherit", stderr: "inherit" },
      restart: { when: "never" },
      limits: { cpuMsPerTurn: 1000 },
    });
  });

  test.each([
    [
      "p.json",
      JSON.stringify({ connect: ["127.0.0.1:1"], limits: { maxDescriptors: 9, maxConnections: 3 }, env: { A: "1" } }),
    ],
    ["p.yaml", "connect: ['127.0.0.1:1']\nlimits: { maxDescriptors: 9, maxConnections: 3 }\nenv:\n  A: '1'\n"],
  ])("with those of a file, %s: lists grow, the rest is replaced", (name, text) => {
    const path = file(name, text);
    const found = policy("--policy", path, "--connect", "127.0.0.1:2", "--max-connections", "4", "--env", "B=2");
    expect(found.connect.map(({ ports }) => ports?.[0]?.from)).toEqual([1, 2]);
    expect(found.limits).toMatchObject({ maxDescriptors: 9, maxConnections: 4 });
    expect(found.env).toEqual({ A: "1", B: "2" });
    expect(policy("--policy", path, "--", "x").args).toEqual(["x"]);
  });
});

describe("what is wrong is named by its option", () => {
  test.each([
    [["--connect", "10.0.0.1/8:80"], "--connect 10.0.0.1/8:80: it has bits beyond its prefix"],
    [["--connect", "127.0.0.1:1", "--connect", "x"], "--connect x: it "],
    [["--udp", "/run/a.sock"], "--udp /run/a.sock: it must be HOST:PORTS"],
    [["--bind", ""], "--bind : it "],
    [
      ["--max-memory", "lots"],
      '--max-memory lots: it must be a whole number of bytes, 65536 to 4294967296, a size such as "64M", or "unlimited", got "lots"',
    ],
    [["--max-memory", "5G"], "--max-memory 5G: it must be"],
    [
      ["--max-connections", "1k"],
      '--max-connections 1k: it must be a whole number of connections, 0 to 1048576, or "unlimited", got "1k"',
    ],
    [["--max-descriptors", "1.5"], "--max-descriptors 1.5: it must be"],
    [["--cpu-turn", "0"], "--cpu-turn 0: it must be"],
    [["--lifetime", "1d"], "--lifetime 1d: it must be"],
    [["--lifetime", "__proto__"], "--lifetime __proto__: it must be"],
    [["--lines", ""], "--lines : it must be"],
    [["--clock-resolution", "2s"], "--clock-resolution 2s: it must be"],
    [["--random-seed", "x"], "--random-seed x: it must be"],
    [["--restart", "sometimes"], '--restart sometimes: it must be one of "never", "failure", "always"'],
    [["--stdio", "all"], '--stdio all: it must be one of "none", "lines", "inherit"'],
    [["--stop-timeout", "soon"], "--stop-timeout soon: it must be"],
    [["--max-connections", "1", "--dir", "/a::b"], "--dir /a::b: it must have an absolute path for the guest"],
    [["--max-connections", "1", "--sockets"], "--sockets: with --max-connections there is a policy"],
    [["--cpu-turn", "1", "--unix", "/a"], "--unix: with --cpu-turn there is a policy"],
    [["--max-memory", "-1"], "'--max-memory' argument is ambiguous"],
    [["--max-memory"], "argument missing"],
    [["--policy", "p.toml"], "--policy p.toml: a policy is a .json or .yaml file"],
    [["--policy", "no.json"], "--policy no.json: there is no such file"],
  ])("%j", (argv, message) => {
    expect(() => policy(...argv)).toThrow(message);
  });

  test.each([
    ["a.json", "{", /JSON/],
    ["b.json", "[]", /: it must be an object/],
    ["c.yaml", "a: 1\na: 2\n", /unique/],
    ["d.yaml", "limits: {maxMemoryBytes: 1}", /: "limits.maxMemoryBytes" must be/],
    ["e.yaml", "listn: []", /: "listn" is no field: did you mean "listen"\?/],
    ["f.yaml", "", /: it must be an object, got null/],
    ["g.yml", "a: &a [*b]\n", /alias/i],
    [
      "h.yaml",
      `a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n`,
      /alias/,
    ],
  ])("a file, %s", (name, text, message) => {
    const path = file(name, text);
    expect(() => policy("--policy", path)).toThrow(message);
    expect(() => policy("--policy", path)).toThrow(`--policy ${path}: `);
  });

  test("what is wrong with file and option together", () => {
    const path = file("p.json", JSON.stringify({ dirs: ["/srv::/srv"] }));
    expect(() => policy("--policy", path, "--connect", "/srv/a.sock")).toThrow(
      /the policy of .*p\.json: "connect\[0\]" is in a directory that the guest may write to/,
    );
  });

  test("on standard error, with the exit status 2", async () => {
    const { ended } = runModule(guest, "--max-memory", "x", "--", "tell");
    const { code, stdout, stderr } = await ended;
    expect(stderr).toMatch(/^wasyncore: --max-memory x: it must be .*\nTry "wasyncore run --help"\.\n$/);
    expect([code, stdout]).toEqual([2, ""]);
  });
});

describe("a command under a policy", () => {
  test("has its arguments, environment, input and exit status as without", async () => {
    const told = await runModule(guest, "--max-connections", "1", "--env", "A=1", "--", "tell", "ü").ended;
    expect(told).toEqual({ code: 0, signal: null, stdout: "guest.wasm|tell|ü\nA=1\n", stderr: "" });
    expect(await runModule(guest, "--max-connections", "1", "--", "exit", "7").ended).toMatchObject({
      code: 7,
      stderr: "",
    });
    const run = runModule(guest, "--max-connections", "1", "--", "cat");
    run.child.stdin.end("one\ntwo\n");
    expect(await run.ended).toMatchObject({ code: 0, stdout: "one\ntwo\n", stderr: "" });
  });

  test("serves on its listening socket, and says where", async () => {
    const run = runModule(guest, "--max-connections", "5", "--listen", "127.0.0.1:0", "--", "echo");
    const socket = await client(await run.port(0), "127.0.0.1");
    const data = Buffer.alloc(100_000, "echo ");
    expect((await exchange(socket, data)).equals(data)).toBe(true);
    expect(await run.ended).toMatchObject({ code: 0, stdout: "accepted on 3\n" });
  });

  test("traps: 134, with its backtrace", async () => {
    const { code, stderr } = await runModule(guest, "--cpu-turn", "unlimited", "--", "trap").ended;
    expect(stderr).toMatch(
      /^wasyncore: guest\.wasm trapped: unreachable\n {4}in guest\/breakDown \(function \d+, at 0x/,
    );
    expect(code).toBe(134);
  });

  test("is ended by its CPU time: 137, and the option", async () => {
    const { code, stderr } = await runModule(guest, "--cpu-turn", "100ms", "--", "spin").ended;
    expect(stderr).toMatch(/^wasyncore: guest\.wasm was ended by its policy \(--cpu-turn\), with \d+\n$/);
    expect(code).toBe(137);
  });

  test("is ended by its lifetime while it waits: 137", async () => {
    const run = runModule(guest, "--lifetime", "200ms", "--stop-timeout", "0", "--", "wait", "0");
    const { code, stderr } = await run.ended;
    expect([code, stderr]).toEqual([137, "wasyncore: guest.wasm was ended by its policy (--lifetime)\n"]);
  });

  test("cannot have more memory than it may", async () => {
    const module = wat(`(module (memory (export "memory") 100) (func (export "_start")))`);
    const { code, stderr } = await runModule(module, "--max-memory", "1M").ended;
    expect(stderr).toMatch(/^wasyncore: cannot run guest\.wasm: .*memory/);
    expect(code).toBe(1);
  });

  test.each([
    [
      "all of what it may",
      "1",
      "128K",
      ", with 131072 of the 131072 bytes of memory that its policy allows (--max-memory)",
    ],
    ["half of it", "1", "300K", ", with 131072 of the 262144 bytes of memory that its policy allows (--max-memory)"],
    ["less than half of it", "1", "384K", ""],
    ["no more than its own limit", "1 2", "192K", ""],
  ])("traps with %s", async (_name, memory, max, expected) => {
    const module = wat(`(module (memory (export "memory") ${memory})
      (func (export "_start") (drop (memory.grow (i32.const 1))) (drop (memory.grow (i32.const 9))) unreachable))`);
    const { code, stderr } = await runModule(module, "--max-memory", max).ended;
    expect(stderr.split("\n")[0]).toBe(`wasyncore: guest.wasm trapped: unreachable${expected}`);
    expect(code).toBe(134);
  });

  test("is started again where it is to be, and its last end is that of the command", async () => {
    const policyFile = JSON.stringify({ restart: { when: "failure", minDelayMs: 0, maxDelayMs: 0, maxRestarts: 2 } });
    const path = file("p.json", policyFile);
    const failing = wat(`(module
      (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (i32.store (i32.const 16) (i32.const 1))
        (i64.store (i32.const 24) (i64.const 1000000))
        (drop (call $poll (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 256))) unreachable))`);
    const { code, stderr } = await runModule(failing, "--policy", path).ended;
    expect(stderr.match(/it is started again in 0 ms/g)).toHaveLength(2);
    expect(code).toBe(134);
  });

  test("prints lines without control characters", async () => {
    const { stdout, code } = await runModule(guest, "--stdio", "lines", "--", "tell", "\u001b[31mred").ended;
    expect([code, stdout]).toEqual([0, "guest.wasm|tell|?[31mred\n\n"]);
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("removes the file of its Unix socket on %s", async (signal) => {
    const run = runModule(guest, "--max-connections", "5", "--listen", "./s.sock", "--", "wait", "0");
    await run.stdout(/waiting/);
    const path = join(run.directory, "s.sock");
    expect(existsSync(path)).toBe(true);
    run.child.kill(signal);
    expect(await run.ended).toMatchObject({ signal });
    expect(existsSync(path)).toBe(false);
  });

  test("says which address is in use, and what file is missing", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const { code, stderr } = await runModule(guest, "--max-connections", "1", "--listen", `127.0.0.1:${port}`).ended;
    expect(stderr).toBe(
      `wasyncore: cannot run guest.wasm: 127.0.0.1:${port}, an address of its policy: the address is in use (EADDRINUSE)\n`,
    );
    expect(code).toBe(1);
    const missing = await new RunCommand(["no.wasm", "--max-connections", "1"], temporary()).ended;
    expect(missing).toMatchObject({ code: 1, stderr: "wasyncore: cannot read no.wasm: there is no such file\n" });
  });
});

test.each([
  ["", "--unix: the path of a Unix socket is missing"],
  [`/${"x".repeat(107)}`, "has at most 107 bytes, and this has 108"],
])("--unix %j is refused", (path, message) => {
  expect(() => parseRun(["a.wasm", "--sockets", "--unix", path])).toThrow(message);
  expect(parseRun(["a.wasm", "--sockets", "--unix", `/${"x".repeat(106)}`]).unixPaths).toHaveLength(1);
});
