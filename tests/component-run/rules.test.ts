/** Rules of the component model and of WASI 0.2 that a component must not break: each is a trap, and ends it alone. */

import { createServer, type Server } from "node:net";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { missing, wasmTools } from "../assembly/component-support.js";
import { openedFromNow } from "../support/descriptors.js";
import { component, loopback, runHere } from "./support.js";

/** A new socket in $a; `run` fails where there is none. */
const SOCKET = `(call $create (i32.const 0) (i32.const 0)) (if (i32.load8_u (i32.const 0)) (then (return (i32.const 1))))
  (local.set $a (i32.load (i32.const 4)))`;
const NETWORK = `(local.set $b (call $network))`;
const bind = (port: number): string =>
  `(call $start-bind (local.get $a) (local.get $b) ${loopback(`(i32.const ${port})`)} (i32.const 64))`;
/** Ends with status 1 unless the result at `at` is this error; without one, unless it is a success. */
const expectAt = (at: number, error?: number): string =>
  error === undefined
    ? `(if (i32.load8_u (i32.const ${at})) (then (return (i32.const 1))))`
    : `(if (i32.ne (i32.load16_u (i32.const ${at})) (i32.const ${1 + error * 256})) (then (return (i32.const 1))))`;

const WOULD_BLOCK = 8;
const INVALID_STATE = 9;
const NOT_IN_PROGRESS = 7;
const INVALID_ARGUMENT = 3;
const CONCURRENCY_CONFLICT = 6;
const CONNECTION_REFUSED = 14;

