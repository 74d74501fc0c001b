/**
 * Owns the running of tests inside a component, in place of vitest: collects them, runs one after the other, and prints a line
 * for each: "ok NAME", "failed NAME: why" or "skipped NAME". Knows no backend. It has of `expect` what the contract uses.
 */

import { inspect, isDeepStrictEqual } from "node:util";

type Body = (...values: never[]) => unknown;

interface Collected {
  readonly name: string;
  readonly body: () => unknown;
  readonly isSkipped: boolean;
}

const collected: Collected[] = [];
const within: string[] = [];
let finished: (() => unknown)[] = [];

export function onTestFinished(call: () => unknown): void {
  finished.push(call);
}

function collect(name: string, body: () => unknown, isSkipped = false): void {
  collected.push({ name: [...within, name].join(" > "), body, isSkipped });
}

export const test = Object.assign((name: string, body: () => unknown) => collect(name, body), {
  each:
    (rows: readonly unknown[]) =>
    (name: string, body: Body): void => {
      for (const row of rows) {
        const values = Array.isArray(row) ? row : [row];
        collect(named(name, values), () => (body as (...all: unknown[]) => unknown)(...values));
      }
    },
  skipIf: (isSkipped: boolean) => (name: string, body: () => unknown) => collect(name, body, isSkipped),
  runIf: (isRun: boolean) => (name: string, body: () => unknown) => collect(name, body, !isRun),
});

function named(name: string, values: readonly unknown[]): string {
  let index = 0;
  return name.replaceAll(/%s/g, () => String(values[index++]));
}

function group(name: string, body: () => void): void {
  within.push(name);
  body();
  within.pop();
}

function skipGroup(name: string, body: () => void): void {
  const from = collected.length;
  group(name, body);
  for (let i = from; i < collected.length; i++) {
    const each = collected[i];
    if (each !== undefined) collected[i] = { ...each, isSkipped: true };
  }
}

export const describe = Object.assign(group, {
  runIf: (isRun: boolean) => (isRun ? group : skipGroup),
});

/** A value that stands for others in `toEqual`. */
class Matcher {
  readonly matches: (value: unknown) => boolean;

  constructor(matches: (value: unknown) => boolean) {
    this.matches = matches;
  }
}

function equals(actual: unknown, expected: unknown, isPartial = false): boolean {
  if (expected instanceof Matcher) return expected.matches(actual);
  if (typeof expected !== "object" || expected === null || typeof actual !== "object" || actual === null) {
    return Object.is(actual, expected);
  }
  if (ArrayBuffer.isView(expected) || ArrayBuffer.isView(actual)) return isDeepStrictEqual(actual, expected);
  const keys = Object.keys(expected);
  if (Array.isArray(expected) && (!Array.isArray(actual) || actual.length !== expected.length)) return false;
  if (
    !isPartial &&
    Object.keys(actual)
      .filter((key) => valueAt(actual, key) !== undefined)
      .some((key) => !keys.includes(key))
  ) {
    return false;
  }
  return keys.every((key) => equals(valueAt(actual, key), valueAt(expected, key), isPartial));
}

function valueAt(object: object, key: string): unknown {
  return (object as Record<string, unknown>)[key];
}

class Expectation {
  readonly #actual: unknown;
  readonly #isNot: boolean;

  constructor(actual: unknown, isNot = false) {
    this.#actual = actual;
    this.#isNot = isNot;
  }

  get not(): Expectation {
    return new Expectation(this.#actual, !this.#isNot);
  }

  get rejects(): { toMatchObject(expected: object): Promise<void>; toThrow(): Promise<void> } {
    const reason = async (): Promise<unknown> => {
      try {
        await (this.#actual as Promise<unknown>);
      } catch (error) {
        return error;
      }
      throw new Error("it was not rejected");
    };
    return {
      toMatchObject: async (expected) => new Expectation(await reason()).toMatchObject(expected),
      toThrow: async () => void (await reason()),
    };
  }

  #check(isMet: boolean, expected: unknown): void {
    if (isMet === this.#isNot) {
      throw new Error(`${inspect(this.#actual)} is not ${this.#isNot ? "other than " : ""}${inspect(expected)}`);
    }
  }

  toBe(expected: unknown): void {
    this.#check(Object.is(this.#actual, expected), expected);
  }
  toEqual(expected: unknown): void {
    this.#check(equals(this.#actual, expected), expected);
  }
  toMatchObject(expected: object): void {
    this.#check(equals(this.#actual, expected, true), expected);
  }
  toContain(expected: unknown): void {
    this.#check((this.#actual as string | unknown[]).includes(expected as never), expected);
  }
  toHaveLength(expected: number): void {
    this.#check((this.#actual as { readonly length: number }).length === expected, expected);
  }
  toBeGreaterThan(expected: number): void {
    this.#check((this.#actual as number) > expected, expected);
  }
  toBeGreaterThanOrEqual(expected: number): void {
    this.#check((this.#actual as number) >= expected, expected);
  }
  toBeLessThanOrEqual(expected: number): void {
    this.#check((this.#actual as number) <= expected, expected);
  }
  toThrow(expected?: unknown): void {
    let thrown: { readonly error: unknown } | undefined;
    try {
      (this.#actual as () => unknown)();
    } catch (error) {
      thrown = { error };
    }
    const isMet = thrown !== undefined && (!(expected instanceof Matcher) || expected.matches(thrown.error));
    this.#check(isMet, expected ?? "an error");
  }
}

export const expect = Object.assign((actual: unknown) => new Expectation(actual), {
  any: (type: abstract new (...args: never[]) => unknown) =>
    new Matcher((value) => value instanceof type || typeof value === type.name.toLowerCase()),
  arrayContaining: (items: readonly unknown[]) =>
    new Matcher((value) => Array.isArray(value) && items.every((item) => value.some((each) => equals(each, item)))),
  objectContaining: (fields: object) => new Matcher((value) => equals(value, fields, true)),
  stringMatching: (expected: RegExp) => new Matcher((value) => expected.test(String(value))),
});

/** Runs the collected tests, without those whose names begin with a text of `leftOut`. */
export async function runCollected(leftOut: readonly string[]): Promise<void> {
  for (const { name, body, isSkipped } of collected) {
    if (isSkipped || leftOut.some((each) => name.startsWith(each))) {
      console.log(`skipped ${name}`);
      continue;
    }
    let line = `ok ${name}`;
    finished = [];
    try {
      await body();
    } catch (error) {
      line = `failed ${name}: ${(error as Error).message.replaceAll("\n", " ")}`;
    }
    for (const call of finished.toReversed()) {
      try {
        await call();
      } catch (error) {
        line = `failed ${name}: at its end, ${String(error)}`;
      }
    }
    console.log(line);
  }
}
