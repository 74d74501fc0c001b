/** `wasyncore replay --compare`: what it reports of two recordings of programs, and what it refuses. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { RecordingKind } from "../../host/record/format.js";
import { RecordingWriter } from "../../host/record/writer.js";
import { recordedRun } from "../view/support.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

function compare(cwd: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, "replay", "--compare", ...args], {
    cwd,
    encoding: "utf8",
  });
  return { status, stdout, stderr };
}

function directory(files: Readonly<Record<string, Uint8Array>> = {}): string {
  const made = mkdtempSync(join(tmpdir(), "compare-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  for (const [name, contents] of Object.entries(files)) writeFileSync(join(made, name), contents);
  return made;
}

test("two runs of the same do not differ, whatever their ports and times", async () => {
  const cwd = directory({ a: await recordedRun("hello", 1), b: await recordedRun("hello", 1) });
  expect(compare(cwd, "a", "b")).toEqual({
    status: 0,
    stdout: "",
    stderr: expect.stringMatching(/^wasyncore: no difference: \d+ events of 3 channels\n$/) as string,
  });
});

test.each([
  ["kept", true],
  ["left out", false],
])("the first other contents are named where they are %s", async (_, sent) => {
  const [a, b] = [await recordedRun("hello", 1, { sent }), await recordedRun("hallo", 1, { sent })];
  const { status, stderr } = compare(directory({ a, b }), "a", "b");
  expect(status).toBe(1);
  const text = (word: string): string =>
    `send\\w*\\(\\d+, 5 bytes \\(hash [0-9a-f]{8}\\)${sent ? ` "${word}"` : ""}\\) = 5`;
  expect(stderr).toMatch(
    new RegExp(
      `^wasyncore: difference in turn \\d+, channel on descriptor \\d+, at send\\w*\\n` +
        `  expected: ${text("hello")}\\n  found:    ${text("hallo")}(?:, in turn \\d+)?\\n\\d+ events are the same before it\\n$`,
    ),
  );
});

test("a run that does more than the other differs where that ends", async () => {
  const a = await recordedRun("hello", 1);
  const cwd = directory({ a, cut: a.subarray(0, -30) });
  const { status, stderr } = compare(cwd, "a", "cut");
  expect(stderr).toContain("cut: the recording was cut off\n");
  expect(stderr).toMatch(/found: {4}the end of the recording\n/);
  expect(stderr).toMatch(/difference in turn \d+, channel on descriptor \d+, at \w+\n/);
  expect(status).toBe(1);
});

test.each([
  ["one recording", ["a"], /--compare takes two recordings/],
  ["three of them", ["a", "a", "a"], /--compare takes two recordings/],
  ["a program", ["a", "a", "--", "node", "x.js"], /--compare runs no program/],
  ["an option of a replay", ["a", "a", "--until", "3"], /--compare takes no --until/],
  ["a file that is not there", ["a", "missing"], /cannot compare missing: there is no such file\n/],
  ["a file that is no recording", ["a", "text"], /cannot compare text: this is no recording/],
  ["a program and a guest", ["a", "guest"], /one recording is of a program, the other of a guest/],
])("refuses %s", async (_, args, message) => {
  const chunks: Uint8Array[] = [];
  const header = { kind: RecordingKind.GUEST, realtimeNs: 0n, monotonicNs: 0n, details: {} };
  new RecordingWriter((chunk) => chunks.push(chunk.slice()), header).end();
  const files = { a: await recordedRun("hello", 1), text: Buffer.from("text"), guest: Buffer.concat(chunks) };
  const { status, stderr } = compare(directory(files), ...args);
  expect(stderr).toMatch(message);
  expect(status).toBe(2);
});
