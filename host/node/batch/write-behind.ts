/**
 * Owns what has been sent on connections and not been given to the operating system yet: copies, in the order of the
 * sends. Knows no poll set and no loop; is told which connections have room, and when it is time.
 */

import { copyOf, copyTo } from "../../backend/bytes.js";
import { type Aio, AIO_MAX, NOT_MADE } from "./aio.js";
import { grown } from "../grown.js";
import type { Libc } from "../libc.js";
import { isLater } from "./owed.js";

/** What is longer is sent at once: the system call is the smaller part of its cost. */
const PUT_OFF_BYTES = 2048;
/** Room for as many of the longest as are sent together. */
const STAGE_BYTES = AIO_MAX * PUT_OFF_BYTES;
/** So few are sent one by one: what makes several calls at once costs two calls itself. */
const FEW = 2;

/** Told what did not go as it was expected to. */
export interface Shortfall {
  /** The connection has taken less than its room was said to be: `rest` is still to be sent. */
  owe(fd: number, rest: Uint8Array): void;
  /** It takes nothing any more. @param errno negative */
  fail(fd: number, errno: number): void;
}

export class WriteBehind {
  readonly #libc: Libc;
  readonly #aio: Aio;
  readonly #flags: number;
  readonly #shortfall: Shortfall;
  readonly #bytes = new Uint8Array(STAGE_BYTES);
  readonly #bytesAt: number;
  /** In the order of the sends: on which connection, and where its bytes end; they begin where those before it end. */
  readonly #fds = new Int32Array(AIO_MAX);
  readonly #ends = new Int32Array(AIO_MAX);
  #count = 0;
  /** By descriptor: 1 where there is room for one send. */
  #room = new Uint8Array(1024);

  /** @param flags of send(2) */
  constructor(libc: Libc, aio: Aio, flags: number, shortfall: Shortfall) {
    this.#libc = libc;
    this.#aio = aio;
    this.#flags = flags;
    this.#shortfall = shortfall;
    this.#bytesAt = Number(libc.addressOf(this.#bytes));
  }

  /** Says whether `fd` has room, so that one send can be put off. */
  setRoom(fd: number, on: boolean): void {
    if (on && fd >= this.#room.length) this.#room = grown(this.#room, fd);
    if (fd >= 0 && fd < this.#room.length) this.#room[fd] = Number(on);
  }

  /** Puts a send off; what follows on the same connection joins it. @returns whether it did */
  put(fd: number, data: Uint8Array): boolean {
    const at = this.#reserve(fd, data.length);
    if (at < 0) return false;
    copyTo(this.#bytes, data, at);
    return true;
  }

  /** The same with several pieces, all or none. @returns how many bytes they are; 0 for none */
  putAll(fd: number, pieces: readonly Uint8Array[]): number {
    let total = 0;
    for (const piece of pieces) total += piece.length;
    let at = this.#reserve(fd, total);
    if (at < 0) return 0;
    for (const piece of pieces) {
      copyTo(this.#bytes, piece, at);
      at += piece.length;
    }
    return total;
  }

  /** Sends all that was put off. */
  flush(): void {
    const count = this.#count;
    if (count === 0) return;
    this.#count = 0;
    if (count > FEW) {
      for (let i = 0, at = 0; i < count; i++) {
        const end = this.#ends[i] ?? 0;
        this.#aio.write(i, this.#fds[i] ?? -1, this.#bytesAt + at, end - at);
        at = end;
      }
      this.#aio.run(count);
    }
    for (let i = 0, at = 0; i < count; i++) {
      const fd = this.#fds[i] ?? -1;
      const end = this.#ends[i] ?? 0;
      let result = count > FEW ? (this.#aio.results[i] ?? 0) : NOT_MADE;
      if (result === NOT_MADE) result = this.#send(fd, at, end);
      if (result !== end - at) this.#fallShort(fd, at, end, result);
      at = end;
    }
  }

  /** Makes room in the buffer for a send that can be put off. @returns where; -1 where it cannot */
  #reserve(fd: number, length: number): number {
    if (length === 0 || length > PUT_OFF_BYTES) return -1;
    const count = this.#count;
    const at = count === 0 ? 0 : (this.#ends[count - 1] ?? 0);
    if (count > 0 && this.#fds[count - 1] === fd) {
      const begin = count === 1 ? 0 : (this.#ends[count - 2] ?? 0);
      if (at + length - begin > PUT_OFF_BYTES) return -1;
      this.#ends[count - 1] = at + length;
      return at;
    }
    if (this.#room[fd] !== 1) return -1;
    this.#room[fd] = 0;
    if (count === AIO_MAX) {
      this.flush();
      return this.#append(fd, 0, length);
    }
    return this.#append(fd, at, length);
  }

  #append(fd: number, at: number, length: number): number {
    this.#fds[this.#count] = fd;
    this.#ends[this.#count] = at + length;
    this.#count++;
    return at;
  }

  #send(fd: number, at: number, end: number): number {
    const sent = this.#libc.sendAt(fd, this.#bytesAt + at, end - at, this.#flags);
    return sent < 0 ? -this.#libc.errno() : sent;
  }

  #fallShort(fd: number, at: number, end: number, result: number): void {
    const taken = Math.max(result, 0);
    if (result >= 0 || isLater(result)) this.#shortfall.owe(fd, copyOf(this.#bytes, end - at - taken, at + taken));
    else this.#shortfall.fail(fd, result);
  }
}
