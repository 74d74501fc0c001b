/**
 * Owns what the errors of wasi:sockets and wasi:io are as numbers: Linux's, negative, as the seam has them. Knows no call.
 */

/** Linux's numbers, by code. What the program finds as `os.constants.errno`. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EINVAL: 22,
  EMFILE: 24,
  ESPIPE: 29,
  EPIPE: 32,
  ENOSYS: 38,
  ENOTSOCK: 88,
  EDESTADDRREQ: 89,
  EMSGSIZE: 90,
  ENOPROTOOPT: 92,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  EISCONN: 106,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EALREADY: 114,
  EINPROGRESS: 115,
} as const;

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(ERRNO).map(([name, number]) => [number, name]));

/** By `error-code` of wasi:sockets/network. */
const ERRORS: Readonly<Record<string, number>> = {
  unknown: ERRNO.EIO,
  "access-denied": ERRNO.EACCES,
  "not-supported": ERRNO.EOPNOTSUPP,
  "invalid-argument": ERRNO.EINVAL,
  "out-of-memory": ERRNO.ENOMEM,
  timeout: ERRNO.ETIMEDOUT,
  "concurrency-conflict": ERRNO.EALREADY,
  "not-in-progress": ERRNO.EINVAL,
  "would-block": ERRNO.EAGAIN,
  "invalid-state": ERRNO.EINVAL,
  "new-socket-limit": ERRNO.EMFILE,
  "address-not-bindable": ERRNO.EADDRNOTAVAIL,
  "address-in-use": ERRNO.EADDRINUSE,
  "remote-unreachable": ERRNO.EHOSTUNREACH,
  "connection-refused": ERRNO.ECONNREFUSED,
  "connection-reset": ERRNO.ECONNRESET,
  "connection-aborted": ERRNO.ECONNABORTED,
  "datagram-too-large": ERRNO.EMSGSIZE,
  "name-unresolvable": ERRNO.ENOENT,
  "temporary-resolver-failure": ERRNO.ETIMEDOUT,
  "permanent-resolver-failure": ERRNO.ENOENT,
};

/** "ECONNREFUSED" for -111; "E999" for a number without a name. */
export function errorName(errno: number): string {
  const number = Math.abs(errno);
  return NAMES.get(number) ?? `E${number}`;
}

/** What a call has thrown: the error of its result. Whatever else was thrown is thrown again. */
function payloadOf(thrown: unknown): unknown {
  if (thrown instanceof Error && "payload" in thrown) return thrown.payload;
  throw thrown;
}

/** -errno of an `error-code` that a call of wasi:sockets has thrown. */
export function errnoOf(thrown: unknown): number {
  return -(ERRORS[String(payloadOf(thrown))] ?? ERRNO.EIO);
}

/** The `error-code` itself: for names, whose failures have codes of their own. */
export function codeOf(thrown: unknown): string {
  return String(payloadOf(thrown));
}

/** -errno of a `stream-error`: closed, or failed. A host does not say of what; a connection fails by a reset. */
export function errnoOfStream(thrown: unknown): number {
  const { tag, val } = payloadOf(thrown) as { readonly tag: string; readonly val?: Disposable };
  if (tag === "closed") return -ERRNO.EPIPE;
  val?.[Symbol.dispose]();
  return -ERRNO.ECONNRESET;
}
