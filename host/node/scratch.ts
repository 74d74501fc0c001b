/**
 * Owns the two buffers whose addresses are known, one to receive into and one to send from. Knows no descriptor.
 *
 * To ask a view for its address costs time; asking a small one for it costs several times the system call itself,
 * because V8 keeps up to 64 bytes inside the object and must move them out first. Copying a few bytes is cheaper.
 */

import { copyTo } from "../backend/bytes.js";
import type { Libc } from "./libc.js";

const BYTES = 65_536;
/** Up to this size copying costs less than passing the view. */
const STAGED_BYTES = 4096;

export class Scratch {
  /** To receive into. */
  readonly bytes = new Uint8Array(BYTES);
  /** Its address. */
  readonly bytesAt: number;
  readonly #staged = new Uint8Array(STAGED_BYTES);
  readonly #stagedAt: number;

  constructor(libc: Libc) {
    this.bytesAt = Number(libc.addressOf(this.bytes));
    this.#stagedAt = Number(libc.addressOf(this.#staged));
  }

  /** Copies `data` where it can be sent from. @returns its address there, good until the next call; 0: too large. */
  stage(data: Uint8Array): number {
    if (data.length > STAGED_BYTES) return 0;
    copyTo(this.#staged, data);
    return this.#stagedAt;
  }
}
