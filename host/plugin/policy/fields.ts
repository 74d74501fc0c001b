/**
 * Owns the kinds of fields that a policy has, as schemas: numbers with limits, strings, texts with a form of their own.
 * Every message says what would be right and what was found. Knows no field by name.
 */

import * as v from "valibot";
import { Problem } from "./address-text.js";
import { nearest } from "./nearest.js";
import { amountOf } from "./units.js";

export interface Found {
  readonly received: string;
}

/** A message for a value that is not `expected`. */
export const must =
  (expected: string) =>
  ({ received }: Found): string =>
    `must be ${expected}, got ${received === "undefined" ? "nothing" : received}`;

export const string = v.string(must("a string"));

/** A string that becomes an argument, a variable or a path: without a NUL. */
export const plainString = v.pipe(string, v.excludes("\0", "must not contain a NUL"));

export function wholeNumber(min: number, max: number, unit: string) {
  return number(min, max, `a whole number${unit} from ${min} to ${max}`, Number.isInteger);
}

/** A finite time in milliseconds. */
export function milliseconds(min: number, max: number) {
  return number(min, max, `a number of milliseconds from ${min} to ${max}`, () => true);
}

export function number(min: number, max: number, expected: string, accept: (value: number) => boolean) {
  const message = must(expected);
  return v.pipe(
    v.number(message),
    v.check((value) => value >= min && value <= max && accept(value), message),
  );
}

/** A number from `min`, or "unlimited" (Infinity). `max` is what a limit can be at most. */
export function limit(min: number, max: number, unit: string, isWhole = true) {
  const upTo = max === Infinity ? "or more" : `to ${max}`;
  const message = must(`a ${isWhole ? "whole " : ""}number of ${unit}, ${min} ${upTo}, or "unlimited"`);
  return v.pipe(
    v.union([v.number(), v.literal("unlimited")], message),
    v.transform((value) => (value === "unlimited" ? Infinity : value)),
    v.check(
      (value) => value === Infinity || (value >= min && value <= max && (!isWhole || Number.isSafeInteger(value))),
      message,
    ),
  );
}

/** A number of bytes from `min`, the same as text with K, M or G, or "unlimited" (Infinity). `max` is what it can be at most. */
export function size(min: number, max: number, unit: string) {
  const upTo = max === Infinity ? "or more" : `to ${max}`;
  const message = must(`a whole number of ${unit}, ${min} ${upTo}, a size such as "64M", or "unlimited"`);
  return v.pipe(
    v.union([v.number(), v.string()], message),
    v.rawTransform<number | string, number>(({ dataset: { value }, addIssue, NEVER }) => {
      const number = typeof value === "number" ? value : value === "unlimited" ? Infinity : amountOf(value, "size");
      if (number === Infinity) return number;
      if (Number.isSafeInteger(number) && (number ?? 0) >= min && (number ?? 0) <= max) return number ?? 0;
      addIssue({ message: message({ received: typeof value === "string" ? JSON.stringify(value) : String(value) }) });
      return NEVER;
    }),
  );
}

export function oneOf<const T extends readonly string[]>(options: T) {
  return v.picklist(options, must(`one of ${options.map((each) => `"${each}"`).join(", ")}`));
}

export const boolean = v.boolean(must("true or false"));

/** An object with these fields and no other. */
export function fields<const E extends v.ObjectEntries>(entries: E, expected: string) {
  const known = Object.keys(entries);
  const object = v.strictObject(entries, (issue) => {
    if (issue.path?.at(-1)?.origin !== "key") return must(expected)(issue);
    if (issue.expected !== "never") return "is missing";
    const meant = nearest(String(issue.input), known);
    return `is no field: ${meant === undefined ? `there are ${known.join(", ")}` : `did you mean "${meant}"?`}`;
  });
  // To the library an array and a date are objects as well.
  const isOther = (value: unknown): boolean => Array.isArray(value) || value instanceof Date;
  const plain = v.custom<v.InferInput<typeof object>>((value) => !isOther(value), must(expected));
  return v.pipe(plain, object);
}

export function listOf<const S extends v.GenericSchema<unknown, unknown>>(item: S, expected: string) {
  return v.array(item, must(expected));
}

/** What `read` makes of a value of `schema`, or the problem that it finds. */
export function readBy<I, T, O>(schema: v.GenericSchema<I, T>, read: (value: T) => O | Problem) {
  return v.pipe(
    schema,
    v.rawTransform<T, O>(({ dataset, addIssue, NEVER }) => {
      const result = read(dataset.value);
      if (!(result instanceof Problem)) return result;
      addIssue({ message: result.message });
      return NEVER;
    }),
  );
}
