/** Rules of the asynchronous ABI: how a component waits, what its ends and sets do, and what ends it as a trap. */

import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { PluginHost } from "wasyncore/plugin";
import { compileComponent } from "../../host/component/index.js";
import { buildComponent, missing, wasmTools } from "../assembly/component-support.js";
import { openedFromNow } from "../support/descriptors.js";
import { defaultBackend } from "../../host/net/default-backend.js";
import { client, exchange, runModule } from "../guest/command.js";
import { asyncComponent, type Lifting, runAsyncHere } from "./async-support.js";
import { importing, loopback } from "./support.js";
import { testServing } from "./serving.js";

const BUILD_LIMIT_MS = 180_000;
const BLOCKED = -1;
const EXIT = "(i32.const 0)";
/** Ends with status 1, by a trap, unless the two are equal. */
const expectEqual = (actual: string, expected: number | string): string =>
  `(if (i32.ne ${actual} ${typeof expected === "string" ? expected : `(i32.const ${expected})`}) (then (unreachable)))`;
const RETURN = `(call $return (i32.const 0))`;
/** The reading end of a stream of its own in $a, the writing one in $b. */
const PIPE = `(local.set $w (call $new-bytes)) (local.set $a (i32.wrap_i64 (local.get $w)))
  (local.set $b (i32.wrap_i64 (i64.shr_u (local.get $w) (i64.const 32))))`;
/** A call in $a that returns in a long time. */
const LONG_CALL = `(local.set $a (i32.shr_u (call $begin-wait (i64.const -1)) (i32.const 4)))`;
const SET = `(local.set $c (call $new-set))`;

