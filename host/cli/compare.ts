/**
 * Owns `wasyncore replay --compare`: where two recordings differ first, as text. Knows files and the forms of the answer; leaves
 * the comparison of programs to the timelines of a view, and that of guests to host/guest.
 */

import { constants } from "node:os";
import { basename } from "node:path";
import { counted } from "../backend/counted.js";
import { compareGuests } from "../guest/record/compare.js";
import { printable } from "../backend/printable.js";
import { Kind, NAMES } from "../record/calls.js";
import { openRecordingFile } from "../record/files.js";
import { RecordingError, RecordingKind } from "../record/format.js";
import { RecordingReader } from "../record/reader.js";
import { recordText } from "../record/replay/describe.js";
import { ReplayDifference } from "../record/replay/difference.js";
import { firstDifference } from "../view/anomalies.js";
import { recordOfEvent, timelineOf } from "../view/from-recording.js";
import { EVENT_KINDS, type Timeline } from "../view/timeline.js";
import { fileTrouble, isOfSystem } from "./run-troubles.js";

const EXIT_DIFFERENT = 1;
const EXIT_FAILED = 2;
const PATH_MAX = 4096;
const TEXT_MAX = 10_000;
const ERROR = EVENT_KINDS.indexOf("error");

/** What one of two recordings has where they differ. */
interface Place {
  readonly turn: number;
  readonly fd: number | undefined;
  readonly call: string;
  readonly text: string;
}

/** Prints where two recordings differ first. @returns the exit status: 0 where they do not, 2 where one cannot be read */
export function compareCommand(paths: readonly [string, string]): number {
  try {
    const [kind, other] = paths.map((path) => reading(path, ({ header }) => header.kind));
    if (kind !== other) return fail("one recording is of a program, the other of a guest");
    return kind === RecordingKind.GUEST ? guests(paths) : programs(paths);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return fail(error.message);
  }
}

function programs(paths: readonly [string, string]): number {
  const [one, other] = paths.map((path) =>
    reading(path, (reader) => timelineOf(reader, basename(path), constants.errno)),
  ) as [Timeline, Timeline];
  for (const { incomplete, title } of [one, other]) if (incomplete !== "") say(`${printable(title)}: ${incomplete}`);
  const index = firstDifference(one, other);
  if (index < 0) {
    say(`no difference: ${counted(one.events.kind.length, "event")} of ${counted(one.lanes.length, "channel")}`);
    return 0;
  }
  const [expected, found] = [placeOf(paths[0], one, index), placeOf(paths[1], other, index)];
  // Where one has ended, the other says what is missing.
  const { turn, fd, call } = expected.call === "end" ? found : expected;
  const { message } = new ReplayDifference({ turn, fd, call, expected: expected.text, found: found.text });
  const where = found.call === "end" || found.turn === turn ? "" : `, in turn ${found.turn}`;
  say(`${message}${where}\n${counted(index, "event")} ${index === 1 ? "is" : "are"} the same before it`);
  return EXIT_DIFFERENT;
}

function placeOf(path: string, { events, lanes, texts }: Timeline, index: number): Place {
  return reading(path, (reader) => {
    const record = recordOfEvent(reader, constants.errno, index);
    if (record === undefined) return { turn: 0, fd: undefined, call: "end", text: "the end of the recording" };
    const { turn, kind, body } = record;
    const { flags, details } = reader.header;
    const lane = lanes[events.lane[index] ?? 0];
    const isError = kind === Kind.WAIT && events.kind[index] === ERROR;
    const error = isError ? `, ${texts[events.text[index] ?? 0] ?? ""} on descriptor ${lane?.fd ?? ""}` : "";
    return {
      turn,
      fd: lane?.fd,
      call: NAMES.get(kind) ?? "wait",
      text: recordText(kind, body, flags, details.sent === true) + error,
    };
  });
}

function guests(paths: readonly [string, string]): number {
  const outcome = reading(paths[0], (one) => reading(paths[1], (other) => compareGuests(one, other)));
  if (outcome.kind === "same") {
    say(`no difference in ${counted(outcome.calls, "call")} in ${counted(outcome.turns, "turn")}`);
    return 0;
  }
  const { call, turn, name, expected, found } = outcome.difference;
  const [one, other] = [expected, found].map((text) => printable(text, TEXT_MAX));
  say(`difference in turn ${turn}, call ${call}, at ${name}\n  expected: ${one}\n  found:    ${other}`);
  return EXIT_DIFFERENT;
}

/** A recording cannot be read; the message names it. */
class Unreadable extends Error {}

function reading<T>(path: string, use: (reader: RecordingReader) => T): T {
  try {
    const source = openRecordingFile(path);
    try {
      return use(new RecordingReader(source));
    } finally {
      source.close();
    }
  } catch (error) {
    const trouble = isOfSystem(error) ? fileTrouble(error.code) : undefined;
    if (!(error instanceof RecordingError) && trouble === undefined) throw error;
    throw new Unreadable(`${printable(path, PATH_MAX)}: ${trouble ?? (error as Error).message}`, { cause: error });
  }
}

function say(text: string): void {
  process.stderr.write(`wasyncore: ${text}\n`);
}

function fail(text: string): number {
  say(`cannot compare ${text}`);
  return EXIT_FAILED;
}
