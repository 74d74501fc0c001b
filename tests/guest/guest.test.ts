/** Holds how a module becomes a guest, how it is run, and how it ends. */

import { describe, expect, onTestFinished, test } from "vitest";
import { Guest, GuestError, GuestTrap } from "../../host/guest/instance.js";
import { type Preview1Options, Preview1 } from "../../host/guest/preview1.js";
import { backend, ownedPair, receive } from "./support.js";
import { wat } from "./modules.js";

const EXIT = `(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))`;
const WRITE = `(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))`;
const MEMORY = `(memory (export "memory") 1)`;

function guest(text: string, options: Preview1Options = {}): Guest {
  const preview1 = new Preview1(backend, options);
  onTestFinished(() => preview1.close());
  return new Guest(wat(text), preview1);
}

/** What `action` throws. */
function thrown(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("a command", () => {
  test("that returns has ended well", () => {
    expect(guest(`(module ${MEMORY} (func (export "_start")))`).start()).toBe(0);
  });

  test.each([0, 7, 0xffff_ffff])("ends with the code that it exits with: %i", (code) => {
    expect(
      guest(
        `(module ${EXIT} ${MEMORY} (func (export "_start") (call $exit (i32.const ${code | 0})) unreachable))`,
      ).start(),
    ).toBe(code);
  });

  test("may exit in its start function, and is not started then", () => {
    expect(
      guest(
        `(module ${EXIT} ${MEMORY} (func $s (call $exit (i32.const 3))) (start $s) (func (export "_start") unreachable))`,
      ).start(),
    ).toBe(3);
  });

  test("writes from the memory that it has grown", () => {
    const [readEnd, stdout] = ownedPair(backend, backend.pipe());
    const text = `(module ${WRITE} ${MEMORY} (func (export "_start")
      (drop (memory.grow (i32.const 1)))
      (i32.store (i32.const 0) (i32.const 70000)) (i32.store (i32.const 4) (i32.const 2))
      (i32.store (i32.const 70000) (i32.const 0x6968))
      (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))`;
    expect(guest(text, { stdio: [{ fd: readEnd }, { fd: stdout }, { fd: stdout }] }).start()).toBe(0);
    expect(receive(readEnd, 2).toString()).toBe("hi");
  });
});

describe("a trap", () => {
  test("tells the functions on the stack, innermost first", () => {
    const text = `(module ${EXIT} ${MEMORY} (func $inner unreachable) (func $outer (call $inner)) (func (export "_start") (call $outer)))`;
    const error = thrown(() => guest(text).start());
    expect(error).toBeInstanceOf(GuestTrap);
    expect(error).toMatchObject({ code: "ERR_GUEST_TRAP", message: "unreachable" });
    const frames = (error as GuestTrap).frames.map(({ index }) => index);
    expect(frames).toEqual([1, 2, 3]);
    expect((error as GuestTrap).frames.every(({ offset }) => offset > 0)).toBe(true);
  });

  test.each([
    ["an access outside of the memory", `(drop (i32.load (i32.const -4)))`, "memory access out of bounds"],
    ["a division by zero", `(drop (i32.div_s (i32.const 1) (i32.const 0)))`, "divide by zero"],
    ["recursion without end", `(call $start)`, "stack overflow"],
  ])("%s", (_name, body, message) => {
    const error = thrown(() => guest(`(module ${MEMORY} (func $start (export "_start") ${body}))`).start());
    expect(error).toMatchObject({ name: "GuestTrap", message });
    expect((error as GuestTrap).frames.length).toBeGreaterThan(0);
  });

  test("may come in the start function", () => {
    expect(
      thrown(() => guest(`(module ${MEMORY} (func $s unreachable) (start $s) (func (export "_start")))`)),
    ).toBeInstanceOf(GuestTrap);
  });
});

test("an error of the host is no trap of the guest", () => {
  const random = (): never => {
    throw new Error("no entropy");
  };
  const text = `(module (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32))) ${MEMORY}
    (func (export "_start") (drop (call $random (i32.const 0) (i32.const 1)))))`;
  expect(thrown(() => guest(text, { random }).start())).toEqual(new Error("no entropy"));
});

describe("a module that cannot be run", () => {
  test.each([
    ["no WebAssembly", Buffer.from("#!/bin/sh\n"), "it is not WebAssembly"],
    ["nothing", Buffer.alloc(0), "it is not WebAssembly"],
    ["a cut-off header", Buffer.from("\0asm\u0001\0"), "the module ends in the middle: 6 bytes"],
    [
      "a cut-off section",
      Buffer.from("\0asm\u0001\0\0\0\u0001\u0020\u0001"),
      "the module ends in the middle: 11 bytes",
    ],
    [
      "a cut-off length",
      Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 0x80]),
      "the module ends in the middle: 10 bytes",
    ],
    ["a component", Buffer.from([0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0]), "it is a component"],
    ["of another version", Buffer.from([0, 0x61, 0x73, 0x6d, 9, 0, 0, 0]), "version"],
    ["cut short", wat(`(module ${MEMORY})`).subarray(0, 12), "section"],
  ])("%s", (_name, bytes, message) => {
    const preview1 = new Preview1(backend);
    onTestFinished(() => preview1.close());
    const error = thrown(() => new Guest(bytes, preview1));
    expect(error).toBeInstanceOf(GuestError);
    expect(error).toMatchObject({ code: "ERR_GUEST_FORMAT", message: expect.stringContaining(message), missing: [] });
  });

  test("imports what is not there, and hears the names of all of it", () => {
    const text = `(module (import "env" "abort" (func)) (import "env" "table" (table 1 funcref)) ${EXIT}
      (import "wasi_snapshot_preview1" "sock_open" (func)) (import "wasi_snapshot_preview1" "toString" (func)) ${MEMORY})`;
    const missing = ["env.abort", "wasi_snapshot_preview1.sock_open", "wasi_snapshot_preview1.toString", "env.table"];
    expect(thrown(() => guest(text))).toMatchObject({
      name: "GuestError",
      code: "ERR_GUEST_IMPORTS",
      missing,
      message: `it imports what is not there: ${missing.join(", ").replace("env.table", "env.table (a table)")}`,
    });
  });

  test("exports no memory", () => {
    expect(thrown(() => guest(`(module (func (export "_start")))`))).toMatchObject({
      code: "ERR_GUEST_EXPORTS",
      message: "it exports no memory",
    });
  });

  test("exports no _start", () => {
    const library = guest(`(module ${MEMORY} (func (export "_initialize")))`);
    expect(thrown(() => library.start())).toMatchObject({ name: "GuestError", code: "ERR_GUEST_EXPORTS" });
  });

  test("has a memory that threads share", () => {
    const text = `(module (memory (export "memory") 1 1 shared) (func (export "_start")))`;
    expect(thrown(() => guest(text))).toMatchObject({
      code: "ERR_GUEST_EXPORTS",
      message: expect.stringContaining("shared"),
    });
  });
});
