/**
 * Owns where log lines go: to the standard streams, or to the sink that a host has set. Every room logs through it.
 * Knows nothing else of the package, and never throws.
 */

import { describeThrown, textOf } from "./traceback.js";

/** One line of the log. */
export interface LogEntry {
  /** "log" for `Dispatcher.log`; otherwise what `logInfo` was given: "info", "warning", "error", or a type of its own. */
  readonly type: string;
  readonly message: string;
  /** The standard stream that the default sink writes to: asyncore's choice. */
  readonly stream: "stdout" | "stderr";
  /** What the default sink writes, without the end of the line. */
  readonly text: string;
}

/**
 * Takes log lines. What it throws, or rejects with, is dropped, and the entry goes to the default sink.
 * @example
 * setLogSink(({ type, message }) => logger[type === "error" ? "error" : "info"](message));
 */
export type LogSink = (entry: LogEntry) => void | Promise<void>;

let sink: LogSink = writeToStream;

/**
 * Sends the log lines of this thread to `newSink`, by default to the standard streams.
 * @returns a call that puts the previous sink back
 */
export function setLogSink(newSink: LogSink = writeToStream): () => void {
  if (typeof newSink !== "function") {
    throw Object.assign(new TypeError(`"sink" must be a function, got ${typeof newSink}`), {
      code: "ERR_INVALID_ARG_TYPE",
    });
  }
  const previous = sink;
  sink = newSink;
  return () => {
    sink = previous;
  };
}

/**
 * Logs a message. A type or a message that is no string is written as text. `text` is for lines that have another form than
 * "type: message".
 */
export function writeLog(
  givenType: string,
  givenMessage: string,
  stream: LogEntry["stream"],
  givenText?: string,
): void {
  const type = textOf(() => givenType);
  const message = textOf(() => givenMessage);
  const entry = { type, message, stream, text: givenText ?? `${type}: ${message}` };
  try {
    const result: unknown = sink(entry);
    if (result instanceof Promise) result.catch(() => writeToStream(entry));
  } catch {
    writeToStream(entry);
  }
}

/** Logs what was thrown where no handler can be notified of it. `what` describes it: "uncaptured exception on ...". */
export function logThrown(what: string, error: unknown): void {
  writeLog("error", `${what} (${describeThrown(error)})`, "stdout");
}

/** Without what a terminal obeys: control characters, line ends of Unicode, and changes of the writing direction. */
export function withoutControls(text: string): string {
  return text.replaceAll(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, "?");
}

/** An object for a log line, whatever its `toString` does. */
export function nameForLog(value: unknown): string {
  return textOf(() => value);
}

function writeToStream({ stream, text }: LogEntry): void {
  try {
    process[stream].write(`${text}\n`);
  } catch {
    // If the log stream itself cannot be written to, there is nowhere to report it.
  }
}
