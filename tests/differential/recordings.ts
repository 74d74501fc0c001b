/** Owns CPython's traces: those in the repository, and those that a Python on this machine gives afresh. */

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Poller, POLLERS, type Trace } from "./scenario.js";

/** Traces by scenario and poller. */
export type Recording = ReadonlyMap<string, Readonly<Record<Poller, Trace>>>;

type Stored = Readonly<Record<string, Partial<Record<Poller | "both", Trace>>>>;

const RECORDER = fileURLToPath(new URL("record.py", import.meta.url));
const PYTHONS = ["python3", "python3.11", "python3.10", "python3.9"];
const OUTPUT_BYTES_MAX = 64 << 20;

/** What stands in tests/differential/recorded. */
export function readRecorded(): Recording {
  const directory = new URL("recorded/", import.meta.url);
  return recordingOf(
    readdirSync(directory)
      .filter((name) => name.endsWith(".json"))
      .map((name) => JSON.parse(readFileSync(new URL(name, directory), "utf8")) as Stored),
  );
}

/** What CPython does now; undefined where there is no Python that has asyncore. */
export function recordAfresh(): Recording | undefined {
  const python = PYTHONS.find((name) => spawnSync(name, ["-W", "ignore", "-c", "import asynchat"]).status === 0);
  if (python === undefined) return undefined;
  const { status, stdout, stderr } = spawnSync(python, [RECORDER, "--print"], {
    encoding: "utf8",
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  if (status !== 0) throw new Error(`record.py failed: ${stderr}`);
  return recordingOf([JSON.parse(stdout) as Stored]);
}

function recordingOf(stored: readonly Stored[]): Recording {
  const recording = new Map<string, Record<Poller, Trace>>();
  for (const [id, traces] of stored.flatMap((each) => Object.entries(each))) {
    const [select, poll] = POLLERS.map((poller) => traces.both ?? traces[poller] ?? []);
    recording.set(id, { select: select ?? [], poll: poll ?? [] });
  }
  return recording;
}
