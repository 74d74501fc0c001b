/** `runGuest` and `driveGuest`: how a guest ends, what becomes of its sockets, and that Node's event loop goes on. */

import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { driveGuest, GuestError, GuestTrap, runGuest, Socket } from "wasyncore";
import { wat } from "../guest/modules.js";
import { buildInto } from "../support/builds.js";
import { Peer } from "../support/peers.js";

const MEMORY = `(memory (export "memory") 1)`;
const EXIT = `(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))`;
const COMMAND = `(module ${MEMORY} (func (export "_start")))`;

/** A guest that takes turns: what each of its exports does. */
function reactor({ initialize = "", turn = "(i32.const 0)", pending = "(i32.const 1)", globals = "" }): Uint8Array {
  return wat(`(module ${EXIT} ${MEMORY} ${globals}
    (func (export "_initialize") ${initialize})
    (func (export "turn") (param i64) (result i32) ${turn})
    (func (export "pending") (result i32) ${pending}))`);
}

function listening(): [listener: Socket, port: number] {
  const listener = Socket.create();
  onTestFinished(() => listener.close());
  listener.bind({ host: "127.0.0.1", port: 0 });
  listener.listen(8);
  return [listener, listener.localAddress().port ?? 0];
}

/** Fails where nobody listens. */
function expectRefused(port: number): Promise<void> {
  return expect(Peer.connect(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
}

describe("runGuest", () => {
  test("gives the exit status of a command", () => {
    expect(runGuest(wat(COMMAND))).toBe(0);
    expect(runGuest(wat(`(module ${EXIT} ${MEMORY} (func (export "_start") (call $exit (i32.const 7))))`))).toBe(7);
  });

  test.each([
    ["traps", `(module ${MEMORY} (func (export "_start") unreachable))`, GuestTrap],
    ["cannot be run", "(module)", GuestError],
  ])("closes the listeners of a guest that %s", async (_, text, error) => {
    const [listener, port] = listening();
    expect(() => runGuest(wat(text), { listeners: [{ socket: listener, name: "web" }] })).toThrow(error);
    expect(listener.closed).toBe(true);
    await expectRefused(port);
  });

  test("closes the listeners of a guest that has ended", async () => {
    const [listener, port] = listening();
    expect(runGuest(wat(COMMAND), { listeners: [listener] })).toBe(0);
    await expectRefused(port);
  });

  test("closes the listeners when what it is given is wrong", async () => {
    const [listener, port] = listening();
    expect(() => runGuest("a.wasm" as unknown as Uint8Array, { listeners: [listener] })).toThrow(TypeError);
    await expectRefused(port);
    const [other, otherPort] = listening();
    expect(() => runGuest(wat(COMMAND), { listeners: [other], args: ["\0"] })).toThrow(RangeError);
    await expectRefused(otherPort);
  });

  test("does not run a guest that takes turns", () => {
    expect(() => runGuest(reactor({}))).toThrow(expect.objectContaining({ code: "ERR_GUEST_EXPORTS" }));
  });
});

describe("driveGuest", () => {
  test("resolves to 0 when the guest has nothing left to wait for", async () => {
    expect(await driveGuest(reactor({ pending: "(i32.const 0)" }))).toBe(0);
  });

  test.each([
    ["_initialize", { initialize: "(call $exit (i32.const 3))" }],
    ["a turn", { turn: "(call $exit (i32.const 3)) unreachable" }],
    ["pending", { pending: "(call $exit (i32.const 3)) unreachable" }],
  ])("resolves to the exit status of a guest that ends itself in %s", async (_, exports) => {
    expect(await driveGuest(reactor(exports))).toBe(3);
  });

  test("rejects when a turn traps, and closes the listeners", async () => {
    const [listener, port] = listening();
    await expect(driveGuest(reactor({ turn: "unreachable" }), { listeners: [listener] })).rejects.toBeInstanceOf(
      GuestTrap,
    );
    await expectRefused(port);
  });

  test.each([
    ["a command", COMMAND],
    ["a library without turns", `(module ${MEMORY} (func (export "_initialize")))`],
    ["no guest at all", "(module)"],
  ])("rejects %s", async (_, text) => {
    await expect(driveGuest(wat(text))).rejects.toMatchObject({ code: "ERR_GUEST_EXPORTS" });
  });

  test("goes on after an error that the guest has reported, and lets the rest of the process run between many turns", async () => {
    const globals = `(global $turns (mut i32) (i32.const 0))`;
    const count = `(global.set $turns (i32.add (global.get $turns) (i32.const 1)))`;
    const others = new AbortController();
    const timer = setTimeout(() => others.abort(), 0);
    onTestFinished(() => clearTimeout(timer));
    // An error first, then a channel that is ready for longer than anybody waits.
    const turn = `${count} (select (i32.const -29) (i32.const 1) (i32.eq (global.get $turns) (i32.const 1)))`;
    const pending = `(i32.lt_u (global.get $turns) (i32.const 50000000))`;
    expect(await driveGuest(reactor({ globals, turn, pending }), { signal: others.signal })).toBe(0);
    expect(others.signal.aborted).toBe(true);
  });

  test("does not begin when its signal is aborted", async () => {
    const turn = "unreachable";
    expect(await driveGuest(reactor({ turn }), { signal: AbortSignal.abort() })).toBe(0);
  });
});

describe("a guest made with wasyncore build", () => {
  const directory = mkdtempSync(join(tmpdir(), "embedding-"));
  let module: Uint8Array;

  beforeAll(async () => {
    const out = join(directory, "guest.wasm");
    module = readFileSync(await buildInto("examples/embedding/guest.ts", out, "--reactor"));
  }, 120_000);

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test("serves peers of the same process until it is aborted; its sockets are closed then", async () => {
    const [listener, port] = listening();
    const end = new AbortController();
    const driven = driveGuest(module, { listeners: [listener], signal: end.signal });
    const peers = await Promise.all([Peer.connect(port), Peer.connect(port)]);
    for (const peer of peers) peer.write("hello\n");
    for (const peer of peers) expect((await peer.atLeast(6)).toString()).toBe("hello\n");
    end.abort();
    expect(await driven).toBe(0);
    expect((await Promise.all(peers.map((peer) => peer.toEnd()))).join("")).toBe("hello\nhello\n");
    await expectRefused(port);
  });

  test("two of them take turns beside each other", async () => {
    const end = new AbortController();
    const listeners = [listening(), listening()];
    const driven = listeners.map(([listener]) => driveGuest(module, { listeners: [listener], signal: end.signal }));
    for (const [, port] of listeners) {
      const peer = await Peer.connect(port);
      peer.write("hello\n");
      expect((await peer.atLeast(6)).toString()).toBe("hello\n");
    }
    end.abort();
    expect(await Promise.all(driven)).toEqual([0, 0]);
  });
});
