/** Owns the names of WASI preview 1's errors. Knows nothing else. */

import { ascii } from "./ascii";
import { decimal } from "./messages";

const BLANK: i32 = 32;

/** "ECONNREFUSED" for 14; "E999" for a number without a name. */
export function errorCode(errno: i32): string {
  // In order of their numbers; a blank ends each. WASI preview 1, errno.
  const names = ascii(
    "SUCCESS 2BIG ACCES ADDRINUSE ADDRNOTAVAIL AFNOSUPPORT AGAIN ALREADY BADF BADMSG BUSY CANCELED CHILD CONNABORTED CONNREFUSED CONNRESET DEADLK DESTADDRREQ DOM DQUOT EXIST FAULT FBIG HOSTUNREACH IDRM ILSEQ INPROGRESS INTR INVAL IO ISCONN ISDIR LOOP MFILE MLINK MSGSIZE MULTIHOP NAMETOOLONG NETDOWN NETRESET NETUNREACH NFILE NOBUFS NODEV NOENT NOEXEC NOLCK NOLINK NOMEM NOMSG NOPROTOOPT NOSPC NOSYS NOTCONN NOTDIR NOTEMPTY NOTRECOVERABLE NOTSOCK NOTSUP NOTTY NXIO OVERFLOW OWNERDEAD PERM PIPE PROTO PROTONOSUPPORT PROTOTYPE RANGE ROFS SPIPE SRCH STALE TIMEDOUT TXTBSY XDEV NOTCAPABLE ",
  );
  let left = errno;
  let code = ascii("E");
  for (let i = 0; i < names.length && left >= 0; i++) {
    if (names.charCodeAt(i) == BLANK) left -= 1;
    else if (left == 0) code += names.charAt(i);
  }
  return code.length > 1 ? code : code + decimal(errno);
}
