/** Owns the numbers of WASI preview 1's `errno` that the engine itself must know. */

export const ERRNO_SUCCESS: i32 = 0;
export const ERRNO_BADF: i32 = 8;
export const ERRNO_INTR: i32 = 27;
export const ERRNO_NOMEM: i32 = 48;
export const ERRNO_NOSPC: i32 = 51;
