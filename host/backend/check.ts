/**
 * Owns the checks of arguments that come from a user. Knows how any value is written as text, and nothing else of the
 * package.
 * A wrong type throws TypeError, a wrong value RangeError; both name the argument and carry Node's code for the case.
 */

import { textOf } from "./traceback.js";

function typeError(name: string, expected: string, value: unknown): TypeError {
  return codedTypeError(`"${name}" must be ${expected}, got ${kindOf(value)}`);
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value !== "object") return typeof value;
  const name = textOf(() => (value.constructor as Function | undefined)?.name ?? "");
  return /^[A-Za-z]\w*$/.test(name) && name !== "Object" ? `an instance of ${name}` : "object";
}

export function rangeError(name: string, expected: string, value: unknown): RangeError {
  return Object.assign(new RangeError(`"${name}" must be ${expected}, got ${textOf(() => value)}`), {
    code: "ERR_OUT_OF_RANGE",
  });
}

/** A whole number from `min` to `max`. */
export function checkInteger(name: string, value: unknown, min: number, max: number): asserts value is number {
  if (typeof value !== "number") throw typeError(name, "a number", value);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw rangeError(name, `a whole number from ${min} to ${max}`, value);
  }
}

/** A time in milliseconds: not negative, not NaN; Infinity only where `infinite` says so. */
export function checkMs(name: string, value: unknown, infinite = false): asserts value is number {
  if (typeof value !== "number") throw typeError(name, "a number of milliseconds", value);
  if (!(value >= 0) || (!infinite && value === Infinity)) {
    throw rangeError(name, infinite ? "0 or more" : "0 or more, and finite", value);
  }
}

/** A number of bytes that is a limit: not negative, not NaN; it may be Infinity. */
export function checkLimit(name: string, value: unknown): asserts value is number {
  if (typeof value !== "number") throw typeError(name, "a number of bytes", value);
  if (!(value >= 0)) throw rangeError(name, "0 or more", value);
}

/** So far from 1970 a Date can be, in milliseconds. */
export const TIME_MAX_MS = 8.64e15;

/** A file descriptor. */
export function checkDescriptor(name: string, value: unknown): asserts value is number {
  if (typeof value !== "number")
    throw typeError(name, "a descriptor, which is a number: openSync() opens a file", value);
  checkInteger(name, value, 0, 0x7fffffff);
}

const BYTES = "a Uint8Array (a Buffer is one)";
const typedArray = Object.getPrototypeOf(Uint8Array.prototype) as object;
/** What the engine itself keeps of a typed array, which no property of the object changes. They throw for anything else. */
const lengthOf = getterOf<number>("length");
const bufferOf = getterOf<ArrayBufferLike>("buffer");

function getterOf<T>(name: string): (this: unknown) => T {
  return Object.getOwnPropertyDescriptor(typedArray, name)?.get as (this: unknown) => T;
}

/**
 * A Uint8Array with memory of its own: no object that merely inherits from it, and none whose memory was transferred.
 * @param expected what the message asks for, where more than bytes is allowed
 */
export function checkBytes(name: string, value: unknown, expected?: string): asserts value is Uint8Array {
  if (!(value instanceof Uint8Array)) {
    const text = typeof value === "string" ? ": encode text, as Buffer.from(text) does" : "";
    throw typeError(name, expected ?? `${BYTES}${text}`, value);
  }
  let length: number;
  try {
    length = lengthOf.call(value);
  } catch {
    throw codedTypeError(`"${name}" must be ${BYTES}, got an object without bytes`);
  }
  // Memory that was transferred has no length any more.
  if (length === 0 && isDetached(bufferOf.call(value))) {
    throw codedTypeError(`"${name}" must be ${BYTES}, got one whose memory was transferred`);
  }
}

/** Nothing else tells before Node 21. */
function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0) return false;
  try {
    return new Uint8Array(buffer).length > 0;
  } catch {
    return true;
  }
}

export function codedTypeError(message: string): TypeError {
  return Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_TYPE" });
}

/** An object that has these methods. @param what what such an object is: "a channel" */
export function checkMethods(name: string, value: unknown, what: string, methods: readonly string[]): void {
  if (typeof value !== "object" || value === null) throw typeError(name, what, value);
  const missing = methods.find((method) => typeof (value as Record<string, unknown>)[method] !== "function");
  if (missing !== undefined) throw codedTypeError(`"${name}" must be ${what}, got an object without ${missing}()`);
}

