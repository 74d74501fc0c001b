/** Files of components of WASI 0.3: their streams, what can be reached, and who closes what. */

import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openDirectories } from "../../host/guest/directories.js";
import { defaultBackend } from "../../host/net/default-backend.js";
import { missing } from "../assembly/component-support.js";
import { openedFromNow } from "../support/descriptors.js";
import { asyncComponent, runAsyncHere } from "./async-support.js";

const RETURN = "(call $return (i32.const 0)) (i32.const 0)";
const DROPPED = 1;
const COMPLETED = (count: number): number => count << 4;
const Flags = { READ: 1, WRITE: 2 };
const Open = { CREATE: 1, TRUNCATE: 8 };
const Code = { NOT_PERMITTED: 30, IS_DIRECTORY: 13 };
const equal = (actual: string, expected: number): string =>
  `(if (i32.ne ${actual} (i32.const ${expected})) (then (unreachable)))`;
/** The granted directory's handle in $a. */
const ROOT = "(call $directories (i32.const 64)) (local.set $a (i32.load (i32.load (i32.const 64))))";
/** Opens a path of up to four letters; the result is at 64. */
function open(path: string, how: number, flags: number, follow = 0): string {
  const letters = Buffer.alloc(4);
  letters.write(path);
  return `(i32.store (i32.const 16) (i32.const ${letters.readInt32LE()}))
    (call $open (local.get $a) (i32.const ${follow}) (i32.const 16) (i32.const ${path.length})
      (i32.const ${how}) (i32.const ${flags}) (i32.const 64))`;
}
const OPENED = `${equal("(i32.load8_u (i32.const 64))", 0)} (local.set $b (i32.load (i32.const 68)))`;
const FAILED = (code: number): string =>
  `${equal("(i32.load8_u (i32.const 64))", 1)} ${equal("(i32.load8_u (i32.const 68))", code)}`;
/** The stream of $b is at 64, and the future of how it ends at 68. */
const READ = "(call $read-file (local.get $b) (i64.const 0) (i32.const 64))";

/** Runs a body with a directory of its own. @returns its status */
async function run(imports: readonly string[], body: string, hostPath: string, readOnly = false): Promise<number> {
  const bytes = await asyncComponent(["directories", "return", ...imports], `${ROOT} ${body} ${RETURN}`);
  const opened = openedFromNow();
  const directories = openDirectories(defaultBackend(), [{ hostPath, guestPath: "/", readOnly }]);
  const status = await runAsyncHere(bytes, { directories });
  expect(opened()).toEqual([]);
  return status;
}

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "wasyncore-files-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

