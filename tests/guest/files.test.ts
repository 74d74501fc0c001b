/** Holds the calls on files that are open: positions, sizes, times, flags and rights. */

import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  ALL,
  APPEND,
  CREAT,
  EXCL,
  Files,
  OUT_AT,
  READ,
  READ_ONLY,
  READ_WRITE,
  SEEK,
  TELL,
  TRUNC,
  WRITE,
} from "./files-support.js";
import { DATA_AT, Errno, RESULT_AT } from "./support.js";

describe("a file", () => {
  test("is made, written, read from anywhere, and is the host's file", () => {
    const files = new Files();
    const { caller, calls } = files;
    const fd = files.file("a", "hello world");
    expect(readFileSync(join(files.inside, "a"), "utf8")).toBe("hello world");
    expect([files.seek(fd, 6n), caller.read(fd), caller.read(fd)]).toEqual([6n, "world", ""]);
    expect([files.seek(fd, -5n, 2), files.seek(fd, -1n, 1), files.seek(fd, 0n, 1)]).toEqual([6n, 5n, 5n]);
    expect(calls.fd_tell(fd, RESULT_AT)).toBe(Errno.SUCCESS);
    expect(caller.view.getBigUint64(RESULT_AT, true)).toBe(5n);
    expect([files.seek(fd, -1n), files.seek(fd, 0n, 3), files.seek(fd, 1n << 40n)]).toEqual([28, 28, 1n << 40n]);
    expect([caller.read(fd), calls.fd_close(fd), caller.read(fd)]).toEqual(["", 0, Errno.BADF]);
  });

  test("is read and written at positions, which moves no position", () => {
    const files = new Files();
    const { caller, calls } = files;
    const fd = files.file("a", "0123456789");
    expect(calls.fd_pwrite(fd, ...caller.data("xy"), 4n, RESULT_AT)).toBe(Errno.SUCCESS);
    expect(calls.fd_pread(fd, ...caller.iovecs([DATA_AT, 3], [DATA_AT + 3, 50]), 3n, RESULT_AT)).toBe(Errno.SUCCESS);
    expect(caller.text(DATA_AT, caller.u32(RESULT_AT))).toBe("3xy6789");
    expect(files.seek(fd, 0n, 1)).toBe(10n);
    expect(calls.fd_pread(fd, ...caller.iovecs([DATA_AT, 3]), -1n, RESULT_AT)).toBe(Errno.INVAL);
    expect(calls.fd_pwrite(fd, ...caller.data("x"), -1n, RESULT_AT)).toBe(Errno.INVAL);
  });

  test("of more than a buffer is read at once into a vector", () => {
    const files = new Files();
    writeFileSync(join(files.inside, "large"), Buffer.alloc(200_000, "abc"));
    const fd = files.open("large");
    const read = files.calls.fd_pread(fd, ...files.caller.iovecs([0, 10], [DATA_AT, 20_000]), 199_000n, RESULT_AT);
    expect([read, files.caller.u32(RESULT_AT)]).toEqual([0, 1000]);
    expect(files.caller.read(fd, 40_000)).toHaveLength(40_000);
  });

  test("gives and takes at most a mebibyte in one call, and the rest in the next", () => {
    const MIB = 2 ** 20;
    const files = new Files();
    const { caller, calls } = files;
    writeFileSync(join(files.inside, "large"), Buffer.alloc(3 * MIB));
    const fd = files.open("large");
    // 1.5 MiB in all.
    const vector = (): [number, number] =>
      caller.iovecs(...Array.from({ length: 96 }, () => [DATA_AT, 16_384] as const));
    const moved = (errno: number): number => (errno === Errno.SUCCESS ? caller.u32(RESULT_AT) : -errno);
    expect(moved(calls.fd_read(fd, ...vector(), RESULT_AT))).toBe(MIB);
    expect(files.seek(fd, 0n, 1)).toBe(BigInt(MIB));
    expect(moved(calls.fd_read(fd, ...vector(), RESULT_AT))).toBe(MIB);
    expect(moved(calls.fd_pread(fd, ...vector(), 100n, RESULT_AT))).toBe(MIB);
    expect(moved(calls.fd_pread(fd, ...vector(), BigInt(2 * MIB + 100), RESULT_AT))).toBe(MIB - 100);
    const written = files.file("written");
    const first = moved(calls.fd_write(written, ...vector(), RESULT_AT));
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThanOrEqual(MIB);
    const second = moved(calls.fd_pwrite(written, ...vector(), BigInt(first), RESULT_AT));
    expect(second).toBeLessThanOrEqual(MIB);
    expect(readFileSync(join(files.inside, "written"))).toHaveLength(first + second);
  });

  test("appends where it is told to, until it is told not to", () => {
    const files = new Files();
    const { caller, calls } = files;
    const fd = files.open("a", { oflags: CREAT, rights: READ_WRITE, fdflags: APPEND });
    const flags = (): number => {
      calls.fd_fdstat_get(fd, OUT_AT);
      return caller.view.getUint16(OUT_AT + 2, true);
    };
    caller.write(fd, "one");
    files.seek(fd, 0n);
    caller.write(fd, "two");
    expect([flags(), calls.fd_fdstat_set_flags(fd, 4), flags()]).toEqual([APPEND, 0, 4]);
    files.seek(fd, 0n);
    caller.write(fd, "ONE");
    expect(readFileSync(join(files.inside, "a"), "utf8")).toBe("ONEtwo");
    expect([calls.fd_fdstat_set_flags(fd, 16), calls.fd_fdstat_set_flags(fd, 32)]).toEqual([Errno.NOTSUP, Errno.INVAL]);
  });

  test("has a size, which is set, and space, which is reserved", () => {
    const files = new Files();
    const { calls } = files;
    const fd = files.file("a", "12345");
    const size = (): unknown => files.stat(calls.fd_filestat_get(fd, OUT_AT));
    expect(calls.fd_filestat_set_size(fd, 3n)).toBe(Errno.SUCCESS);
    expect(size()).toMatchObject({
      size: 3n,
      filetype: 4,
      links: 1n,
      inode: statSync(join(files.inside, "a"), { bigint: true }).ino,
    });
    expect([calls.fd_filestat_set_size(fd, 100n), size()]).toEqual([0, expect.objectContaining({ size: 100n })]);
    expect(calls.fd_filestat_set_size(fd, -1n)).toBe(Errno.INVAL);
    expect([calls.fd_allocate(fd, 0n, 0n), calls.fd_allocate(fd, -1n, 1n)]).toEqual([Errno.INVAL, Errno.INVAL]);
    const allocated = calls.fd_allocate(fd, 100n, 28n);
    // Not every file system can.
    expect([allocated, size()]).toEqual(
      allocated === Errno.NOTSUP
        ? [Errno.NOTSUP, expect.objectContaining({ size: 100n })]
        : [Errno.SUCCESS, expect.objectContaining({ size: 128n })],
    );
  });

  test("has times, which are set one by one", () => {
    const files = new Files();
    const { calls } = files;
    const fd = files.file("a");
    const times = () => {
      const stat = files.stat(calls.fd_filestat_get(fd, OUT_AT));
      return typeof stat === "number" ? stat : [stat.accessed, stat.modified];
    };
    const [second, third] = [2_000_000_001n, 3_000_000_002n];
    expect([calls.fd_filestat_set_times(fd, second, third, 1 | 4), times()]).toEqual([0, [second, third]]);
    expect([calls.fd_filestat_set_times(fd, 5n, 6n, 4), times()]).toEqual([0, [second, 6n]]);
    expect([calls.fd_filestat_set_times(fd, 7n, 8n, 0), times()]).toEqual([0, [second, 6n]]);
    const begun = BigInt(Date.now() - 60_000) * 1_000_000n;
    expect(calls.fd_filestat_set_times(fd, 0n, 0n, 2 | 8)).toBe(Errno.SUCCESS);
    for (const time of times() as bigint[]) expect(time).toBeGreaterThan(begun);
    for (const flags of [3, 12, 16, -1]) expect(calls.fd_filestat_set_times(fd, 0n, 0n, flags)).toBe(Errno.INVAL);
  });

  test("is advised on, and written through", () => {
    const files = new Files();
    const { calls } = files;
    const fd = files.file("a", "x");
    expect([0, 1, 2, 3, 4, 5, 6, -1].map((advice) => calls.fd_advise(fd, 0n, 10n, advice))).toEqual([
      0, 0, 0, 0, 0, 0, 28, 28,
    ]);
    expect(calls.fd_advise(fd, 0n, -1n, 0)).toBe(Errno.INVAL);
    expect([calls.fd_sync(fd), calls.fd_datasync(fd), calls.fd_sync(files.root)]).toEqual([0, 0, 0]);
  });

  test("is always ready", () => {
    const files = new Files();
    const fd = files.file("a", "x");
    const events = files.caller.poll(
      { userdata: 1n, tag: 1, id: fd, timeoutNs: 0n, absolute: false },
      { userdata: 2n, tag: 2, id: fd, timeoutNs: 0n, absolute: false },
    );
    expect(events).toEqual([
      expect.objectContaining({ userdata: 1n, type: 1, error: 0 }),
      expect.objectContaining({ userdata: 2n, type: 2, error: 0 }),
    ]);
  });

  test("moves to another number, and closes what was there", () => {
    const files = new Files();
    const { caller, calls } = files;
    const [a, b] = [files.file("a", "aaa"), files.file("b", "bbb")];
    expect([calls.fd_renumber(a, b), files.seek(b, 0n), caller.read(b), caller.read(a)]).toEqual([
      0,
      0n,
      "aaa",
      Errno.BADF,
    ]);
    expect(files.file("c")).toBe(a);
  });
});

