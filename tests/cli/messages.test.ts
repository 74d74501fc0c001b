/** What the commands say of input that they cannot use: the thing, what is wrong with it, and no more. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, afterAll, expect, test } from "vitest";
import { RecordingKind } from "../../host/record/format.js";
import { RecordingWriter } from "../../host/record/writer.js";
import { wat } from "../guest/modules.js";
import { ROOT } from "../support/processes.js";

const MAIN = join(ROOT, "dist/cli/main.js");
const MIB = 2 ** 20;
const ARGUMENT_LIMIT_MS = 60_000;

const cwd = mkdtempSync(join(tmpdir(), "messages-"));
afterAll(() => rmSync(cwd, { recursive: true }));

beforeAll(() => {
  const write = (name: string, content: string | Uint8Array): void => writeFileSync(join(cwd, name), content);
  mkdirSync(join(cwd, "directory"));
  write("file", "");
  write("exits.wasm", wat(`(memory (export "memory") 1) (func (export "_start"))`));
  write("latin1.json", Buffer.from('{ "env": { "A": "\xff" } }', "latin1"));
  write("mark.json", '\ufeff{ "plugins": [] }');
  write("large.json", "");
  truncateSync(join(cwd, "large.json"), 5000 * MIB);
  write("deep.json", "[".repeat(20_000));
  write("program.js", "console.log('it runs')");
  write("empty.ts", "");
  symlinkSync("loop.ts", join(cwd, "loop.ts"));
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => chunks.push(Uint8Array.from(chunk)), {
    kind: RecordingKind.BACKEND,
    flags: 0,
    realtimeNs: 0n,
    monotonicNs: 0n,
    details: {},
  });
  writer.end();
  write("empty.wrec", Buffer.concat(chunks));
});

test("replay names the directory in which it cannot make one", () => {
  const argv = [MAIN, "replay", "empty.wrec", "--", "./file"];
  const { status, stderr } = spawnSync(process.execPath, argv, { cwd, encoding: "utf8", env: { TMPDIR: "/none" } });
  const message = "wasyncore: cannot make a directory in /none (TMPDIR): there is no such directory\n";
  expect([status, stderr]).toEqual([2, message]);
});

function command(line: string): { status: number | null; stdout: string; stderr: string } {
  const argv = line.split(" ");
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...argv], { cwd, encoding: "utf8" });
  return { status, stdout, stderr };
}

test.each([
  ["run large.json", 1, "wasyncore: cannot read large.json: it is larger than 2 GiB\n"],
  ["run exits.wasm --record none/run.wrec", 1, "wasyncore: cannot write none/run.wrec: there is no such directory\n"],
  ["run exits.wasm --policy latin1.json", 2, /^wasyncore: --policy latin1\.json: it is no text in UTF-8\n/],
  ["run exits.wasm --policy large.json", 2, /^wasyncore: --policy large\.json: it is larger than 16 MiB\n/],
  ["serve large.json --check", 2, "wasyncore: cannot read large.json: it is larger than 16 MiB\n"],
  ["serve latin1.json --check", 2, "wasyncore: cannot read latin1.json: it is no text in UTF-8\n"],
  ["serve mark.json --check", 0, ""],
  ["serve deep.json --check", 2, /^(?:wasyncore: deep\.json:1: .*\n){1,20}$/],
  ["view none.wrec", 1, "wasyncore view: cannot read none.wrec: there is no such file\n"],
  ["view directory", 1, "wasyncore view: directory: it is a directory\n"],
  ["view empty.wrec -o directory", 1, "wasyncore view: cannot write directory: it is a directory\n"],
  ["view empty.wrec -o none/page.html", 1, "wasyncore view: cannot write none/page.html: there is no such directory\n"],
  ["replay none.wrec -- node program.js", 2, "wasyncore: cannot replay none.wrec: there is no such file\n"],
  ["replay directory -- node program.js", 2, "wasyncore: cannot replay directory: it is a directory\n"],
  ["replay file -- node program.js", 2, "wasyncore: cannot replay file: this is no recording\n"],
  ["replay --compare none.wrec file", 2, "wasyncore: cannot compare none.wrec: there is no such file\n"],
  ["replay empty.wrec -- ./file", 2, "wasyncore: cannot run ./file: permission denied\n"],
  ["replay empty.wrec -- ./none", 2, "wasyncore: cannot run ./none: there is no such program\n"],
  ["build loop.ts", 1, /^wasyncore build: cannot read loop\.ts: ELOOP\nloop\.ts was not built\n$/],
  ["build none.ts", 1, "wasyncore build: cannot read none.ts: there is no such file\n"],
  ["build none.ts --profile wasi-0.3", 1, "wasyncore build: cannot read none.ts: there is no such file\n"],
  ["build none.ts --profile typescript", 1, "wasyncore build: cannot read none.ts: there is no such file\n"],
  ["build empty.ts -o directory", 1, "wasyncore build: cannot write directory: it is a directory\n"],
  ["build empty.ts -o file/app.wasm", 1, /^wasyncore build: cannot write file\/app\.wasm: there is .*\n$/],
  [
    "build empty.ts -- --textFile directory",
    1,
    "wasyncore build: cannot write directory: it is a directory\nempty.ts was not built\n",
  ],
  ["ctl --nothing", 2, "wasyncore: Unknown option '--nothing'\nTry \"wasyncore ctl --help\".\n"],
  ["serve --nothing", 2, "wasyncore: Unknown option '--nothing'\nTry \"wasyncore serve --help\".\n"],
  ["ctl --socket file list", 1, "wasyncore: file is no socket\n"],
  ["new /proc/project", 1, "wasyncore new: cannot make /proc/project: there is no such directory\n"],
  ["compare a b", 2, /^wasyncore: compare: no such command; "wasyncore replay --compare" compares two recordings\n/],
] as const)(
  "%s",
  (line, status, expected) => {
    const ended = command(line);
    const stderr: unknown = typeof expected === "string" ? expected : expect.stringMatching(expected);
    expect(ended).toEqual({ status, stderr, stdout: status === 0 ? (expect.any(String) as unknown) : "" });
  },
  ARGUMENT_LIMIT_MS,
);
