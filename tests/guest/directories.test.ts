/** Holds what a guest may do in a directory; beneath.test.ts holds that nothing leads out of it. */

import { execFileSync } from "node:child_process";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ALL, CREAT, DIRECTORY, Files, FOLLOW, OUT_AT, READ_WRITE, TRUNC } from "./files-support.js";
import { createCaller, createServer, DATA_AT, Errno, RESULT_AT } from "./support.js";

describe("a guest finds its directories", () => {
  function preopens(files: Files): unknown[] {
    const { caller, calls } = files;
    const found: unknown[] = [];
    for (let fd = 3; ; fd++) {
      const errno = calls.fd_prestat_get(fd, OUT_AT);
      if (errno !== Errno.SUCCESS) return [...found, errno];
      const length = caller.u32(OUT_AT + 4);
      found.push(
        calls.fd_prestat_dir_name(fd, DATA_AT, length) === Errno.SUCCESS
          ? caller.text(DATA_AT, length)
          : `type ${caller.view.getUint8(OUT_AT)}`,
      );
    }
  }

  test("from descriptor 3 on", () => {
    const files = new Files();
    expect(preopens(files)).toEqual(["/", "/ro", Errno.BADF]);
    expect([files.calls.fd_prestat_dir_name(4, DATA_AT, 2), files.calls.fd_prestat_dir_name(5, DATA_AT, 9)]).toEqual([
      Errno.NAMETOOLONG,
      Errno.BADF,
    ]);
    // One that it opens itself is none of those, nor one that it has closed.
    expect(files.open(".", { oflags: DIRECTORY })).toBe(5);
    files.calls.fd_close(4);
    expect(preopens(files)).toEqual(["/", Errno.BADF]);
  });

  test("and passes over its listeners", () => {
    const { caller } = createServer();
    expect(caller.calls.fd_prestat_get(3, OUT_AT)).toBe(Errno.BADF);
  });
});

test("a guest has no directory by default, and one that is none is refused", () => {
  const [{ calls }] = createCaller();
  expect(calls.fd_prestat_get(3, OUT_AT)).toBe(Errno.BADF);
  expect(() => createCaller({ directories: [{ fd: -1, guestPath: "/" }] })).toThrow("no open directory");
  expect(() => createCaller({ directories: [{ fd: 0, guestPath: "/" }] })).toThrow("no open directory");
});

describe("entries", () => {
  test("are all there, with a buffer of any size, each with its inode and kind", () => {
    const files = new Files();
    const names = Array.from({ length: 200 }, (_, index) => `file-${index}-${"x".repeat(index % 90)}`);
    for (const name of names) writeFileSync(join(files.inside, name), "");
    mkdirSync(join(files.inside, "directory"));
    symlinkSync("nowhere", join(files.inside, "link"));
    for (const bytes of [130, 512, 4096, 20_000]) {
      const entries = files.entries(files.open(".", { oflags: DIRECTORY }), bytes);
      expect(entries.map(({ name }) => name).toSorted()).toEqual([".", "..", "directory", "link", ...names].toSorted());
      const kinds = Object.fromEntries(entries.map(({ name, filetype }) => [name, filetype]));
      expect([kinds["directory"], kinds["link"], kinds[names[0] ?? ""]]).toEqual([3, 7, 4]);
    }
    const inodes = new Map(files.entries(files.root).map(({ name, inode }) => [name, inode]));
    const { ino } = statSync(join(files.inside, "directory"), { bigint: true });
    expect(inodes.get("directory")).toBe(ino);
    // Of what is outside not even the inode is told.
    expect(inodes.get("..")).toBe(inodes.get("."));
  });

  test("are cut where the buffer ends", () => {
    const files = new Files();
    for (const bytes of [0, 1, 23, 24]) {
      expect(files.calls.fd_readdir(files.root, DATA_AT, bytes, 0n, RESULT_AT)).toBe(Errno.SUCCESS);
      expect(files.caller.u32(RESULT_AT)).toBe(bytes);
    }
    expect(files.calls.fd_readdir(files.root, DATA_AT, 4096, -1n, RESULT_AT)).toBe(Errno.INVAL);
    expect(files.calls.fd_readdir(files.file("a"), DATA_AT, 4096, 0n, RESULT_AT)).toBe(Errno.NOTDIR);
  });
});

