// Owns where the benchmark's files are.

import { dirname, join } from "node:path";

export const bench = import.meta.dirname;
/** The package's directory. */
export const root = dirname(bench);
/** What is compiled for the benchmark. */
export const output = join(root, "build", "bench");
