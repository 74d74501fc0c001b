/**
 * Owns the types of interfaces, by the canonical ABI of the component model: how a value of each lies in a component's memory,
 * and in the parameters of core functions. Knows handles; knows no interface, and not how a memory is checked and allocated.
 *
 * A type is one object, with which the signatures of the interfaces are written: `result(tuple(own, own), errorCode)`.
 */

import type { CallMemory } from "./call-memory.js";
import type { Resource, ResourceClass } from "./resources.js";
import { Trap } from "./trap.js";

/** A value in the parameters of a core function. */
export type Flat = number | bigint;

/** A list of the host's is a copy in its memory: no batch comes near this, and none is counted. */
const LIST_MAX = 4096;

/** Takes flat values one after the other. */
export class FlatReader {
  readonly #values: readonly Flat[];
  #at = 0;

  constructor(values: readonly Flat[]) {
    this.#values = values;
  }

  next(): Flat {
    return this.#values[this.#at++] ?? 0;
  }

  number(): number {
    return Number(this.next());
  }

  skip(count: number): void {
    this.#at += count;
  }
}

/** A type of values: T in JavaScript. */
export interface Type<T> {
  readonly size: number;
  readonly align: number;
  /** Of how many core values it consists as a parameter. */
  readonly flat: number;
  load(memory: CallMemory, at: number): T;
  store(memory: CallMemory, at: number, value: T): void;
  lift(memory: CallMemory, values: FlatReader): T;
}

/** What a function with a result returns in place of its value. */
export class Failed<E> {
  readonly error: E;

  constructor(error: E) {
    this.error = error;
  }
}

const alignTo = (at: number, align: number): number => Math.ceil(at / align) * align;

function integer(size: 1 | 2 | 4): Type<number> {
  const get = (["", "getUint8", "getUint16", "", "getUint32"] as const)[size] as "getUint32";
  const set = (["", "setUint8", "setUint16", "", "setUint32"] as const)[size] as "setUint32";
  const mask = 2 ** (8 * size) - 1;
  return {
    size,
    align: size,
    flat: 1,
    load: ({ view }, at) => view[get](at, true),
    store: ({ view }, at, value) => view[set](at, value, true),
    lift: (_memory, values) => (values.number() & mask) >>> 0,
  };
}

export const u8 = integer(1);
export const u16 = integer(2);
export const u32 = integer(4);

export const u64: Type<bigint> = {
  size: 8,
  align: 8,
  flat: 1,
  load: ({ view }, at) => view.getBigUint64(at, true),
  store: ({ view }, at, value) => view.setBigUint64(at, value, true),
  lift: (_memory, values) => BigInt.asUintN(64, BigInt(values.next())),
};

export const bool: Type<boolean> = {
  size: 1,
  align: 1,
  flat: 1,
  load: ({ view }, at) => view.getUint8(at) !== 0,
  store: ({ view }, at, value) => view.setUint8(at, value ? 1 : 0),
  lift: (_memory, values) => values.number() !== 0,
};

/** A value that lies apart: in its place are its address and its length. */
function apart<T>(
  load: (memory: CallMemory, start: number, length: number) => T,
  store: (memory: CallMemory, at: number, value: T) => void,
): Type<T> {
  return {
    size: 8,
    align: 4,
    flat: 2,
    load: (memory, at) => load(memory, memory.view.getUint32(at, true), memory.view.getUint32(at + 4, true)),
    store,
    lift: (memory, values) => load(memory, values.number() >>> 0, values.number() >>> 0),
  };
}

export const string: Type<string> = apart(
  (memory, start, length) => memory.text(start, length),
  (memory, at, value) => memory.storeText(at, value),
);

/** list<u8>. What is lifted is the component's memory itself, and is not to be kept. */
export const bytes: Type<Uint8Array> = apart(
  (memory, start, length) => memory.slice(start, length),
  (memory, at, value) => {
    const start = memory.allocate(1, value.length);
    memory.bytes.set(value, start);
    memory.storeSpan(at, start, value.length);
  },
);

export function list<T>(element: Type<T>): Type<readonly T[]> {
  const { size, align } = element;
  return apart<readonly T[]>(
    (memory, start, length) => {
      if (start % align !== 0) throw new Trap("a list is not aligned");
      memory.check(start, length * size);
      if (length > LIST_MAX) throw new Trap(`a list has more elements than the host takes: ${length}`);
      return Array.from({ length }, (_, index) => element.load(memory, start + index * size));
    },
    (memory, at, value) => {
      const start = memory.allocate(align, value.length * size);
      for (const [index, each] of value.entries()) element.store(memory, start + index * size, each);
      memory.storeSpan(at, start, value.length);
    },
  );
}

type Types<T> = { readonly [K in keyof T]: Type<T[K]> };

