/**
 * Owns what is known of each runtime's poll_oneoff, and what a guest costs that has nothing to do: columns of
 * docs/runtimes.md. The guest asks the runtime itself, without the library.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { assemblyScript } from "../guest-host-modules.js";
import { Peer } from "../support/peers.js";
import { ROOT } from "../support/processes.js";
import { buildGuest, NODE_HOST, RUNTIMES, type Runtime, serveGuest, WASMTIME, WAZERO } from "./support.js";

const LIMIT_MS = 120_000;

/**
 * Takes two connections, waits until the first one has sent something, and asks about both, with a clock of 200 ms. Tells
 * which of the three it is told of: "clock", "first", "second".
 */
const PROBE = `
@external("wasi_snapshot_preview1", "fd_write") declare function fd_write(fd: i32, iovecs: usize, count: i32, length: usize): i32;
@external("wasi_snapshot_preview1", "fd_fdstat_set_flags") declare function fd_fdstat_set_flags(fd: i32, flags: i32): i32;
@external("wasi_snapshot_preview1", "sock_accept") declare function sock_accept(fd: i32, flags: i32, at: usize): i32;
@external("wasi_snapshot_preview1", "sock_recv") declare function sock_recv(fd: i32, iovecs: usize, count: i32, flags: i32, length: usize, out: usize): i32;
@external("wasi_snapshot_preview1", "poll_oneoff") declare function poll_oneoff(subscriptions: usize, events: usize, count: i32, at: usize): i32;

const SUBSCRIPTIONS = memory.data(3 * 48, 8);
const EVENTS = memory.data(3 * 32, 8);
const IOVEC = memory.data(8, 4);
const BUFFER = memory.data(16);
const RESULT = memory.data(8, 4);

function subscribe(index: i32, tag: u8, id: i32, timeoutNs: u64): void {
  const at = SUBSCRIPTIONS + 48 * index;
  store<u64>(at, index);
  store<u8>(at + 8, tag);
  store<i32>(at + 16, id);
  store<u64>(at + 24, timeoutNs);
}

function print(text: string): void {
  const bytes = String.UTF8.encode(text + "\\n");
  store<usize>(IOVEC, changetype<usize>(bytes));
  store<usize>(IOVEC + 4, bytes.byteLength);
  fd_write(2, IOVEC, 1, RESULT);
}

function sleep(): void {
  subscribe(0, 0, 1, 1_000_000);
  poll_oneoff(SUBSCRIPTIONS, EVENTS, 1, RESULT);
}

function accept(): i32 {
  while (sock_accept(3, 4, RESULT) != 0) sleep();
  const fd = load<i32>(RESULT);
  fd_fdstat_set_flags(fd, 4);
  return fd;
}

/** Waits for a byte, and takes it. */
function receive(fd: i32): bool {
  while (true) {
    store<usize>(IOVEC, BUFFER);
    store<usize>(IOVEC + 4, 1);
    if (sock_recv(fd, IOVEC, 1, 0, RESULT, RESULT + 4) == 0) return load<i32>(RESULT) == 1;
    sleep();
  }
}

fd_fdstat_set_flags(3, 4);
let first = accept();
while (!receive(first)) first = accept();
const second = accept();
receive(second);
print("asked");
// Two bytes were sent: one is still there.
const names = ["clock", "first", "second"];
subscribe(0, 0, 1, 200_000_000);
subscribe(1, 1, first, 0);
subscribe(2, 1, second, 0);
const errno = poll_oneoff(SUBSCRIPTIONS, EVENTS, 3, RESULT);
let told = "errno " + errno.toString() + ":";
const count = load<i32>(RESULT);
for (let i = 0; i < count; i++) told += " " + names[load<i32>(EVENTS + 32 * i)];
print(told);
`;

/** What each is known to tell of a clock, a connection that is ready, and one that is not. */
const TOLD: ReadonlyMap<Runtime, string> = new Map([
  [WASMTIME, "errno 0: first second"],
  [WAZERO, "errno 0: clock first second"],
  [NODE_HOST, "errno 0: first"],
]);

let probe = "";
let echo = "";

beforeAll(async () => {
  mkdirSync(join(ROOT, "build", "runtimes"), { recursive: true });
  probe = join(ROOT, "build", "runtimes", "probe.wasm");
  writeFileSync(probe, await assemblyScript(PROBE));
  echo = await buildGuest("tests/runtimes/trace-guest.ts", "idle");
}, LIMIT_MS);

/** CPU time of all threads of a process, in clock ticks of 10 ms. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

describe.each(RUNTIMES)("on $name", (runtime) => {
  describe.skipIf(runtime.missing !== "")("poll_oneoff", () => {
    test("tells of a ready connection, and of others as docs/runtimes.md has it", async () => {
      const { program, port } = await serveGuest(runtime, probe);
      const first = await Peer.connect(port);
      first.write("ab");
      const second = await Peer.connect(port);
      second.write("c");
      const { stderr } = await program.ended;
      expect(stderr.trim().split("\n").slice(-2)).toEqual(["asked", TOLD.get(runtime)]);
    });

    test("costs next to nothing while nothing happens", async () => {
      const { program, port } = await serveGuest(runtime, echo);
      await program.line("1 close");
      const chat = await Peer.connect(port);
      await program.line("2 accepted");
      const before = cpuTicks(program.pid);
      chat.write("timers\r\n");
      await program.line("timer last");
      // Of the 30 ticks between: a loop that spins uses all of them, whatever else the machine does.
      expect(cpuTicks(program.pid) - before).toBeLessThan(15);
    });
  });
});
