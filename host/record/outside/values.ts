/**
 * Owns the arguments and results of node:fs as values of a recording, and back. Knows what node:fs gives; knows no record.
 *
 * What a recording has no form for is an object whose property `$` says what it was.
 */

import fs from "node:fs";
import { types } from "node:util";
import { RecordingError } from "../format.js";
import { Hashed, textIn } from "../values.js";
import { hashOf } from "../hash.js";
import { textOf as messageOf } from "../../backend/traceback.js";
import { original, type Outcome } from "./answer.js";

/** These calls fill their second argument; what was put into it is recorded after the result. */
const FILLS = /(?:^|\.)readv?(?:Sync)?$/;
/** These calls write their second argument, and give it back. */
const TAKES = /(?:^|\.)writev?(?:Sync)?$/;
/** Contents that these calls write or read may be a text. */
const WRITES_TEXT = /(?:^|\.)(?:write|writeFile|appendFile)(?:Sync)?$/;
const READS_TEXT = /(?:^|\.)readFile(?:Sync)?$/;
/** Options within options: deeper ones are left out, because a recording has a bound. */
const DEPTH_MAX = 6;
const DATES = ["atime", "mtime", "ctime", "birthtime"] as const;

/** Arguments as they are recorded and compared. */
export function argumentValues(name: string, args: readonly unknown[]): readonly unknown[] {
  let count = args.length;
  while (count > 0 && args[count - 1] === undefined) count -= 1;
  return args.slice(0, count).map((each, index) => {
    if (index === 1 && FILLS.test(name)) return targetLength(each);
    return argumentValue(each);
  });
}

/** What a recording has of contents that the program has as a text. */
export type KeptText = (text: string) => string | Hashed;

/** {@link argumentValues} as they are recorded: what is written may be blanked, or left out. */
export function keptArguments(name: string, values: readonly unknown[], kept: KeptText): readonly unknown[] {
  if (!WRITES_TEXT.test(name)) return values;
  return values.map((each, index) => (index === 1 && typeof each === "string" ? kept(each) : each));
}

function argumentValue(value: unknown, depth = 0): unknown {
  if (typeof value === "function") return undefined;
  if (value instanceof URL) return value.href;
  if (types.isDate(value)) return value.getTime();
  const bytes = bytesOf(value);
  if (bytes !== undefined) return bytes;
  if (typeof value !== "object" || value === null) return value;
  if (depth > DEPTH_MAX || value instanceof AbortSignal) return undefined;
  if (Array.isArray(value)) return value.map((each) => argumentValue(each, depth + 1));
  if (Symbol.asyncIterator in value || Symbol.iterator in value) return undefined;
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, each]) => [key, argumentValue(each, depth + 1)] as const)
      .filter(([, each]) => each !== undefined),
  );
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return types.isAnyArrayBuffer(value) ? new Uint8Array(value) : undefined;
}

/** What a call fills: buffers, one after the other. */
function targets(args: readonly unknown[]): readonly Uint8Array[] {
  const [, given] = args;
  const first = bytesOf(given) ?? bytesOf((given as { buffer?: unknown } | undefined)?.buffer);
  if (first !== undefined) return [first.subarray(offsetOf(args))];
  return Array.isArray(given) ? given.map((each) => bytesOf(each) ?? new Uint8Array(0)) : [];
}

function offsetOf([, given, third]: readonly unknown[]): number {
  const options = Object((ArrayBuffer.isView(given) && third) ?? given) as { offset?: unknown };
  const offset = typeof third === "number" || typeof third === "bigint" ? third : (options.offset ?? 0);
  return ArrayBuffer.isView(given) || !ArrayBuffer.isView(options) ? Number(offset) : 0;
}

function targetLength(given: unknown): unknown {
  const bytes = bytesOf(given);
  if (bytes !== undefined) return bytes.length;
  if (Array.isArray(given)) return given.map(targetLength);
  if (typeof given !== "object" || given === null) return given;
  return Object.fromEntries(
    Object.entries(given).map(([key, each]) => [key, key === "buffer" ? targetLength(each) : each]),
  );
}

