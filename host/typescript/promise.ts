/**
 * Owns promises: ECMA-262, section 27.2, step by step, with jobs in microtasks.ts. Callbacks so run in the order that they
 * have on Node. Knows nothing else.
 */

import { enqueueJob } from "./microtasks.js";

type Resolve = (value?: unknown) => void;
type Reject = (reason?: unknown) => void;
type Executor = (resolve: Resolve, reject: Reject) => void;
type Callback = ((value: unknown) => unknown) | null | undefined;

/** A promise of any class, and what settles it. */
interface Capability {
  readonly promise: object;
  readonly resolve: Resolve;
  readonly reject: Reject;
}

interface Reaction {
  readonly capability: Capability | undefined;
  readonly onFulfilled: unknown;
  readonly onRejected: unknown;
}

const PENDING = 0;
const FULFILLED = 1;
const REJECTED = 2;

/** Rejected promises that nobody handles, until {@link takeUnhandled}. */
const unhandled = new Set<JobPromise>();

/** The promises that were rejected, and nobody has handled since. */
export function takeUnhandled(): { readonly promise: object; readonly reason: unknown }[] {
  if (unhandled.size === 0) return [];
  const found = [...unhandled].map((promise) => ({ promise, reason: reasonOf(promise) }));
  unhandled.clear();
  return found;
}

let reasonOf: (promise: JobPromise) => unknown;

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

type Constructor = new (executor: Executor) => object;

function newCapability(constructor: unknown): Capability {
  if (typeof constructor !== "function") throw new TypeError("a promise is made by a constructor");
  let resolve: Resolve | undefined;
  let reject: Reject | undefined;
  const promise = new (constructor as Constructor)((resolveIt, rejectIt) => {
    if (resolve !== undefined || reject !== undefined) throw new TypeError("the executor was called already");
    resolve = resolveIt;
    reject = rejectIt;
  });
  if (typeof resolve !== "function" || typeof reject !== "function") {
    throw new TypeError("the constructor gave no functions that settle the promise");
  }
  return { promise, resolve, reject };
}

export class JobPromise {
  #state = PENDING;
  #value: unknown;
  #reactions: Reaction[] | undefined;
  #isHandled = false;

  static {
    reasonOf = (promise) => promise.#value;
  }

  constructor(executor: Executor) {
    if (typeof executor !== "function") throw new TypeError(`Promise resolver ${String(executor)} is not a function`);
    const { resolve, reject } = this.#functions();
    try {
      executor(resolve, reject);
    } catch (error) {
      reject(error);
    }
  }

  static get [Symbol.species](): unknown {
    return this;
  }

  get [Symbol.toStringTag](): string {
    return "Promise";
  }

