/**
 * Owns functions of interfaces as core functions: their parameters are lifted, their results lowered, and what is thrown in
 * them is a trap. Knows the canonical ABI; knows no interface.
 */

import { type CallMemory, type Flat, FlatReader, type Type } from "./abi.js";
import type { ResourceClass } from "./resources.js";
import { trapOf } from "./trap.js";

export type CoreFunction = (...values: Flat[]) => Flat | undefined | void;

/** A function of an interface: makes the core function for one lowering of it. */
export type HostFunction = (memory: CallMemory) => CoreFunction;

/** Functions and resources that a component may import, by their names in the interface. */
export interface Interface {
  readonly functions: Readonly<Record<string, HostFunction>>;
  readonly resources: Readonly<Record<string, ResourceClass>>;
}

/** More core parameters than this are passed in memory. */
const FLAT_PARAMETERS_MAX = 16;

type Values<P> = { readonly [K in keyof P]: P[K] extends Type<infer T> ? T : never };

/** A function by its signature. */
export function func<const P extends readonly Type<never>[] | readonly Type<unknown>[], R>(
  parameters: P,
  returned: Type<R> | undefined,
  call: (...values: Values<P> extends readonly unknown[] ? [...Values<P>] : never) => R,
): HostFunction {
  const types = parameters as unknown as readonly Type<unknown>[];
  const flat = types.reduce((sum, type) => sum + type.flat, 0);
  const isFlat = flat <= FLAT_PARAMETERS_MAX;
  const values = (memory: CallMemory, given: readonly Flat[]): unknown[] => {
    if (isFlat) {
      const reader = new FlatReader(given);
      return types.map((type) => type.lift(memory, reader));
    }
    let at = Number(given[0]) >>> 0;
    return types.map((type) => {
      at = Math.ceil(at / type.align) * type.align;
      const value = type.load(memory, at);
      at += type.size;
      return value;
    });
  };
  const lifted = call as unknown as (...given: unknown[]) => R;
  const resultAt = isFlat ? flat : 1;
  return (memory) =>
    (...given) => {
      try {
        if (returned === undefined) return void lifted(...values(memory, given));
        if (returned.flat === 1) return flatOf(memory, returned, lifted(...values(memory, given)));
        const at = Number(given[resultAt]) >>> 0;
        // Before anything is made that nobody would have.
        memory.check(at, returned.size);
        returned.store(memory, at, lifted(...values(memory, given)));
        return undefined;
      } catch (error) {
        throw trapOf(error);
      }
    };
}

const scratch = new DataView(new ArrayBuffer(8));

/** A result that is one core value: it is written, and read as what it is. */
function flatOf<R>({ handles }: CallMemory, type: Type<R>, value: R): Flat {
  scratch.setBigUint64(0, 0n);
  type.store({ handles, view: scratch } as CallMemory, 0, value);
  return type.size === 8 ? scratch.getBigUint64(0, true) : scratch.getUint32(0, true);
}

/** A function that reads its parameters and writes its results itself: those that are called for each message. */
export function raw(make: (memory: CallMemory) => CoreFunction): HostFunction {
  return (memory) => {
    const call = make(memory);
    return (...given) => {
      try {
        return call(...given);
      } catch (error) {
        throw trapOf(error);
      }
    };
  };
}
