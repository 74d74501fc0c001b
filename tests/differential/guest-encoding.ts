/**
 * Owns how a scenario's data is written for a guest: see guest/value.ts, which reads it. Knows no guest.
 */

import type { Data } from "./data.js";
import type { Action, HandlerSpec } from "./scenario.js";

/** What can be encoded. */
export type Encodable = Data | number | boolean | null | undefined | readonly Encodable[];

const BUFFER_BYTES_DEFAULT = 65_536;

export function encode(value: Encodable): string {
  if (value === null || value === undefined) return "z";
  if (typeof value === "boolean") return value ? "t" : "f";
  if (typeof value === "number") return `n${value}:`;
  if (typeof value === "string") return `s${value.length}:${value}`;
  if (isList(value)) return `l${value.length}:${value.map(encode).join("")}`;
  return `p${value.pattern}:`;
}

function isList(value: { readonly pattern: number } | readonly Encodable[]): value is readonly Encodable[] {
  return Array.isArray(value);
}

/** What a handler is and does: guest/stage.ts has the order of the fields. */
export function specFields(spec: HandlerSpec): Encodable {
  const { kind = "dispatcher", readable, writable, terminator = null, terminators = [], on = {} } = spec;
  return [
    kind,
    readable,
    writable,
    terminator,
    terminators,
    spec.in ?? BUFFER_BYTES_DEFAULT,
    spec.out ?? BUFFER_BYTES_DEFAULT,
    Object.entries(on).map(([callback, actions]) => [callback, actionFields(actions)]),
  ];
}

export function actionFields(actions: readonly Action[]): Encodable {
  return actions as readonly Encodable[];
}
