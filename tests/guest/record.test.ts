/** Holds that a guest replays from its recording, whatever it does and however it ends, and that what differs is named. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { client, type Ending, exchange, RunCommand, runModule, temporary } from "./command.js";
import { assemblyScript, wat } from "./modules.js";
import { GUEST } from "./run-guest.js";

let guest: Uint8Array;
beforeAll(async () => {
  guest = await assemblyScript(GUEST);
}, 60_000);

const RECORD = ["--record", "run.wrec"] as const;

/** Replays what was recorded in a directory by `runModule`. */
function replay(directory: string, ...options: string[]): Promise<Ending> {
  return new RunCommand(["run.wrec", ...options, "--", "guest.wasm"], directory, { command: "replay" }).ended;
}

const same = (stderr: string): Ending => ({ code: 0, signal: null, stdout: "", stderr: `wasyncore: ${stderr}\n` });

describe("a replay without a difference", () => {
  test("of arguments and environment, which are the recording's", async () => {
    const run = runModule(guest, ...RECORD, "--env", "A=ü", "--", "tell", "", "b");
    expect(await run.ended).toMatchObject({ code: 0, stderr: "" });
    // args_sizes_get, args_get, fd_write, environ_sizes_get, environ_get, fd_write.
    expect(await replay(run.directory)).toEqual(same("no difference in 6 calls in 0 turns, to its exit with status 0"));
  });

  test("of input in several parts", async () => {
    const run = runModule(guest, ...RECORD, "--", "cat");
    run.child.stdin.write("one\n");
    await run.stdout(/^one\n$/);
    run.child.stdin.end("x".repeat(300_000));
    await run.ended;
    const { stderr } = await replay(run.directory);
    expect(stderr).toMatch(/^wasyncore: no difference in \d+ calls in 0 turns, to its exit with status 0\n$/);
  });

  test("of connections, without a socket", async () => {
    const run = runModule(guest, ...RECORD, "--listen", "127.0.0.1:0", "--", "echo");
    const data = Buffer.alloc(300_000, "echo ");
    expect((await exchange(await client(await run.port()), data)).equals(data)).toBe(true);
    expect(await run.ended).toMatchObject({ code: 0 });
    const { stderr } = await replay(run.directory);
    expect(stderr).toMatch(/^wasyncore: no difference in \d+ calls in 0 turns, to its exit with status 0\n$/);
  });

  test("of a guest that exits", async () => {
    const run = runModule(guest, ...RECORD, "--", "exit", "300");
    await run.ended;
    expect((await replay(run.directory)).stderr).toMatch(/, to its exit with status 300\n$/);
  });

  test("of a guest that traps", async () => {
    const run = runModule(guest, ...RECORD, "--", "trap");
    expect(await run.ended).toMatchObject({ code: 134 });
    const { code, stderr } = await replay(run.directory);
    expect([code, stderr]).toEqual([0, expect.stringMatching(/, to its trap: unreachable\n$/)]);
  });

  test("of one that was killed: to its last call before it waited", async () => {
    const run = runModule(guest, ...RECORD, "--", "wait", "0");
    await run.stdout(/waiting/);
    await untilRecorded(join(run.directory, "run.wrec"));
    run.child.kill("SIGKILL");
    await run.ended;
    const { code, stderr } = await replay(run.directory);
    expect(stderr).toMatch(/^wasyncore: no difference in 4 calls in 1 turn, where the recording ends: /);
    expect(code).toBe(0);
  });

  test("of a module with a start function", async () => {
    const module = wat(`(module
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func $start (drop (call $random (i32.const 16) (i32.const 100))))
      (start $start)
      (func (export "_start") (drop (call $random (i32.const 16) (i32.const 10)))))`);
    const run = runModule(module, ...RECORD);
    expect(await run.ended).toMatchObject({ code: 0, stderr: "" });
    expect(await replay(run.directory)).toEqual(same("no difference in 2 calls in 0 turns, to its exit with status 0"));
  });
});

