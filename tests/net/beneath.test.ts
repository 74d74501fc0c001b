/** openBeneath: what leads out of the directory, what stays in it, and what becomes of the descriptor. */

import { closeSync, constants, fstatSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync } from "node:fs";
import { existsSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { openBeneath } from "wasyncore";
import { createNodeBackend } from "../../host/node/backend.js";

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDWR, O_WRONLY } = constants;

let base: string;
/** `base/root`, open. */
let root: number;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(base, { recursive: true, force: true }));
  mkdirSync(join(base, "root/sub/deep"), { recursive: true });
  mkdirSync(join(base, "outside"));
  writeFileSync(join(base, "outside/secret"), "secret");
  writeFileSync(join(base, "root/file"), "file");
  writeFileSync(join(base, "root/sub/inner"), "inner");
  root = openSync(join(base, "root"), O_DIRECTORY);
  onTestFinished(() => closeSync(root));
});

/** What the file has in it; its descriptor is closed. */
function contents(path: string): string {
  const fd = openBeneath(root, path);
  try {
    const data = Buffer.alloc(100);
    return data.toString("utf8", 0, readSync(fd, data));
  } finally {
    closeSync(fd);
  }
}

function link(path: string, target: string): void {
  symlinkSync(target, join(base, path));
}

const code = (expected: string): unknown => expect.objectContaining({ name: "OSError", code: expected });

describe("leads out, and is refused", () => {
  test.each(["..", "../outside/secret", "sub/../../outside/secret", "../root/file", "/etc/passwd", "/"])(
    "%s",
    (path) => {
      expect(() => openBeneath(root, path)).toThrow(code("EXDEV"));
    },
  );

  test.each([
    ["a link up", "../outside/secret"],
    ["a link that goes up and comes back", "../root/file"],
    ["an absolute link", "/etc/passwd"],
    ["a magic link to the root of the file system", "/proc/self/root"],
  ])("%s", (_name, target) => {
    link("root/link", target);
    expect(() => openBeneath(root, "link")).toThrow(code("EXDEV"));
  });

  test("an absolute link, even one to a file beneath the directory", () => {
    link("root/link", join(base, "root/file"));
    expect(() => openBeneath(root, "link")).toThrow(code("EXDEV"));
  });

  test("a directory on the way that is a link out", () => {
    link("root/link", "../outside");
    expect(() => openBeneath(root, "link/secret")).toThrow(code("EXDEV"));
    expect(() => openBeneath(root, "link/new", { flags: O_WRONLY | O_CREAT })).toThrow(code("EXDEV"));
    expect(existsSync(join(base, "outside/new"))).toBe(false);
  });

  test("a magic link of /proc, even one to a file beneath the directory", () => {
    const proc = openSync("/proc/self", O_DIRECTORY);
    onTestFinished(() => closeSync(proc));
    expect(() => openBeneath(proc, `fd/${root}`)).toThrow(code("ELOOP"));
  });
});

describe("stays beneath, and is opened", () => {
  test.each([
    ["file", "file"],
    ["./file", "file"],
    ["sub/inner", "inner"],
    ["sub/deep/../inner", "inner"],
    ["sub//inner", "inner"],
  ])("%s", (path, expected) => {
    expect(contents(path)).toBe(expected);
  });

  test("a link that stays beneath, and one that goes up on the way", () => {
    link("root/sub/up", "../file");
    link("root/down", "sub/deep");
    expect(contents("sub/up")).toBe("file");
    expect(contents("down/../inner")).toBe("inner");
    expect(() => openBeneath(root, "sub/up", { flags: O_NOFOLLOW })).toThrow(code("ELOOP"));
  });

  test('the directory itself, as "."', () => {
    const fd = openBeneath(root, ".", { flags: O_DIRECTORY });
    onTestFinished(() => closeSync(fd));
    expect(fstatSync(fd).ino).toBe(fstatSync(root).ino);
  });

  test("a file that is made, with its mode", () => {
    const fd = openBeneath(root, "sub/new", { flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600 });
    onTestFinished(() => closeSync(fd));
    writeFileSync(fd, "new");
    expect(readFileSync(join(base, "root/sub/new"), "utf8")).toBe("new");
    expect(fstatSync(fd).mode & 0o777).toBe(0o600);
  });

  test("a file without a name (O_TMPFILE), with its mode", () => {
    const fd = openBeneath(root, "sub", { flags: O_RDWR | O_DIRECTORY | 0o20000000, mode: 0o640 });
    onTestFinished(() => closeSync(fd));
    expect(fstatSync(fd)).toMatchObject({ nlink: 0, mode: 0o100640 });
  });

  test("a path of the longest kind and a name that is not ASCII", () => {
    writeFileSync(join(base, "root/naïve €"), "text");
    expect(contents("naïve €")).toBe("text");
    expect(contents(`${"./".repeat(2045)}file`)).toBe("file");
    expect(() => openBeneath(root, `${"./".repeat(2046)}file`)).toThrow(code("ENAMETOOLONG"));
  });
});

test("the directory is the one that was opened, wherever it is moved", () => {
  renameSync(join(base, "root"), join(base, "outside/moved"));
  mkdirSync(join(base, "root"));
  writeFileSync(join(base, "root/file"), "another");
  expect(contents("file")).toBe("file");
  expect(() => openBeneath(root, "../secret")).toThrow(code("EXDEV"));
});

test("the descriptor is not handed on to programs that the process starts", () => {
  const fd = openBeneath(root, "file");
  onTestFinished(() => closeSync(fd));
  const flags = /^flags:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "";
  expect(Number.parseInt(flags, 8) & 0o2000000).not.toBe(0);
});

test("says what is wrong: no such file, no directory, no descriptor, not a path", () => {
  expect(() => openBeneath(root, "nothing")).toThrow(
    expect.objectContaining({ code: "ENOENT", syscall: "openat2", path: "nothing" }),
  );
  expect(() => openBeneath(root, "")).toThrow(code("ENOENT"));
  expect(() => openBeneath(root, "file/x")).toThrow(code("ENOTDIR"));
  expect(() => openBeneath(0x7fffffff, "file")).toThrow(code("EBADF"));
  expect(() => openBeneath(root, "file\0.txt")).toThrow(code("EINVAL"));
  expect(() => openBeneath(-1, "file")).toThrow(RangeError);
  expect(() => openBeneath(root, 5 as unknown as string)).toThrow(TypeError);
  expect(() => openBeneath(root, "file", { mode: -1 })).toThrow(RangeError);
  expect(() => openBeneath(root, "file", { flags: 0.5 })).toThrow(RangeError);
});

test("a backend that has no such call is reported as ENOSYS", () => {
  const without = { ...createNodeBackend(), openBeneath: () => -38 };
  expect(() => openBeneath(root, "file", {}, without)).toThrow(code("ENOSYS"));
});
