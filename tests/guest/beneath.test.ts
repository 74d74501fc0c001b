/** Holds that no path of a guest's leads out of its directory, whatever there is in it and whatever is renamed. */

import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import { CREAT, DIRECTORY, Files, FOLLOW, OUT_AT, READ_WRITE, TRUNC } from "./files-support.js";
import { DATA_AT, Errno, RESULT_AT } from "./support.js";

/** Each call that takes a path, on one path. */
function everyCall(files: Files, path: string): Record<string, number> {
  const { calls } = files;
  files.file("own", "own");
  const own = files.other("own");
  return {
    open: files.open(path, { lookup: FOLLOW }),
    write: files.open(path, { oflags: CREAT, rights: READ_WRITE, lookup: FOLLOW }),
    truncate: files.open(path, { oflags: TRUNC, rights: READ_WRITE, lookup: FOLLOW }),
    stat: -calls.path_filestat_get(3, FOLLOW, ...files.path(path), OUT_AT),
    times: -calls.path_filestat_set_times(3, FOLLOW, ...files.path(path), 0n, 0n, 1),
    mkdir: -calls.path_create_directory(3, ...files.path(path)),
    rmdir: -calls.path_remove_directory(3, ...files.path(path)),
    unlink: -calls.path_unlink_file(3, ...files.path(path)),
    linkFrom: -calls.path_link(3, 0, ...files.path(path), 3, ...files.other("new")),
    linkTo: -calls.path_link(3, 0, ...files.other("own"), 3, ...files.path(path)),
    renameFrom: -calls.path_rename(3, ...files.path(path), 3, ...files.other("new")),
    renameTo: -calls.path_rename(3, ...files.other("own"), 3, ...files.path(path)),
    symlink: -calls.path_symlink(...own, 3, ...files.path(path)),
    readlink: -calls.path_readlink(3, ...files.path(path), DATA_AT, 100, RESULT_AT),
  };
}

describe("no path leads out", () => {
  test.each([
    "../outside/secret",
    "/etc/passwd",
    "d/../../outside/secret",
    "out/secret",
    "abs/secret",
    "d/up/outside/secret",
    "proc/root/etc/passwd",
    "//",
    "../x",
  ])("%s", (path) => {
    const files = new Files();
    writeFileSync(join(files.outside, "secret"), "secret");
    mkdirSync(join(files.inside, "d"));
    symlinkSync("../outside", join(files.inside, "out"));
    symlinkSync("../..", join(files.inside, "d/up"));
    symlinkSync(files.outside, join(files.inside, "abs"));
    symlinkSync("/proc/self", join(files.inside, "proc"));
    const errnos = everyCall(files, path);
    expect(errnos).toEqual(Object.fromEntries(Object.keys(errnos).map((name) => [name, -Errno.PERM])));
    expect(readFileSync(join(files.outside, "secret"), "utf8")).toBe("secret");
    expect(statSync(files.outside).isDirectory()).toBe(true);
  });

  test("a link that does is not followed, but is a thing of its own", () => {
    const files = new Files();
    const { calls } = files;
    writeFileSync(join(files.outside, "secret"), "secret");
    symlinkSync("../outside/secret", join(files.inside, "link"));
    expect(files.open("link", { lookup: FOLLOW })).toBe(-Errno.PERM);
    expect(calls.path_link(3, 0, ...files.path("link"), 3, ...files.other("second"))).toBe(Errno.SUCCESS);
    expect(readlinkSync(join(files.inside, "second"))).toBe("../outside/secret");
    expect(calls.path_link(3, 0, ...files.path("link/"), 3, ...files.other("third"))).toBe(Errno.PERM);
    expect(calls.path_unlink_file(3, ...files.path("link"))).toBe(Errno.SUCCESS);
    expect(calls.path_symlink(...files.other("/etc"), 3, ...files.path("absolute"))).toBe(Errno.PERM);
    expect(readFileSync(join(files.outside, "secret"), "utf8")).toBe("secret");
  });

  test("nor one of a directory that has been moved out meanwhile", () => {
    const files = new Files();
    mkdirSync(join(files.inside, "d"));
    writeFileSync(join(files.outside, "secret"), "secret");
    const fd = files.open("d", { oflags: DIRECTORY });
    renameSync(join(files.inside, "d"), join(files.outside, "d"));
    expect(files.open("../secret", { fd })).toBe(-Errno.PERM);
  });

  test("nor while a part of it is exchanged for a link, again and again", async () => {
    const files = new Files();
    writeFileSync(join(files.outside, "secret"), "secret");
    mkdirSync(join(files.inside, "d"));
    writeFileSync(join(files.inside, "d/secret"), "harmless");
    symlinkSync("../outside", join(files.inside, "link"));
    const shared = new Int32Array(new SharedArrayBuffer(8));
    const worker = new Worker(
      `const { renameSync } = require("node:fs");
       const { workerData: { inside, shared } } = require("node:worker_threads");
       const at = (name) => inside + "/" + name;
       while (Atomics.load(shared, 0) === 0) {
         renameSync(at("d"), at("kept"));
         renameSync(at("link"), at("d"));
         renameSync(at("d"), at("link"));
         renameSync(at("kept"), at("d"));
         Atomics.add(shared, 1, 1);
       }`,
      { eval: true, workerData: { inside: files.inside, shared } },
    );
    onTestFinished(() => void worker.terminate());
    Atomics.wait(shared, 1, 0, 10_000);
    const found = new Set<string | number>();
    for (let i = 0; i < 3000; i++) {
      const fd = files.open("d/secret", { lookup: FOLLOW });
      found.add(fd < 0 ? fd : files.caller.read(fd));
      if (fd >= 0) files.calls.fd_close(fd);
      files.calls.path_unlink_file(3, ...files.path("d/other"));
      const made = files.open("d/other", { oflags: CREAT, rights: READ_WRITE });
      if (made >= 0) files.calls.fd_close(made);
      files.calls.path_filestat_set_times(3, FOLLOW, ...files.path("d/secret"), 0n, 0n, 1 | 4);
    }
    Atomics.store(shared, 0, 1);
    await new Promise((resolve) => worker.once("exit", resolve));
    expect(found).toContain("harmless");
    expect(found).not.toContain("secret");
    expect(existsSync(join(files.outside, "other"))).toBe(false);
    expect(statSync(join(files.outside, "secret")).mtimeMs).toBeGreaterThan(0);
  }, 60_000);
});