describe.skipIf(missing !== "")("a component traps when", () => {
  test.each<readonly [name: string, imports: readonly string[], body: string, message: string]>([
    [
      "it drops a socket before the pollable of it",
      ["create", "subscribe-socket", "drop-socket"],
      `${SOCKET} (drop (call $subscribe-socket (local.get $a))) (call $drop-socket (local.get $a)) (i32.const 0)`,
      "is dropped before what was made of it",
    ],
    [
      "it drops a handle twice",
      ["network", "drop-network"],
      `${NETWORK} (call $drop-network (local.get $b)) (call $drop-network (local.get $b)) (i32.const 0)`,
      "unknown handle",
    ],
    [
      "it uses a handle that it never had",
      ["drop-socket"],
      `(call $drop-socket (i32.const 0x7fffffff)) (i32.const 0)`,
      "unknown handle 2147483647",
    ],
    [
      "it uses a negative handle",
      ["drop-socket"],
      `(call $drop-socket (i32.const -1)) (i32.const 0)`,
      "unknown handle",
    ],
    [
      "it uses a handle of another type",
      ["network", "drop-pollable"],
      `${NETWORK} (call $drop-pollable (local.get $b)) (i32.const 0)`,
      "is of another type",
    ],
    [
      "it polls nothing",
      ["poll"],
      `(call $poll (i32.const 0) (i32.const 0) (i32.const 64)) (i32.const 0)`,
      "empty list",
    ],
    [
      "its list of pollables leads out of its memory",
      ["poll"],
      `(call $poll (i32.const 0) (i32.const 0x3fffffff) (i32.const 64)) (i32.const 0)`,
      "memory",
    ],
    [
      "it polls more than there might be",
      ["poll"],
      `(drop (memory.grow (i32.const 70))) (call $poll (i32.const 0) (i32.const 1000001) (i32.const 64)) (i32.const 0)`,
      "it polls more than it may: 1000001 pollables",
    ],
    [
      "what it writes leads out of its memory",
      ["stdout", "write"],
      `(call $write (call $stdout) (i32.const 65530) (i32.const 100) (i32.const 64)) (i32.const 0)`,
      "memory",
    ],
    [
      "it writes more at once than blocking-write-and-flush takes",
      ["stdout", "flush"],
      `(call $flush (call $stdout) (i32.const 0) (i32.const 4097) (i32.const 64)) (i32.const 0)`,
      "at most 4096 bytes",
    ],
    [
      "a result is to be written out of its memory",
      ["create"],
      `(call $create (i32.const 0) (i32.const -4)) (i32.const 0)`,
      "memory",
    ],
    [
      "it names a family that there is not",
      ["create"],
      `(call $create (i32.const 2) (i32.const 0)) (i32.const 0)`,
      "no case 2",
    ],
    [
      "it passes a longer string than the host takes",
      ["network", "resolve"],
      `(drop (memory.grow (i32.const 20))) (call $resolve (call $network) (i32.const 0) (i32.const 0x100001) (i32.const 64))
       (i32.const 0)`,
      "a string has more bytes than the host takes: 1048577",
    ],
    [
      "it passes a longer list than the host takes",
      ["network", "create-udp", "bind-udp", "finish-udp", "stream-udp", "send-udp"],
      `(drop (memory.grow (i32.const 20))) (call $create-udp (i32.const 0) (i32.const 64)) (local.set $a (i32.load (i32.const 68)))
       (call $bind-udp (local.get $a) (call $network) ${loopback("(i32.const 0)")} (i32.const 64))
       (call $finish-udp (local.get $a) (i32.const 64))
       (call $stream-udp (local.get $a) ${"(i32.const 0)".repeat(13)} (i32.const 64))
       (call $send-udp (i32.load (i32.const 72)) (i32.const 256) (i32.const 20000) (i32.const 64)) (i32.const 0)`,
      "a list has more elements than the host takes: 20000",
    ],
    [
      "a result is to be written where it is not aligned",
      ["create"],
      `(call $create (i32.const 0) (i32.const 66)) (i32.const 0)`,
      "not aligned",
    ],
  ])("%s", async (_name, imports, body, message) => {
    const bytes = await component(imports, body);
    const opened = openedFromNow();
    let thrown: unknown;
    try {
      await runHere(bytes);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ name: "GuestTrap", message: expect.stringContaining(message) as string });
    expect(opened()).toEqual([]);
  });

  test("it writes to a connection that takes no more, and nothing of the connection is left", async () => {
    const port = await listening(createServer((socket) => void socket.destroy()));
    const imports = ["network", "create", "start-connect", "finish-connect", "subscribe-socket", "poll", "write"];
    const bytes = await component(
      imports,
      `${SOCKET} ${NETWORK} (call $start-connect (local.get $a) (local.get $b) ${loopback(`(i32.const ${port})`)} (i32.const 64))
      (i32.store (i32.const 128) (call $subscribe-socket (local.get $a)))
      (call $poll (i32.const 128) (i32.const 1) (i32.const 64))
      (call $finish-connect (local.get $a) (i32.const 64)) (local.set $c (i32.load (i32.const 72)))
      (loop (call $write (local.get $c) (i32.const 4096) (i32.const 60000) (i32.const 64)) (br 0)) (i32.const 0)`,
    );
    const opened = openedFromNow();
    await expect(runHere(bytes)).rejects.toThrow("without asking whether it may");
    expect(opened()).toEqual([]);
  });

  test("its allocator calls the host", async () => {
    const body = `(i32.store (i32.const 128) (call $timer (i64.const 1)))
      (call $poll (i32.const 128) (i32.const 1) (i32.const 64)) (i32.const 0)`;
    const bytes = await component(["timer", "poll", "network"], body, "(drop (call $network))");
    await expect(runHere(bytes)).rejects.toThrow("it calls the host from its allocator");
  });

  test("it calls the host after it has returned", async () => {
    const { parse } = await wasmTools();
    const bytes = await parse(`(component
      (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
      (core func $now (canon lower (func $clock "now")))
      (core module $main
        (import "c" "now" (func $now (result i64)))
        (func (export "run") (result i32) (drop (call $now)) (i32.const 0))
        (func (export "after") (param i32) (drop (call $now))))
      (core instance $m (instantiate $main (with "c" (instance (export "now" (func $now))))))
      (func $run (result (result)) (canon lift (core func $m "run") (post-return (func $m "after"))))
      (instance $r (export "run" (func $run)))
      (export "wasi:cli/run@0.2.7" (instance $r)))`);
    await expect(runHere(bytes)).rejects.toThrow("it calls the host from its allocator, or after it has returned");
  });

  test("it has more handles than the host counts for it", async () => {
    const bytes = await component(["network"], `(loop (drop (call $network)) (br 0)) (i32.const 0)`);
    let left = 100;
    const hostBytes = { take: () => left-- > 0, give: () => undefined };
    await expect(runHere(bytes, { hostBytes })).rejects.toThrow("it has more handles than it may: 100");
  });
});