describe("path_open", () => {
  test("makes, and refuses what is there", () => {
    const files = new Files();
    files.file("a", "old");
    expect(files.open("b")).toBe(-Errno.NOENT);
    expect(files.open("a", { oflags: CREAT | EXCL })).toBe(-Errno.EXIST);
    expect(files.open("a", { oflags: TRUNC, rights: READ_WRITE })).toBeGreaterThan(4);
    expect(readFileSync(join(files.inside, "a"), "utf8")).toBe("");
  });

  test("knows no other flags, nor rights that a directory does not pass on", () => {
    const files = new Files();
    files.file("a");
    expect([{ oflags: 16 }, { fdflags: 32 }, { lookup: 2 }].map((each) => files.open("a", each))).toEqual([
      -28, -28, -28,
    ]);
    expect(files.calls.fd_fdstat_set_rights(files.root, ALL & (1n << 13n), READ)).toBe(Errno.SUCCESS);
    expect([files.open("a", { rights: READ | WRITE }), files.open("a", { oflags: CREAT })]).toEqual([-76, -76]);
    expect(files.open("a", { rights: READ })).toBeGreaterThan(4);
  });

  test("opens no more than a guest may have, and leaves nothing open that it does not give", () => {
    const files = new Files({ maxDescriptors: 7 });
    const fd = files.file("a");
    files.file("b");
    const before = readdirSync("/proc/self/fd").length;
    expect([files.open("a"), files.open("c", { oflags: CREAT })]).toEqual([-Errno.MFILE, -Errno.MFILE]);
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
    files.calls.fd_close(fd);
    expect(files.open("a")).toBe(fd);
  });
});

