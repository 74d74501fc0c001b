/**
 * Owns `wasyncore view`: reads one or two recordings, and writes a page that shows them. Knows no timeline's inside and
 * nothing of what the page does.
 */

import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { basename, resolve } from "node:path";
import { parseArgs } from "node:util";
import { openRecordingFile } from "../record/files.js";
import { RecordingError, RecordingKind } from "../record/format.js";
import { RecordingReader } from "../record/reader.js";
import { countsOf } from "../view/counts.js";
import { timelineOf } from "../view/from-recording.js";
import { pageOf } from "../view/page-maker.js";
import type { Timeline } from "../view/timeline.js";
import { optionTrouble } from "./option-trouble.js";
import { fileTrouble, isOfSystem, writeTrouble } from "./run-troubles.js";
import { writeWhole } from "./write-file.js";

const USAGE = `Usage: wasyncore view RUN.WREC [OTHER.WREC] [options]

Writes a page that shows a recording: a lane for each channel, what was received and sent, errors, stalls, turns and what
they cost. With two recordings it shows both, and where they differ first. The page is one file: it fetches nothing.

Options:
  -o, --output FILE  the page; by default the recording's name with .html. "-" writes it to the standard output
  --help             prints this
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const RUNS_MAX = 2;

/** Runs `wasyncore view` with the arguments that follow it. @returns the exit status */
export async function viewCommand(argv: string[]): Promise<number> {
  const options = { output: { type: "string", short: "o" }, help: { type: "boolean", short: "h" } } as const;
  let parsed;
  try {
    parsed = parseArgs({ args: argv, options, allowPositionals: true });
  } catch (error) {
    return refuse(optionTrouble(error));
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (positionals.length === 0 || positionals.includes("")) return refuse("which recording?");
  if (positionals.length > RUNS_MAX) return refuse(`${positionals.length} recordings: ${RUNS_MAX} at most`);
  if (values.output === "") return refuse("--output needs the path of a file");
  const output = values.output ?? `${(positionals[0] ?? "").replace(/\.wrec$/, "")}.html`;
  if (positionals.some((path) => resolve(path) === resolve(output))) {
    return refuse(`--output ${output}: that is the recording`);
  }
  return write(positionals, output);
}

function write(paths: readonly string[], output: string): number {
  const timelines: Timeline[] = [];
  const kinds: string[] = [];
  for (const path of paths) {
    try {
      const { kind, timeline } = read(path);
      timelines.push(timeline);
      kinds.push(kind);
    } catch (error) {
      if (isOfSystem(error)) return fail(`cannot read ${path}: ${fileTrouble(error.code)}`);
      if (error instanceof RecordingError) return fail(`${path}: ${error.message}`);
      throw error;
    }
  }
  const [kind, other = kind] = kinds;
  if (kind !== other) {
    return fail(
      `${paths[0]} is a recording of a ${kind}, ${paths[1]} of a ${other}: they cannot be shown side by side`,
    );
  }
  const template = readFileSync(new URL("../view/page.html", import.meta.url), "utf8");
  const page = pageOf(template, timelines);
  try {
    // Not by its descriptor: a pipe takes no more than it has room for, and the rest would be lost.
    if (output === "-") process.stdout.write(page);
    else writeWhole(output, page);
  } catch (error) {
    if (isOfSystem(error)) return fail(`cannot write ${output}: ${writeTrouble(error.code)}`);
    throw error;
  }
  for (const { incomplete, title } of timelines)
    if (incomplete !== "") process.stderr.write(`${title}: ${incomplete}\n`);
  if (output !== "-") process.stderr.write(`${output}: ${timelines.map(summaryOf).join("; ")}\n`);
  return 0;
}

function read(path: string): { readonly kind: string; readonly timeline: Timeline } {
  const source = openRecordingFile(path);
  try {
    const reader = new RecordingReader(source);
    const timeline = timelineOf(reader, basename(path), constants.errno);
    return { kind: reader.header.kind === RecordingKind.GUEST ? "guest" : "program", timeline };
  } finally {
    source.close();
  }
}

const summaryOf = (timeline: Timeline): string => countsOf(timeline).slice(0, 2).join(", ");

function fail(message: string): number {
  process.stderr.write(`wasyncore view: ${message}\n`);
  return EXIT_FAILED;
}

function refuse(message: string): number {
  process.stderr.write(`wasyncore view: ${message}\nTry "wasyncore view --help".\n`);
  return EXIT_USAGE;
}