describe.skipIf(missing !== "")("a component", () => {
  test("ends with the status of run, or of exit, and nothing after exit runs", async () => {
    expect(await runHere(await component([], "(i32.const 0)"))).toBe(0);
    expect(await runHere(await component([], "(i32.const 1)"))).toBe(1);
    expect(await runHere(await component(["exit"], "(call $exit (i32.const 0)) (i32.const 1)"))).toBe(0);
    expect(await runHere(await component(["exit"], "(call $exit (i32.const 1)) (unreachable)"))).toBe(1);
  });

  test("takes the steps of binding and listening in their order", async () => {
    const imports = ["network", "create", "start-bind", "finish-bind", "start-listen", "finish-listen", "accept"];
    const on = (name: string): string => `(call $${name} (local.get $a) (i32.const 64))`;
    const body = [
      ...[SOCKET, NETWORK],
      ...[on("finish-bind"), expectAt(64, NOT_IN_PROGRESS), on("start-listen"), expectAt(64, INVALID_STATE)],
      ...[on("accept"), expectAt(64, INVALID_STATE), bind(0), expectAt(64), bind(0), expectAt(64, INVALID_STATE)],
      ...[on("start-listen"), expectAt(64, INVALID_STATE), on("finish-bind"), expectAt(64)],
      ...[on("finish-bind"), expectAt(64, NOT_IN_PROGRESS), on("finish-listen"), expectAt(64, NOT_IN_PROGRESS)],
      ...[on("start-listen"), expectAt(64), on("start-listen"), expectAt(64, INVALID_STATE)],
      ...[on("finish-listen"), expectAt(64)],
    ];
    // The result of accept has an alignment of 4: its error is at 4.
    const accepted = `${on("accept")} (if (i32.ne (i32.load8_u (i32.const 68)) (i32.const ${WOULD_BLOCK})) (then (return (i32.const 1))))`;
    expect(await runHere(await component(imports, [...body, accepted, "(i32.const 0)"].join("\n")))).toBe(0);
  });

  test("connects, is notified when that has failed, and connects a socket once", async () => {
    const closed = createServer();
    const port = await listening(closed);
    closed.close();
    await once(closed, "close");
    const imports = ["network", "create", "start-connect", "finish-connect", "subscribe-socket", "poll"];
    const connect = (to: string): string =>
      `(call $start-connect (local.get $a) (local.get $b) ${loopback(to)} (i32.const 64))`;
    const finish = `(call $finish-connect (local.get $a) (i32.const 64))`;
    const failed = (error: number): string =>
      `(if (i32.ne (i32.load8_u (i32.const 68)) (i32.const ${error})) (then (return (i32.const 1))))`;
    const wait = `(i32.store (i32.const 128) (call $subscribe-socket (local.get $a)))
      (call $poll (i32.const 128) (i32.const 1) (i32.const 64))`;
    const body = [
      ...[SOCKET, NETWORK, finish, failed(NOT_IN_PROGRESS), connect("(i32.const 0)"), expectAt(64, INVALID_ARGUMENT)],
      ...[connect(`(i32.const ${port})`), expectAt(64)],
      ...[connect(`(i32.const ${port})`), expectAt(64, CONCURRENCY_CONFLICT)],
      ...[wait, finish, failed(CONNECTION_REFUSED), finish, failed(NOT_IN_PROGRESS)],
      ...[connect(`(i32.const ${port})`), expectAt(64, INVALID_STATE)],
    ];
    expect(await runHere(await component(imports, [...body, "(i32.const 0)"].join("\n")))).toBe(0);
  });

  test("is refused sockets of its own, and the host is notified", async () => {
    const said: string[] = [];
    const sockets = { listeners: [], mayOpen: false, onRefused: (what: string) => void said.push(what) };
    const ACCESS_DENIED = 1;
    const body = `${SOCKET} ${NETWORK} ${bind(80)} ${expectAt(64, ACCESS_DENIED)} (i32.const 0)`;
    expect(await runHere(await component(["network", "create", "start-bind"], body), { sockets })).toBe(0);
    expect(said).toEqual(["bind 127.0.0.1:80"]);
  });

  test("has others in it, and traps only where one of them calls another", async () => {
    const { parse } = await wasmTools();
    const composed = (body: string): Promise<Uint8Array> =>
      parse(`(component
        (component $inner
          (core module $m (func (export "f")))
          (core instance $i (instantiate $m))
          (func (export "f") (canon lift (core func $i "f"))))
        (instance $h (instantiate $inner))
        (core func $f (canon lower (func $h "f")))
        (core module $main
          (import "h" "f" (func $f))
          (global $started (mut i32) (i32.const 0))
          (func $begin (global.set $started (i32.const 1)))
          (start $begin)
          (func (export "run") (result i32) ${body}))
        (core instance $mi (instantiate $main (with "h" (instance (export "f" (func $f))))))
        (func $run (result (result)) (canon lift (core func $mi "run")))
        (instance $r (export "run" (func $run)))
        (export "wasi:cli/run@0.2.7" (instance $r)))`);
    expect(await runHere(await composed("(i32.eqz (global.get $started))"))).toBe(0);
    const calls = await composed("(call $f) (i32.const 0)");
    await expect(runHere(calls)).rejects.toThrow("a component in it calls another one, which is not known here");
  });

  test("waits for the first of several times", async () => {
    const store = (at: number, when: string): string => `(i32.store (i32.const ${at}) (call $timer ${when}))`;
    const body = `${store(128, "(i64.const -1)")} ${store(132, "(i64.const 1)")}
      (call $poll (i32.const 128) (i32.const 2) (i32.const 64))
      (i32.or (i32.ne (i32.load (i32.const 68)) (i32.const 1)) (i32.ne (i32.load (i32.load (i32.const 64))) (i32.const 1)))`;
    expect(await runHere(await component(["timer", "poll"], body))).toBe(0);
  });
});

async function listening(server: Server): Promise<number> {
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as { port: number }).port;
}
