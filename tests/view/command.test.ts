/** `wasyncore view`: what it writes, and what it refuses. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { recordedRun } from "./support.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

function view(cwd: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, "view", ...args], { cwd, encoding: "utf8" });
  return { status, stdout, stderr };
}

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), "view-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

test("writes a page beside the recording, where it is told to, or to the standard output", async () => {
  const cwd = directory();
  writeFileSync(join(cwd, "run.wrec"), await recordedRun("hello", 2));
  expect(view(cwd, "run.wrec")).toMatchObject({
    status: 0,
    stdout: "",
    stderr: expect.stringMatching(/^run\.html: 5 channels, \d+ events\n$/) as string,
  });
  const page = readFileSync(join(cwd, "run.html"), "utf8");
  expect(page).toMatch(/^<!doctype html>/);
  expect(page).toContain("data-run");
  expect(view(cwd, "run.wrec", "-o", "-").stdout).toBe(page);
  expect(view(cwd, "run.wrec", "run.wrec", "--output", "two.html").status).toBe(0);
  expect(readFileSync(join(cwd, "two.html"), "utf8").match(/data-run>/g)).toHaveLength(2);
});

/** With its standard output where a shell puts it. */
function viewInto(cwd: string, output: string): { status: number | null; stdout: string; stderr: string } {
  const script = `{ "$0" "$1" view run.wrec -o -; echo "status $?" >&2; } ${output}`;
  const { status, stdout, stderr } = spawnSync("sh", ["-c", script, process.execPath, MAIN], { cwd, encoding: "utf8" });
  return { status, stdout, stderr };
}

test("writes all of the page into a pipe, which has room for less, and nothing where its reader has enough", async () => {
  const cwd = directory();
  writeFileSync(join(cwd, "run.wrec"), await recordedRun("hello", 2));
  view(cwd, "run.wrec");
  const page = readFileSync(join(cwd, "run.html"), "utf8");
  // A pipe of Linux has 64 KiB.
  expect(page.length).toBeGreaterThan(70_000);
  const piped = viewInto(cwd, "| cat");
  expect(piped.stderr).toBe("status 0\n");
  expect(piped.stdout).toBe(page);
  expect(viewInto(cwd, "| head -n 1")).toEqual({ status: 0, stdout: "<!doctype html>\n", stderr: "status 0\n" });
});

test.skipIf(process.platform !== "linux")("says that there is no room for the page", async () => {
  const cwd = directory();
  writeFileSync(join(cwd, "run.wrec"), await recordedRun("hello", 2));
  const message = "wasyncore: cannot write to the standard output: no space is left (ENOSPC)\n";
  expect(viewInto(cwd, ">/dev/full")).toMatchObject({ stderr: `${message}status 1\n` });
});

test("shows what there is of a recording that was cut off, and refuses a damaged one", async () => {
  const cwd = directory();
  const recording = await recordedRun("hello", 2);
  writeFileSync(join(cwd, "cut.wrec"), recording.subarray(0, -3));
  expect(view(cwd, "cut.wrec")).toMatchObject({
    status: 0,
    stderr: expect.stringContaining("cut.wrec: the recording was cut off\n") as string,
  });
  const damaged = recording.slice();
  damaged[damaged.length - 30] = (damaged[damaged.length - 30] ?? 0) ^ 1;
  writeFileSync(join(cwd, "damaged.wrec"), damaged);
  expect(view(cwd, "damaged.wrec")).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("damaged.wrec: ") as string,
  });
  writeFileSync(join(cwd, "text.wrec"), "no recording");
  expect(view(cwd, "text.wrec")).toMatchObject({ status: 1, stderr: expect.stringContaining("text.wrec: ") as string });
});

test.each([
  ["no recording", [], 2, /which recording\?/],
  ["three of them", ["a", "b", "c"], 2, /3 recordings: 2 at most/],
  ["an unknown option", ["--color"], 2, /--color/],
  ["an output without a name", ["a.wrec", "-o", ""], 2, /--output needs the path of a file/],
  ["the recording as its output", ["a.wrec", "-o", "./a.wrec"], 2, /that is the recording/],
  ["a recording that is not there", ["a.wrec"], 1, /cannot read a\.wrec: there is no such file/],
  ["a directory", ["."], 1, /\.: it is a directory/],
])("refuses %s", (_, args, status, message) => {
  const result = view(directory(), ...args);
  expect(result).toMatchObject({ status, stdout: "", stderr: expect.stringMatching(message) as string });
  expect(result.stderr).not.toMatch(/\n {4}at /);
});

test("--help says how it is used", () => {
  expect(view(directory(), "--help")).toMatchObject({
    status: 0,
    stderr: "",
    stdout: expect.stringMatching(/^Usage: wasyncore view/) as string,
  });
});
