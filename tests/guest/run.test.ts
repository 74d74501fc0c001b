/** Holds `wasyncore run`: what it gives a guest, how it ends, and what it says when it cannot. */

import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { client, exchange, RunCommand, runModule, temporary } from "./command.js";
import { assemblyScript, wat } from "./modules.js";

/** Does what its first argument says. */
const GUEST = `
@external("wasi_snapshot_preview1", "args_sizes_get") declare function args_sizes_get(count: usize, bytes: usize): i32;
@external("wasi_snapshot_preview1", "args_get") declare function args_get(addresses: usize, strings: usize): i32;
@external("wasi_snapshot_preview1", "environ_sizes_get") declare function environ_sizes_get(count: usize, bytes: usize): i32;
@external("wasi_snapshot_preview1", "environ_get") declare function environ_get(addresses: usize, strings: usize): i32;
@external("wasi_snapshot_preview1", "fd_read") declare function fd_read(fd: i32, iovecs: usize, count: i32, length: usize): i32;
@external("wasi_snapshot_preview1", "fd_write") declare function fd_write(fd: i32, iovecs: usize, count: i32, length: usize): i32;
@external("wasi_snapshot_preview1", "fd_close") declare function fd_close(fd: i32): i32;
@external("wasi_snapshot_preview1", "fd_fdstat_get") declare function fd_fdstat_get(fd: i32, at: usize): i32;
@external("wasi_snapshot_preview1", "fd_fdstat_set_flags") declare function fd_fdstat_set_flags(fd: i32, flags: i32): i32;
@external("wasi_snapshot_preview1", "sock_accept") declare function sock_accept(fd: i32, flags: i32, at: usize): i32;
@external("wasi_snapshot_preview1", "poll_oneoff") declare function poll_oneoff(subscriptions: usize, events: usize, count: i32, at: usize): i32;
@external("wasi_snapshot_preview1", "proc_exit") declare function proc_exit(code: i32): void;

const BUFFER = memory.data(65536);
const IOVEC = memory.data(8, 4);
const RESULT = memory.data(64, 8);

function read(fd: i32): i32 {
  store<usize>(IOVEC, BUFFER);
  store<usize>(IOVEC + 4, 65536);
  const errno = fd_read(fd, IOVEC, 1, RESULT);
  return errno == 0 ? load<i32>(RESULT) : -errno;
}

function write(fd: i32, at: usize, length: usize): void {
  while (length > 0) {
    store<usize>(IOVEC, at);
    store<usize>(IOVEC + 4, length);
    if (fd_write(fd, IOVEC, 1, RESULT) != 0) proc_exit(90);
    at += load<u32>(RESULT);
    length -= load<u32>(RESULT);
  }
}

function print(text: string): void {
  const bytes = String.UTF8.encode(text + "\\n");
  write(1, changetype<usize>(bytes), bytes.byteLength);
}

function copy(from: i32, to: i32): void {
  let length: i32;
  while ((length = read(from)) > 0) write(to, BUFFER, length);
  if (length < 0) print("errno " + (-length).toString());
}

function strings(at: usize, count: i32): string[] {
  const result: string[] = [];
  for (let i = 0; i < count; i++) {
    const each = load<usize>(at + 4 * i);
    let end = each;
    while (load<u8>(end) != 0) end++;
    result.push(String.UTF8.decodeUnsafe(each, end - each));
  }
  return result;
}

function args(): string[] {
  args_sizes_get(RESULT, RESULT + 4);
  const count = load<i32>(RESULT);
  const at = heap.alloc(4 * count + load<i32>(RESULT + 4));
  args_get(at, at + 4 * count);
  return strings(at, count);
}

function environ(): string[] {
  environ_sizes_get(RESULT, RESULT + 4);
  const count = load<i32>(RESULT);
  const at = heap.alloc(4 * count + load<i32>(RESULT + 4));
  environ_get(at, at + 4 * count);
  return strings(at, count);
}

function breakDown(): void {
  unreachable();
}

const what = args();
const command = what.length > 1 ? what[1] : "";
if (command == "tell") {
  print(what.join("|"));
  print(environ().join("|"));
} else if (command == "kinds") {
  for (let fd = 0; fd < 3; fd++) {
    fd_fdstat_get(fd, RESULT);
    print(load<u8>(RESULT).toString());
  }
} else if (command == "cat") {
  copy(0, 1);
} else if (command == "exit") {
  proc_exit(i32(parseInt(what[2])));
} else if (command == "trap") {
  breakDown();
} else if (command == "echo") {
  for (let fd = 3; fd_fdstat_set_flags(fd, 0) == 0; fd++) {
    if (sock_accept(fd, 0, RESULT) != 0) proc_exit(91);
    const accepted = load<i32>(RESULT);
    print("accepted on " + fd.toString());
    copy(accepted, accepted);
    fd_close(accepted);
  }
} else if (command == "wait") {
  print("waiting");
  memory.fill(BUFFER, 0, 48);
  store<u8>(BUFFER + 8, 1);
  store<i32>(BUFFER + 16, i32(parseInt(what[2])));
  proc_exit(poll_oneoff(BUFFER, BUFFER + 64, 1, RESULT));
} else if (command == "spin") {
  print("spinning");
  while (true) {}
}
`;

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
    [
      "that is a component",
      Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]),
      "it is a component (WASI 0.2): a core module for WASI preview 1 is needed\n",
    ],
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
    ["./guest.wasm", "cannot listen on ./guest.wasm: the address is in use (EADDRINUSE)"],
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
    ...[
      "8080",
      "127.0.0.1",
      ":8080",
      "127.0.0.1:65536",
      "127.0.0.1:-1",
      "127.0.0.1:x",
      "::1:80",
      "[::1]",
      "a=",
      "",
    ].map(
      (address) =>
        [["a.wasm", "--listen", address], `--listen ${address}: an address is HOST:PORT`] as [string[], string],
    ),
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

test("a module is read from where it is, and its name is the last part of its path", async () => {
  const directory = temporary();
  mkdirSync(join(directory, "build"));
  writeFileSync(join(directory, "build", "app.wasm"), guest);
  expect((await new RunCommand(["build/app.wasm", "--", "tell"], directory).ended).stdout).toBe("app.wasm|tell\n\n");
});
