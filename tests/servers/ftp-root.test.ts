/**
 * The root of the FTP server's files: nothing outside it is reached by dots or links, nor when a directory is replaced by
 * a link in the middle of an operation; and every descriptor is closed.
 */

import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, readlinkSync, renameSync } from "node:fs";
import { constants, promises as fs, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { OSError } from "wasyncore";
import { Beneath, OpenFile, Walking } from "../../examples/ftp/beneath.js";
import { FileError, Root } from "../../examples/ftp/root.js";
import { newDirectory } from "./support.js";

const WAYS: readonly [name: string, followsLinks: boolean, open: (directory: string) => Beneath][] = [
  ["in one step", true, (directory) => Beneath.open(directory)],
  ["walking, by descriptors", false, (directory) => walking(directory, true)],
  ["walking, by paths", false, (directory) => walking(directory, false)],
];

function walking(directory: string, byDescriptor: boolean): Walking {
  return new Walking(openSync(directory, constants.O_DIRECTORY), directory, byDescriptor);
}

let base: string;

/** `base/root` with a file and a directory in it, and `base/outside` with a secret. */
beforeEach(() => {
  base = newDirectory();
  for (const each of ["root/sub", "outside/sub"]) mkdirSync(join(base, each), { recursive: true });
  writeFileSync(join(base, "root/file"), "file");
  writeFileSync(join(base, "root/sub/file"), "inner");
  writeFileSync(join(base, "outside/file"), "secret");
});

/** The descriptors of this process that lead below `base`. */
function openBelowBase(): string[] {
  return readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        return ""; // that of the listing itself
      }
    })
    .filter((path) => path.startsWith(base));
}

describe.each(WAYS)("%s", (_name, followsLinks, open) => {
  let beneath: Beneath;
  let root: Root;

  beforeEach(() => {
    beneath = open(join(base, "root"));
    root = new Root(beneath);
    onTestFinished(() => {
      // The root alone is open still, under whatever name.
      expect(openBelowBase()).toHaveLength(1);
      root.close();
      expect(openBelowBase()).toEqual([]);
    });
  });

  /** Every operation, on a name in `directory`. */
  const operations = (directory: string): [name: string, act: () => Promise<unknown>][] => [
    ["stat", () => root.stat(`${directory}/file`)],
    ["check", () => root.checkDirectory(directory)],
    ["list", () => names(directory)],
    ["read", async () => (await root.openToRead(`${directory}/file`)).close()],
    ["write", async () => (await root.openToWrite(`${directory}/new`, { append: false, offset: 0 })).close()],
    ["append", async () => (await root.openToWrite(`${directory}/file`, { append: true })).close()],
    ["remove", () => root.remove(`${directory}/file`)],
    ["make a directory", () => root.makeDirectory(`${directory}/made`)],
    ["remove a directory", () => root.removeDirectory(`${directory}/sub`)],
    ["rename into it", () => root.rename("/file", `${directory}/moved`)],
    ["rename out of it", () => root.rename(`${directory}/file`, "/moved")],
  ];

  async function names(path: string): Promise<string[]> {
    const found: string[] = [];
    for await (const { name } of root.list(path)) found.push(name);
    return found.toSorted();
  }

  async function contents(path: string): Promise<string> {
    const file = await root.openToRead(path);
    try {
      const data = Buffer.alloc(100);
      return data.toString("utf8", 0, await file.read(data, 0));
    } finally {
      await file.close();
    }
  }

  test.each(["../outside", "link"])("no operation reaches a directory outside by %s", async (target) => {
    symlinkSync(target === "link" ? join(base, "outside") : target, join(base, "root/link"));
    for (const [name, act] of operations("/link")) await expect(act(), name).rejects.toThrow(FileError);
    expect(readdirSync(join(base, "outside")).toSorted()).toEqual(["file", "sub"]);
    expect(readFileSync(join(base, "outside/file"), "utf8")).toBe("secret");
    expect(readdirSync(join(base, "root")).toSorted()).toEqual(["file", "link", "sub"]);
  });

  test("a link to a file outside is not followed, and can be removed and renamed itself", async () => {
    symlinkSync("../outside/file", join(base, "root/link"));
    await expect(root.openToRead("/link")).rejects.toThrow(FileError);
    await expect(root.openToWrite("/link", { append: false, offset: 0 })).rejects.toThrow(FileError);
    await expect(root.stat("/link")).rejects.toThrow(FileError);
    await root.rename("/link", "/renamed");
    await root.remove("/renamed");
    expect(readFileSync(join(base, "outside/file"), "utf8")).toBe("secret");
  });

  test("a link that stays in the root is followed in one step, and not by walking", async () => {
    symlinkSync("sub", join(base, "root/link"));
    if (!followsLinks) {
      await expect(contents("/link/file")).rejects.toThrow(FileError);
      return;
    }
    expect(await contents("/link/file")).toBe("inner");
    await root.makeDirectory("/link/made");
    expect(existsSync(join(base, "root/sub/made"))).toBe(true);
  });

  test("dots end at the root, and every operation works below it", async () => {
    expect(root.resolve("/sub", "../../../file")).toBe("/file");
    expect(await names("/")).toEqual(["file", "sub"]);
    expect(await names("/file")).toEqual(["file"]);
    expect((await root.stat("/")).isDirectory()).toBe(true);
    await root.makeDirectory("/sub/sub");
    for (const [name, act] of operations("/sub").filter(([name]) => !name.startsWith("rename") && name !== "remove"))
      await expect(act(), name).resolves.toSatisfy(() => true);
    await root.rename("/file", "/sub/moved");
    await root.rename("/sub/file", "/file");
    expect(await contents("/file")).toBe("inner");
    expect(await names("/sub")).toEqual(["made", "moved", "new"]);
  });

  test("the root itself is neither removed nor renamed", async () => {
    await expect(root.removeDirectory("/")).rejects.toThrow("not possible with the root");
    await expect(root.rename("/", "/sub/root")).rejects.toThrow("not possible with the root");
    await expect(root.makeDirectory("/")).rejects.toThrow("not possible with the root");
  });

  test("only plain files are opened: no directory, no pipe, nothing that does not exist", async () => {
    await expect(root.openToRead("/sub")).rejects.toThrow("not a plain file");
    await expect(root.openToRead("/nothing")).rejects.toThrow("no such file or directory");
    await expect(root.openToWrite("/sub", { append: true })).rejects.toThrow("is a directory");
  });
});