/** A record as its fields in their order; a tuple. */
export function record<T extends object>(fields: Types<T>): Type<T> {
  const named = Object.entries<Type<unknown>>(fields as Record<string, Type<unknown>>);
  let end = 0;
  const placed = named.map(([name, type]) => {
    const at = alignTo(end, type.align);
    end = at + type.size;
    return { name, type, at };
  });
  const align = Math.max(1, ...named.map(([, type]) => type.align));
  const made = (each: (type: Type<unknown>, at: number) => unknown): T => {
    const value = (Array.isArray(fields) ? [] : {}) as Record<string, unknown>;
    for (const { name, type, at } of placed) value[name] = each(type, at);
    return value as T;
  };
  return {
    size: alignTo(end, align),
    align,
    flat: named.reduce((sum, [, type]) => sum + type.flat, 0),
    load: (memory, from) => made((type, at) => type.load(memory, from + at)),
    store(memory, to, value) {
      for (const { name, type, at } of placed) type.store(memory, to + at, (value as Record<string, unknown>)[name]);
    },
    lift: (memory, values) => made((type) => type.lift(memory, values)),
  };
}

export function tuple<T extends readonly unknown[]>(...types: Types<T> & readonly Type<unknown>[]): Type<Readonly<T>> {
  return record<Readonly<T>>(types as unknown as Types<Readonly<T>>);
}

/** A case of a variant. */
export interface Case<K = number, V = unknown> {
  /** Its index. */
  readonly tag: K;
  readonly value: V;
}

/** A variant by the types of its cases; undefined for a case without a value. */
export function variant(...cases: readonly (Type<never> | undefined)[]): Type<Case> {
  const types = cases as readonly (Type<unknown> | undefined)[];
  const tagBytes = types.length <= 256 ? 1 : 2;
  const align = Math.max(tagBytes, ...types.map((type) => type?.align ?? 1));
  const at = alignTo(tagBytes, align);
  const flat = Math.max(0, ...types.map((type) => type?.flat ?? 0));
  const caseOf = (tag: number): Type<unknown> | undefined => {
    if (tag >= types.length) throw new Trap(`a variant has no case ${tag}`);
    return types[tag];
  };
  return {
    size: alignTo(at + Math.max(0, ...types.map((type) => type?.size ?? 0)), align),
    align,
    flat: 1 + flat,
    load(memory, from) {
      const tag = tagBytes === 1 ? memory.view.getUint8(from) : memory.view.getUint16(from, true);
      return { tag, value: caseOf(tag)?.load(memory, from + at) };
    },
    store(memory, to, { tag, value }) {
      if (tagBytes === 1) memory.view.setUint8(to, tag);
      else memory.view.setUint16(to, tag, true);
      caseOf(tag)?.store(memory, to + at, value);
    },
    lift(memory, values) {
      const tag = values.number() >>> 0;
      const type = caseOf(tag);
      const value = type?.lift(memory, values);
      values.skip(flat - (type?.flat ?? 0));
      return { tag, value };
    },
  };
}

/** Names in the order of an enum. */
export function enumeration<const N extends readonly string[]>(...names: N): Type<N[number]> {
  const nameOf = (tag: number): N[number] => {
    const name = names[tag];
    if (name === undefined) throw new Trap(`an enum has no case ${tag}`);
    return name;
  };
  return {
    size: 1,
    align: 1,
    flat: 1,
    load: ({ view }, at) => nameOf(view.getUint8(at)),
    store: ({ view }, at, value) => view.setUint8(at, names.indexOf(value)),
    lift: (_memory, values) => nameOf(values.number() >>> 0),
  };
}

/** Flags as the set of their bits; at most 32 of them. */
export function flags(count: number): Type<number> {
  return count <= 8 ? u8 : count <= 16 ? u16 : u32;
}

export function option<T>(type: Type<T>): Type<T | undefined> {
  const inner = variant(undefined, type as Type<never>);
  const open = ({ tag, value }: Case): T | undefined => (tag === 0 ? undefined : (value as T));
  return {
    ...inner,
    load: (memory, at) => open(inner.load(memory, at)),
    store: (memory, at, value) => inner.store(memory, at, { tag: value === undefined ? 0 : 1, value }),
    lift: (memory, values) => open(inner.lift(memory, values)),
  };
}

/** A value, or {@link Failed}. undefined for a side without a value. */
export function result<T, E>(ok: Type<T> | undefined, error: Type<E> | undefined): Type<T | Failed<E>> {
  const inner = variant(ok as Type<never> | undefined, error as Type<never> | undefined);
  const open = ({ tag, value }: Case): T | Failed<E> => (tag === 0 ? (value as T) : new Failed(value as E));
  return {
    ...inner,
    load: (memory, at) => open(inner.load(memory, at)),
    store: (memory, at, value) =>
      inner.store(memory, at, value instanceof Failed ? { tag: 1, value: value.error } : { tag: 0, value }),
    lift: (memory, values) => open(inner.lift(memory, values)),
  };
}

/** A handle that is lent for a call. */
export function borrow<T extends Resource>(type: ResourceClass<T>): Type<T> {
  return {
    size: 4,
    align: 4,
    flat: 1,
    load: ({ handles, view }, at) => handles.get(view.getUint32(at, true), type),
    store: () => {
      throw new Trap("a handle is lent by the component alone");
    },
    lift: ({ handles }, values) => handles.get(values.number() >>> 0, type),
  };
}

/** A handle that becomes the component's. */
export function own<T extends Resource>(type: ResourceClass<T>): Type<T> {
  return {
    ...borrow(type),
    store: ({ handles, view }, at, value) => view.setUint32(at, handles.add(value), true),
  };
}
