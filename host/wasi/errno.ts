/**
 * Owns the translation between WASI preview 1's `errno` and codes such as "ECONNREFUSED". Knows no platform: numbers that
 * come from an operating system are translated through their names.
 */

import { ERRNO_IO, ERRNO_NAMES } from "./errno-numbers.js";

export * from "./errno-numbers.js";

/** By number: `NAMES[8]` is BADF. */
const NAMES = ERRNO_NAMES.trimEnd().split(" ");

const NUMBERS = new Map(NAMES.map((name, number) => [`E${name}`, number]));

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
