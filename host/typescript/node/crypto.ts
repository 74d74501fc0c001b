/** Owns node:crypto: hashes, from the package "@noble/hashes". */

import { hmac } from "@noble/hashes/hmac.js";
import { md5, sha1 } from "@noble/hashes/legacy.js";
import { sha224, sha256, sha384, sha512 } from "@noble/hashes/sha2.js";

const HASHES = { md5, sha1, sha224, sha256, sha384, sha512 } as const;
type Encoding = "hex" | "base64" | "base64url" | "latin1";

interface Running {
  update(data: Uint8Array): unknown;
  digest(): Uint8Array;
}

/** What `update` is given until `digest`. */
class Hash {
  readonly #running: Running;

  constructor(running: Running) {
    this.#running = running;
  }

  update(data: string | Uint8Array, encoding: BufferEncoding = "utf8"): this {
    this.#running.update(typeof data === "string" ? Buffer.from(data, encoding) : data);
    return this;
  }

  digest(encoding?: Encoding): string | Buffer {
    const bytes = Buffer.from(this.#running.digest());
    return encoding === undefined ? bytes : bytes.toString(encoding);
  }
}

function hashOf(algorithm: string): (typeof HASHES)[keyof typeof HASHES] {
  const name = algorithm.toLowerCase().replace("-", "");
  if (name in HASHES) return HASHES[name as keyof typeof HASHES];
  throw Object.assign(new Error(`Digest method not supported: ${algorithm}`), { code: "ERR_CRYPTO_INVALID_DIGEST" });
}

export function createHash(algorithm: string): Hash {
  return new Hash(hashOf(algorithm).create());
}

export function createHmac(algorithm: string, key: string | Uint8Array): Hash {
  return new Hash(hmac.create(hashOf(algorithm), typeof key === "string" ? Buffer.from(key) : key));
}

export function timingSafeEqual(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) throw new RangeError("Input buffers must have the same byte length");
  let difference = 0;
  for (let i = 0; i < one.length; i++) difference |= (one[i] ?? 0) ^ (other[i] ?? 0);
  return difference === 0;
}
