/** What `wasyncore run` refuses, and what it prints then: modules, addresses, command lines. */

import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { RunCommand, runModule, temporary } from "./command.js";
import { assemblyScript, wat } from "./modules.js";
import { GUEST } from "./run-guest.js";

let guest: Uint8Array;
beforeAll(async () => {
  guest = await assemblyScript(GUEST);
}, 60_000);

const MEMORY = `(memory (export "memory") 1)`;

describe("what it cannot run", () => {
  test.each([
    [
      "that imports something else",
      wat(`(module (import "env" "abort" (func)) ${MEMORY})`),
      "it imports what is not there: env.abort\n",
    ],
    [
      "that opens sockets and may not",
      wat(`(module (import "wasi_snapshot_preview1" "sock_open" (func)) ${MEMORY})`),
      "it imports what is not there: wasi_snapshot_preview1.sock_open\nIt wants to open sockets of its own: --sockets lets it.\n",
    ],
    [
      "that is no command",
      wat(`(module ${MEMORY})`),
      "it exports no function _start: it is a library, not a command\n",
    ],
    ["that is none", Buffer.from("hello"), "it is not WebAssembly\n"],
  ])("a module %s", async (_name, bytes, message) => {
    expect(await runModule(bytes).ended).toEqual({
      code: 1,
      signal: null,
      stdout: "",
      stderr: `wasyncore: cannot run guest.wasm: ${message}`,
    });
  });

  test("--sockets lets it open sockets", async () => {
    const bytes = wat(`(module (import "wasi_snapshot_preview1" "sock_open" (func (param i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) ${MEMORY}
      (func (export "_start") (call 1 (call 0 (i32.const 1) (i32.const 2) (i32.const 0)))))`);
    expect(await runModule(bytes, "--sockets").ended).toMatchObject({ code: 0, stderr: "" });
  });

  test("a file that is not there, or a directory", async () => {
    const directory = temporary();
    mkdirSync(join(directory, "d"));
    expect(await new RunCommand(["a.wasm"], directory).ended).toMatchObject({
      code: 1,
      stderr: "wasyncore: cannot read a.wasm: there is no such file\n",
    });
    expect(await new RunCommand(["d"], directory).ended).toMatchObject({
      code: 1,
      stderr: "wasyncore: cannot read d: it is a directory\n",
    });
  });
});

describe("addresses", () => {
  test("one that is in use", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const { ended } = runModule(guest, "--listen", "127.0.0.1:0", "--listen", `127.0.0.1:${port}`, "--", "tell");
    const { code, stdout, stderr } = await ended;
    expect(stderr).toMatch(
      /^listening on .*\nwasyncore: cannot listen on 127\.0\.0\.1:\d+: the address is in use \(EADDRINUSE\)\n$/,
    );
    expect([code, stdout]).toEqual([1, ""]);
  });

  test.each([
    ["192.0.2.1:80", "cannot listen on 192.0.2.1:80: this machine does not have the address (EADDRNOTAVAIL)"],
    ["no/such/directory/s.sock", "cannot listen on no/such/directory/s.sock: there is no such directory (ENOENT)"],
    [
      `./${"x".repeat(200)}`,
      `cannot listen on ./${"x".repeat(200)}: the path is too long for a Unix socket (ENAMETOOLONG)`,
    ],
    ["./guest.wasm", "cannot listen on ./guest.wasm: there is a file of that name, which is no socket (EADDRINUSE)"],
  ])("%s", async (address, message) => {
    expect(await runModule(guest, "--listen", address, "--", "tell").ended).toEqual({
      code: 1,
      signal: null,
      stdout: "",
      stderr: `wasyncore: ${message}\n`,
    });
  });
});

describe("a command line that is wrong: 2", () => {
  test.each([
    [[], "which module is to be run?"],
    [["a.wasm", "b.wasm"], "b.wasm: the arguments of the command stand after --"],
    [["a.wasm", "--lisen", "x"], "Unknown option '--lisen'"],
    [["a.wasm", "--listen"], "argument missing"],
    [["a.wasm", "--sockets=yes"], "does not take an argument"],
    [["a.wasm", "--env", "A"], "--env A: a variable is NAME=VALUE"],
    [["a.wasm", "--env", "=A"], "--env =A: a variable is NAME=VALUE"],
    [["a.wasm", "--env", "LISTEN_FDS=1", "--listen", "127.0.0.1:0"], "--env LISTEN_FDS=1: --listen sets LISTEN_FDS"],
    ...["8080", "127.0.0.1", ":8080", "127.0.0.1:-1", "127.0.0.1:x", "::1:80", "[::1]", "a=", ""].map(
      (address) =>
        [["a.wasm", "--listen", address], `--listen ${address}: an address is HOST:PORT`] as [string[], string],
    ),
    ...["127.0.0.1:65536", "[::1]:70000", "web=localhost:99999999"].map(
      (address) =>
        [["a.wasm", "--listen", address], `--listen ${address}: a port is a number from 0 to 65535`] as [
          string[],
          string,
        ],
    ),
    ...["", "::", "::/", "/tmp::", "/tmp::/x:RO", "/tmp::/x:rw", "/tmp::/x:ro:ro"].map(
      (text) => [["a.wasm", `--dir=${text}`], `--dir ${text}: a directory is HOST::GUEST`] as [string[], string],
    ),
    [["a.wasm", "--unix", "/run/a.sock"], "--unix: a guest opens sockets of its own only with --sockets"],
    [["a.wasm", "--listen", "ü=127.0.0.1:0"], "--listen ü=127.0.0.1:0: a name is 1 to 255 printable characters"],
  ] as [string[], string][])("%j", async (parameters, message) => {
    const { code, stdout, stderr } = await new RunCommand(parameters, temporary()).ended;
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/\nTry "wasyncore run --help"\.\n$/);
    expect([code, stdout]).toEqual([2, ""]);
  });

  test("--help says how it is right", async () => {
    const { code, stdout, stderr } = await new RunCommand(["--help"], temporary()).ended;
    expect(stdout).toMatch(/^Usage: wasyncore run APP\.WASM \[options\] \[-- ARGUMENTS\.\.\.\]\n/);
    for (const option of ["--listen ADDRESS", "--listen NAME=ADDRESS", "--env NAME=VALUE", "--sockets", "134"])
      expect(stdout).toContain(option);
    expect([code, stderr]).toEqual([0, ""]);
  });
});