describe("rights", () => {
  test("are those that were asked for and that the file can have; they are only ever given up", () => {
    const files = new Files();
    const { caller, calls } = files;
    const fd = files.file("a", "text");
    const rights = (): bigint => {
      calls.fd_fdstat_get(fd, OUT_AT);
      return caller.view.getBigUint64(OUT_AT + 8, true);
    };
    expect(calls.fd_fdstat_set_rights(fd, READ | SEEK, 0n)).toBe(Errno.SUCCESS);
    expect([rights(), caller.write(fd, "x"), files.seek(fd, 0n), caller.read(fd)]).toEqual([
      READ | SEEK,
      -Errno.BADF,
      0n,
      "text",
    ]);
    expect([calls.fd_sync(fd), calls.fd_filestat_set_size(fd, 0n), calls.fd_tell(fd, RESULT_AT)]).toEqual([76, 76, 76]);
    expect([calls.fd_fdstat_set_rights(fd, READ | TELL, 0n), calls.fd_fdstat_set_rights(fd, READ, 1n)]).toEqual([
      76, 76,
    ]);
  });

  test("fd_tell's let a file's position be asked for by fd_seek, and not be changed", () => {
    const files = new Files();
    const fd = files.file("a", "text");
    files.calls.fd_fdstat_set_rights(fd, TELL, 0n);
    expect([files.seek(fd, 0n, 1), files.seek(fd, 1n, 1), files.seek(fd, 0n, 0)]).toEqual([4n, 76, 76]);
  });

  test("that come with reading do not ask for writing: Go's do", () => {
    const files = new Files();
    files.file("a", "text");
    const rights = READ_ONLY | (1n << 22n);
    const [fd, readOnly] = [files.open("a", { rights }), files.open("a", { rights, fd: files.readOnly })];
    expect([fd, readOnly].map((each) => files.caller.read(each))).toEqual(["text", "text"]);
    expect([fd, readOnly].map((each) => files.calls.fd_filestat_set_size(each, 0n))).toEqual([76, 69]);
    expect(files.open(".", { rights })).toBeGreaterThan(readOnly);
  });

  test("a file that was opened for one thing does not do the other", () => {
    const files = new Files();
    const { caller } = files;
    files.file("a", "text");
    const [reading, writing] = [files.open("a", { rights: READ_ONLY }), files.open("a", { rights: WRITE })];
    expect([caller.write(reading, "x"), caller.read(reading), caller.read(writing)]).toEqual([-8, "text", 8]);
  });
});