describe("what differs", () => {
  async function changed(source: string, ...parameters: string[]): Promise<Ending> {
    const run = runModule(guest, ...RECORD, ...parameters);
    await run.ended;
    writeFileSync(join(run.directory, "guest.wasm"), await assemblyScript(source));
    const refused = await replay(run.directory);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toMatch(
      /^wasyncore: guest\.wasm is not the module that was recorded, guest\.wasm: its SHA-256 is /,
    );
    return replay(run.directory, "--changed");
  }

  test("what it sends, with the functions that send it", async () => {
    const { code, stderr } = await changed(GUEST.replace(`what.join("|")`, `what.join(";")`), "--", "tell", "a");
    const lines = stderr.split("\n");
    expect(lines[0]).toBe("wasyncore: a difference at call 3, turn 0:");
    expect(lines[1]).toMatch(/^ {2}expected {2}fd_write of 18 bytes with the hash [0-9a-f]+$/);
    expect(lines[2]).toMatch(/^ {2}found {5}fd_write of 18 bytes with the hash [0-9a-f]+: "guest.wasm;tell;a\\n"$/);
    expect(lines[3]).toMatch(/^ {4}in (?:guest\/fd_write|guest\/write) \(function \d+, at 0x[0-9a-f]+\)$/);
    expect(stderr).toMatch(/in guest\/print \(function/);
    expect(code).toBe(1);
  });

  test("which call it makes", async () => {
    const { code, stderr } = await changed(GUEST.replace(`print(environ().join("|"));`, `fd_close(0);`), "--", "tell");
    expect(stderr).toMatch(
      /^wasyncore: a difference at call 4, turn 0:\n {2}expected {2}environ_sizes_get\(0x[0-9a-f]+, 0x[0-9a-f]+\)\n {2}found {5}fd_close\(0\)\n {4}in /,
    );
    expect(code).toBe(1);
  });

  test("with which numbers", async () => {
    const { stderr } = await changed(GUEST.replace("fd < 3; fd++", "fd < 6; fd += 2"), "--", "kinds");
    expect(stderr).toMatch(
      /\n {2}expected {2}fd_fdstat_get\(1, 0x[0-9a-f]+\)\n {2}found {5}fd_fdstat_get\(2, 0x[0-9a-f]+\)\n/,
    );
  });

  test("that it goes on after its recorded end, and that it ends before it", async () => {
    const goesOn = await changed(
      GUEST.replace(`proc_exit(i32(parseInt(what[2])));`, `print("on");`),
      "--",
      "exit",
      "1",
    );
    expect(goesOn.stderr).toMatch(/\n {2}expected {2}proc_exit\(1\)\n {2}found {5}fd_write\(1, /);
    const ends = await changed(GUEST.replace(`command == "tell"`, `false`), "--", "tell");
    expect(ends.stderr).toMatch(/\n {2}expected {2}fd_write\(1, .* with 16 bytes\n {2}found {5}the return of _start\n/);
  });

  test("how it ends", async () => {
    const traps = await changed(GUEST.replace(`breakDown();`, `(function(): void { proc_exit(0); })();`), "--", "trap");
    expect(traps.stderr).toMatch(/\n {2}expected {2}the end of the guest\n {2}found {5}proc_exit\(0\)\n/);
    const other = await changed(GUEST.replace(`proc_exit(i32(parseInt(what[2])));`, `breakDown();`), "--", "exit", "1");
    expect(other.stderr).toMatch(
      /\n {2}expected {2}proc_exit\(1\)\n {2}found {5}a trap: unreachable\n {4}in guest\/breakDown/,
    );
  });
});

describe("the command line", () => {
  test("--hash prints the same hash for each turn, and --until ends before one", async () => {
    const run = runModule(guest, ...RECORD, "--record-hashes", "--", "wait", "0");
    await run.stdout(/waiting/);
    run.child.stdin.end();
    await run.ended;
    const [first, second] = [await replay(run.directory, "--hash"), await replay(run.directory, "--hash")];
    expect(first.stdout).toMatch(/^turn 1 [0-9a-f]{16}\n$/);
    expect(second).toEqual(first);
    const until = await replay(run.directory, "--until", "1", "--hash");
    expect(until).toEqual({ ...first, stderr: "wasyncore: no difference before turn 1\n" });
  });

  test("a file that cannot be written is named", async () => {
    const { code, stderr } = await runModule(guest, "--record", "none/run.wrec", "--", "tell").ended;
    expect([code, stderr]).toEqual([1, "wasyncore: cannot write none/run.wrec: there is no such directory\n"]);
    expect((await runModule(guest, "--record-hashes", "--", "tell").ended).code).toBe(2);
  });

  test("what is no module, or not there, is refused", async () => {
    const run = runModule(guest, ...RECORD, "--", "tell");
    await run.ended;
    const with_ = (...parameters: string[]): Promise<Ending> =>
      new RunCommand(["run.wrec", ...parameters], run.directory, { command: "replay" }).ended;
    expect(await with_("--", "none.wasm")).toMatchObject({ code: 2, stdout: "" });
    expect(await with_("--changed", "--", "run.wrec")).toMatchObject({
      code: 2,
      stderr: "wasyncore: cannot replay run.wrec: it is not WebAssembly\n",
    });
    expect(await with_("--", "guest.wasm", "more")).toMatchObject({ code: 2, stdout: "" });
  });
});

test("a recording that cannot be written to its end is announced, and the guest goes on", async () => {
  const directory = temporary();
  writeFileSync(join(directory, "guest.wasm"), guest);
  const run = new RunCommand(["guest.wasm", "--record", "/dev/full", "--", "tell"], directory);
  const { code, stdout, stderr } = await run.ended;
  expect([code, stdout]).toEqual([0, "guest.wasm|tell\n\n"]);
  expect(stderr).toMatch(/the recording \/dev\/full could not be written to its end: ENOSPC/);
});

/** Until there is a block of records in the file: it is written before the guest waits. */
async function untilRecorded(path: string): Promise<void> {
  const from = performance.now();
  while (!new RecordingReader(sourceOf(readFileSync(path))).next()) {
    if (performance.now() - from > 10_000) throw new Error("nothing was recorded");
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("two recordings", () => {
  const compare = (one: string, other: string): Promise<Ending> =>
    new RunCommand(["--compare", join(one, "run.wrec"), join(other, "run.wrec")], one, { command: "replay" }).ended;

  test("of the same calls do not differ; of others, the first is named", async () => {
    const runs = [["a"], ["a"], ["b"]].map((words) => runModule(guest, ...RECORD, "--", "tell", ...words));
    await Promise.all(runs.map(({ ended }) => ended));
    const [one, same_, other] = runs.map(({ directory }) => directory) as [string, string, string];
    expect(await compare(one, same_)).toEqual(same("no difference in 6 calls in 0 turns"));
    expect(await compare(one, other)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^wasyncore: difference in turn 0, call 2, at args_get\n {2}expected: args_get\(.*a.*\n {2}found: {4}args_get\(.*b/,
      ) as string,
    });
  });

  test("whose times and random bytes are others do not differ", async () => {
    const module = wat(`(module
      (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "_start")
        (drop (call $random (i32.const 16) (i32.const 10)))
        (drop (call $time (i32.const 0) (i64.const 0) (i32.const 64)))))`);
    const runs = [0, 1].map(() => runModule(module, ...RECORD));
    await Promise.all(runs.map(({ ended }) => ended));
    const [one, other] = runs.map(({ directory }) => directory) as [string, string];
    expect(readFileSync(join(one, "run.wrec")).equals(readFileSync(join(other, "run.wrec")))).toBe(false);
    expect(await compare(one, other)).toEqual(same("no difference in 2 calls in 0 turns"));
  });
});
