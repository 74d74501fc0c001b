/**
 * Owns functions of interfaces as core functions: their parameters are lifted, their results lowered, and what is thrown in
 * them is a trap. Knows the canonical ABI; knows no interface.
 */

import { GuestError } from "../guest/module.js";
import { type Flat, FlatReader, type Type } from "./abi.js";
import type { CallMemory } from "./call-memory.js";
import type { ResourceClass } from "./resources.js";
import { Trap, trapOf } from "./trap.js";

export type CoreFunction = (...values: Flat[]) => Flat | undefined | void;

/** A function of an interface: makes the core function for one lowering of it. `isAsync`: for the asynchronous ABI. */
export type HostFunction = (memory: CallMemory, isAsync: boolean) => CoreFunction;

/** What a function returns that has not returned yet. */
export abstract class Deferred<T> {
  /** Waits until it has returned. */
  abstract wait(): T;
  /** Lets the component go on. @param store writes what it returns @returns what the core function returns */
  abstract begin(memory: CallMemory, store: (value: T) => void): number;
}

/** Functions and resources that a component may import, by their names in the interface. */
export interface Interface {
  readonly functions: Readonly<Record<string, HostFunction>>;
  readonly resources: Readonly<Record<string, ResourceClass>>;
}

/** More core parameters than this are passed in memory. */
const FLAT_PARAMETERS_MAX = 16;
const ASYNC_PARAMETERS_MAX = 4;
/** What an asynchronous call returns when its result is there. */
const RETURNED = 2;

type Values<P> = { readonly [K in keyof P]: P[K] extends Type<infer T> ? T : never };

/** A function by its signature. */
export function func<const P extends readonly Type<never>[] | readonly Type<unknown>[], R>(
  parameters: P,
  returned: Type<R> | undefined,
  call: (...values: Values<P> extends readonly unknown[] ? [...Values<P>] : never) => R | Deferred<R>,
): HostFunction {
  const types = parameters as unknown as readonly Type<unknown>[];
  const flat = types.reduce((sum, type) => sum + type.flat, 0);
  const parametersAlign = Math.max(1, ...types.map(({ align }) => align));
  const values = (memory: CallMemory, given: readonly Flat[], isFlat: boolean): unknown[] => {
    if (isFlat) {
      const reader = new FlatReader(given);
      return types.map((type) => type.lift(memory, reader));
    }
    let at = Number(given[0]) >>> 0;
    checkAligned(at, parametersAlign);
    return types.map((type) => {
      at = Math.ceil(at / type.align) * type.align;
      const value = type.load(memory, at);
      at += type.size;
      return value;
    });
  };
  const lifted = call as unknown as (...given: unknown[]) => R | Deferred<R>;
  return (memory, isAsync) => {
    const isFlat = flat <= (isAsync ? ASYNC_PARAMETERS_MAX : FLAT_PARAMETERS_MAX);
    const resultAt = isFlat ? flat : 1;
    const isStored = returned !== undefined && (isAsync || returned.flat > 1);
    return (...given) => {
      try {
        memory.handles.checkCall();
        const at = isStored ? Number(given[resultAt]) >>> 0 : 0;
        // Before anything is made that nobody would have.
        if (isStored) {
          checkAligned(at, returned.align);
          memory.check(at, returned.size);
        }
        const outcome = lifted(...values(memory, given, isFlat));
        if (isAsync && outcome instanceof Deferred)
          return outcome.begin(memory, (value) => returned?.store(memory, at, value));
        const value = outcome instanceof Deferred ? outcome.wait() : outcome;
        if (isStored) returned.store(memory, at, value);
        else if (returned !== undefined) return flatOf(memory, returned, value);
        return isAsync ? RETURNED : undefined;
      } catch (error) {
        throw trapOf(error);
      }
    };
  };
}

function checkAligned(at: number, align: number): void {
  if (at % align !== 0) throw new Trap("parameters or a result are not aligned");
}

const scratch = new DataView(new ArrayBuffer(8));

/** A result that is one core value: it is written, and read as what it is. */
function flatOf<R>({ handles }: CallMemory, type: Type<R>, value: R): Flat {
  scratch.setBigUint64(0, 0n);
  type.store({ handles, view: scratch } as CallMemory, 0, value);
  return type.size === 8 ? scratch.getBigUint64(0, true) : scratch.getUint32(0, true);
}

/**
 * A function that reads its parameters and writes its results itself: those that are called for each message. Nobody lowers
 * one of them asynchronously: none waits.
 */
export function raw(make: (memory: CallMemory) => CoreFunction): HostFunction {
  return (memory, isAsync) => {
    if (isAsync) throw new GuestError("ERR_GUEST_IMPORTS", "it lowers a function asynchronously that never waits");
    const call = make(memory);
    return (...given) => {
      try {
        memory.handles.checkCall();
        return call(...given);
      } catch (error) {
        throw trapOf(error);
      }
    };
  };
}
