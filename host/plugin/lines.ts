/**
 * Owns turning what a plugin writes to its standard output and error into lines, and dropping those above its limits, or
 * above its share of what all plugins of the host may write. Knows the account; knows no descriptor.
 */

import type { HostLinesShare } from "./host-lines.js";
import type { Account } from "./policy/account.js";

/** A longer line is cut into several. In bytes. */
const LINE_MAX = 8192;
const NEWLINE = 0x0a;

export class LineSplitter {
  readonly #account: Account;
  readonly #host: HostLinesShare;
  readonly #onLines: (lines: readonly string[]) => void;
  /** The beginning of a line. */
  #rest: Buffer = Buffer.alloc(0);
  #restLength = 0;
  /** Of the call that is being made. */
  #taken: string[] = [];
  #takenBytes = 0;
  #dropped = 0;
  #lineRoom = 0;
  #byteRoom = 0;
  /** Are these its own limits, and not what all may write together? */
  #areLinesOwn = true;
  #areBytesOwn = true;

  /** @param onLines is called at most once a call, with at least one line */
  constructor(account: Account, host: HostLinesShare, onLines: (lines: readonly string[]) => void) {
    this.#account = account;
    this.#host = host;
    this.#onLines = onLines;
  }

  push(data: Uint8Array): void {
    this.#begin();
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    let from = 0;
    for (let to = bytes.indexOf(NEWLINE); to >= 0; to = bytes.indexOf(NEWLINE, from)) {
      this.#append(bytes.subarray(from, to));
      this.#endLine();
      from = to + 1;
      if (!this.#hasRoom) from = this.#skip(bytes, from);
    }
    this.#append(bytes.subarray(from));
    this.#report();
  }

  /** The rest is a line without a line end. */
  end(): void {
    this.#begin();
    if (this.#restLength > 0) this.#endLine();
    this.#report();
  }

  get #hasRoom(): boolean {
    return this.#taken.length < this.#lineRoom && this.#takenBytes < this.#byteRoom;
  }

  #begin(): void {
    const { lines, lineBytes } = this.#account;
    const host = this.#host;
    host.begin();
    const own = lines.allowed;
    const ownBytes = lineBytes.allowed;
    this.#lineRoom = Math.min(own, host.lines);
    this.#byteRoom = Math.min(ownBytes, host.bytes);
    this.#areLinesOwn = this.#lineRoom === own;
    this.#areBytesOwn = this.#byteRoom === ownBytes;
  }

  /** Counts the whole lines from there on as dropped. @returns where the last of them ends */
  #skip(bytes: Uint8Array, from: number): number {
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    for (let at = from; at < end; at++) if (bytes[at] === NEWLINE) this.#dropped++;
    return Math.max(from, end);
  }

  #append(bytes: Buffer): void {
    let left = bytes;
    while (this.#restLength + left.length > LINE_MAX) {
      const fits = LINE_MAX - this.#restLength;
      this.#keep(left.subarray(0, fits));
      left = left.subarray(fits);
      this.#cut();
    }
    if (left.length > 0) this.#keep(left);
  }

  #keep(bytes: Buffer): void {
    const length = this.#restLength + bytes.length;
    if (length > this.#rest.length) {
      const larger = Buffer.alloc(Math.min(LINE_MAX, Math.max(256, 2 * length)));
      this.#rest.copy(larger, 0, 0, this.#restLength);
      this.#rest = larger;
    }
    bytes.copy(this.#rest, this.#restLength);
    this.#restLength = length;
  }

  /** Ends a line that is as long as lines may be, before the character that it would divide. */
  #cut(): void {
    const rest = this.#rest;
    const end = wholeCharacters(rest, LINE_MAX);
    this.#take(end);
    rest.copyWithin(0, end, LINE_MAX);
    this.#restLength = LINE_MAX - end;
  }

  #endLine(): void {
    this.#take(this.#restLength);
    this.#restLength = 0;
  }

  #take(length: number): void {
    if (!this.#hasRoom) {
      this.#dropped++;
      return;
    }
    this.#taken.push(this.#rest.toString("utf8", 0, length));
    // The line end counts: empty lines are not free.
    this.#takenBytes += length + 1;
  }

  #report(): void {
    const taken = this.#taken;
    const dropped = this.#dropped;
    const account = this.#account;
    account.lines.spend(taken.length);
    account.lineBytes.spend(this.#takenBytes);
    this.#host.spend(taken.length, this.#takenBytes);
    this.#taken = [];
    this.#takenBytes = 0;
    this.#dropped = 0;
    if (taken.length > 0) this.#onLines(taken);
    if (dropped > 0) this.#refuse(taken.length < this.#lineRoom, dropped);
  }

  #refuse(isBytes: boolean, dropped: number): void {
    const account = this.#account;
    const { limits } = account;
    const { linesPerSecond, lineBytesPerSecond } = this.#host.limits;
    if (isBytes) {
      if (this.#areBytesOwn) account.refuse("lineBytesPerSecond", limits.lineBytesPerSecond, dropped);
      else account.refuse("hostLineBytesPerSecond", lineBytesPerSecond, dropped);
    } else if (this.#areLinesOwn) account.refuse("linesPerSecond", limits.linesPerSecond, dropped);
    else account.refuse("hostLinesPerSecond", linesPerSecond, dropped);
  }
}

/** How many of the first `length` bytes are whole characters of UTF-8; all of them where they are something else. */
function wholeCharacters(bytes: Uint8Array, length: number): number {
  for (let back = 1; back <= 3; back++) {
    const byte = bytes[length - back] ?? 0;
    if (byte < 0x80) return length;
    if (byte < 0xc0) continue;
    const size = byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
    return size > back ? length - back : length;
  }
  return length;
}