/** A backend: what is certain to be used of it is looked at, and not every member. */
export function checkBackend(name: string, value: unknown): void {
  checkMethods(name, value, "a Backend", ["createPollSet", "errorCode", "socket", "pipe", "close"]);
}

export function checkString(name: string, value: unknown): asserts value is string {
  if (typeof value !== "string") throw typeError(name, "a string", value);
}

/** A function, or an object with a method of this name. */
export function checkCallback(name: string, value: unknown, method: string): void {
  if (typeof value === "function") return;
  const isObject = typeof value === "object" && value !== null;
  if (isObject && typeof (value as Record<string, unknown>)[method] === "function") return;
  throw typeError(name, `a function, or an object with ${method}()`, value);
}

export function checkBoolean(name: string, value: unknown): asserts value is boolean {
  if (typeof value !== "boolean") throw typeError(name, "a boolean", value);
}

/** An object of a class. @param hint how to get one */
export function checkInstance<T>(
  name: string,
  value: unknown,
  type: Function & { readonly prototype: T },
  hint = "",
): asserts value is T {
  if (!(value instanceof type)) throw typeError(name, `a ${type.name} of this package${hint}`, value);
}

/** An object of one of several classes, which `expected` names. */
export function checkAnyOf(name: string, value: unknown, expected: string, types: readonly Function[]): void {
  if (!types.some((type) => value instanceof type)) throw typeError(name, expected, value);
}

/** @param expected what the object is to have, for the message: "an object { family }" */
export function checkObject(
  name: string,
  value: unknown,
  expected = "an object",
): asserts value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) throw typeError(name, expected, value);
}

/** One of the strings of `allowed`. */
export function checkOneOf<const T extends string>(
  name: string,
  value: unknown,
  allowed: readonly T[],
): asserts value is T {
  if (typeof value !== "string") throw typeError(name, "a string", value);
  if (!(allowed as readonly string[]).includes(value)) {
    throw rangeError(name, `one of ${allowed.map((each) => `"${each}"`).join(", ")}`, JSON.stringify(value));
  }
}

const ADDRESS = "an object { host, port }, or { path } for a Unix socket";

/** `{ host, port }` or `{ path }`. */
export function checkAddress(name: string, value: unknown): void {
  if (Array.isArray(value)) throw typeError(name, ADDRESS, value);
  checkObject(name, value, ADDRESS);
  if (value["path"] !== undefined) {
    checkString(`${name}.path`, value["path"]);
    return;
  }
  checkString(`${name}.host`, value["host"]);
  checkInteger(`${name}.port`, value["port"], 0, 65535);
}

export function checkArray(name: string, value: unknown): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) throw typeError(name, "an array", value);
}

/**
 * An object with options, all of them among `known`. An unknown name is refused, because a misspelt option would
 * otherwise be ignored; the error suggests the known name that is similar to it.
 */
export function checkOptions(
  name: string,
  value: unknown,
  known: readonly string[],
): asserts value is Record<string, unknown> {
  checkObject(name, value, `an object with some of ${known.join(", ")}`);
  for (const option in value) {
    if (known.includes(option) || !Object.hasOwn(value, option)) continue;
    const meant = known.find((each) => isSimilar(option, each));
    const hint = meant === undefined ? `there are ${known.join(", ")}` : `did you mean "${meant}"?`;
    throw Object.assign(new TypeError(`unknown option "${option}" in "${name}": ${hint}`), {
      code: "ERR_UNKNOWN_OPTION",
    });
  }
}

/** Similar are Python's spelling (use_poll for usePoll) and a name without its unit (timeout for timeoutMs). */
function isSimilar(unknown: string, known: string): boolean {
  const [a, b] = [unknown, known].map((each) => each.replaceAll("_", "").toLowerCase());
  return a !== undefined && b !== undefined && a.length > 2 && (a.includes(b) || b.includes(a));
}

/** An AbortSignal, or what looks like one. */
export function checkSignal(name: string, value: unknown): asserts value is AbortSignal {
  const { aborted, addEventListener, signal } = (value ?? {}) as Record<string, unknown>;
  if (typeof aborted === "boolean" && typeof addEventListener === "function") return;
  const isController = typeof signal === "object" && signal !== null && "aborted" in signal;
  throw typeError(name, isController ? "an AbortSignal (pass controller.signal)" : "an AbortSignal", value);
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== "function") throw typeError(name, "a function", value);
}