describe("paths", () => {
  test("directories are made and removed", () => {
    const files = new Files();
    const { calls } = files;
    expect([
      calls.path_create_directory(3, ...files.path("a")),
      calls.path_create_directory(3, ...files.path("a/b/")),
    ]).toEqual([0, 0]);
    expect(calls.path_create_directory(3, ...files.path("a"))).toBe(Errno.EXIST);
    expect(calls.path_remove_directory(3, ...files.path("a"))).toBe(Errno.NOTEMPTY);
    expect(calls.path_unlink_file(3, ...files.path("a/b"))).toBe(Errno.ISDIR);
    expect([
      calls.path_remove_directory(3, ...files.path("a/b")),
      calls.path_remove_directory(3, ...files.path("a/")),
    ]).toEqual([0, 0]);
    files.file("f");
    expect([
      calls.path_remove_directory(3, ...files.path("f")),
      calls.path_unlink_file(3, ...files.path("f/")),
    ]).toEqual([Errno.NOTDIR, Errno.NOTDIR]);
    expect([calls.path_unlink_file(3, ...files.path("f")), existsSync(join(files.inside, "f"))]).toEqual([0, false]);
  });

  test("files get names, and other names", () => {
    const files = new Files();
    const { calls } = files;
    files.file("a", "text");
    calls.path_create_directory(3, ...files.path("d"));
    expect(calls.path_link(3, 0, ...files.path("a"), 3, ...files.other("d/b"))).toBe(Errno.SUCCESS);
    expect(files.stat(calls.path_filestat_get(3, 0, ...files.path("a"), OUT_AT))).toMatchObject({
      links: 2n,
      size: 4n,
    });
    expect(calls.path_link(3, FOLLOW, ...files.path("a"), 3, ...files.other("c"))).toBe(Errno.INVAL);
    expect(calls.path_link(3, 0, ...files.path("a/"), 3, ...files.other("c"))).toBe(Errno.NOTDIR);
    expect(calls.path_link(3, 0, ...files.path("d/"), 3, ...files.other("c"))).toBe(Errno.PERM);
    expect(calls.path_rename(3, ...files.path("a"), 3, ...files.other("d/b/c"))).toBe(Errno.NOTDIR);
    expect(calls.path_rename(3, ...files.path("a"), 3, ...files.other("d/c"))).toBe(Errno.SUCCESS);
    expect(readFileSync(join(files.inside, "d/c"), "utf8")).toBe("text");
  });

  test("links are made, read, and followed where that is asked for", () => {
    const files = new Files();
    const { caller, calls } = files;
    files.file("a", "text");
    expect(calls.path_symlink(...files.other("a"), 3, ...files.path("link"))).toBe(Errno.SUCCESS);
    expect(readlinkSync(join(files.inside, "link"))).toBe("a");
    expect(calls.path_readlink(3, ...files.path("link"), DATA_AT, 100, RESULT_AT)).toBe(Errno.SUCCESS);
    expect(caller.text(DATA_AT, caller.u32(RESULT_AT))).toBe("a");
    expect(calls.path_readlink(3, ...files.path("a"), DATA_AT, 100, RESULT_AT)).toBe(Errno.INVAL);
    expect([files.open("link"), files.open("link", { lookup: FOLLOW })]).toEqual([-Errno.LOOP, expect.any(Number)]);
    const filetype = (lookup: number) => files.stat(calls.path_filestat_get(3, lookup, ...files.path("link"), OUT_AT));
    expect([filetype(0), filetype(1), filetype(2)]).toEqual([
      expect.objectContaining({ filetype: 7 }),
      expect.objectContaining({ filetype: 4 }),
      Errno.INVAL,
    ]);
    expect(calls.path_filestat_set_times(3, FOLLOW, ...files.path("link"), 1n, 2n, 1 | 4)).toBe(Errno.SUCCESS);
    expect(filetype(1)).toMatchObject({ accessed: 1n, modified: 2n });
    expect(filetype(0)).not.toMatchObject({ modified: 2n });
    symlinkSync("loop", join(files.inside, "loop"));
    expect(files.open("loop", { lookup: FOLLOW })).toBe(-Errno.LOOP);
  });

  test("are UTF-8, without a NUL, and no longer than the system's", () => {
    const files = new Files();
    files.file("å\ufeffb", "x");
    expect(files.entries(files.root).map(({ name }) => name)).toContain("å\ufeffb");
    expect([files.open("\ufeffa"), files.open("å\ufeffb")]).toEqual([-Errno.NOENT, expect.any(Number)]);
    expect(files.open(Uint8Array.of(0xff, 0xfe))).toBe(-Errno.ILSEQ);
    expect([files.open("a\0b"), files.open("")]).toEqual([-Errno.INVAL, -Errno.NOENT]);
    expect([files.open("x".repeat(300)), files.open("x/".repeat(2500))]).toEqual([-37, -37]);
    expect(files.calls.path_unlink_file(3, -1, 5)).toBe(Errno.FAULT);
    expect(files.calls.path_unlink_file(3, 0, -1)).toBe(Errno.FAULT);
  });
});

