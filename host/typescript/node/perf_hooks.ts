/** Owns node:perf_hooks: the clock. */

export const { performance } = globalThis;
