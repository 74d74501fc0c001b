/**
 * Owns the steps of a component's definition: what its bytes are read into, and what an instance of it takes one after the other.
 * Knows no bytes and no instance.
 */

import type { Encoding } from "./call-memory.js";
import type { CanonName } from "./canonical.js";

/** What an index is one of. */
export type Sort = "func" | "type" | "component" | "instance" | CoreSort;
export type CoreSort =
  "core func" | "core table" | "core memory" | "core global" | "core type" | "core module" | "core instance";

/** How a function crosses the boundary: indices of the core memory and functions that it uses. */
export interface CanonOptions {
  readonly encoding: Encoding;
  readonly memory: number | undefined;
  readonly realloc: number | undefined;
  readonly postReturn: number | undefined;
  readonly isAsync: boolean;
  readonly callback: number | undefined;
}

export interface Named {
  readonly name: string;
  readonly sort: Sort;
  readonly index: number;
}

/** Each step but the last two defines something with the next free index of its sort. */
export type Step =
  | { readonly kind: "module"; readonly module: number }
  | { readonly kind: "core-instance"; readonly module: number; readonly parameters: readonly Named[] }
  | { readonly kind: "core-exports"; readonly exports: readonly Named[] }
  | { readonly kind: "component"; readonly steps: readonly Step[] }
  | { readonly kind: "instance"; readonly component: number; readonly parameters: readonly Named[] }
  | { readonly kind: "exports"; readonly exports: readonly Named[] }
  | { readonly kind: "alias"; readonly sort: Sort; readonly instance: number; readonly name: string }
  | { readonly kind: "core-alias"; readonly sort: Sort; readonly instance: number; readonly name: string }
  | { readonly kind: "outer"; readonly sort: Sort; readonly levels: number; readonly index: number }
  | { readonly kind: "types"; readonly count: number; readonly section: Uint8Array }
  | { readonly kind: "lift"; readonly func: number; readonly options: CanonOptions }
  | { readonly kind: "lower"; readonly func: number; readonly options: CanonOptions }
  | { readonly kind: "drop"; readonly type: number }
  | ({ readonly kind: "canon" } & Canon)
  | { readonly kind: "import"; readonly name: string; readonly sort: Sort }
  | { readonly kind: "export"; readonly exported: Named };

/** A built-in function of the asynchronous ABI. */
export interface Canon {
  readonly name: CanonName;
  /** Of the stream or future. */
  readonly type: number | undefined;
  readonly options: CanonOptions;
  /** Of `context.get` and `context.set`: which value, and whether it has 64 bits. */
  readonly slot: number;
  readonly isWide: boolean;
}