describe("a directory that is granted for reading", () => {
  test("is read, and nothing in it changed", () => {
    const files = new Files();
    const { caller, calls } = files;
    files.file("a", "text");
    mkdirSync(join(files.inside, "d"));
    const fd = files.open("a", { fd: files.readOnly });
    expect([caller.read(fd), files.stat(calls.fd_filestat_get(fd, OUT_AT))]).toEqual(["text", expect.anything()]);
    expect([
      calls.fd_filestat_set_times(fd, 0n, 0n, 1),
      calls.fd_filestat_set_size(fd, 0n),
      caller.write(fd, "x"),
    ]).toEqual([69, 69, -8]);
    expect([
      files.open("a", { fd: 4, rights: READ_WRITE }),
      files.open("b", { fd: 4, oflags: CREAT }),
      files.open("a", { fd: 4, oflags: TRUNC }),
    ]).toEqual([-69, -69, -69]);
    expect([
      calls.path_create_directory(4, ...files.path("e")),
      calls.path_remove_directory(4, ...files.path("d")),
      calls.path_unlink_file(4, ...files.path("a")),
      calls.path_symlink(...files.other("a"), 4, ...files.path("l")),
      calls.path_filestat_set_times(4, 0, ...files.path("a"), 0n, 0n, 1),
      calls.path_rename(4, ...files.path("a"), 3, ...files.other("b")),
      calls.path_rename(3, ...files.path("a"), 4, ...files.other("b")),
    ]).toEqual([69, 69, 69, 69, 69, 69, 69]);
    // A second name, beneath a directory in which it might write, would be a way to change it.
    expect(calls.path_link(4, 0, ...files.path("a"), 3, ...files.other("b"))).toBe(Errno.ROFS);
  });

  test("nor beneath what is opened in it", () => {
    const files = new Files();
    mkdirSync(join(files.inside, "d"));
    writeFileSync(join(files.inside, "d/a"), "text");
    const fd = files.open("d", {
      fd: files.readOnly,
      oflags: DIRECTORY,
      rights: ALL & ~((1n << 6n) | (1n << 8n) | (1n << 22n)),
    });
    expect(files.open("a", { fd, rights: READ_WRITE })).toBe(-Errno.ROFS);
    expect(files.calls.path_unlink_file(fd, ...files.path("a"))).toBe(Errno.ROFS);
    expect(files.caller.read(files.open("a", { fd }))).toBe("text");
  });
});

test("a named pipe does not make the host wait for its other end", () => {
  const files = new Files();
  execFileSync("mkfifo", [join(files.inside, "fifo")]);
  const reading = files.open("fifo");
  const writing = files.open("fifo", { rights: READ_WRITE });
  expect([reading, writing]).toEqual([5, 6]);
  files.caller.setNonBlocking(reading);
  expect([files.caller.read(reading), files.caller.write(writing, "x"), files.caller.read(reading)]).toEqual([
    6,
    1,
    "x",
  ]);
  expect(files.seek(reading, 0n)).toBe(Errno.SPIPE);
});

test("a file that the host has linked into the directory is in it", () => {
  const files = new Files();
  writeFileSync(join(files.outside, "shared"), "text");
  linkSync(join(files.outside, "shared"), join(files.inside, "shared"));
  expect(files.caller.read(files.open("shared"))).toBe("text");
});
