/** Holds that a guest in C has its directory through wasi-libc: fopen, stat, readdir, rename, and the errors of POSIX. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunCommand, temporary } from "./command.js";
import { leaveOut } from "../support/missing.js";

const SOURCE = `
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void show(const char *what, long result) {
  printf("%s %ld %s\\n", what, result < 0 ? -1 : result, result < 0 ? strerror(errno) : "");
}

static int compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

int main(int count, char **arguments) {
  FILE *file = fopen("/data/greeting", "r");
  char line[64] = "";
  if (file == NULL || fgets(line, sizeof line, file) == NULL) return 10;
  fclose(file);
  printf("read %s", line);

  file = fopen("/data/made", "w+");
  if (file != NULL) {
    fprintf(file, "one\\ntwo\\n");
    fseek(file, 4, SEEK_SET);
    printf("made %s", fgets(line, sizeof line, file));
    fclose(file);
  } else {
    show("made", -1);
  }

  struct stat status;
  show("stat", stat("/data/greeting", &status) == 0 ? (long)status.st_size : -1);
  show("mkdir", mkdir("/data/directory", 0777));
  show("rename", rename("/data/made", "/data/directory/renamed"));
  show("symlink", symlink("directory/renamed", "/data/link"));
  show("through the link", stat("/data/link", &status) == 0 ? (long)status.st_size : -1);
  show("out", open("/data/../outside", O_RDONLY));
  show("out by a link", open("/data/out/secret", O_RDONLY));
  show("elsewhere", open("/etc/passwd", O_RDONLY));
  show("none", open("/data/none", O_RDONLY));

  char *names[16];
  int found = 0;
  DIR *directory = opendir("/data");
  for (struct dirent *entry; directory != NULL && (entry = readdir(directory)) != NULL && found < 16;)
    names[found++] = strdup(entry->d_name);
  qsort(names, found, sizeof *names, compare);
  for (int i = 0; i < found; i++) printf("entry %s\\n", names[i]);

  clock_t used = clock();
  for (volatile int i = 0; i < 1000000; i++);
  printf("cpu time %s\\n", clock() > used ? "passes" : "stands still");
  printf("unlink %d %d\\n", unlink("/data/link"), unlink("/data/directory/renamed"));
  return 0;
}
`;

const hasClang = (): boolean => {
  const check = spawnSync("clang", ["--target=wasm32-wasi", "-E", "-"], { input: "#include <dirent.h>\n" });
  return check.status === 0;
};
const missing = leaveOut(
  "The tests of a C guest",
  hasClang() ? "" : "install clang, lld, wasi-libc and libclang-rt-dev-wasm32 to run them",
);

describe.skipIf(missing !== "")("a C guest", () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), "guest-host-c-"));
    writeFileSync(join(directory, "files.c"), SOURCE);
    const flags = ["-D_WASI_EMULATED_PROCESS_CLOCKS", "-lwasi-emulated-process-clocks"];
    const built = spawnSync("clang", ["--target=wasm32-wasi", "-O1", "files.c", "-o", "files.wasm", ...flags], {
      cwd: directory,
      encoding: "utf8",
    });
    if (built.status !== 0) throw new Error(`clang: ${built.stderr}`);
  }, 60_000);

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function granted(): string {
    const data = join(temporary(), "data");
    mkdirSync(data);
    mkdirSync(join(data, "../outside"));
    writeFileSync(join(data, "../outside/secret"), "secret");
    symlinkSync("../outside", join(data, "out"));
    writeFileSync(join(data, "greeting"), "hello\n");
    return data;
  }

  const run = (...parameters: string[]) =>
    new RunCommand([join(directory, "files.wasm"), ...parameters], directory).ended;

  test("reads and writes in its directory, and nowhere else", async () => {
    const data = granted();
    const { code, stdout, stderr } = await run("--listen", "127.0.0.1:0", "--dir", `${data}::/data`);
    expect([code, stderr.replace(/listening on .*\n/, "")]).toEqual([0, ""]);
    expect(stdout.split("\n")).toEqual([
      "read hello",
      "made two",
      "stat 6 ",
      "mkdir 0 ",
      "rename 0 ",
      "symlink 0 ",
      "through the link 8 ",
      expect.stringMatching(/^out -1 (Operation not permitted|Capabilities insufficient)$/),
      "out by a link -1 Operation not permitted",
      expect.stringMatching(/^elsewhere -1 (No such file or directory|Capabilities insufficient)$/),
      "none -1 No such file or directory",
      ...[".", "..", "directory", "greeting", "link", "out"].map((name) => `entry ${name}`),
      "cpu time passes",
      "unlink 0 0",
      "",
    ]);
  });

  test("that may only read is told so", async () => {
    const data = granted();
    const { code, stdout } = await run("--dir", `${data}::/data:ro`);
    expect(code).toBe(0);
    expect(stdout.split("\n").slice(0, 6)).toEqual([
      "read hello",
      "made -1 Read-only file system",
      "stat 6 ",
      "mkdir -1 Read-only file system",
      "rename -1 Read-only file system",
      "symlink -1 Read-only file system",
    ]);
    expect(readFileSync(join(data, "greeting"), "utf8")).toBe("hello\n");
  });

  test("has no files by default", async () => {
    expect(await run()).toMatchObject({ code: 10, stdout: "", stderr: "" });
  });

  test.each([
    ["none", "there is no such directory"],
    ["greeting", "it is no directory"],
  ])("is not started with a directory that is none: %s", async (name, trouble) => {
    const path = join(granted(), name);
    expect(await run("--dir", `${path}::/data`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(`${path} cannot be granted: ${trouble}\n`),
    });
  });
});
