/**
 * Owns what `wasyncore ctl` and `wasyncore serve` say to each other: a line of JSON each way, checked where it arrives. Knows no
 * socket.
 */

import * as v from "valibot";

/** A request is a command, a name and a path at most. */
export const REQUEST_BYTES_MAX = 65_536;
/** An answer may have the statistics of thousands of plugins. */
export const ANSWER_BYTES_MAX = 64_000_000;

const name = v.pipe(v.string(), v.nonEmpty(), v.maxLength(64));
const path = v.pipe(v.string(), v.startsWith("/"), v.maxLength(4096), v.excludes("\0"));

const request = v.variant("command", [
  v.strictObject({ command: v.picklist(["list", "stats", "reload"]) }),
  v.strictObject({ command: v.picklist(["stop", "restart"]), name }),
  v.strictObject({ command: v.literal("replace"), name, module: path }),
  v.strictObject({ command: v.literal("logs"), name, follow: v.boolean() }),
]);

export type ControlRequest = v.InferOutput<typeof request>;

const line = v.object({ atMs: v.number(), source: v.picklist(["host", "stdout", "stderr"]), text: v.string() });

/** A line of a log, or the end of the answer. */
const answer = v.union([
  v.object({ line }),
  v.object({ ok: v.literal(true), result: v.unknown() }),
  v.object({ ok: v.literal(false), message: v.string() }),
]);

export type ControlAnswer = v.InferOutput<typeof answer>;

const listed = v.object({
  name: v.string(),
  state: v.string(),
  module: v.string(),
  run: v.string(),
  listeners: v.array(v.string()),
  connections: v.number(),
  restarts: v.number(),
  replacements: v.number(),
  uptimeMs: v.number(),
  cpuMs: v.number(),
  memoryBytes: v.number(),
  lastEnding: v.optional(v.string()),
});

/** A plugin, as `ctl list` shows it. */
export type ListedLine = v.InferOutput<typeof listed>;

const list = v.array(listed);
const changes = v.object({
  started: v.number(),
  stopped: v.number(),
  replaced: v.number(),
  unchanged: v.number(),
  failed: v.number(),
});

/** @returns undefined for what is no request */
export function parseRequest(text: string): ControlRequest | undefined {
  return parsed(request, text);
}

/** @returns undefined for what is no answer of this version */
export function parseAnswer(text: string): ControlAnswer | undefined {
  return parsed(answer, text);
}

export function parseList(result: unknown): readonly ListedLine[] | undefined {
  const found = v.safeParse(list, result);
  return found.success ? found.output : undefined;
}

export function parseChanges(result: unknown): v.InferOutput<typeof changes> | undefined {
  const found = v.safeParse(changes, result);
  return found.success ? found.output : undefined;
}

function parsed<O>(schema: v.GenericSchema<unknown, O>, text: string): O | undefined {
  try {
    const found = v.safeParse(schema, JSON.parse(text) as unknown);
    return found.success ? found.output : undefined;
  } catch {
    return undefined;
  }
}