/** What a call has put into its targets, of which it says how much. */
export function filledOf(name: string, args: readonly unknown[], count: unknown): Uint8Array | undefined {
  if (!FILLS.test(name) || typeof count !== "number") return undefined;
  const parts: Uint8Array[] = [];
  let rest = count;
  for (const target of targets(args)) {
    const part = target.subarray(0, rest);
    parts.push(part);
    rest -= part.length;
  }
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
}

/** Puts it there again. */
export function fill(args: readonly unknown[], data: Uint8Array): void {
  let rest = data;
  for (const target of targets(args)) {
    const part = rest.subarray(0, target.length);
    target.set(part);
    rest = rest.subarray(part.length);
  }
}

/** What an outcome is recorded as. */
export function outcomeValue(name: string, { error, values }: Outcome, kept: KeptText): unknown {
  if (error !== undefined) return { $: "error", ...errorValue(error) };
  // The buffer that a read or a write gives back is the one that it was given.
  const [first] = values;
  if (typeof first === "string" && READS_TEXT.test(name)) return [kept(first)];
  return (FILLS.test(name) || TAKES.test(name) ? values.slice(0, 1) : values).map(resultValue);
}

/** And back. */
export function outcomeOf(name: string, args: readonly unknown[], recorded: unknown): Outcome {
  if (!Array.isArray(recorded)) return { error: withCause(errorOf(recorded), args), values: [] };
  const values = recorded.map(resultOf);
  const givesBack = name === "read" || name === "readv" || name === "write" || name === "writev";
  return { values: givesBack ? [...values, args[1]] : values };
}

function errorValue(error: unknown): Record<string, unknown> {
  const { name, message, code, errno, syscall, path, dest } = Object(error) as Record<string, unknown>;
  return {
    name: name === "Error" ? undefined : name,
    message: messageOf(() => message ?? error),
    code,
    errno,
    syscall,
    path: textOf(path),
    dest: textOf(dest),
  };
}

const textOf = (value: unknown): unknown => (value instanceof Uint8Array ? Buffer.from(value).toString() : value);

const CLASSES: Readonly<Record<string, ErrorConstructor>> = { TypeError, RangeError };

function errorOf(recorded: unknown): Error {
  const { name, message, code, errno, syscall, path, dest } = Object(recorded) as Record<string, unknown>;
  const error = new (CLASSES[textIn(name)] ?? Error)(textIn(message));
  if (typeof name === "string" && error.name !== name)
    Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  const rest = Object.entries({ code, errno, syscall, path, dest }).filter(([, each]) => each !== undefined);
  return Object.assign(error, Object.fromEntries(rest));
}

/** Of what a signal has ended, the cause is what the program gave the signal. */
function withCause(error: Error, args: readonly unknown[]): Error {
  const signal = args.map((each) => (Object(each) as { signal?: unknown }).signal).find((each) => each !== undefined);
  if (error.name !== "AbortError" || !(signal instanceof AbortSignal)) return error;
  return Object.defineProperty(error, "cause", { value: signal.reason, configurable: true, writable: true });
}

function resultValue(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const bytes = bytesOf(value);
  if (bytes !== undefined) return bytes;
  if (Array.isArray(value)) return value.map(resultValue);
  if (value instanceof fs.Dirent)
    return { $: "entry", name: resultValue(value.name), at: pathOf(value), type: typeOf(value) };
  const { constructor } = value;
  if (constructor.name === "FileHandle") return { $: "handle", fd: (value as { fd: number }).fd };
  if (value instanceof fs.Dir) return { $: "directory", path: value.path };
  const numbers = Object.entries(value).filter(([, each]) => typeof each === "number" || typeof each === "bigint");
  return { $: constructor.name, numbers: Object.fromEntries(numbers) };
}