describe.skipIf(missing !== "")("a component of WASI 0.3", () => {
  test("reads a file from a position to its end, which the future reports", async () => {
    const path = directory();
    writeFileSync(join(path, "f"), "abcde");
    const read = (length: number): string =>
      `(call $read-file-bytes (i32.load (i32.const 64)) (i32.const 256) (i32.const ${length}))`;
    const body = `${open("f", 0, Flags.READ)} ${OPENED} ${READ} (call $drop-file (local.get $b))
      ${equal(read(3), COMPLETED(3))} ${equal(read(8), COMPLETED(2))}
      ${equal("(i32.load8_u (i32.const 257))", 0x65)} ${equal(read(8), DROPPED)}
      ${equal("(call $read-file-end (i32.load (i32.const 68)) (i32.const 128))", 0)} ${equal("(i32.load8_u (i32.const 128))", 0)}`;
    const imports = ["open", "drop-file", "read-file", "read-file-bytes", "read-file-end"];
    expect(await run(imports, body, path)).toBe(0);
  });

  test("has no bytes of a directory, and the reason", async () => {
    const body = `(call $read-file (local.get $a) (i64.const 0) (i32.const 64))
      ${equal("(call $read-file-bytes (i32.load (i32.const 64)) (i32.const 256) (i32.const 8))", DROPPED)}
      ${equal("(call $read-file-end (i32.load (i32.const 68)) (i32.const 128))", 0)}
      ${equal("(i32.load8_u (i32.const 128))", 1)} ${equal("(i32.load8_u (i32.const 132))", Code.IS_DIRECTORY)}`;
    expect(await run(["read-file", "read-file-bytes", "read-file-end"], body, directory())).toBe(0);
  });

  test("opens by an asynchronous call, which has returned at once, writes, and appends", async () => {
    const path = directory();
    const RETURNED = 2;
    const stream = `(local.set $w (call $new-bytes)) (local.set $c (i32.wrap_i64 (i64.shr_u (local.get $w) (i64.const 32))))`;
    const write = `${equal("(call $write-bytes (local.get $c) (i32.const 16) (i32.const 4))", COMPLETED(4))}
      (call $drop-writable (local.get $c))`;
    // The parameters are in memory: the directory, no flags, the path, how, what for.
    const body = `(i32.store (i32.const 16) (i32.const 0x6c696177)) (i32.store (i32.const 96) (local.get $a))
      (i32.store (i32.const 104) (i32.const 16)) (i32.store (i32.const 108) (i32.const 4))
      (i32.store8 (i32.const 112) (i32.const ${Open.CREATE})) (i32.store8 (i32.const 113) (i32.const ${Flags.WRITE}))
      ${equal("(call $begin-open (i32.const 96) (i32.const 64))", RETURNED)} ${OPENED}
      ${stream} (drop (call $write-file (local.get $b) (i32.wrap_i64 (local.get $w)) (i64.const 2))) ${write}
      ${stream} (drop (call $append-file (local.get $b) (i32.wrap_i64 (local.get $w)))) ${write}`;
    const imports = ["begin-open", "new-bytes", "write-bytes", "drop-writable", "write-file", "append-file"];
    expect(await run(imports, body, path)).toBe(0);
    expect(readFileSync(join(path, "wail"), "latin1")).toBe("\0\0wailwail");
  });

  test("writes and reads at most a mebibyte at a time, and the rest without waiting", async () => {
    const MIB = 2 ** 20;
    const path = directory();
    const rest = 3_000_001 - 2 * MIB;
    const write = (at: number, length: number, moved: number): string =>
      equal(`(call $write-bytes (local.get $c) (i32.const ${at}) (i32.const ${length}))`, COMPLETED(moved));
    const read = (at: number, length: number, moved: number): string =>
      equal(
        `(call $read-file-bytes (i32.load (i32.const 64)) (i32.const ${at}) (i32.const ${length}))`,
        COMPLETED(moved),
      );
    const body = `(drop (memory.grow (i32.const 63))) ${open("f", Open.CREATE, Flags.READ | Flags.WRITE)} ${OPENED}
      (local.set $w (call $new-bytes)) (local.set $c (i32.wrap_i64 (i64.shr_u (local.get $w) (i64.const 32))))
      (drop (call $write-file (local.get $b) (i32.wrap_i64 (local.get $w)) (i64.const 0)))
      ${write(256, 2 * MIB + rest, MIB)} ${write(256 + MIB, MIB + rest, MIB)} ${write(256 + 2 * MIB, rest, rest)}
      (call $drop-writable (local.get $c)) ${READ}
      ${read(256, 2 * MIB + rest, MIB)} ${read(256 + MIB, MIB + rest, MIB)} ${read(256 + 2 * MIB, MIB, rest)}`;
    const imports = ["open", "new-bytes", "write-bytes", "drop-writable", "write-file", "read-file", "read-file-bytes"];
    expect(await run(imports, body, path)).toBe(0);
    expect(statSync(join(path, "f")).size).toBe(2 * MIB + rest);
  });

  test("has the host copy a file to another one, and waits for the end", async () => {
    const path = directory();
    const data = Buffer.alloc(3_000_001, "0123456789abc");
    writeFileSync(join(path, "f"), data);
    const body = `${open("f", 0, Flags.READ)} ${OPENED} ${READ} (local.set $c (i32.load (i32.const 64)))
      ${open("g", Open.CREATE, Flags.WRITE)} ${OPENED}
      (local.set $c (call $write-file (local.get $b) (local.get $c) (i64.const 0)))
      ${equal("(call $read-file-end (local.get $c) (i32.const 128))", 0)} ${equal("(i32.load8_u (i32.const 128))", 0)}`;
    expect(await run(["open", "read-file", "write-file", "read-file-end"], body, path)).toBe(0);
    expect(readFileSync(join(path, "g")).equals(data)).toBe(true);
  });

  test("may end while the host copies, and the copy ends too", async () => {
    const path = directory();
    writeFileSync(join(path, "f"), Buffer.alloc(100_000));
    // It would never end: the file grows by what is read of it.
    const body = `${open("f", 0, Flags.READ | Flags.WRITE)} ${OPENED} ${READ}
      (drop (call $append-file (local.get $b) (i32.load (i32.const 64)))) (call $drop-file (local.get $b))`;
    expect(await run(["open", "read-file", "append-file", "drop-file"], body, path)).toBe(0);
    expect(statSync(join(path, "f")).size).toBeLessThan(4_000_000);
  });

  test("has copies only for as much memory of the host's as it may have", async () => {
    const path = directory();
    writeFileSync(join(path, "f"), "abc");
    const body = `${open("f", 0, Flags.READ | Flags.WRITE)} ${OPENED}
      (loop ${READ} (drop (call $append-file (local.get $b) (i32.load (i32.const 64)))) (br 0))`;
    const bytes = await asyncComponent(
      ["directories", "return", "open", "read-file", "append-file"],
      `${ROOT} ${body} ${RETURN}`,
    );
    const opened = openedFromNow();
    const directories = openDirectories(defaultBackend(), [{ hostPath: path, guestPath: "/", readOnly: false }]);
    let left = 300_000;
    const hostBytes = {
      take: (count: number) => {
        if (count > left) return false;
        left -= count;
        return true;
      },
      give: (count: number) => void (left += count),
    };
    await expect(runAsyncHere(bytes, { directories, hostBytes })).rejects.toThrow(
      "the host copies more for it than it may",
    );
    expect(opened()).toEqual([]);
  });

  test("has all that is in a directory, however many it asks for at a time", async () => {
    const path = directory();
    for (let index = 0; index < 1200; index++) writeFileSync(join(path, `entry-${index}`), "");
    // $c counts them; a code is how many in its upper bits.
    const body = `(call $read-directory (local.get $a) (i32.const 64))
      (loop
        (local.set $b (call $read-entries (i32.load (i32.const 64)) (i32.const 1024) (i32.const 100)))
        (local.set $c (i32.add (local.get $c) (i32.shr_u (local.get $b) (i32.const 4))))
        (br_if 0 (i32.eqz (i32.and (local.get $b) (i32.const 15)))))
      ${equal("(local.get $c)", 1200)}`;
    expect(await run(["read-directory", "read-entries"], body, path)).toBe(0);
  });

  test("leads out of its directory by no path and no link, and writes nothing of one that is read only", async () => {
    const path = directory();
    const granted = join(path, "granted");
    mkdirSync(granted);
    writeFileSync(join(path, "s"), "secret");
    writeFileSync(join(granted, "f"), "abc");
    symlinkSync("..", join(granted, "up"));
    symlinkSync("/", join(granted, "top"));
    const refused = (name: string, how: number, flags: number): string =>
      `${open(name, how, flags, 1)} ${FAILED(Code.NOT_PERMITTED)}`;
    const body = ["..", "../s", "/", "up", "up/s", "top"].map((name) => refused(name, 0, Flags.READ)).join("");
    expect(await run(["open"], body, granted)).toBe(0);
    const writes =
      refused("f", 0, Flags.WRITE) + refused("n", Open.CREATE, Flags.READ) + refused("f", Open.TRUNCATE, Flags.READ);
    expect(await run(["open"], writes, granted, true)).toBe(0);
    expect(readdirSync(granted).toSorted()).toEqual(["f", "top", "up"]);
    expect(readFileSync(join(granted, "f"), "latin1")).toBe("abc");
  });

  test("opens a file ten thousand times, reads some of it and drops the rest, and nothing stays open", async () => {
    const path = directory();
    writeFileSync(join(path, "f"), "abcdefgh");
    const body = `(loop ${open("f", 0, Flags.READ)} ${OPENED} ${READ} (call $drop-file (local.get $b))
      ${equal("(call $read-file-bytes (i32.load (i32.const 64)) (i32.const 256) (i32.const 3))", COMPLETED(3))}
      (call $drop-file-bytes (i32.load (i32.const 64))) (call $drop-file-end (i32.load (i32.const 68)))
      (br_if 0 (i32.lt_u (local.tee $c (i32.add (local.get $c) (i32.const 1))) (i32.const 10000))))`;
    const imports = ["open", "drop-file", "read-file", "read-file-bytes", "drop-file-bytes", "drop-file-end"];
    expect(await run(imports, body, path)).toBe(0);
  });
});
