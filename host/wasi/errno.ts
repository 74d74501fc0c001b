/**
 * Owns the numbers of WASI preview 1's `errno`, by name. Knows no platform: those that come from an operating system
 * are translated through their names.
 */

/** In order of their numbers: `NAMES[8]` is BADF. WASI preview 1, errno. */
const NAMES = (
  "SUCCESS 2BIG ACCES ADDRINUSE ADDRNOTAVAIL AFNOSUPPORT AGAIN ALREADY BADF BADMSG BUSY CANCELED CHILD CONNABORTED " +
  "CONNREFUSED CONNRESET DEADLK DESTADDRREQ DOM DQUOT EXIST FAULT FBIG HOSTUNREACH IDRM ILSEQ INPROGRESS INTR " +
  "INVAL IO ISCONN ISDIR LOOP MFILE MLINK MSGSIZE MULTIHOP NAMETOOLONG NETDOWN NETRESET NETUNREACH NFILE NOBUFS " +
  "NODEV NOENT NOEXEC NOLCK NOLINK NOMEM NOMSG NOPROTOOPT NOSPC NOSYS NOTCONN NOTDIR NOTEMPTY NOTRECOVERABLE " +
  "NOTSOCK NOTSUP NOTTY NXIO OVERFLOW OWNERDEAD PERM PIPE PROTO PROTONOSUPPORT PROTOTYPE RANGE ROFS SPIPE SRCH " +
  "STALE TIMEDOUT TXTBSY XDEV NOTCAPABLE"
).split(" ");

const NUMBERS = new Map(NAMES.map((name, number) => [`E${name}`, number]));

export const ERRNO_SUCCESS = 0;
export const ERRNO_AFNOSUPPORT = 5;
export const ERRNO_AGAIN = 6;
export const ERRNO_BADF = 8;
export const ERRNO_FAULT = 21;
export const ERRNO_INPROGRESS = 26;
export const ERRNO_INVAL = 28;
export const ERRNO_IO = 29;
export const ERRNO_MFILE = 33;
export const ERRNO_MSGSIZE = 35;
export const ERRNO_NOPROTOOPT = 50;
export const ERRNO_NOSYS = 52;
export const ERRNO_NOTDIR = 54;
export const ERRNO_NOTSOCK = 57;
export const ERRNO_NOTSUP = 58;
export const ERRNO_SPIPE = 70;

/** The WASI number of a code such as "ECONNREFUSED"; EIO where WASI has none. */
export function wasiErrno(code: string): number {
  if (code === "EWOULDBLOCK") return NUMBERS.get("EAGAIN") ?? ERRNO_IO;
  if (code === "EOPNOTSUPP") return NUMBERS.get("ENOTSUP") ?? ERRNO_IO;
  return NUMBERS.get(code) ?? ERRNO_IO;
}

/** The code of a WASI number: "ECONNREFUSED" for 14. */
export function wasiErrorCode(errno: number): string {
  const name = NAMES[errno];
  return name === undefined ? `E${errno}` : `E${name}`;
}

/** Translates the negative numbers of a backend, each of which is looked up by its name once. */
export class ErrnoTranslator {
  readonly #known = new Map<number, number>();
  readonly #errorCode: (errno: number) => string;

  /** @param errorCode `Backend.errorCode` */
  constructor(errorCode: (errno: number) => string) {
    this.#errorCode = errorCode;
  }

  /** The WASI number of `-errno`. */
  wasi(errno: number): number {
    let number = this.#known.get(errno);
    if (number === undefined) {
      number = wasiErrno(this.#errorCode(errno));
      this.#known.set(errno, number);
    }
    return number;
  }
}
