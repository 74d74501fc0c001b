/** Owns instances of metered modules for tests, with a clock that a test sets. Knows nothing of plugins. */

import { type Allowance, Meter } from "../../../host/plugin/metering/meter.js";
import { prepareModule, type PrepareOptions } from "../../../host/plugin/metering/prepare.js";

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Module: { new (bytes: Uint8Array): object; customSections(module: object, name: string): ArrayBuffer[] };
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
  RuntimeError: new () => Error;
};

export const { RuntimeError } = WebAssembly;
export const FREE: Allowance = { turnNs: Infinity, totalNs: Infinity };
export const METERED: PrepareOptions = { metered: true, maxMemoryBytes: Infinity, maxTableEntries: Infinity };
export const UNLIMITED: PrepareOptions = { ...METERED, metered: false };

export type Exports = Record<string, (...parameters: (number | bigint)[]) => number | bigint | undefined>;

export function instantiate(bytes: Uint8Array, imports: object = {}): Exports {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports as Exports;
}

/** How many custom sections of this name it has. */
export function customSections(bytes: Uint8Array, name: string): number {
  return WebAssembly.Module.customSections(new WebAssembly.Module(bytes), name).length;
}

/** A metered instance whose turn begins. Its CPU time is a nanosecond more at each look. */
export function metered(bytes: Uint8Array, allowance: Allowance = FREE, imports: object = {}) {
  const prepared = prepareModule(bytes, METERED);
  let ns = 0;
  const clock = {
    looks: 0,
    advance: (byNs: number): void => {
      ns += byNs;
    },
  };
  const meter = new Meter(allowance, () => {
    clock.looks++;
    return ++ns;
  });
  const exports = instantiate(prepared.bytes, imports);
  meter.attach(exports, prepared);
  meter.beginTurn();
  return { exports, meter, clock, prepared };
}