describe.skipIf(missing !== "")("a component of WASI 0.3 traps when", () => {
  test.each<readonly [name: string, imports: readonly string[], body: string, message: string]>([
    ["it ends without a result", [], EXIT, "it ended without a result"],
    ["it returns twice", ["return"], `${RETURN} ${RETURN} ${EXIT}`, "it returned twice"],
    ["its callback code is unknown", ["return"], `${RETURN} (i32.const 7)`, "returned what is not known: 7"],
    ["it waits for what is no set", [], "(i32.const 0x12)", "unknown handle 1"],
    [
      "nothing that it waits for can come",
      ["new-set"],
      "(i32.or (i32.const 2) (i32.shl (call $new-set) (i32.const 4)))",
      "it waits for what never comes",
    ],
    [
      "it waits in a call for what never comes",
      ["new-set", "wait-set"],
      "(drop (call $wait-set (call $new-set) (i32.const 64))) (i32.const 0)",
      "it waits for what never comes",
    ],
    [
      "it drops a set before what is in it",
      ["new-set", "drop-set", "join", "begin-wait"],
      `${LONG_CALL} ${SET} (call $join (local.get $a) (local.get $c)) (call $drop-set (local.get $c)) ${EXIT}`,
      "a set of waitables is dropped before what is in it",
    ],
    [
      "it drops a call that is under way",
      ["begin-wait", "drop-call"],
      `${LONG_CALL} (call $drop-call (local.get $a)) ${EXIT}`,
      "a call is dropped that is under way",
    ],
    [
      "it cancels a call twice",
      ["begin-wait", "cancel-call"],
      `${LONG_CALL} (drop (call $cancel-call (local.get $a))) (drop (call $cancel-call (local.get $a))) ${EXIT}`,
      "a call is cancelled that has returned",
    ],
    [
      "it reads an end that is read",
      ["new-bytes", "read-bytes"],
      `${PIPE} (drop (call $read-bytes (local.get $a) (i32.const 0) (i32.const 8)))
       (drop (call $read-bytes (local.get $a) (i32.const 0) (i32.const 8))) ${EXIT}`,
      "which has one or is over",
    ],
    [
      "it reads the writing end",
      ["new-bytes", "read-bytes"],
      `${PIPE} (drop (call $read-bytes (local.get $b) (i32.const 0) (i32.const 8))) ${EXIT}`,
      "is of another type",
    ],
    [
      "it drops an end that is read",
      ["new-bytes", "read-bytes", "drop-readable"],
      `${PIPE} (drop (call $read-bytes (local.get $a) (i32.const 0) (i32.const 8)))
       (call $drop-readable (local.get $a)) ${EXIT}`,
      "is dropped while a copy is under way",
    ],
    [
      "it cancels a read that there is not",
      ["new-bytes", "cancel-read"],
      `${PIPE} (drop (call $cancel-read (local.get $a))) ${EXIT}`,
      "which has none",
    ],
    [
      "it reads to where it has no memory",
      ["new-bytes", "read-bytes"],
      `${PIPE} (drop (call $read-bytes (local.get $a) (i32.const 65530) (i32.const 8))) ${EXIT}`,
      "memory",
    ],
    [
      "it hands the writing end over",
      ["new-bytes", "stdout"],
      `${PIPE} (drop (call $stdout (local.get $b))) ${EXIT}`,
      "is of another type",
    ],
    [
      "it uses an end that it has handed over",
      ["new-bytes", "stdout", "read-bytes"],
      `${PIPE} (drop (call $stdout (local.get $a)))
       (drop (call $read-bytes (local.get $a) (i32.const 0) (i32.const 8))) ${EXIT}`,
      "is of another type",
    ],
    [
      "it hands over an end that is in a set",
      ["new-bytes", "stdout", "new-set", "join"],
      `${PIPE} ${SET} (call $join (local.get $a) (local.get $c)) (drop (call $stdout (local.get $a))) ${EXIT}`,
      "is handed over while it is in a set",
    ],
    [
      "it returns a case that its result does not have",
      ["return"],
      `(call $return (i32.const 2)) ${EXIT}`,
      "no case 2",
    ],
    [
      "it waits in a call for what is in a set",
      ["new-bytes", "new-set", "join", "write-and-wait"],
      `${PIPE} ${SET} (call $join (local.get $b) (local.get $c))
       (drop (call $write-and-wait (local.get $b) (i32.const 0) (i32.const 8))) ${EXIT}`,
      "it waits in a call for what is in a set",
    ],
    [
      "it drops a socket during a call of it",
      ["create-udp", "bind-udp", "receive-udp", "drop-udp"],
      `(call $create-udp (i32.const 0) (i32.const 64)) (local.set $a (i32.load (i32.const 68)))
       (call $bind-udp (local.get $a) ${loopback("(i32.const 0)")} (i32.const 64))
       (drop (call $receive-udp (local.get $a) (i32.const 128))) (call $drop-udp (local.get $a)) ${EXIT}`,
      "is dropped before what was made of it",
    ],
    [
      "it drops a socket whose call has returned, before it has the event of that",
      ["create-udp", "bind-udp", "receive-udp", "send-udp", "udp-address", "now", "yield", "drop-udp"],
      `(call $create-udp (i32.const 0) (i32.const 64)) (local.set $a (i32.load (i32.const 68)))
       (call $bind-udp (local.get $a) ${loopback("(i32.const 0)")} (i32.const 64))
       (call $udp-address (local.get $a) (i32.const 64))
       (drop (call $receive-udp (local.get $a) (i32.const 128)))
       (i32.store (i32.const 512) (local.get $a)) (i32.store (i32.const 516) (i32.const 1024)) (i32.store (i32.const 520) (i32.const 4))
       (i32.store8 (i32.const 524) (i32.const 1)) (i32.store16 (i32.const 532) (i32.load16_u (i32.const 72)))
       (i32.store8 (i32.const 534) (i32.const 127)) (i32.store8 (i32.const 537) (i32.const 1))
       (drop (call $send-udp (i32.const 512) (i32.const 64)))
       (loop (drop (call $yield)) (br_if 0 (i32.eqz (i32.load (i32.const 136)))))
       (call $drop-udp (local.get $a)) ${EXIT}`,
      "is dropped before what was made of it",
    ],
    [
      "it drops a set as a socket",
      ["create", "drop-socket", "new-set"],
      `(call $drop-socket (call $new-set)) ${EXIT}`,
      "is of another type",
    ],
  ])("%s", async (_name, imports, body, message) => {
    const bytes = await asyncComponent(imports, body);
    const opened = openedFromNow();
    await expect(runAsyncHere(bytes)).rejects.toMatchObject({
      name: "GuestTrap",
      message: expect.stringContaining(message) as string,
    });
    expect(opened()).toEqual([]);
  });

  test("it has more in a set than its policy lets it wait for", async () => {
    const body = `${SET} (loop ${LONG_CALL} (call $join (local.get $a) (local.get $c)) (br 0)) ${EXIT}`;
    const bytes = await asyncComponent(["new-set", "join", "begin-wait"], body);
    await expect(runAsyncHere(bytes, { mayPoll: (count) => count <= 3 })).rejects.toThrow(
      "more than it may: 4 in a set",
    );
  });

  test("it has more handles than the host counts for it", async () => {
    let left = 100;
    const hostBytes = { take: () => left-- > 0, give: () => undefined };
    const bytes = await asyncComponent(["new-bytes"], `(loop (drop (call $new-bytes)) (br 0)) ${EXIT}`);
    await expect(runAsyncHere(bytes, { hostBytes })).rejects.toThrow("it has more handles than it may: 100");
  });
});

