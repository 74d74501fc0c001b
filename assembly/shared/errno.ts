/**
 * Owns WASI preview 1's `errno`: every name, and by name the numbers that either language looks at. Imports nothing;
 * scripts/generate.mjs makes host/wasi/errno-numbers.ts of it, and checks the numbers against the names.
 */

// Lazy: the text is only in a module that uses it.
/** In the order of their numbers, from 0; a blank ends each. */
@lazy
export const ERRNO_NAMES: string =
  "SUCCESS 2BIG ACCES ADDRINUSE ADDRNOTAVAIL AFNOSUPPORT AGAIN ALREADY BADF BADMSG BUSY CANCELED CHILD CONNABORTED CONNREFUSED CONNRESET DEADLK DESTADDRREQ DOM DQUOT EXIST FAULT FBIG HOSTUNREACH IDRM ILSEQ INPROGRESS INTR INVAL IO ISCONN ISDIR LOOP MFILE MLINK MSGSIZE MULTIHOP NAMETOOLONG NETDOWN NETRESET NETUNREACH NFILE NOBUFS NODEV NOENT NOEXEC NOLCK NOLINK NOMEM NOMSG NOPROTOOPT NOSPC NOSYS NOTCONN NOTDIR NOTEMPTY NOTRECOVERABLE NOTSOCK NOTSUP NOTTY NXIO OVERFLOW OWNERDEAD PERM PIPE PROTO PROTONOSUPPORT PROTOTYPE RANGE ROFS SPIPE SRCH STALE TIMEDOUT TXTBSY XDEV NOTCAPABLE ";

export const ERRNO_SUCCESS: i32 = 0;
export const ERRNO_ACCES: i32 = 2;
export const ERRNO_AFNOSUPPORT: i32 = 5;
export const ERRNO_AGAIN: i32 = 6;
export const ERRNO_ALREADY: i32 = 7;
export const ERRNO_BADF: i32 = 8;
export const ERRNO_CONNABORTED: i32 = 13;
export const ERRNO_CONNREFUSED: i32 = 14;
export const ERRNO_CONNRESET: i32 = 15;
export const ERRNO_EXIST: i32 = 20;
export const ERRNO_FAULT: i32 = 21;
export const ERRNO_HOSTUNREACH: i32 = 23;
export const ERRNO_ILSEQ: i32 = 25;
export const ERRNO_INPROGRESS: i32 = 26;
export const ERRNO_INTR: i32 = 27;
export const ERRNO_INVAL: i32 = 28;
export const ERRNO_IO: i32 = 29;
export const ERRNO_ISCONN: i32 = 30;
export const ERRNO_ISDIR: i32 = 31;
export const ERRNO_MFILE: i32 = 33;
export const ERRNO_MSGSIZE: i32 = 35;
export const ERRNO_NAMETOOLONG: i32 = 37;
export const ERRNO_NFILE: i32 = 41;
export const ERRNO_NOBUFS: i32 = 42;
export const ERRNO_NOENT: i32 = 44;
export const ERRNO_NOMEM: i32 = 48;
export const ERRNO_NOPROTOOPT: i32 = 50;
export const ERRNO_NOSPC: i32 = 51;
export const ERRNO_NOSYS: i32 = 52;
export const ERRNO_NOTCONN: i32 = 53;
export const ERRNO_NOTDIR: i32 = 54;
export const ERRNO_NOTSOCK: i32 = 57;
export const ERRNO_NOTSUP: i32 = 58;
export const ERRNO_PERM: i32 = 63;
export const ERRNO_PIPE: i32 = 64;
export const ERRNO_ROFS: i32 = 69;
export const ERRNO_SPIPE: i32 = 70;
export const ERRNO_TIMEDOUT: i32 = 73;
export const ERRNO_XDEV: i32 = 75;
export const ERRNO_NOTCAPABLE: i32 = 76;
