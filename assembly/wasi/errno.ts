/** Owns the numbers of WASI preview 1's `errno`: those that are looked at, and the names of all. */

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
export const ERRNO_NOMEM: i32 = 48;
export const ERRNO_NOSPC: i32 = 51;
export const ERRNO_NOSYS: i32 = 52;
export const ERRNO_NOTCONN: i32 = 53;
export const ERRNO_NOTSOCK: i32 = 57;
export const ERRNO_NOTSUP: i32 = 58;
export const ERRNO_PIPE: i32 = 64;

/** Names in order of their numbers, each of its own length: a blank ends one. WASI preview 1, errno. */
const NAMES =
  "SUCCESS 2BIG ACCES ADDRINUSE ADDRNOTAVAIL AFNOSUPPORT AGAIN ALREADY BADF BADMSG BUSY CANCELED CHILD CONNABORTED CONNREFUSED CONNRESET DEADLK DESTADDRREQ DOM DQUOT EXIST FAULT FBIG HOSTUNREACH IDRM ILSEQ INPROGRESS INTR INVAL IO ISCONN ISDIR LOOP MFILE MLINK MSGSIZE MULTIHOP NAMETOOLONG NETDOWN NETRESET NETUNREACH NFILE NOBUFS NODEV NOENT NOEXEC NOLCK NOLINK NOMEM NOMSG NOPROTOOPT NOSPC NOSYS NOTCONN NOTDIR NOTEMPTY NOTRECOVERABLE NOTSOCK NOTSUP NOTTY NXIO OVERFLOW OWNERDEAD PERM PIPE PROTO PROTONOSUPPORT PROTOTYPE RANGE ROFS SPIPE SRCH STALE TIMEDOUT TXTBSY XDEV NOTCAPABLE ";

/** "ECONNREFUSED" for 14; "E999" for a number without a name. */
export function errorCode(errno: i32): string {
  let start = 0;
  for (let number = 0; number < errno && start < NAMES.length; number++) start = NAMES.indexOf(" ", start) + 1;
  if (errno < 0 || start >= NAMES.length) return "E" + errno.toString();
  return "E" + NAMES.substring(start, NAMES.indexOf(" ", start));
}