describe.skipIf(missing !== "")("a component of WASI 0.3", () => {
  test.each<readonly [Lifting, string]>([
    ["callback", `(call $return (i32.const 1)) ${EXIT}`],
    ["stackful", "(call $return (i32.const 1))"],
    ["sync", "(i32.const 1)"],
  ])("ends with its result, lifted as %s", async (lifting, body) => {
    expect(await runAsyncHere(await asyncComponent(lifting === "sync" ? [] : ["return"], body, lifting))).toBe(1);
  });

  test.each<Lifting>(["stackful", "sync"])("waits inside of a call, lifted as %s", async (lifting) => {
    const body = `(local.set $w (i64.add (call $now) (i64.const 2000000))) (call $wait-until (local.get $w))
      (if (i64.lt_s (call $now) (local.get $w)) (then (unreachable)))`;
    const end = lifting === "sync" ? "(i32.const 0)" : RETURN;
    const imports = ["now", "wait-until", ...(lifting === "sync" ? [] : ["return"])];
    expect(await runAsyncHere(await asyncComponent(imports, `${body} ${end}`, lifting))).toBe(0);
  });

  test("is called back by what it waits for, with the handle and the state of its call", async () => {
    // Of two times the earlier one; the handle of its call is kept where `context.get` returns it.
    const begin = (after: number): string =>
      `(i32.shr_u (call $begin-wait (i64.add (call $now) (i64.const ${after}))) (i32.const 4))`;
    const body = `${SET} (call $join ${begin(1e15)} (local.get $c))
      (local.set $a ${begin(2e6)}) (call $set-context (local.get $a)) (call $join (local.get $a) (local.get $c))
      (i32.or (i32.const 2) (i32.shl (local.get $c) (i32.const 4)))`;
    const RETURNED = 2;
    const SUBTASK = 1;
    const callback = `${expectEqual("(local.get $kind)", SUBTASK)} ${expectEqual("(local.get $code)", RETURNED)}
      (if (i32.ne (local.get $handle) (call $get-context)) (then (unreachable)))
      (call $drop-call (local.get $handle)) ${RETURN} ${EXIT}`;
    const imports = ["new-set", "join", "begin-wait", "now", "set-context", "get-context", "drop-call", "return"];
    expect(await runAsyncHere(await asyncComponent(imports, body, "callback", callback))).toBe(0);
  });

  test("has a call that is cancelled, and one that has returned by then", async () => {
    const CANCELLED = 4;
    const RETURNED = 2;
    const body = `${LONG_CALL} ${expectEqual("(call $cancel-call (local.get $a))", CANCELLED)} (call $drop-call (local.get $a))
      ${expectEqual("(call $begin-wait (i64.const 0))", RETURNED)}
      (local.set $a (i32.shr_u (call $begin-wait (i64.add (call $now) (i64.const 1000000))) (i32.const 4)))
      (local.set $w (i64.add (call $now) (i64.const 3000000)))
      (loop (drop (call $yield)) (br_if 0 (i64.lt_s (call $now) (local.get $w))))
      ${expectEqual("(call $cancel-call (local.get $a))", RETURNED)} (call $drop-call (local.get $a)) ${RETURN} ${EXIT}`;
    const imports = ["begin-wait", "cancel-call", "drop-call", "now", "yield", "return"];
    expect(await runAsyncHere(await asyncComponent(imports, body))).toBe(0);
  });

  test("has every event of a set, whatever is cancelled in it before", async () => {
    // One call has returned by then; the one that is cancelled has no event.
    const RETURNED = 2;
    const SUBTASK = 1;
    const body = `${SET} (local.set $b (i32.shr_u (call $begin-wait (i64.add (call $now) (i64.const 1000000))) (i32.const 4)))
      ${LONG_CALL} (call $join (local.get $a) (local.get $c)) (call $join (local.get $b) (local.get $c))
      (local.set $w (i64.add (call $now) (i64.const 3000000)))
      (loop (drop (call $yield)) (br_if 0 (i64.lt_s (call $now) (local.get $w))))
      (drop (call $cancel-in-set (local.get $a)))
      ${expectEqual("(call $poll-set (local.get $c) (i32.const 64))", SUBTASK)}
      ${expectEqual("(i32.load (i32.const 64))", "(local.get $b)")} ${expectEqual("(i32.load (i32.const 68))", RETURNED)}
      ${RETURN} ${EXIT}`;
    const imports = ["new-set", "begin-wait", "now", "join", "yield", "cancel-in-set", "poll-set", "return"];
    expect(await runAsyncHere(await asyncComponent(imports, body))).toBe(0);
  });

  test("ends by EXIT with whatever set beside it", async () => {
    expect(await runAsyncHere(await asyncComponent(["return"], `${RETURN} (i32.const 0x10)`))).toBe(0);
  });

  test("has datagrams wait only for as much memory of the host's as it may have", async () => {
    const EAGAIN = -11;
    const full = { ...defaultBackend(), sendTo: () => EAGAIN };
    let left = 100_000;
    const hostBytes = {
      take: (count: number) => left >= count && ((left -= count), true),
      give: (count: number) => void (left += count),
    };
    const RETURNED = 2;
    const CANCELLED = 4;
    const OUT_OF_MEMORY = 3;
    // 60,000 bytes to port 9 of 127.0.0.1
    const send = "(call $send-udp (i32.const 512) (i32.const 64))";
    const started = `(local.set $a ${send}) ${expectEqual("(i32.and (local.get $a) (i32.const 15))", 1)}
      (local.set $a (i32.shr_u (local.get $a) (i32.const 4)))`;
    const body = `(call $create-udp (i32.const 0) (i32.const 64)) (i32.store (i32.const 512) (i32.load (i32.const 68)))
      (i32.store (i32.const 516) (i32.const 1024)) (i32.store (i32.const 520) (i32.const 60000))
      (i32.store8 (i32.const 524) (i32.const 1)) (i32.store16 (i32.const 532) (i32.const 9))
      (i32.store8 (i32.const 534) (i32.const 127)) (i32.store8 (i32.const 537) (i32.const 1))
      ${started} ${expectEqual(send, RETURNED)}
      ${expectEqual("(i32.load8_u (i32.const 64))", 1)} ${expectEqual("(i32.load8_u (i32.const 68))", OUT_OF_MEMORY)}
      ${expectEqual("(call $cancel-call (local.get $a))", CANCELLED)} (call $drop-call (local.get $a))
      ${started} ${RETURN} ${EXIT}`;
    const imports = ["create-udp", "send-udp", "cancel-call", "drop-call", "return"];
    expect(await runAsyncHere(await asyncComponent(imports, body), { hostBytes }, full)).toBe(0);
    expect(left).toBeGreaterThan(90_000);
  });

  test("moves bytes between its own ends, as many as both have", async () => {
    const COMPLETED = (count: number): number => count << 4;
    const DROPPED = 1;
    const read = (length: number): string => `(call $read-bytes (local.get $a) (i32.const 256) (i32.const ${length}))`;
    const write = (length: number): string => `(call $write-bytes (local.get $b) (i32.const 16) (i32.const ${length}))`;
    const body = `${PIPE} ${SET} (i32.store (i32.const 16) (i32.const 0x04030201))
      ${expectEqual(write(4), BLOCKED)} ${expectEqual(read(3), COMPLETED(3))}
      ${expectEqual("(i32.load (i32.const 256))", 0x030201)}
      ${expectEqual(read(3), COMPLETED(1))} ${expectEqual("(i32.load8_u (i32.const 256))", 4)}
      (call $join (local.get $b) (local.get $c))
      ${expectEqual("(call $poll-set (local.get $c) (i32.const 64))", 3)} ${expectEqual("(i32.load (i32.const 68))", COMPLETED(4))}
      ${expectEqual("(call $poll-set (local.get $c) (i32.const 64))", 0)}
      ${expectEqual(read(8), BLOCKED)} ${expectEqual(write(0), COMPLETED(0))} ${expectEqual("(call $cancel-read (local.get $a))", 2)}
      ${expectEqual(write(2), BLOCKED)} (call $drop-readable (local.get $a))
      ${expectEqual("(call $poll-set (local.get $c) (i32.const 64))", 3)} ${expectEqual("(i32.load (i32.const 68))", DROPPED)}
      (call $drop-writable (local.get $b)) (call $drop-set (local.get $c)) ${RETURN} ${EXIT}`;
    const imports = [
      ...["new-bytes", "write-bytes", "read-bytes", "cancel-read", "drop-readable", "drop-writable"],
      ...["new-set", "poll-set", "drop-set", "join", "return"],
    ];
    expect(await runAsyncHere(await asyncComponent(imports, body))).toBe(0);
  });

  test("has written everything before it hands the other end over, and costs nothing until it takes the event", async () => {
    const COMPLETED = (count: number): number => count << 4;
    const backend = defaultBackend();
    let waits = 0;
    const counting: typeof backend = {
      ...backend,
      createPollSet() {
        const set = backend.createPollSet();
        const { wait } = set;
        return Object.assign(set, { wait: (timeoutMs: number) => ((waits += 1), wait.call(set, timeoutMs)) });
      },
    };
    const body = `${PIPE} ${expectEqual("(call $write-bytes (local.get $b) (i32.const 0) (i32.const 4))", BLOCKED)}
      ${expectEqual("(call $read-bytes (local.get $a) (i32.const 16) (i32.const 4))", COMPLETED(4))}
      (drop (call $stdout (local.get $a))) (call $wait-until (i64.add (call $now) (i64.const 20000000)))
      ${expectEqual("(call $cancel-write (local.get $b))", COMPLETED(4))} ${RETURN} ${EXIT}`;
    const imports = ["new-bytes", "write-bytes", "read-bytes", "stdout", "wait-until", "now", "cancel-write", "return"];
    expect(await runAsyncHere(await asyncComponent(imports, body), {}, counting)).toBe(0);
    expect(waits).toBeLessThan(5);
  });

  test("hands a stream of the host's on, which the host copies to its end", async () => {
    const body = `(call $stdin (i32.const 64)) (local.set $a (call $stdout (i32.load (i32.const 64)))) ${SET}
      ${expectEqual("(call $read-end (local.get $a) (i32.const 128))", BLOCKED)} (call $join (local.get $a) (local.get $c))
      (i32.or (i32.const 2) (i32.shl (local.get $c) (i32.const 4)))`;
    const callback = `(call $drop-end (local.get $handle)) (call $return (i32.load8_u (i32.const 128))) ${EXIT}`;
    const imports = ["stdin", "stdout", "read-end", "drop-end", "new-set", "join", "return"];
    const run = runModule(await asyncComponent(imports, body, "callback", callback));
    // More than the host copies at a time: it is not at the end when the component asks for that.
    const text = "some text\n".repeat(300_000);
    run.child.stdin.end(text);
    const { code, stdout } = await run.ended;
    expect(stdout).toBe(text);
    expect(code).toBe(0);
  });

  test("is refused sockets of its own, and the host is notified, also where it binds by listening", async () => {
    const said: string[] = [];
    const sockets = { listeners: [], mayOpen: false, onRefused: (what: string) => void said.push(what) };
    const ACCESS_DENIED = 0;
    const body = `(call $create (i32.const 0) (i32.const 64)) (call $listen (i32.load (i32.const 68)) (i32.const 64))
      ${expectEqual("(i32.load8_u (i32.const 64))", 1)} ${expectEqual("(i32.load8_u (i32.const 68))", ACCESS_DENIED)} ${RETURN} ${EXIT}`;
    const bytes = await asyncComponent(["create", "listen", "return"], body);
    expect(await runAsyncHere(bytes, { sockets })).toBe(0);
    expect(said).toEqual(["bind 0.0.0.0:0"]);
  });

  test("that takes threads, or an interface which is not served, is refused by its name", async () => {
    const { parse } = await wasmTools();
    const threads = await parse("(component (core func (canon thread.index)))");
    await expect(runAsyncHere(threads)).rejects.toThrow("the component has what is not known here: threads");
    const HTTP = "package wasi:http@0.3.0 { interface things { make: func(how: u32); } }";
    const { code, stderr } = await runModule(await importing("wasi:http/things@0.3.0", "make", HTTP)).ended;
    expect(stderr).toBe("wasyncore: cannot run guest.wasm: it imports what is not there: wasi:http/things@0.3.0\n");
    expect(code).toBe(1);
  });

  describe("that serves", () => {
    let echo: Uint8Array;
    beforeAll(async () => {
      echo = readFileSync(await buildComponent("examples/portable/echo-guest.ts", "component-run-echo", "wasi-0.3"));
    }, BUILD_LIMIT_MS);

    test.each([[[]], [["--max-memory", "32M"]]])("takes the listening socket of the host, with %j", async (policy) => {
      const run = runModule(echo, "--listen", "web=127.0.0.1:0", ...policy);
      const port = await run.port();
      expect((await exchange(await client(port), "hello")).toString()).toBe("hello");
    });

    testServing(() => echo);

    test("is a plugin, which is stopped and leaves nothing behind", async () => {
      await using host = new PluginHost();
      await host.start(echo.slice(), { name: "echo", run: "isolated", listen: ["127.0.0.1:0"] });
      const address = host.snapshot("echo").listeners[0]?.address;
      if (address === undefined || address.path !== undefined) throw new Error("it listens nowhere");
      expect((await exchange(await client(address.port), "plugin")).toString()).toBe("plugin");
      await host.stop("echo");
      expect(host.has("echo")).toBe(false);
    });

    test("that is damaged anywhere is refused, or runs into its damage alone", { timeout: 60_000 }, async () => {
      const internal: unknown[] = [];
      for (let seed = 1; seed <= 120; seed++) {
        // What links its modules is at the end. Damage to their code might make it compute without end: that is not run.
        const isCode = seed % 2 === 1;
        const at = isCode ? (seed * 2_654_435_761) % echo.length : echo.length - 1 - ((seed * 37) % 6000);
        const damaged = Uint8Array.from(echo);
        damaged[at] = (damaged[at] ?? 0) ^ (1 + (seed % 255));
        const bytes = seed % 3 === 0 ? damaged.subarray(0, at) : damaged;
        try {
          if (isCode) await compileComponent(bytes);
          else await runAsyncHere(bytes, { sockets: { listeners: [], mayOpen: false, onRefused: () => undefined } });
        } catch (error) {
          const { name, cause } = error as Error;
          if (!["GuestError", "GuestTrap"].includes(name) || cause instanceof TypeError) internal.push(error);
        }
      }
      expect(internal).toEqual([]);
    });
  });
});