// By paths there is a gap: docs/servers.md.
describe.each(WAYS.slice(0, 2))("%s", (_name, _followsLinks, open) => {
  let beneath: Beneath;

  beforeEach(() => {
    beneath = open(join(base, "root"));
    onTestFinished(() => beneath.close());
  });

  test("a directory that is replaced by a link while a name in it is used: the one that was opened counts", async () => {
    await beneath.inDirectory("/sub/made", async (path) => {
      renameSync(join(base, "root/sub"), join(base, "root/was"));
      symlinkSync("../outside", join(base, "root/sub"));
      await fs.mkdir(path);
    });
    expect(readdirSync(join(base, "root/was")).toSorted()).toEqual(["file", "made"]);
    expect(readdirSync(join(base, "outside")).toSorted()).toEqual(["file", "sub"]);
  });

  test("a listing that is replaced by a link, and given up, in the middle", async () => {
    for (let i = 0; i < 100; i++) writeFileSync(join(base, `root/sub/${i}`), "x");
    const listing = new Root(beneath).list("/sub");
    await listing.next();
    renameSync(join(base, "root/sub"), join(base, "root/was"));
    symlinkSync("../outside", join(base, "root/sub"));
    const { value } = await listing.next();
    expect((value as { stats: { size: number } }).stats.size).not.toBe(6);
    await listing.return(undefined);
    expect(openBelowBase()).toHaveLength(1);
  });
});

test.each(["ENOSYS", "EPERM"])("where openat2 is answered with %s, the root is walked to", (code) => {
  const beneath = Beneath.open(base, () => {
    throw new OSError(code, { syscall: "openat2" });
  });
  onTestFinished(() => beneath.close());
  expect(beneath).toBeInstanceOf(Walking);
});

test("what is no directory is no root, and leaves no descriptor", () => {
  expect(() => Root.open(join(base, "root/file"))).toThrow(expect.objectContaining({ code: "ENOTDIR" }));
  expect(() => Beneath.open(base, () => -1)).toThrow(RangeError); // of closeSync
  expect(openBelowBase()).toEqual([]);
});

test("a file is closed when the call under way has ended, and not before", async () => {
  const path = join(base, "root/big");
  const file = new OpenFile(openSync(path, constants.O_CREAT | constants.O_WRONLY));
  const writing = file.write(Buffer.alloc(4_000_000, "x"), 0);
  await file.close();
  await writing;
  expect(readFileSync(path)).toHaveLength(4_000_000);
});
