/**
 * Owns `wasyncore replay` for a recording of a guest: runs the module with its imports answered from the recording, and says how
 * far both agree. Leaves the command line and the recording's file to others; knows no socket.
 */

import { readFileSync } from "node:fs";
import { counted } from "../backend/counted.js";
import {
  guestDetails,
  replayGuest,
  type Difference,
  type RecordedEnd,
  type ReplayOutcome,
} from "../guest/record/replay.js";
import { moduleHash } from "../guest/record/recording.js";
import { GuestError } from "../guest/module.js";
import { printable } from "../backend/printable.js";
import { openRecordingFile } from "../record/files.js";
import { RecordingError } from "../record/format.js";
import { RecordingReader } from "../record/reader.js";
import { frameText } from "./frame-text.js";
import { fileTrouble, isOfSystem } from "./run-troubles.js";

const EXIT_DIFFERENT = 1;
/** It cannot be replayed. */
const EXIT_FAILED = 2;
const PATH_MAX = 4096;
const TEXT_MAX = 10_000;
const HASH_SHOWN = 16;

export interface ReplayGuestOptions {
  /** The file of the module. */
  readonly module: string;
  /** The turn before which the replay ends. */
  readonly until: number | undefined;
  /** Is a hash of the memory printed for each turn? */
  readonly hash: boolean;
  /** May the module be another than was recorded? */
  readonly changed: boolean;
}

/** Is it a recording of a guest, or of a program? Or else what is wrong with it, as text. */
export function kindOfRecording(path: string): number | string {
  try {
    const source = openRecordingFile(path);
    try {
      return new RecordingReader(source).header.kind;
    } finally {
      source.close();
    }
  } catch (error) {
    if (isOfSystem(error)) return fileTrouble(error.code);
    if (error instanceof RecordingError) return error.message;
    throw error;
  }
}

/**
 * Replays a guest, and prints what has come of it.
 * @param path of the recording
 * @returns the exit status: 0 where there is no difference
 */
export function replayGuestCommand(path: string, options: ReplayGuestOptions): number {
  const reader = new RecordingReader(openRecordingFile(path));
  try {
    return replay(reader, options);
  } catch (error) {
    const isKnown = error instanceof RecordingError || error instanceof GuestError;
    if (!isKnown) throw error;
    return fail(`cannot replay ${printable(path, PATH_MAX)}: ${error.message}`);
  } finally {
    reader.close();
  }
}

function replay(reader: RecordingReader, { changed, hash, module: path, until }: ReplayGuestOptions): number {
  const details = guestDetails(reader.header);
  const module = readModule(path);
  if (typeof module === "string") return fail(module);
  const sha = moduleHash(module);
  if (sha !== details.module && !changed) {
    const shown = (text: string): string => `${printable(text.slice(0, HASH_SHOWN))}...`;
    return fail(
      `${printable(path, PATH_MAX)} is not the module that was recorded, ${printable(details.name)}: ` +
        `its SHA-256 is ${shown(sha)}, not ${shown(details.module)}\n--changed replays it nevertheless`,
    );
  }
  const onTurn = hash
    ? (turn: number, text: string): void => void process.stdout.write(`turn ${turn} ${text}\n`)
    : undefined;
  return report(replayGuest(reader, module, { until, changed, onTurn }));
}

function readModule(path: string): Uint8Array | string {
  try {
    return readFileSync(path);
  } catch (error) {
    return `cannot read ${printable(path, PATH_MAX)}: ${fileTrouble((error as NodeJS.ErrnoException).code)}`;
  }
}

function report(outcome: ReplayOutcome): number {
  if (outcome.kind === "different") return complain(differenceText(outcome.difference), EXIT_DIFFERENT);
  const extent = `${counted(outcome.calls, "call")} in ${counted(outcome.turns, "turn")}`;
  const text = {
    same: () => `no difference in ${extent}, to ${endText((outcome as { readonly end: RecordedEnd }).end)}`,
    "cut off": () => `no difference in ${extent}, where the recording ends: the guest was killed, or has not ended`,
    until: () => `no difference before turn ${outcome.turns}`,
  }[outcome.kind]();
  process.stderr.write(`wasyncore: ${text}\n`);
  return 0;
}

function endText(end: RecordedEnd): string {
  if (end.kind === "exit") return `its exit with status ${end.code}`;
  return end.kind === "trap" ? `its trap: ${printable(end.message)}` : "where its host ended it";
}

function differenceText({ call, turn, expected, found, frames }: Difference): string {
  const place = `call ${call}, turn ${turn}`;
  return [
    `a difference at ${place}:`,
    `  expected  ${printable(expected, TEXT_MAX)}`,
    `  found     ${printable(found, TEXT_MAX)}`,
    ...frames.map(frameText),
  ].join("\n");
}

function complain(message: string, status: number): number {
  process.stderr.write(`wasyncore: ${message}\n`);
  return status;
}

const fail = (message: string): number => complain(message, EXIT_FAILED);
