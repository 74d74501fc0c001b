/**
 * Owns how many lines the plugins of one host may write together, each of which costs the host's thread. Its counts are in
 * memory that the plugins' threads share. Knows no plugin and no line.
 *
 * In each tenth of a second (a window) the plugins that wrote in the one before have equal shares. One that begins to write
 * may take half of what is left, and where others flood, a tenth of a window is reserved for it, and what it takes of
 * that is taken off the next window. So a plugin that writes rarely is not silenced by one that always does.
 *
 * ```
 * Int32Array  WINDOW | WRITERS | WRITERS_BEFORE | LINES | BYTES | LINES_PER_SECOND | BYTES_PER_SECOND
 * ```
 *
 * A thread that is interrupted in the middle may count wrongly for one window, which does no harm.
 */

/** A second's worth; Infinity is no limit. */
export interface HostLineLimits {
  readonly linesPerSecond: number;
  readonly lineBytesPerSecond: number;
}

/** For the runs, which may be in other threads. */
export type LentHostLines = SharedArrayBuffer;

export const DEFAULT_HOST_LINES: HostLineLimits = { linesPerSecond: 50_000, lineBytesPerSecond: 16 * 2 ** 20 };

/** The highest rate that is a number. */
export const HOST_RATE_MAX = 2 ** 31 - 1;

const WINDOW_MS = 100;
const WINDOWS_A_SECOND = 1000 / WINDOW_MS;
const WINDOW_MASK = 0x3fffffff;
/** The reserve, for those who begin to write: a part of a window's lines. */
const RESERVED = 0.1;

const Word = {
  WINDOW: 0,
  WRITERS: 1,
  WRITERS_BEFORE: 2,
  LINES: 3,
  BYTES: 4,
  LINES_PER_SECOND: 5,
  BYTES_PER_SECOND: 6,
  COUNT: 7,
} as const;
const NO_LIMIT = 0;

export function createHostLines(limits: HostLineLimits): LentHostLines {
  const memory = new SharedArrayBuffer(Word.COUNT * Int32Array.BYTES_PER_ELEMENT);
  limitHostLines(memory, limits);
  return memory;
}

/** At any time: for all runs from their next call on. */
export function limitHostLines(memory: LentHostLines, { linesPerSecond, lineBytesPerSecond }: HostLineLimits): void {
  const words = new Int32Array(memory);
  Atomics.store(words, Word.LINES_PER_SECOND, linesPerSecond === Infinity ? NO_LIMIT : linesPerSecond);
  Atomics.store(words, Word.BYTES_PER_SECOND, lineBytesPerSecond === Infinity ? NO_LIMIT : lineBytesPerSecond);
}

/** The part of one run in what all may write. */
export class HostLinesShare {
  readonly #words: Int32Array;
  readonly #nowMs: () => number;
  /** Of this run in the window that it has last written in. */
  #window = -1;
  #lines = 0;
  #bytes = 0;
  /** Did it write nothing in the window before? Then it may write this much in this one. */
  #isNew = true;
  #newLines = 0;
  #newBytes = 0;

  /** @param nowMs a clock that all threads of the process have in common */
  constructor(memory: LentHostLines, nowMs: () => number = Date.now) {
    this.#words = new Int32Array(memory);
    this.#nowMs = nowMs;
  }

  get limits(): HostLineLimits {
    return { linesPerSecond: this.#rate(Word.LINES_PER_SECOND), lineBytesPerSecond: this.#rate(Word.BYTES_PER_SECOND) };
  }

  /** To be called before something is written. */
  begin(): void {
    const words = this.#words;
    const window = Math.floor(this.#nowMs() / WINDOW_MS) & WINDOW_MASK;
    const before = Atomics.load(words, Word.WINDOW);
    if (before !== window && Atomics.compareExchange(words, Word.WINDOW, before, window) === before) {
      const isNext = ((before + 1) & WINDOW_MASK) === window;
      const writers = Atomics.exchange(words, Word.WRITERS, 0);
      Atomics.store(words, Word.WRITERS_BEFORE, isNext ? writers : 0);
      Atomics.store(words, Word.LINES, isNext ? this.#excess(Word.LINES, Word.LINES_PER_SECOND) : 0);
      Atomics.store(words, Word.BYTES, isNext ? this.#excess(Word.BYTES, Word.BYTES_PER_SECOND) : 0);
    }
    if (this.#window === window) return;
    this.#isNew = ((this.#window + 1) & WINDOW_MASK) !== window;
    this.#window = window;
    this.#lines = 0;
    this.#bytes = 0;
    Atomics.add(words, Word.WRITERS, 1);
    if (!this.#isNew) return;
    this.#newLines = this.#half(Word.LINES, Word.LINES_PER_SECOND);
    this.#newBytes = this.#half(Word.BYTES, Word.BYTES_PER_SECOND);
  }

  /** How many lines may be written now. */
  get lines(): number {
    if (this.#isNew) return Math.max(0, this.#newLines - this.#lines);
    return this.#room(this.#lines, Word.LINES, Word.LINES_PER_SECOND);
  }

  /** How many bytes of lines may be written now. */
  get bytes(): number {
    if (this.#isNew) return Math.max(0, this.#newBytes - this.#bytes);
    return this.#room(this.#bytes, Word.BYTES, Word.BYTES_PER_SECOND);
  }

  /** So much was written. */
  spend(lines: number, bytes: number): void {
    this.#lines += lines;
    this.#bytes += bytes;
    Atomics.add(this.#words, Word.LINES, lines);
    Atomics.add(this.#words, Word.BYTES, bytes);
  }

  #rate(word: number): number {
    const rate = Atomics.load(this.#words, word);
    return rate === NO_LIMIT ? Infinity : rate;
  }

  /** How much may be written in a window. */
  #all(rateWord: number): number {
    return Math.max(1, Math.ceil(this.#rate(rateWord) / WINDOWS_A_SECOND));
  }

  #room(own: number, word: number, rateWord: number): number {
    const words = this.#words;
    const all = this.#all(rateWord);
    const writers = Math.max(1, Atomics.load(words, Word.WRITERS), Atomics.load(words, Word.WRITERS_BEFORE));
    const share = Math.max(1, Math.floor(all / writers));
    return Math.max(0, Math.min(share - own, all - Atomics.load(words, word)));
  }

  /** Half of what is left; together with the reserve, where others wrote in the window before. */
  #half(word: number, rateWord: number): number {
    const words = this.#words;
    const all = this.#all(rateWord);
    const reserve = Atomics.load(words, Word.WRITERS_BEFORE) > 0 ? Math.ceil(all * RESERVED) : 0;
    return Math.ceil(Math.max(0, all + reserve - Atomics.load(words, word)) / 2);
  }

  /** What was written in a window beyond what may be. */
  #excess(word: number, rateWord: number): number {
    return Math.max(0, Atomics.load(this.#words, word) - this.#all(rateWord));
  }
}
