/** Holds what becomes of modules whose types are not what they should be, and that no exception of JavaScript's comes of them. */

import { describe, expect, onTestFinished, test } from "vitest";
import { ModuleBinary } from "../../host/guest/binary.js";
import { Guest, GuestError, type GuestTrap } from "../../host/guest/instance.js";
import { Preview1 } from "../../host/guest/preview1.js";
import { SIGNATURES } from "../../host/guest/signatures.js";
import { wat } from "./modules.js";
import { backend } from "./support.js";

const MEMORY = `(memory (export "memory") 1)`;
const WASI = "wasi_snapshot_preview1";

function guest(text: string, socketExtension = false): Guest {
  const preview1 = new Preview1(backend, { socketExtension });
  onTestFinished(() => preview1.close());
  return new Guest(wat(text), preview1);
}

function thrown(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** An import of `name`, "i" for i32 and "I" for i64. */
function imported(name: string, signature: string): string {
  const parameters = [...signature.replace(/[-*]/, "")].map((each) => (each === "I" ? "i64" : "i32")).join(" ");
  const result = signature.endsWith("-") ? "" : "(result i32)";
  return `(import "${WASI}" "${name}" (func (param ${parameters}) ${result}))`;
}

test("every function is imported by each of its signatures", () => {
  const preview1 = new Preview1(backend, { socketExtension: true });
  expect(Object.keys(preview1.imports).toSorted()).toEqual(Object.keys(SIGNATURES).toSorted());
  preview1.close();
  for (const [name, signatures] of Object.entries(SIGNATURES)) {
    for (const signature of signatures) {
      const text = `(module ${imported(name, signature)} ${MEMORY} (func (export "_start")))`;
      expect(guest(text, true).start()).toBe(0);
    }
  }
});

describe("a function that is imported with another signature", () => {
  test.each([
    ["fd_write", "(param i64 i32 i32 i32) (result i32)", "(i64, i32, i32, i32) -> i32"],
    ["fd_write", "(param i32 i32 i32) (result i32)", "(i32, i32, i32) -> i32"],
    ["fd_write", "(param i32 i32 i32 i32) (result i32 i32)", "(i32, i32, i32, i32) -> (i32, i32)"],
    ["fd_write", "(param i32 i32 i32 i32) (result i64)", "(i32, i32, i32, i32) -> i64"],
    ["fd_write", "(param i32 i32 i32 i32)", "(i32, i32, i32, i32) -> ()"],
    ["fd_write", "(param f32 f64 i32 i32) (result i32)", "(f32, f64, i32, i32) -> i32"],
    ["fd_write", "(param externref i32 i32 i32) (result i32)", "(externref, i32, i32, i32) -> i32"],
    ["proc_exit", "(param i32) (result i32)", "(i32) -> i32"],
    ["sched_yield", "", "() -> ()"],
    ["sock_accept", "(param i32) (result i32)", "(i32) -> i32"],
    ["sock_getaddrinfo", "(param i32 i64) (result i32)", "(i32, i64) -> i32"],
  ])("%s %s", (name, type, written) => {
    const error = thrown(() => guest(`(module (import "${WASI}" "${name}" (func ${type})) ${MEMORY})`, true));
    expect(error).toBeInstanceOf(GuestError);
    const start = `it imports a function with another signature: ${name} is (`;
    expect(error).toMatchObject({ code: "ERR_GUEST_IMPORTS", message: expect.stringContaining(start) });
    expect((error as GuestError).message.endsWith(`, not ${written}`)).toBe(true);
  });

  test("is found among types of the garbage collector's", () => {
    const text = `(module (type $s (struct (field i32) (field (mut i8)) (field (ref null $s)))) (type $a (array (mut i16)))
      (rec (type $r (sub (func (param i32) (result i32)))) (type $q (sub $r (func (param i32) (result i32)))))
      (import "${WASI}" "fd_write" (func (type $q))) ${MEMORY})`;
    // Not every Node has such types, so this does not compile it.
    expect(new ModuleBinary(wat(text)).imports).toEqual([
      { module: WASI, name: "fd_write", signature: "(i32) -> i32" },
    ]);
  });
});

describe("an export with another signature", () => {
  test.each(["(param i32)", "(result i32)", "(param i64) (result i32 i32)", "(param externref)"])(
    "_start %s",
    (type) => {
      const error = thrown(() => guest(`(module ${MEMORY} (func (export "_start") ${type} unreachable))`).start());
      expect(error).toMatchObject({ code: "ERR_GUEST_EXPORTS", message: expect.stringContaining("() -> (), not (") });
    },
  );

  test("turn, pending, _initialize", () => {
    const text = `(module ${MEMORY} (func (export "turn") (param i32) (result i32) unreachable)
      (func (export "pending") (result i64) unreachable) (func (export "_initialize") (param f32)))`;
    const made = guest(text);
    for (const call of [() => made.turn(0n), () => made.pending(), () => made.initialize()])
      expect(thrown(call)).toMatchObject({ code: "ERR_GUEST_EXPORTS", message: expect.stringContaining("signature") });
  });

  test("_start is no function", () => {
    const text = `(module ${MEMORY} (global (export "_start") i32 (i32.const 0)))`;
    expect(thrown(() => guest(text).start())).toMatchObject({ code: "ERR_GUEST_EXPORTS" });
  });
});

test("a memory with 64-bit addresses is refused, whether or not this Node knows such memories", () => {
  const text = `(module (memory (export "memory") i64 1) (func (export "_start")))`;
  expect(["ERR_GUEST_MEMORY", "ERR_GUEST_FORMAT"]).toContain((thrown(() => guest(text)) as GuestError).code);
});

test("of very many imports that are not there a message names ten, in printable characters", () => {
  const imports = Array.from(
    { length: 3000 },
    (_, index) => `(import "env" "f${index}\\1b[31m\\0a${"x".repeat(200)}" (func))`,
  );
  const error = thrown(() => guest(`(module ${imports.join("")} ${MEMORY})`)) as GuestError;
  expect(error.missing).toHaveLength(3000);
  expect(error.message).toMatch(
    /^it imports what is not there: env\.f0\\u\{1b\}\[31m\\u\{a\}x+\.\.\., .* and 2990 more$/,
  );
  expect(error.message.length).toBeLessThan(1500);
});

test("names of the module's in other messages are printable as well", () => {
  const bytes = Buffer.from(wat(`(module ${MEMORY} (func (export "a\\1b[2J")) (func (export "b\\1b[2J")))`));
  const at = bytes.indexOf("b\u001b[2J");
  bytes[at] = 0x61;
  const preview1 = new Preview1(backend);
  onTestFinished(() => preview1.close());
  const error = thrown(() => new Guest(bytes, preview1)) as GuestError;
  expect([error.code, error.message]).toEqual(["ERR_GUEST_FORMAT", expect.stringContaining("a\\u{1b}[2J")]);
});

describe("the start function", () => {
  const CALLS = `(import "${WASI}" "random_get" (func $random (param i32 i32) (result i32)))
    (import "${WASI}" "proc_exit" (func $exit (param i32)))`;

  test("makes calls that see the guest's memory", () => {
    const text = `(module ${CALLS} ${MEMORY} (global $errno (mut i32) (i32.const -1))
      (func $s (global.set $errno (call $random (i32.const 0) (i32.const 64)))) (start $s)
      (func (export "_start") (call $exit (i32.add (global.get $errno) (i64.ne (i64.load (i32.const 0)) (i64.const 0))))))`;
    expect(guest(text).start()).toBe(1);
  });

  test("runs once, before all else, whatever the module calls its exports", () => {
    const text = `(module ${CALLS} ${MEMORY} (global $runs (mut i32) (i32.const 0)) (func (export "wasyncore:start") unreachable)
      (func $s (global.set $runs (i32.add (global.get $runs) (i32.const 1)))) (start $s)
      (func (export "_start") (call $exit (global.get $runs))))`;
    expect(guest(text).start()).toBe(1);
  });

  test("does not move the code of which a trap tells", () => {
    const text = (start: string): string =>
      `(module ${MEMORY} (func $s) (func $f unreachable) (export "_start" (func $f)) ${start})`;
    const frames = (start: string) => (thrown(() => guest(text(start)).start()) as GuestTrap).frames;
    const bytes = Buffer.from(wat(text("(start $s)")));
    const [{ offset } = { offset: 0 }] = frames("(start $s)");
    // unreachable, in the bytes that the caller has.
    expect(bytes[offset]).toBe(0);
    expect(bytes.subarray(offset - 1, offset + 2)).toEqual(Buffer.from([0, 0, 0x0b]));
    expect(frames("")).toHaveLength(frames("(start $s)").length);
  });
});

describe("proc_exit", () => {
  const IMPORTS = `(import "${WASI}" "proc_exit" (func $exit (param i32)))
    (import "${WASI}" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))`;

  test.each(["_start", "start"])("is not caught by a guest that catches everything, in %s", (where) => {
    const body = `(loop $again (try (do (call $exit (i32.const 5))) (catch_all (br $again))))`;
    const text =
      where === "_start"
        ? `(module ${IMPORTS} ${MEMORY} (func (export "_start") ${body} unreachable))`
        : `(module ${IMPORTS} ${MEMORY} (func $s ${body} unreachable) (start $s) (func (export "_start") unreachable))`;
    expect(guest(text).start()).toBe(5);
  });

  test("leaves the guest nothing", () => {
    const preview1 = new Preview1(backend, { stdio: [{ fd: 0 }, { fd: 1 }, { fd: 2 }] });
    preview1.attach({ buffer: new ArrayBuffer(65_536) });
    expect(() => preview1.imports.proc_exit(1)).toThrow();
    expect([preview1.imports.fd_fdstat_get(1, 0), preview1.imports.random_get(0, 1), preview1.exit?.code]).toEqual([
      8, 21, 1,
    ]);
    preview1.close();
  });
});
