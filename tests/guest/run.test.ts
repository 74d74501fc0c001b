/** What `wasyncore run` gives a guest, and how it ends. */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { client, exchange, RunCommand, runModule, temporary } from "./command.js";
import { assemblyScript, wat } from "./modules.js";
import { GUEST } from "./run-guest.js";

let guest: Uint8Array;
beforeAll(async () => {
  guest = await assemblyScript(GUEST);
}, 60_000);

const MEMORY = `(memory (export "memory") 1)`;

describe("what a guest is given", () => {
  test("its arguments and its environment, and nothing of the host's", async () => {
    const { ended } = runModule(
      guest,
      "--env",
      "A=1",
      "--env",
      "B=x=y",
      "--env",
      "A=2",
      "--",
      "tell",
      "--help",
      "",
      "ü",
    );
    expect(await ended).toEqual({
      code: 0,
      signal: null,
      stdout: "guest.wasm|tell|--help||ü\nA=2|B=x=y\n",
      stderr: "",
    });
  });

  test("its listeners, named or not, and where those are that took a free port", async () => {
    const run = runModule(
      guest,
      "--listen",
      "127.0.0.1:0",
      "--listen",
      "web=[::1]:0",
      "--listen",
      "./s.sock",
      "--",
      "tell",
    );
    const { stdout, stderr, code } = await run.ended;
    expect(stdout).toBe("guest.wasm|tell\nLISTEN_FDS=3|LISTEN_FDNAMES=unknown:web:unknown\n");
    expect(stderr).toMatch(/^listening on 127\.0\.0\.1:\d+\nlistening on \[::1\]:\d+ \(web\)\n$/);
    expect(code).toBe(0);
  });

  test("standard input and output, which are no sockets to it whatever they are", async () => {
    const { ended } = runModule(guest, "--", "kinds");
    expect((await ended).stdout).toBe("0\n0\n0\n");
  });

  test("its input as it comes, and its end", async () => {
    const run = runModule(guest, "--", "cat");
    run.child.stdin.write("one\n");
    await run.stdout(/^one\n$/);
    run.child.stdin.end("two\n");
    expect(await run.ended).toMatchObject({ code: 0, stdout: "one\ntwo\n" });
  });

  test("more input than fits into a pipe", async () => {
    const run = runModule(guest, "--", "cat");
    const text = "0123456789abcdef".repeat(50_000);
    run.child.stdin.end(text);
    const { stdout } = await run.ended;
    expect(stdout.length).toBe(text.length);
    expect(stdout === text).toBe(true);
  });

  test("listeners in their order, on which it may wait", async () => {
    const run = runModule(guest, "--listen", "127.0.0.1:0", "--listen", "localhost:0", "--", "echo");
    const data = Buffer.alloc(300_000, "echo ");
    for (const index of [0, 1]) {
      const socket = await client(await run.port(index), index === 0 ? "127.0.0.1" : "localhost");
      await run.stdout(new RegExp(`accepted on ${index + 3}\n`));
      expect((await exchange(socket, data)).equals(data)).toBe(true);
    }
    expect(await run.ended).toMatchObject({ code: 0, stdout: "accepted on 3\naccepted on 4\n" });
  });

  test("a Unix socket, whose file is gone when it has ended", async () => {
    const run = runModule(guest, "--listen", "./s.sock", "--", "wait", "0");
    await run.stdout(/waiting/);
    const path = join(run.directory, "s.sock");
    expect(existsSync(path)).toBe(true);
    run.child.stdin.end();
    expect(await run.ended).toMatchObject({ code: 0, stderr: "" });
    expect(existsSync(path)).toBe(false);
  });

  test("the file of a Unix socket that was left behind is replaced; one that is in use is not", async () => {
    const first = runModule(guest, "--listen", "./s.sock", "--", "wait", "3");
    await first.stdout(/waiting/);
    const again = (): RunCommand =>
      new RunCommand(["guest.wasm", "--listen", "./s.sock", "--", "tell"], first.directory);
    expect(await again().ended).toMatchObject({
      code: 1,
      stderr: "wasyncore: cannot listen on ./s.sock: the address is in use (EADDRINUSE)\n",
    });
    first.child.kill("SIGKILL");
    await first.ended;
    expect(await again().ended).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("how it ends", () => {
  test.each([
    [0, 0],
    [1, 1],
    [255, 255],
    [256, 0],
    [-1, 255],
  ])("proc_exit of %i: exit status %i", async (code, status) => {
    expect(await runModule(guest, "--", "exit", String(code)).ended).toEqual({
      code: status,
      signal: null,
      stdout: "",
      stderr: "",
    });
  });

  test("a trap: 134, and the names of the functions", async () => {
    const { code, stderr } = await runModule(guest, "--", "trap").ended;
    expect(stderr).toMatch(
      /^wasyncore: guest\.wasm trapped: unreachable\n {4}in guest\/breakDown \(function \d+, at 0x[0-9a-f]+\)\n {4}in start:guest \(/,
    );
    expect(code).toBe(134);
  });

  test("a trap in a module without names: their indexes", async () => {
    const { code, stderr } = await runModule(
      wat(`(module ${MEMORY} (func unreachable) (func (export "_start") (call 0)))`),
    ).ended;
    expect(stderr).toMatch(
      /^wasyncore: guest\.wasm trapped: unreachable\n {4}in function 0, at 0x[0-9a-f]+\n {4}in .*function 1, at/,
    );
    expect(code).toBe(134);
  });

  test.each([
    ["waits for input", ["--", "wait", "0"], /waiting/],
    ["waits for a connection", ["--listen", "127.0.0.1:0", "--", "wait", "3"], /waiting/],
    ["reads its input", ["--", "cat"], undefined],
    ["computes", ["--", "spin"], /spinning/],
  ])("Ctrl-C while it %s: at once, by the signal", async (_name, parameters, sign) => {
    const run = runModule(guest, ...parameters);
    if (sign === undefined) {
      run.child.stdin.write("x");
      await run.stdout(/x/);
    } else await run.stdout(sign);
    run.child.kill("SIGINT");
    expect(await run.ended).toMatchObject({ code: null, signal: "SIGINT" });
  });
});

test("a module is read from where it is, and its name is the last part of its path", async () => {
  const directory = temporary();
  mkdirSync(join(directory, "build"));
  writeFileSync(join(directory, "build", "app.wasm"), guest);
  expect((await new RunCommand(["build/app.wasm", "--", "tell"], directory).ended).stdout).toBe("app.wasm|tell\n\n");
});
