/** Owns a replay: a backend, and how far it has come. Knows the player; knows neither a command nor a test. */

import { counted } from "../../backend/counted.js";
import type { Backend } from "../../backend/backend.js";
import { checkBytes, checkFunction, checkMethods, checkMs, checkOptions } from "../../backend/check.js";
import { openRecordingFile } from "../files.js";
import { RecordingError } from "../format.js";
import { answerOutside } from "../outside/answer.js";
import { OutsidePlayer } from "../outside/player.js";
import { RecordingReader, type RecordingSource, sourceOf } from "../reader.js";
import { type FileOpener, replayBackend } from "./backend.js";
import type { ReplayDifference } from "./difference.js";
import { Player, type PlayerEvents } from "./player.js";

/** How long the program may take to make the next call. */
const PATIENCE_MS = 10_000;

const CALLBACKS = ["differs", "over", "failed", "call", "turn"] as const;
const OPTIONS = [...CALLBACKS, "patienceMs", "redact", "files"] as const;

/** Options of {@link replay}. */
export interface ReplayOptions extends PlayerEvents {
  /**
   * How long the replay waits for a call that the program made between two turns: a timer of Node has to fire first. Default
   * 10,000.
   */
  readonly patienceMs?: number | undefined;
  /** What was blanked when it was recorded: it is blanked in what is sent now, before it is compared. */
  readonly redact?: readonly (string | RegExp)[] | undefined;
  /**
   * Opens the files that the program opened by `openBeneath`, for programs that go on with them by node:fs: a backend of
   * the operating system. By default no file is opened, and the program has the number that it had.
   */
  readonly files?: FileOpener | undefined;
}

/** For a replay of a program by its own process. */
export interface ProgramReplayOptions extends ReplayOptions {
  /** What the program uses of Node besides its backend comes from the recording, where that has it. */
  readonly outside?: boolean | undefined;
  /** It has to have it. */
  readonly strict?: boolean | undefined;
}

/** A replay under way. */
export interface Replay {
  /** Answers from the recording. Give it to the program in place of the backend that was recorded. */
  readonly backend: Backend;
  readonly turns: number;
  readonly calls: number;
  /** Was everything in the recording replayed? */
  readonly isComplete: boolean;
  /** The first difference, if there was one. */
  readonly difference: ReplayDifference | undefined;
  /** The record that comes next, as text. */
  readonly expected: string;
  /** The code with which the recorded process exited; undefined where that is not what comes next. */
  readonly exitCode: number | undefined;
  /** How much was replayed, in one line. */
  summary(): string;
  /** Throws the difference, or what is damaged, if there was one. */
  rethrow(): void;
}

/**
 * Replays a recording: a backend that answers what was answered, as long as the program does what it did.
 * @param recording the path of a file, or its bytes
 * @throws RecordingError for what cannot be replayed; an error of node:fs; TypeError, RangeError
 */
export function replay(recording: string | Uint8Array, options: ReplayOptions = {}): Replay {
  if (typeof recording !== "string") checkBytes("recording", recording, "a path or a Uint8Array");
  checkOptions("options", options as unknown, OPTIONS);
  for (const name of CALLBACKS) if (options[name] !== undefined) checkFunction(`options.${name}`, options[name]);
  if (options.patienceMs !== undefined) checkMs("options.patienceMs", options.patienceMs);
  if (options.files !== undefined) checkMethods("options.files", options.files, "a Backend", ["openBeneath"]);
  return startReplay(recording, options);
}

/** The same for a program. @throws RecordingError also where it is to be strict, and cannot */
export function startReplay(recording: string | Uint8Array, options: ProgramReplayOptions): Replay {
  const source = typeof recording === "string" ? openRecordingFile(recording) : sourceOf(recording);
  try {
    return playing(source, options);
  } catch (error) {
    source.close();
    throw error;
  }
}

function playing(source: RecordingSource, options: ProgramReplayOptions): Replay {
  const player = new Player(new RecordingReader(source), options, options.redact);
  const seed = player.reader.header.details["outside"];
  const isStrict = options.strict === true;
  if (isStrict && !Array.isArray(seed)) {
    throw new RecordingError("it has no files, timers and dates of Node: --strict needs a recording that has them");
  }
  if (Array.isArray(seed) && !seed.every((each) => typeof each === "number"))
    throw new RecordingError("damaged: the header has no seed of random numbers");
  const outside = options.outside === true && Array.isArray(seed) ? new OutsidePlayer(player, seed) : undefined;
  if (outside !== undefined) answerOutside(outside);
  player.isStrict = isStrict;
  const isAtCut = (): boolean =>
    player.failure === undefined && player.difference === undefined && player.isAtEnd && player.ending === "cut off";
  return {
    backend: replayBackend(player, options.patienceMs ?? PATIENCE_MS, outside ?? options.files),
    get turns() {
      return player.turn;
    },
    get calls() {
      return player.calls;
    },
    get isComplete() {
      return player.failure === undefined && player.difference === undefined && (player.isOver || player.isAtEnd);
    },
    get difference() {
      return player.difference;
    },
    get expected() {
      return player.expected;
    },
    get exitCode() {
      return player.exitCode;
    },
    summary() {
      const { turn, calls, bytesIn, bytesOut } = player;
      const amount = `${counted(turn, "turn")}, ${counted(calls, "call")}, ${counted(bytesIn, "byte")} received and ${bytesOut} sent`;
      return `replayed ${amount}${isAtCut() ? "; the recording was cut off there" : ""}`;
    },
    rethrow() {
      if (player.failure !== undefined) throw player.failure.error;
      if (player.difference !== undefined) throw player.difference;
    },
  };
}
