/** Owns pipes. They never block: a read of an empty one says EAGAIN. Knows no descriptor. */

import { counted } from "../backend/counted.js";
import { Ready } from "../backend/backend.js";
import { copyOf, lengthOf } from "../backend/bytes.js";
import { ByteQueue } from "./bytes.js";
import { E, SimFile } from "./file.js";
import type { Faults } from "./faults.js";

/** Linux's PIPE_BUF: a write of at most so many bytes is taken whole or not at all. */
const ATOMIC_BYTES = 4096;

export class ReadEnd extends SimFile {
  readonly queue = new ByteQueue();
  writer: WriteEnd | undefined;
  readonly #faults: Faults;
  readonly #address: string;

  constructor(faults: Faults, address: string) {
    super();
    this.#faults = faults;
    this.#address = address;
  }

  ready(): number {
    const bits = this.queue.length > 0 ? Ready.READ : 0;
    return this.writer === undefined ? bits | Ready.READ | Ready.HANGUP : bits;
  }

  override readableBytes(): number {
    return this.queue.length;
  }

  #readable(most: number): number {
    const count = Math.min(most, this.queue.length);
    if (count === 0) return this.writer === undefined || most === 0 ? 0 : -E.EAGAIN;
    const faults = this.#faults;
    if (count > 1 && faults.comes("short-read")) {
      const fewer = 1 + faults.random("short-read").below(count - 1);
      faults.list("short-read", this.#address, `${fewer} of ${counted(count, "byte")} of a pipe`);
      return fewer;
    }
    return count;
  }

  read(target: Uint8Array, most: number): number {
    const count = this.#readable(most);
    if (count <= 0) return count;
    this.queue.read(target, count);
    this.writer?.changed();
    return count;
  }

  take(most: number): Uint8Array | number {
    const count = this.#readable(most);
    if (count <= 0) return count === 0 ? new Uint8Array(0) : count;
    const bytes = this.queue.take(count);
    this.writer?.changed();
    return bytes;
  }

  release(): void {
    const { writer } = this;
    this.queue.clear();
    if (writer !== undefined) writer.reader = undefined;
    writer?.changed();
  }
}

export class WriteEnd extends SimFile {
  reader: ReadEnd | undefined;
  readonly #limit: number;
  readonly #faults: Faults;
  readonly #address: string;

  constructor(limit: number, faults: Faults, address: string) {
    super();
    this.#limit = limit;
    this.#faults = faults;
    this.#address = address;
  }

  ready(): number {
    if (this.reader === undefined) return Ready.WRITE | Ready.ERROR;
    return this.#room >= Math.min(ATOMIC_BYTES, this.#limit) ? Ready.WRITE : 0;
  }

  get #room(): number {
    return this.reader === undefined ? 0 : this.#limit - this.reader.queue.length;
  }

  write(data: Uint8Array): number {
    const { reader } = this;
    if (reader === undefined) return -E.EPIPE;
    const length = lengthOf(data);
    const room = this.#room;
    if (length === 0) return 0;
    if (room === 0 || (length <= Math.min(ATOMIC_BYTES, this.#limit) && length > room)) return -E.EAGAIN;
    let count = Math.min(length, room);
    const faults = this.#faults;
    if (count > ATOMIC_BYTES && faults.comes("short-write")) {
      count = 1 + faults.random("short-write").below(count - 1);
      faults.list("short-write", this.#address, `${count} of ${counted(length, "byte")} of a pipe`);
    }
    reader.queue.push(copyOf(data, count));
    reader.changed();
    return count;
  }

  release(): void {
    const { reader } = this;
    if (reader !== undefined) reader.writer = undefined;
    reader?.changed();
  }
}

export function makePipe(limit: number, faults: Faults, address: string): readonly [ReadEnd, WriteEnd] {
  const reader = new ReadEnd(faults, address);
  const writer = new WriteEnd(limit, faults, address);
  reader.writer = writer;
  writer.reader = reader;
  return [reader, writer];
}
