/**
 * Owns `wasyncore replay` for a recording of a guest: runs the module with its imports answered from the recording, and says how
 * far both agree. Leaves the command line and the recording's file to others; knows no socket.
 */

import { readFileSync } from "node:fs";
import { guestDetails, replayGuest, type Difference, type RecordedEnd, type ReplayOutcome } from "../guest/record/replay.js";
import { moduleHash } from "../guest/record/recording.js";
import { GuestError } from "../guest/module.js";
import { printable } from "../guest/printable.js";
import type { RecordingReader } from "../record/reader.js";
import { frameText } from "./frame-text.js";

const EXIT_DIFFERENT = 1;
const PATH_MAX = 4096;
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

/**
 * Replays a guest, and prints what has come of it.
 * @param reader of a recording of a guest, at its beginning
 * @returns the exit status: 0 where there is no difference
 * @throws RecordingError for a recording that is damaged
 */
export function replayGuestCommand(reader: RecordingReader, options: ReplayGuestOptions): number {
  const { changed, hash, module: path, until } = options;
  const details = guestDetails(reader.header);
  const module = readModule(path);
  if (typeof module === "string") return complain(module);
  const sha = moduleHash(module);
  if (sha !== details.module && !changed) {
    const shown = (text: string): string => text.slice(0, HASH_SHOWN);
    const recorded = `${printable(details.name)}, SHA-256 ${shown(details.module)}...`;
    return complain(
      `${printable(path, PATH_MAX)} is not the module that was recorded: ${recorded}, not ${shown(sha)}...` +
        "\n--changed replays it all the same",
    );
  }
  const onTurn = hash ? (turn: number, text: string): void => void process.stdout.write(`turn ${turn} ${text}\n`) : undefined;
  try {
    return report(replayGuest(reader, module, { until, changed, onTurn }));
  } catch (error) {
    if (error instanceof GuestError) return complain(`cannot run ${printable(path, PATH_MAX)}: ${error.message}`);
    throw error;
  }
}

function readModule(path: string): Uint8Array | string {
  try {
    return readFileSync(path);
  } catch (error) {
    return `cannot read ${printable(path, PATH_MAX)}: ${(error as Error).message}`;
  }
}

function report(outcome: ReplayOutcome): number {
  if (outcome.kind === "different") return complain(differenceText(outcome.difference));
  const extent = `${outcome.calls} calls in ${outcome.turns} turns`;
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
  return [`a difference at ${place}:`, `  expected  ${expected}`, `  found     ${found}`, ...frames.map(frameText)].join("\n");
}

function complain(message: string): number {
  process.stderr.write(`wasyncore: ${message}\n`);
  return EXIT_DIFFERENT;
}
