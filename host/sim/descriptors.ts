/** Owns the descriptors of a simulated host: the lowest free number for each, and how many there may be. */

import { counted } from "../backend/counted.js";
import { E, type SimFile } from "./file.js";
import type { Faults } from "./faults.js";
import type { SimPollSet } from "./poll-set.js";

/** 0 to 2 are the standard streams, which a simulated host does not have. */
const FIRST = 3;

/** How many descriptors all hosts of a world have together. */
export interface OpenCount {
  count: number;
  readonly max: number;
}

export class Descriptors {
  readonly sets = new Set<SimPollSet>();
  readonly #files: (SimFile | undefined)[] = [];
  readonly #max: number;
  readonly #world: OpenCount;
  readonly #faults: Faults;
  readonly #address: string;
  /** No number below it is free. */
  #lowest = FIRST;
  #count = 0;

  constructor(max: number, world: OpenCount, faults: Faults, address: string) {
    this.#max = max;
    this.#world = world;
    this.#faults = faults;
    this.#address = address;
  }

  get count(): number {
    return this.#count;
  }

  of(fd: number): SimFile | undefined {
    return typeof fd === "number" ? this.#files[fd] : undefined;
  }

  /** 0 where `count` more may be opened; or -EMFILE, -ENFILE. */
  refusal(count = 1): number {
    const faults = this.#faults;
    if (faults.any) {
      if (faults.hits("emfile", this.#address, `with ${counted(this.#count, "descriptor")} open`)) return -E.EMFILE;
      if (faults.hits("enfile", this.#address, `with ${counted(this.#count, "descriptor")} open`)) return -E.ENFILE;
    }
    if (this.#count + count > this.#max) return -E.EMFILE;
    return this.#world.count + count > this.#world.max ? -E.ENFILE : 0;
  }

  add(file: SimFile): number {
    const files = this.#files;
    let fd = this.#lowest;
    while (files[fd] !== undefined) fd += 1;
    this.#lowest = fd + 1;
    files[fd] = file;
    file.references += 1;
    this.#count += 1;
    this.#world.count += 1;
    return fd;
  }

  close(fd: number): number {
    const file = this.of(fd);
    if (file === undefined) return -E.EBADF;
    this.#files[fd] = undefined;
    this.#lowest = Math.min(this.#lowest, fd);
    this.#count -= 1;
    this.#world.count -= 1;
    for (const set of this.sets) set.forget(fd);
    file.references -= 1;
    if (file.references === 0) file.release();
    return 0;
  }

  /** All of them are gone, without a word to anybody. */
  abandon(): void {
    for (const [fd, file] of this.#files.entries()) {
      if (file === undefined) continue;
      file.abandon();
      for (const set of this.sets) set.forget(fd);
    }
    this.#world.count -= this.#count;
    this.#count = 0;
    this.#files.length = 0;
    this.#lowest = FIRST;
    for (const set of this.sets) set.close();
  }
}
