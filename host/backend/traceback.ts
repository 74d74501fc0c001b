/** Owns the one-line form of a JavaScript error and its stack. Knows nothing else, and never throws. */

/** Where an error was thrown, and the calls that led there. */
export interface CompactTraceback {
  readonly file: string;
  readonly function: string;
  readonly line: number;
  /** The error's name: "TypeError". */
  readonly type: string;
  readonly message: string;
  /** "[file|function|line] [file|function|line]", the outermost call first. */
  readonly info: string;
}

/** "at name (file:line:column)" or "at file:line:column". */
const FRAME = /^\s*at (?:(?:async )?(.*?) \()?(.*?):(\d+):\d+\)?$/;

/** Says in one line what was thrown and where. asyncore.compact_traceback. */
export function compactTraceback(error: unknown): CompactTraceback {
  const isError = error instanceof Error;
  const type = textOf(() => (isError ? error.name : typeof error));
  const message = textOf(() => (isError ? error.message : error));
  const stack = textOf(() => (isError ? error.stack : ""));
  const frames = [];
  for (const line of stack.split("\n")) {
    const match = FRAME.exec(line);
    if (match !== null) frames.unshift({ file: match[2] ?? "?", function: match[1] ?? "?", line: Number(match[3]) });
  }
  const last = frames.at(-1) ?? { file: "?", function: "?", line: 0 };
  return {
    ...last,
    type,
    message,
    info: frames.map((frame) => `[${frame.file}|${frame.function}|${frame.line}]`).join(" "),
  };
}

/**
 * What was thrown, as the log has it: "TypeError [ERR_CODE]: message [file|function|line] ...". One line, whatever the
 * message is; with the code where the message does not have it.
 */
export function describeThrown(error: unknown): string {
  const { type, message, info } = compactTraceback(error);
  const code = textOf(() => (error instanceof Error && "code" in error ? error.code : ""));
  const name = code === "" || message.includes(code) ? type : `${type} [${code}]`;
  return `${name}: ${message.trim().replaceAll(/\s*[\n\r\u2028\u2029]\s*/g, " ")} ${info}`;
}

/** A value as text. What was thrown may be an object that has no text, or a property that throws. */
export function textOf(read: () => unknown): string {
  try {
    return String(read());
  } catch {
    return "?";
  }
}
