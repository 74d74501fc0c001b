/** Owns the compiler options of a strict program that uses the package. Knows no program. */

import { join } from "node:path";
import { ROOT } from "./processes.js";

export const STRICT_PROGRAM = {
  target: "ES2022",
  lib: ["ES2023", "ESNext.Disposable"],
  module: "NodeNext",
  strict: true,
  noImplicitOverride: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  types: ["node"],
  typeRoots: [join(ROOT, "node_modules/@types")],
} as const;
