/**
 * Owns a recording of a backend while it is made: when its buffer is written, and how it ends. Knows the wrapper and the
 * container; knows no turn.
 */

import type { Backend } from "../backend/backend.js";
import { checkBackend, checkFunction } from "../backend/check.js";
import { writeLog } from "../backend/log.js";
import { textOf } from "../backend/traceback.js";
import { timers } from "../backend/unhooked.js";
import { Kind } from "./calls.js";
import { createRecordingFile } from "./files.js";
import { Flag, type RecordingHeader, RecordingKind } from "./format.js";
import { Journal } from "./journal.js";
import { planRecord, type RecordOptions, type RecordPlan } from "./options.js";
import { wrapBackend } from "./wrap.js";
import { type ChunkSink, RecordingWriter } from "./writer.js";

/** What was recorded is written at the latest after this time: what a process that is killed may lose. */
const FLUSH_MS = 500;
const NS_PER_MS = 1e6;

/** The path of a file; or a function that takes the next bytes, which are valid during the call alone. */
export type RecordSink = string | ChunkSink;

/** A recording that is being made. */
export interface Recorder {
  /** Records what is called of it: give it to a `ChannelMap`, or to what takes a backend. */
  readonly backend: Backend;
  /** How many calls, and how many turns, were recorded so far. */
  readonly calls: number;
  readonly turns: number;
  /** How many bytes have been written. */
  readonly bytes: number;
  /** Why nothing is recorded any more, while the program goes on: the disk is full. */
  readonly failure: { readonly error: unknown } | undefined;
  /** The process has been notified of a signal: a replay notifies it then. Done by itself where a program is recorded. */
  signal(name: string): void;
  /** Writes what has been recorded so far. Done by itself: when there is 1 MiB of it, and twice a second. */
  flush(): void;
  /** Ends the recording. The backend goes on without it. Done by itself when the process exits. */
  end(): void;
}

/**
 * Records a backend: each call with its result, what was received, the times, and the order of the turns.
 * @param backend any: the operating system's, or that of a simulated host
 * @throws TypeError; an error of node:fs where the file cannot be made
 * @example
 * const recorder = record(defaultBackend(), "run.wrec");
 * const map = new ChannelMap({ backend: recorder.backend });
 */
export function record(backend: Backend, sink: RecordSink, options: RecordOptions = {}): Recorder {
  return startRecording(backend, sink, options).recorder;
}

/** A recording, with what else than calls of its backend is recorded in it. */
export interface StartedRecording {
  readonly recorder: Recorder;
  readonly journal: Journal;
  /** To be called after each record. */
  readonly rest: () => void;
}

/** @param details further ones for the header */
export function startRecording(
  backend: Backend,
  sink: RecordSink,
  options: RecordOptions,
  details: Readonly<Record<string, unknown>> = {},
): StartedRecording {
  checkBackend("backend", backend);
  if (typeof sink !== "string") checkFunction("sink", sink);
  const plan = planRecord(options);
  const file = typeof sink === "string" ? createRecordingFile(sink) : undefined;
  const made = headerOf(backend, plan);
  const header = { ...made, details: { ...made.details, ...details } };
  const writer = new RecordingWriter(file?.sink ?? (sink as ChunkSink), header);
  const journal = new Journal(writer, plan, Number(header.monotonicNs));
  let flushedNs = journal.nowNs;
  let timer: NodeJS.Timeout | undefined;
  let hasComplained = false;
  let isEnded = false;

  function flush(): void {
    timers.clearTimeout(timer);
    timer = undefined;
    writer.flush();
    flushedNs = journal.nowNs;
    if (writer.failure === undefined || hasComplained) return;
    hasComplained = true;
    const why = textOf(() => Object(writer.failure?.error).message as unknown);
    writeLog("warning", `the recording is incomplete, and the program goes on without it: ${why}`, "stderr");
  }

  function end(): void {
    if (isEnded) return;
    isEnded = true;
    process.removeListener("exit", exits);
    flush();
    writer.end();
    file?.close();
  }

  function exits(code: number): void {
    journal.note(Kind.EXIT, code);
    end();
  }

  // Before the program's own listeners: a replay ends where the recorded program began to exit.
  process.prependListener("exit", exits);
  // Not even the header could be written.
  if (writer.failure !== undefined) flush();
  function rest(): void {
    const hasNews = writer.failure !== undefined && !hasComplained;
    if (hasNews || writer.isFull || journal.nowNs - flushedNs > FLUSH_MS * NS_PER_MS) return flush();
    // Where the program waits, nothing else would write it.
    if (timer === undefined && !writer.isOver) timer = timers.setTimeout(flush, FLUSH_MS).unref();
  }

  function unwrittenMs(): number {
    if (writer.pendingBytes === 0 || writer.isOver) return Infinity;
    return Math.max(FLUSH_MS - (journal.nowNs - flushedNs) / NS_PER_MS, 1);
  }

  const recorder: Recorder = {
    backend: wrapBackend(backend, journal, { rest, unwrittenMs, write: flush }),
    get calls() {
      return journal.calls;
    },
    get turns() {
      return journal.turns;
    },
    get bytes() {
      return writer.written;
    },
    get failure() {
      return writer.failure;
    },
    signal: (name) => journal.note(Kind.SIGNAL, name),
    flush,
    end,
  };
  return { recorder, journal, rest };
}

/** What a recording of `backend` that begins now says of itself. */
export function headerOf(backend: Backend, plan: RecordPlan, isStretch = false): RecordingHeader {
  return {
    kind: RecordingKind.BACKEND,
    flags: plan.flags | Flag.TURN_TIMES | (isStretch ? Flag.STRETCH : 0),
    realtimeNs: backend.clock.realtimeNs(),
    monotonicNs: BigInt(backend.clock.monotonicNs()),
    details: {
      backend: backend.name,
      platform: process.platform,
      node: process.versions.node,
      program: process.argv[1] ?? "",
      ...plan.details,
    },
  };
}
