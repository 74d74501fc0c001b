/** Owns text formats: the lines of listings, and line ends under TYPE A. Knows no connection. */

import type { FileStatus } from "./beneath.js";

const CR = 13;
const LF = 10;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const HALF_A_YEAR_MS = 182 * 24 * 3600 * 1000;

/** A line of LIST, as `ls -l` writes them; times are UTC. */
export function listLine(name: string, stats: FileStatus): string {
  const kind = stats.isDirectory() ? "d" : stats.isSymbolicLink() ? "l" : "-";
  const bits = Array.from("rwxrwxrwx", (letter, at) => ((stats.mode >> (8 - at)) & 1 ? letter : "-")).join("");
  const { mtime } = stats;
  const two = (value: number): string => String(value).padStart(2, "0");
  const isRecent = Math.abs(Date.now() - mtime.getTime()) < HALF_A_YEAR_MS;
  const time = isRecent ? `${two(mtime.getUTCHours())}:${two(mtime.getUTCMinutes())}` : ` ${mtime.getUTCFullYear()}`;
  const day = String(mtime.getUTCDate()).padStart(2);
  const date = `${MONTHS[mtime.getUTCMonth()] ?? ""} ${day} ${time}`;
  return `${kind}${bits} ${stats.nlink} ${stats.uid} ${stats.gid} ${String(stats.size).padStart(12)} ${date} ${name}\r\n`;
}

/** A time in the format of MDTM: UTC. */
export function timeStamp(time: Date): string {
  return time.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14);
}

/** Does a text fit in one line of the protocol? One with a line end in it would become two. */
export function fitsInLine(text: string): boolean {
  return !["\r", "\n", "\0"].some((end) => text.includes(end));
}

/** Every line end as CRLF. */
export async function* withCrlf(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let last = 0;
  for await (const piece of pieces) {
    const out = Buffer.allocUnsafe(piece.length * 2);
    let length = 0;
    for (const byte of piece) {
      if (byte === LF && last !== CR) out[length++] = CR;
      out[length++] = byte;
      last = byte;
    }
    yield out.subarray(0, length);
  }
}

/** Turns CRLF into LF, piece by piece. */
export class WithoutCr {
  #held = false;

  take(piece: Uint8Array): Uint8Array {
    const out = Buffer.allocUnsafe(piece.length + 1);
    let length = 0;
    for (const byte of piece) {
      if (this.#held && byte !== LF) out[length++] = CR;
      this.#held = byte === CR;
      if (!this.#held) out[length++] = byte;
    }
    return out.subarray(0, length);
  }

  /** At the end: a CR that was held back. */
  rest(): Uint8Array {
    return Buffer.from(this.#held ? "\r" : "");
  }
}
