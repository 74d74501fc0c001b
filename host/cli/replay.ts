/**
 * Owns `wasyncore replay`: a program is started that is fed from a recording. Knows the command line; the program does the rest.
 * Leaves recordings of guests to replay-guest, and the comparison of two recordings to compare.
 */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmdirSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";

import { RecordingKind } from "../record/format.js";
import { HandedOn } from "./handed-on.js";
import { optionTrouble } from "./option-trouble.js";
import { kindOfRecording, replayGuestCommand } from "./replay-guest.js";
import { RunError } from "./run-errors.js";
import { fileTrouble, isOfSystem, writeTrouble } from "./run-troubles.js";

const USAGE = `Usage: wasyncore replay RUN.WREC [options] -- node PROGRAM.JS [ARGUMENTS...]
       wasyncore replay RUN.WREC [options] -- APP.WASM
       wasyncore replay --compare RUN.WREC OTHER.WREC

Runs a program on what was recorded of it with WASYNCORE_RECORD=RUN.WREC. It opens no socket: what it
receives, and the time, are the recording's, and what it sends is compared with what it sent then.
The first difference is reported, with the turn, the descriptor, the call and the program's stack.

Options:
  --until TURN          ends before the first call of this turn; with node --inspect, stops there
  --break channel=FD    stops in the debugger before each call on this descriptor. Repeatable
  --strict              refuses a recording without files, timers, dates and random numbers of Node, and
                        takes calls between turns in their order alone
  --patience MS         how long to wait for a call that the program makes between turns. Default 10000
  --help                prints this

A guest that was recorded with wasyncore run --record is run with its calls answered from the recording:
  --until TURN          ends before this turn, which is a call of poll_oneoff
  --hash                prints a hash of its memory for each turn
  --changed             takes another build of the module than the one that was recorded

  --compare             runs nothing: reports where two recordings differ first

Exit status: 0 without a difference; 1 with one; 2 when the command line is wrong, when a recording
cannot be replayed or compared, or when the program has not replayed it; 128 and its number when a
signal has ended the program.
`;

const EXIT_USAGE = 2;
const EXIT_UNREPLAYED = 2;

const OPTIONS = {
  until: { type: "string" },
  break: { type: "string", multiple: true },
  patience: { type: "string" },
  strict: { type: "boolean" },
  hash: { type: "boolean" },
  changed: { type: "boolean" },
  compare: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** @returns the exit status */
export async function replayCommand(argv: string[]): Promise<number> {
  const end = argv.indexOf("--");
  try {
    const { values, positionals } = parseArgs({
      args: end < 0 ? argv : argv.slice(0, end),
      options: OPTIONS,
      allowPositionals: true,
    });
    if (values.help === true) {
      process.stdout.write(USAGE);
      return 0;
    }
    if (values.compare === true) return await compare(values, positionals, end >= 0);
    const [path, stray] = positionals;
    const [program, ...args] = end < 0 ? [] : argv.slice(end + 1);
    if (path === undefined || path === "") return complain("which recording?");
    if (stray !== undefined) return complain(`${stray}: the program is what follows --`);
    if (program === undefined) return complain("which program? It is what follows --");
    const kind = kindOfRecording(path);
    // Before the program runs: without a recording it would do in earnest what is to be replayed.
    if (typeof kind === "string") return fail(`cannot replay ${path}: ${kind}`);
    if (kind === RecordingKind.GUEST) {
      const until = number("--until", values.until);
      const [more] = args;
      if (more !== undefined)
        return complain(
          `${path} is a recording of a guest: what follows -- is its module alone, and not ${program} ${more}`,
        );
      return replayGuestCommand(path, {
        module: program,
        until,
        hash: values.hash === true,
        changed: values.changed === true,
      });
    }
    if (values.hash === true || values.changed === true) return complain("--hash, --changed: for recordings of guests");
    if (program.endsWith(".wasm")) return complain(`${program} is a module, and ${path} is no recording of a guest`);
    const request = {
      path: resolve(path),
      until: number("--until", values.until),
      patienceMs: number("--patience", values.patience),
      strict: values.strict === true,
      breakAt: (values.break ?? []).map(descriptor),
    };
    const { WASYNCORE_RECORD: _record, ...rest } = process.env;
    // First: from here on no signal ends the command before the program, and leaves something behind.
    const signals = new HandedOn();
    let pending: string | undefined;
    try {
      pending = makePending();
      const env = { ...rest, WASYNCORE_REPLAY: JSON.stringify({ ...request, pending }) };
      const { status, signal } = await run(program, args, env, signals);
      if (signal !== null || !existsSync(pending)) return status;
    } finally {
      if (pending !== undefined && existsSync(pending)) rmdirSync(pending);
    }
    process.stderr.write(`wasyncore: nothing was replayed: ${[program, ...args].join(" ")} has not loaded wasyncore\n`);
    return EXIT_UNREPLAYED;
  } catch (error) {
    return error instanceof RunError ? fail(error.message) : complain(optionTrouble(error));
  }
}

/** A directory that the program removes when it begins to replay. @throws RunError */
function makePending(): string {
  try {
    return mkdtempSync(join(tmpdir(), "wasyncore-replay-"));
  } catch (error) {
    if (!isOfSystem(error)) throw error;
    throw new RunError(`cannot make a directory in ${tmpdir()} (TMPDIR): ${writeTrouble(error.code)}`, {
      cause: error,
    });
  }
}

async function compare(values: object, paths: readonly string[], hasProgram: boolean): Promise<number> {
  const [one, other, stray] = paths;
  if (hasProgram) return complain("--compare runs no program");
  const [option] = Object.keys(values).filter((name) => name !== "compare");
  if (option !== undefined) return complain(`--compare takes no --${option}`);
  if (one === undefined || other === undefined || stray !== undefined)
    return complain("--compare takes two recordings");
  return (await import("./compare.js")).compareCommand([one, other]);
}

interface Ended {
  readonly status: number;
  /** That has ended it. */
  readonly signal: NodeJS.Signals | null;
}

/** Runs the program. Signals are handed on to it. */
function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv, signals: HandedOn): Promise<Ended> {
  return new Promise((settled, failed) => {
    const child = spawn(program, args, { env, stdio: "inherit" });
    signals.program = child;
    child.on("error", ({ code, syscall }: NodeJS.ErrnoException) => {
      // One that runs as somebody else takes no signal of ours, and runs on.
      if (syscall === "kill") return;
      failed(
        new RunError(`cannot run ${program}: ${code === "ENOENT" ? "there is no such program" : fileTrouble(code)}`),
      );
    });
    child.once("exit", (code, signal) => {
      settled({ status: code ?? 128 + (signal === null ? 0 : constants.signals[signal]), signal });
    });
  });
}

function number(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,15}$/.test(text)) throw new Error(`${name} ${text}: a whole number`);
  return Number(text);
}

function descriptor(text: string): number {
  const [, fd] = /^(?:channel|fd)=(\d{1,9})$/.exec(text) ?? [];
  if (fd === undefined) throw new Error(`--break ${text}: channel=FD`);
  return Number(fd);
}

function fail(message: string): number {
  process.stderr.write(`wasyncore: ${message}\n`);
  return EXIT_UNREPLAYED;
}

function complain(message: string): number {
  process.stderr.write(`wasyncore: ${message}\nTry "wasyncore replay --help".\n`);
  return EXIT_USAGE;
}
