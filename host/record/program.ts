/**
 * Owns recording and replaying a whole program, by variables of its environment: what its default backend is. Knows the
 * process; knows no call.
 */

import { getSystemErrorMap } from "node:util";
import type { Backend } from "../backend/backend.js";
import { checkBoolean, rangeError } from "../backend/check.js";
import { printable } from "../backend/printable.js";
import { textOf } from "../backend/traceback.js";
import { files } from "../backend/unhooked.js";
import { planRecord, type RecordOptions } from "./options.js";
import { answerOutside, noteSignals } from "./outside/answer.js";
import { OutsideRecorder } from "./outside/recorder.js";
import { type StartedRecording, startRecording } from "./recorder.js";
import { ReplayDifference } from "./replay/difference.js";
import { type ProgramReplayOptions, type Replay, startReplay } from "./replay/replay.js";
import { endedEarly } from "./replay/testing.js";

/** What `wasyncore replay` asks of the program, as JSON in WASYNCORE_REPLAY. */
export interface ReplayRequest {
  readonly path: string;
  /** Ends the replay before this turn; with a debugger, stops in it. */
  readonly until?: number | undefined;
  /** Stops in the debugger before calls on these descriptors. */
  readonly breakAt?: readonly number[] | undefined;
  readonly patienceMs?: number | undefined;
  /** Does the recording have to have files, timers and dates of Node, and all calls their order? */
  readonly strict?: boolean | undefined;
  /** An empty directory, which is removed when the replay begins: so whoever waits for the program finds whether it did. */
  readonly pending?: string | undefined;
}

/** As of "wasyncore run --record". */
const EXIT_UNWRITABLE = 1;
const EXIT_DIFFERENCE = 1;
const EXIT_FAILED = 2;
const PATH_MAX = 4096;
const SEED_WORDS = 3;

/**
 * The backend of a program that is recorded. Signals that the program listens for are recorded as well.
 * @param path of the file; WASYNCORE_RECORD. `%p` is the number of the process
 * @param options JSON; WASYNCORE_RECORD_OPTIONS
 */
export function recordedProgram(backend: Backend, path: string, options = "{}"): Backend {
  const { outside = true, ...plan } = optionsOf(options);
  checkBoolean("WASYNCORE_RECORD_OPTIONS.outside", outside);
  naming("WASYNCORE_RECORD_OPTIONS", () => planRecord(plan));
  const seed = [...crypto.getRandomValues(new Uint32Array(SEED_WORDS))];
  const file = path.replaceAll("%p", String(process.pid));
  const { recorder, journal, rest } = started();
  if (outside) answerOutside(new OutsideRecorder(journal, seed, rest));
  // Child processes would write over the file.
  delete process.env["WASYNCORE_RECORD"];
  noteSignals((name) => recorder.signal(name));
  return recorder.backend;

  function started(): StartedRecording {
    try {
      return startRecording(backend, file, plan, outside ? { outside: seed } : {});
    } catch (error) {
      const { syscall } = error as NodeJS.ErrnoException;
      if (syscall === undefined) throw error;
      files.writeSync(2, `wasyncore: ${unwritable(file, error as NodeJS.ErrnoException)}\n`);
      // oxlint-disable-next-line unicorn/no-process-exit
      return process.exit(EXIT_UNWRITABLE);
    }
  }
}

/** Of a file that WASYNCORE_RECORD names, and that cannot be made. */
function unwritable(file: string, { code, errno }: NodeJS.ErrnoException): string {
  const trouble = code === "ENOENT" ? "there is no such directory" : getSystemErrorMap().get(errno ?? 0)?.[1];
  return (
    `cannot record to ${printable(file, PATH_MAX)}: ${trouble ?? "it cannot be opened"} (${code}). ` +
    "WASYNCORE_RECORD names the file: set it to one that can be written, or unset it to run without a recording"
  );
}