function pathOf(entry: fs.Dirent): unknown {
  const { parentPath, path } = entry as { parentPath?: unknown; path?: unknown };
  return resultValue(parentPath ?? path);
}

const ENTRY_TYPES = [
  ["isFile", fs.constants["UV_DIRENT_FILE" as "F_OK"]],
  ["isDirectory", fs.constants["UV_DIRENT_DIR" as "F_OK"]],
  ["isSymbolicLink", fs.constants["UV_DIRENT_LINK" as "F_OK"]],
  ["isFIFO", fs.constants["UV_DIRENT_FIFO" as "F_OK"]],
  ["isSocket", fs.constants["UV_DIRENT_SOCKET" as "F_OK"]],
  ["isCharacterDevice", fs.constants["UV_DIRENT_CHAR" as "F_OK"]],
  ["isBlockDevice", fs.constants["UV_DIRENT_BLOCK" as "F_OK"]],
] as const;

function typeOf(entry: fs.Dirent): number {
  return ENTRY_TYPES.find(([name]) => entry[name]())?.[1] ?? 0;
}

function resultOf(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (value instanceof Hashed) throw new RecordingError("damaged: a result has no contents");
  if (Array.isArray(value)) return value.map(resultOf);
  if (typeof value !== "object" || value === null) return value;
  const { $: kind, numbers, name, at, type, fd, path } = value as Record<string, unknown>;
  if (!Object.values(Object(numbers) as object).every((each) => typeof each === "number" || typeof each === "bigint"))
    throw new RecordingError("damaged: a result of node:fs has no numbers");
  switch (kind) {
    case "entry":
      if (!isName(name) || typeof type !== "number") throw new RecordingError("damaged: an entry of a directory");
      return Reflect.construct(fs.Dirent, [resultOf(name), type, resultOf(at)]);
    case "Stats":
      return withDates(
        Object.create(fs.Stats.prototype as object) as object,
        Object(numbers) as Record<string, number>,
      );
    case "BigIntStats": {
      const { prototype } = original.statSync(process.execPath, { bigint: true }).constructor;
      return withDates(Object.create(prototype as object) as object, Object(numbers) as Record<string, bigint>);
    }
    case "StatFs": {
      const { prototype } = original.statfsSync(process.execPath).constructor;
      return Object.assign(Object.create(prototype as object) as object, numbers);
    }
    case "handle":
      if (typeof fd !== "number") throw new RecordingError("damaged: an open file without a number");
      return value;
    case "directory":
      if (!isName(path)) throw new RecordingError("damaged: an open directory without a path");
      return value;
    default:
      return numbers;
  }
}

const isName = (value: unknown): boolean => typeof value === "string" || value instanceof Uint8Array;

function withDates(stats: object, numbers: Record<string, number | bigint>): object {
  for (const [name, value] of Object.entries(numbers)) define(stats, name, value);
  for (const name of DATES) define(stats, name, new Date(Math.round(Number(numbers[`${name}Ms`]))));
  return stats;
}

function define(target: object, name: string, value: unknown): void {
  Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
}

/** Are these the arguments that were recorded? What was written may be recorded by its hash. */
export function isSameArgument(recorded: unknown, given: unknown): boolean {
  if (given instanceof Uint8Array) {
    if (recorded instanceof Hashed) return recorded.length === given.length && recorded.hash === hashOf(given);
    return recorded instanceof Uint8Array && Buffer.compare(recorded, given) === 0;
  }
  if (typeof given === "symbol") return recorded === "a symbol";
  if (typeof given !== "object" || given === null) return Object.is(recorded, given);
  if (typeof recorded !== "object" || recorded === null) return false;
  const [one, other] = [Object.entries(given), Object.entries(recorded)];
  const others = recorded as Record<string, unknown>;
  return one.length === other.length && one.every(([key, each]) => isSameArgument(others[key], each));
}
