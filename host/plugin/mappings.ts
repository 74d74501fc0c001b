/**
 * Owns how near this process is to the number of memory mappings that Linux allows it, and refuses a further thread long before
 * it is reached: beyond it mmap(2) fails, and V8 or koffi then abort the process. A thread that ends brings it nearer for good,
 * because koffi never unmaps the memory in which a thread makes its calls. Knows no plugin and no thread.
 *
 * Reading how many mappings there are takes some 100 ms when there are 50,000. So what threads may have added since the last
 * reading is estimated, generously, and they are counted anew only where the estimate leaves no room, or is old.
 */

import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { performance } from "node:perf_hooks";

/** The default of vm.max_map_count: assumed where it cannot be read. */
const DEFAULT_LIMIT = 65_530;
/** The rest is for what runs already, whose heaps and memories grow. */
const SHARE = 3 / 4;
/** What a thread has while it runs: 70 to 100, by the version of Node. */
const THREAD_MAPPINGS = 128;
/** What its first module and memory have is in that; further ones have a mapping, and three. */
const MEMORY_MAPPINGS = 3;
/** An estimate, for where they cannot be counted: the mappings that an ended thread leaves, and those of the rest of the process. */
const LEFT_MAPPINGS = 4;
const OTHER_MAPPINGS = 1000;
/** Others than threads map memory as well. */
const STALE_MS = 10_000;
/** Whoever asks again and again meanwhile gets the same answer. */
const REFUSED_MS = 1000;
const READ_BYTES = 65_536;
const NEWLINE = 10;

/** What is read of the operating system. */
export interface MappingSource {
  /** How many mappings the process may have; undefined where their number is not limited. */
  limit(): number | undefined;
  /** How many it has; undefined where that cannot be read. */
  count(): number | undefined;
}

export interface MappingShortage {
  readonly mapped: number;
  readonly limit: number;
}

/** A thread, from before it is started to its end. */
export interface MappedThread {
  /** It has mapped what it needs, so that a reading counts that. */
  settle(): void;
  end(): void;
}

/** What a plugin has at most, beside a thread with a module and a memory. */
export const mappingsOf = (modules: number, memories: number): number =>
  Math.max(0, modules - 1) + MEMORY_MAPPINGS * Math.max(0, memories - 1);

/** What decides whether there is room for a thread. */
export interface ThreadMappings {
  /**
   * Makes room for a further thread.
   * @param more mappings, in addition to those of any thread
   * @returns the thread, or why there is no room for it
   */
  reserve(more?: number): MappedThread | MappingShortage;
}

export class Mappings implements ThreadMappings {
  readonly #source: MappingSource;
  readonly #nowMs: () => number;
  #limit: number | undefined;
  /** At the last reading, and with what was estimated since. */
  #mapped = 0;
  #readAtMs = -Infinity;
  #refusedAtMs = -Infinity;
  /** What threads that run need, what those of them need that have yet to map it, and how many threads have ended. */
  #running = 0;
  #unsettled = 0;
  #ended = 0;

  constructor(source: MappingSource, nowMs: () => number = () => performance.now()) {
    this.#source = source;
    this.#nowMs = nowMs;
  }

  reserve(more = 0): MappedThread | MappingShortage {
    const wanted = THREAD_MAPPINGS + more;
    const nowMs = this.#nowMs();
    const isRefusedAnew = nowMs - this.#refusedAtMs < REFUSED_MS;
    if (!isRefusedAnew && (nowMs - this.#readAtMs >= STALE_MS || this.#isShort(wanted))) this.#read(nowMs);
    if (this.#limit !== undefined && this.#isShort(wanted)) {
      if (!isRefusedAnew) this.#refusedAtMs = nowMs;
      return { mapped: this.#mapped, limit: this.#limit };
    }
    this.#mapped += wanted;
    return this.#thread(wanted);
  }

  #isShort(wanted: number): boolean {
    return this.#limit !== undefined && this.#mapped + wanted > this.#limit * SHARE;
  }

  #read(nowMs: number): void {
    this.#readAtMs = nowMs;
    this.#limit = this.#source.limit();
    if (this.#limit === undefined) return;
    const count = this.#source.count();
    this.#mapped =
      count === undefined ? OTHER_MAPPINGS + this.#running + this.#ended * LEFT_MAPPINGS : count + this.#unsettled;
  }

  #thread(needed: number): MappedThread {
    let isUnsettled = true;
    let isRunning = true;
    this.#running += needed;
    this.#unsettled += needed;
    const settle = (): void => {
      if (isUnsettled) this.#unsettled -= needed;
      isUnsettled = false;
    };
    return {
      settle,
      end: () => {
        settle();
        if (!isRunning) return;
        isRunning = false;
        this.#running -= needed;
        this.#ended++;
      },
    };
  }
}

/** Of this process, on Linux; elsewhere the number of mappings has no limit. */
export const processMappings: MappingSource = {
  limit() {
    if (process.platform !== "linux") return undefined;
    try {
      const limit = Number(readFileSync("/proc/sys/vm/max_map_count", "latin1"));
      return limit > 0 ? limit : DEFAULT_LIMIT;
    } catch {
      // Not every container has it.
      return DEFAULT_LIMIT;
    }
  },

  count() {
    try {
      const fd = openSync("/proc/self/maps", "r");
      try {
        return linesOf(fd);
      } finally {
        closeSync(fd);
      }
    } catch {
      return undefined;
    }
  },
};

/** Shared by all plugin hosts of this thread. */
export const mappings = new Mappings(processMappings);

function linesOf(fd: number): number {
  const chunk = Buffer.allocUnsafe(READ_BYTES);
  let lines = 0;
  while (true) {
    const length = readSync(fd, chunk, 0, READ_BYTES, null);
    if (length === 0) return lines;
    const read = chunk.subarray(0, length);
    for (let at = read.indexOf(NEWLINE); at >= 0; at = read.indexOf(NEWLINE, at + 1)) lines++;
  }
}
