/**
 * Owns `wasyncore replay`: its command line, and which kind of recording it is given. Leaves the replay to the file of its kind.
 */

import { parseArgs } from "node:util";
import { openRecordingFile } from "../record/files.js";
import { RecordingError, RecordingKind } from "../record/format.js";
import { RecordingReader } from "../record/reader.js";
import { replayGuestCommand } from "./replay-guest.js";
import { UsageError } from "./run-options.js";

const USAGE = `Usage: wasyncore replay RUN.WREC [options] -- APP.WASM

Runs what was recorded with its calls answered from the recording: no socket, file or clock is
used. The first difference from the recording is printed.

Options:
  --until TURN   ends before this turn
  --hash         prints a hash of the guest's memory for each turn
  --changed      takes another module than the one that was recorded
  --help         prints this

Exit status: 0 without a difference; 1 with one, or where it cannot be replayed; 2 when the
command line is wrong.
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

const OPTIONS = {
  until: { type: "string" },
  hash: { type: "boolean" },
  changed: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

export async function replayCommand(argv: string[]): Promise<number> {
  try {
    return replay(argv);
  } catch (error) {
    if (error instanceof UsageError) return complain(`${error.message}\nTry "wasyncore replay --help".`, EXIT_USAGE);
    if (error instanceof RecordingError) return complain(error.message, EXIT_FAILED);
    throw error;
  }
}

function replay(argv: readonly string[]): number {
  const end = argv.indexOf("--");
  const { values, positionals } = parsed(end < 0 ? argv : argv.slice(0, end));
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [path, stray] = positionals;
  const [module, more] = end < 0 ? [] : argv.slice(end + 1);
  if (path === undefined) throw new UsageError("which recording is to be replayed?");
  if (module === undefined) throw new UsageError("which module was recorded? It stands after --");
  if (stray !== undefined || more !== undefined) throw new UsageError(`${stray ?? more}: one recording, and one module`);
  const until = values.until === undefined ? undefined : Number(values.until);
  if (until !== undefined && !(Number.isInteger(until) && until > 0)) throw new UsageError("--until: a turn is a number from 1 on");
  const reader = new RecordingReader(openRecordingFile(path));
  try {
    if (reader.header.kind !== RecordingKind.GUEST) throw new RecordingError("a recording of a program");
    return replayGuestCommand(reader, { module, until, hash: values.hash === true, changed: values.changed === true });
  } finally {
    reader.close();
  }
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
}

function complain(message: string, status: number): number {
  process.stderr.write(`wasyncore: ${message}\n`);
  return status;
}