/** Is what the program uses of Node besides its backend recorded? Default true. */
interface ProgramOptions extends RecordOptions {
  readonly outside?: boolean;
}

function optionsOf(text: string): ProgramOptions {
  let options: unknown;
  try {
    options = JSON.parse(text);
  } catch {
    // It is refused below.
  }
  if (typeof options === "object" && options !== null) return options;
  throw rangeError("WASYNCORE_RECORD_OPTIONS", `a JSON object, as {"payloads":false}`, text);
}

/** What `call` throws is about this variable. */
function naming<T>(variable: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (error instanceof Error) error.message = `${variable}: ${error.message}`;
    throw error;
  }
}

function noteBegin(pending: string): void {
  try {
    files.rmdirSync(pending);
  } catch {
    // Another process of the same command has done so before: `node one.js && node other.js`.
  }
}

/** The backend of a program that is replayed. The process exits at the first difference, and when the recording is over. */
export function replayedProgram(request: string, opener: Backend): Backend {
  const { path, until, breakAt = [], patienceMs, strict, pending } = JSON.parse(request) as ReplayRequest;
  delete process.env["WASYNCORE_REPLAY"];
  if (pending !== undefined) noteBegin(pending);
  const stops = new Set(breakAt);
  let interruption = "";
  const played = started({
    strict,
    patienceMs,
    files: opener,
    outside: true,
    differs: (difference) => end(difference),
    over: () => succeed(),
    failed: (error) => leave(EXIT_FAILED, `cannot replay ${path} further: ${messageOf(error)}`),
    turn(turn) {
      if (until !== undefined && turn >= until) stop(`stopped in turn ${turn}, before its first call`);
    },
    call(_name, fd) {
      // For a debugger: the program's call is on the stack.
      // oxlint-disable-next-line no-debugger
      if (fd !== undefined && stops.has(fd)) debugger;
    },
  });
  process.prependListener("exit", atExit);
  noteSignals((name) => {
    interruption = `  ${name} came in turn ${played.turns} and is not in the recording: it may be the cause\n`;
  });

  function started(options: ProgramReplayOptions): Replay {
    try {
      return startReplay(path, options);
    } catch (error) {
      return leave(EXIT_FAILED, `cannot replay ${path}: ${messageOf(error)}`);
    }
  }

  function succeed(note = "no difference"): never {
    return leave(0, `${played.summary()}: ${note}`);
  }

  /** With a debugger, the moment is the program's: it goes on from there when it is let. */
  function stop(note: string): void {
    if (!process.execArgv.some((each) => each.startsWith("--inspect"))) succeed(note);
    // oxlint-disable-next-line no-debugger
    debugger;
  }

  function end(difference: ReplayDifference): never {
    const stack = difference.programStack.map((frame) => `    ${frame}\n`).join("");
    return leave(EXIT_DIFFERENCE, `${difference.message}\n${stack}${interruption}${played.summary()} before it`);
  }

  function leave(code: number, message: string): never {
    // What the program does at its exit is not in the recording.
    process.removeAllListeners("exit");
    files.writeSync(2, `wasyncore: ${message}\n`);
    // oxlint-disable-next-line unicorn/no-process-exit
    return process.exit(code);
  }

  function atExit(code: number): void {
    let exited: number | undefined;
    try {
      if (!played.isComplete) return end(endedEarly(played));
      exited = played.exitCode;
    } catch (error) {
      return leave(EXIT_FAILED, `cannot replay ${path} further: ${messageOf(error)}`);
    }
    if (exited === undefined || exited === code) return succeed();
    return end(exitDiffers(played, exited, code));
  }

  return played.backend;
}

function exitDiffers(played: Replay, expected: number, found: number): ReplayDifference {
  return new ReplayDifference({
    turn: played.turns,
    fd: undefined,
    call: "exit",
    expected: `exit status ${expected}`,
    found: `exit status ${found}`,
  });
}

const messageOf = (error: unknown): string => textOf(() => (error instanceof Error ? error.message : error));
