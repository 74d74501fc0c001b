/** Owns the numbers of WASI preview 1's `errno` that are looked at. */

export const ERRNO_SUCCESS: i32 = 0;
export const ERRNO_AGAIN: i32 = 6;
export const ERRNO_ALREADY: i32 = 7;
export const ERRNO_BADF: i32 = 8;
export const ERRNO_CONNABORTED: i32 = 13;
export const ERRNO_CONNRESET: i32 = 15;
export const ERRNO_INPROGRESS: i32 = 26;
export const ERRNO_INTR: i32 = 27;
export const ERRNO_INVAL: i32 = 28;
export const ERRNO_IO: i32 = 29;
export const ERRNO_ISCONN: i32 = 30;
export const ERRNO_MFILE: i32 = 33;
export const ERRNO_NFILE: i32 = 41;
export const ERRNO_NOBUFS: i32 = 42;
export const ERRNO_NOENT: i32 = 44;
export const ERRNO_NOMEM: i32 = 48;
export const ERRNO_NOSPC: i32 = 51;
export const ERRNO_NOSYS: i32 = 52;
export const ERRNO_NOTCONN: i32 = 53;
export const ERRNO_NOTSOCK: i32 = 57;
export const ERRNO_NOTSUP: i32 = 58;
export const ERRNO_PERM: i32 = 63;
export const ERRNO_PIPE: i32 = 64;
