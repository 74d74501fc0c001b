/**
 * Owns the engine of a program in a component: engine.wasm as JavaScript, which the build of the package makes with wasm2js,
 * because nothing in WebAssembly can instantiate WebAssembly. It is found in place of "@assemblyscript/loader".
 */

import { makeEngine } from "./engine-code.js";

interface EngineImports {
  readonly env: object;
  readonly wasi_snapshot_preview1: {
    readonly poll_oneoff: (...args: readonly number[]) => number;
    readonly clock_time_get: (clock: number, precision: bigint, timeAt: number) => number;
  };
  readonly wasyncore: object;
}

/** As the loader's, of a module that is not looked at. */
export function instantiateSync(_module: unknown, imports: EngineImports): { readonly instance: object } {
  const { poll_oneoff, clock_time_get } = imports.wasi_snapshot_preview1;
  const exports = makeEngine({
    ...imports,
    wasi_snapshot_preview1: {
      poll_oneoff,
      // wasm2js passes 64 bits as two words.
      clock_time_get: (clock: number, _low: number, _high: number, timeAt: number) => clock_time_get(clock, 0n, timeAt),
    },
  });
  return { instance: { exports } };
}
