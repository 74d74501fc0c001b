/**
 * Owns what is known of each runtime's poll_oneoff, and what a guest costs that has nothing to do: columns of
 * docs/runtimes.md. The guest makes the call itself: on preview 1 it is the runtime's, in a component the library's, which
 * asks wasi:io/poll.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { Peer } from "../support/peers.js";
import { ROOT } from "../support/processes.js";
import { ALL_RUNTIMES, ASYNC_COMPONENTS, buildForAll, COMPONENTS } from "./component.js";
import { NODE_HOST, type Runtime, serveGuest, WASMTIME, WAZERO } from "./support.js";

const LIMIT_MS = 120_000;

/**
 * Takes two connections, waits until both have sent something, and asks about both, with a clock of 200 ms. The first has
 * sent more, the second nothing that was not read. Tells which of the three it is told of: "clock", "first", "second".
 * Then it reads of the second, where nothing is, and asks again.
 */
const PROBE = `
import { takeListener } from "wasyncore/guest";
import { ClockId, EVENT_SIZE, Event, EventType, SUBSCRIPTION_SIZE, Subscription } from "wasyncore/assembly/wasi/poll";
import { poll_oneoff } from "wasyncore/assembly/wasi/poll-calls";
import { acceptConnection, receive } from "wasyncore/assembly/wasi/system";

const SUBSCRIPTIONS = memory.data(3 * SUBSCRIPTION_SIZE, 8);
const EVENTS = memory.data(3 * EVENT_SIZE, 8);
const COUNT = memory.data(4, 4);
const BUFFER = memory.data(1);

function subscribe(index: i32, tag: u8, id: u32, timeoutNs: u64): void {
  const subscription = changetype<Subscription>(SUBSCRIPTIONS + SUBSCRIPTION_SIZE * index);
  subscription.userdata = index;
  subscription.tag = tag;
  subscription.id = id;
  subscription.timeout = timeoutNs;
}

/** Until it is ready. The clock is for a runtime that does not wait for descriptors, and is the longest wait for others. */
function waitFor(fd: i32): void {
  subscribe(0, EventType.CLOCK, ClockId.MONOTONIC, 20_000_000);
  subscribe(1, EventType.FD_READ, fd, 0);
  poll_oneoff(SUBSCRIPTIONS, EVENTS, 2, COUNT);
}

const listener = takeListener();

function accept(): i32 {
  let fd = acceptConnection(listener.fd);
  while (fd < 0) {
    waitFor(listener.fd);
    fd = acceptConnection(listener.fd);
  }
  return fd;
}

/** Waits for a byte, and takes it. */
function receiveOne(fd: i32): bool {
  let length = receive(fd, BUFFER, 1);
  while (length < 0) {
    waitFor(fd);
    length = receive(fd, BUFFER, 1);
  }
  return length == 1;
}

let first = accept();
while (!receiveOne(first)) first = accept();
const second = accept();
receiveOne(second);
// Two bytes were sent: one is still there.
const names = ["clock", "first", "second"];

function ask(): string {
  subscribe(0, EventType.CLOCK, ClockId.MONOTONIC, 200_000_000);
  subscribe(1, EventType.FD_READ, first, 0);
  subscribe(2, EventType.FD_READ, second, 0);
  let told = "errno " + poll_oneoff(SUBSCRIPTIONS, EVENTS, 3, COUNT).toString() + ":";
  for (let i = 0; i < load<i32>(COUNT); i++) told += " " + names[i32(changetype<Event>(EVENTS + EVENT_SIZE * i).userdata)];
  return told;
}

console.error(ask());
receive(second, BUFFER, 1);
console.error(ask());
`;

/**
 * What each is known to tell of a clock, a connection that is ready, and one of which all was read; then when a read of
 * that has found nothing.
 */
const TOLD: ReadonlyMap<Runtime, readonly [string, string]> = new Map([
  [WASMTIME, ["errno 0: first second", "errno 0: first second"]],
  [COMPONENTS, ["errno 0: first second", "errno 0: first"]],
  [ASYNC_COMPONENTS, ["errno 0: first", "errno 0: first"]],
  [WAZERO, ["errno 0: clock first second", "errno 0: clock first second"]],
  [NODE_HOST, ["errno 0: first", "errno 0: first"]],
]);

let probe: (runtime: Runtime) => string;
let idle: (runtime: Runtime) => string;

beforeAll(async () => {
  const directory = join(ROOT, "build", "runtimes");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "probe.ts"), PROBE);
  probe = await buildForAll("build/runtimes/probe.ts", "probe");
  idle = await buildForAll("tests/runtimes/trace-guest.ts", "idle");
}, LIMIT_MS);

/** CPU time of all threads of a process, in clock ticks of 10 ms. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

describe.each(ALL_RUNTIMES)("on $name", (runtime) => {
  describe.skipIf(runtime.missing !== "")("poll_oneoff", () => {
    test("reports a ready connection, and others as docs/runtimes.md has it", async () => {
      const { program, port } = await serveGuest(runtime, probe(runtime));
      const first = await Peer.connect(port);
      first.write("ab");
      const second = await Peer.connect(port);
      second.write("c");
      const { stderr } = await program.ended;
      expect(stderr.trim().split("\n").slice(-2)).toEqual(TOLD.get(runtime));
    });

    test("costs next to nothing while nothing happens", async () => {
      const { program, port } = await serveGuest(runtime, idle(runtime));
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
