/** Owns the names of WASI preview 1's errors. Knows nothing else. */

import { decimal } from "./messages";

/** In order of their numbers; a blank ends one. WASI preview 1, errno. */
const NAMES =
  "SUCCESS 2BIG ACCES ADDRINUSE ADDRNOTAVAIL AFNOSUPPORT AGAIN ALREADY BADF BADMSG BUSY CANCELED CHILD CONNABORTED CONNREFUSED CONNRESET DEADLK DESTADDRREQ DOM DQUOT EXIST FAULT FBIG HOSTUNREACH IDRM ILSEQ INPROGRESS INTR INVAL IO ISCONN ISDIR LOOP MFILE MLINK MSGSIZE MULTIHOP NAMETOOLONG NETDOWN NETRESET NETUNREACH NFILE NOBUFS NODEV NOENT NOEXEC NOLCK NOLINK NOMEM NOMSG NOPROTOOPT NOSPC NOSYS NOTCONN NOTDIR NOTEMPTY NOTRECOVERABLE NOTSOCK NOTSUP NOTTY NXIO OVERFLOW OWNERDEAD PERM PIPE PROTO PROTONOSUPPORT PROTOTYPE RANGE ROFS SPIPE SRCH STALE TIMEDOUT TXTBSY XDEV NOTCAPABLE ";

/** "ECONNREFUSED" for 14; "E999" for a number without a name. */
export function errorCode(errno: i32): string {
  let start = 0;
  for (let number = 0; number < errno && start < NAMES.length; number++) start = NAMES.indexOf(" ", start) + 1;
  if (errno < 0 || start >= NAMES.length) return "E" + decimal(errno);
  return "E" + NAMES.substring(start, NAMES.indexOf(" ", start));
}