  #functions(): { resolve: Resolve; reject: Reject } {
    let isResolved = false;
    return {
      resolve: (value) => {
        if (isResolved) return;
        isResolved = true;
        this.#resolve(value);
      },
      reject: (reason) => {
        if (isResolved) return;
        isResolved = true;
        this.#settle(REJECTED, reason);
      },
    };
  }

  #resolve(value: unknown): void {
    if (value === this) return this.#settle(REJECTED, new TypeError("Chaining cycle detected for promise #<Promise>"));
    if (!isObject(value)) return this.#settle(FULFILLED, value);
    let then: unknown;
    try {
      ({ then } = value as { readonly then?: unknown });
    } catch (error) {
      return this.#settle(REJECTED, error);
    }
    if (typeof then !== "function") return this.#settle(FULFILLED, value);
    const call = then as (resolve: Resolve, reject: Reject) => void;
    enqueueJob(() => {
      const { resolve, reject } = this.#functions();
      try {
        call.call(value, resolve, reject);
      } catch (error) {
        reject(error);
      }
    });
  }

  #settle(state: number, value: unknown): void {
    this.#state = state;
    this.#value = value;
    const reactions = this.#reactions;
    this.#reactions = undefined;
    if (state === REJECTED && !this.#isHandled) unhandled.add(this);
    if (reactions !== undefined) for (const reaction of reactions) this.#react(reaction);
  }

  #react({ capability, onFulfilled, onRejected }: Reaction): void {
    const isFulfilled = this.#state === FULFILLED;
    const callback = isFulfilled ? onFulfilled : onRejected;
    const value = this.#value;
    enqueueJob(() => {
      if (typeof callback !== "function") {
        if (isFulfilled) capability?.resolve(value);
        else capability?.reject(value);
        return;
      }
      let result: unknown;
      try {
        result = (callback as (value: unknown) => unknown)(value);
      } catch (error) {
        capability?.reject(error);
        return;
      }
      capability?.resolve(result);
    });
  }

  // A promise is what has `then`.
  // oxlint-disable-next-line unicorn/no-thenable
  then(onFulfilled?: Callback, onRejected?: Callback): object {
    const { constructor } = this as { readonly constructor: unknown };
    const species =
      constructor === undefined ? JobPromise : (constructor as { [Symbol.species]?: unknown })[Symbol.species];
    const capability = newCapability(species ?? JobPromise);
    const reaction: Reaction = { capability, onFulfilled, onRejected };
    if (this.#state === PENDING) (this.#reactions ??= []).push(reaction);
    else {
      if (!this.#isHandled) unhandled.delete(this);
      this.#react(reaction);
    }
    this.#isHandled = true;
    return capability.promise;
  }

  catch(onRejected?: Callback): object {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: () => unknown): object {
    if (typeof onFinally !== "function") return this.then(onFinally, onFinally);
    const { constructor } = this as unknown as { readonly constructor: typeof JobPromise };
    return this.then(
      (value) => constructor.resolve(onFinally()).then(() => value),
      (reason) =>
        constructor.resolve(onFinally()).then(() => {
          throw reason;
        }),
    );
  }

  static resolve(value?: unknown): JobPromise {
    if (value instanceof JobPromise && value.constructor === this) return value;
    const { promise, resolve } = newCapability(this);
    resolve(value);
    return promise as JobPromise;
  }

  static reject(reason?: unknown): object {
    const { promise, reject } = newCapability(this);
    reject(reason);
    return promise;
  }

  static withResolvers(): Capability {
    return newCapability(this);
  }

  static try(call: (...args: readonly unknown[]) => unknown, ...args: readonly unknown[]): object {
    const { promise, resolve, reject } = newCapability(this);
    try {
      resolve(call(...args));
    } catch (error) {
      reject(error);
    }
    return promise;
  }

  static all(values: Iterable<unknown>): object {
    return this.#combine(values, (all, resolve, reject) => ({
      onFulfilled: (index) => (value) => all.set(index, value, resolve),
      onRejected: () => reject,
    }));
  }

  static allSettled(values: Iterable<unknown>): object {
    return this.#combine(values, (all, resolve) => ({
      onFulfilled: (index) => (value) => all.set(index, { status: "fulfilled", value }, resolve),
      onRejected: (index) => (reason) => all.set(index, { status: "rejected", reason }, resolve),
    }));
  }

  static any(values: Iterable<unknown>): object {
    return this.#combine(values, (all, resolve, reject) => {
      const fail = (errors: unknown[]): void => reject(new AggregateError(errors, "All promises were rejected"));
      all.onEmpty = fail;
      return {
        onFulfilled: () => resolve,
        onRejected: (index) => (reason) => all.set(index, reason, fail),
      };
    });
  }

  static race(values: Iterable<unknown>): object {
    return this.#combine(values, (all, resolve, reject) => {
      all.onEmpty = undefined;
      return { onFulfilled: () => resolve, onRejected: () => reject };
    });
  }

  /** What `all` and its kind share: each value is resolved and followed. */
  static #combine(values: Iterable<unknown>, follow: Follow): object {
    const { promise, resolve, reject } = newCapability(this);
    try {
      const all = new Collected(resolve);
      const { onFulfilled, onRejected } = follow(all, resolve, reject);
      let index = 0;
      for (const value of values) {
        all.expect();
        this.resolve(value).then(onFulfilled(index), onRejected(index));
        index += 1;
      }
      all.complete();
    } catch (error) {
      reject(error);
    }
    return promise;
  }
}

type Follow = (
  all: Collected,
  resolve: Resolve,
  reject: Reject,
) => {
  onFulfilled(index: number): (value: unknown) => unknown;
  onRejected(index: number): (reason: unknown) => unknown;
};

/** Results by index, and how many are missing; one more while values are still being taken. */
class Collected {
  onEmpty: ((values: unknown[]) => void) | undefined;
  readonly #values: unknown[] = [];
  readonly #seen = new Set<number>();
  #missing = 1;

  constructor(onEmpty: (values: unknown[]) => void) {
    this.onEmpty = onEmpty;
  }

  expect(): void {
    this.#values.push(undefined);
    this.#missing += 1;
  }

  set(index: number, value: unknown, done: (values: unknown[]) => void): void {
    if (this.#seen.has(index)) return;
    this.#seen.add(index);
    this.#values[index] = value;
    this.#missing -= 1;
    if (this.#missing === 0) done(this.#values);
  }

  complete(): void {
    this.#missing -= 1;
    if (this.#missing === 0) this.onEmpty?.(this.#values);
  }
}
