/**
 * Owns how many lines the plugins of one host may write together, each of which costs the host's thread: in each tenth of a
 * second every plugin that writes has the same share. Its counts are in memory that the plugins' threads share. Knows no
 * plugin and no line.
 *
 * ```
 * Int32Array  WINDOW | WRITERS | WRITERS_BEFORE | LINES | BYTES
 * ```
 *
 * A thread that is interrupted in the middle may count wrongly for one window, which does no harm.
 */

/** A second's worth; Infinity is no limit. */
export interface HostLineLimits {
  readonly linesPerSecond: number;
  readonly lineBytesPerSecond: number;
}

/** For a run, which may be in another thread. */
export interface LentHostLines {
  readonly memory: SharedArrayBuffer;
  readonly limits: HostLineLimits;
}

export const DEFAULT_HOST_LINES: HostLineLimits = { linesPerSecond: 50_000, lineBytesPerSecond: 16 * 2 ** 20 };

const WINDOW_MS = 100;
const WINDOWS_A_SECOND = 1000 / WINDOW_MS;
const WINDOW_MASK = 0x3fffffff;

const Word = { WINDOW: 0, WRITERS: 1, WRITERS_BEFORE: 2, LINES: 3, BYTES: 4, COUNT: 5 } as const;

export function createHostLines(limits: HostLineLimits): LentHostLines {
  return { memory: new SharedArrayBuffer(Word.COUNT * Int32Array.BYTES_PER_ELEMENT), limits };
}

/** The part of one run in what all may write. */
export class HostLinesShare {
  readonly limits: HostLineLimits;
  readonly #words: Int32Array;
  readonly #nowMs: () => number;
  /** Of this run in the window that it has last written in. */
  #window = -1;
  #lines = 0;
  #bytes = 0;

  /** @param nowMs a clock that all threads of the process have in common */
  constructor({ memory, limits }: LentHostLines, nowMs: () => number = Date.now) {
    this.limits = limits;
    this.#words = new Int32Array(memory);
    this.#nowMs = nowMs;
  }

  /** To be called before something is written. */
  begin(): void {
    const words = this.#words;
    const window = Math.floor(this.#nowMs() / WINDOW_MS) & WINDOW_MASK;
    const before = Atomics.load(words, Word.WINDOW);
    if (before !== window && Atomics.compareExchange(words, Word.WINDOW, before, window) === before) {
      const writers = Atomics.exchange(words, Word.WRITERS, 0);
      Atomics.store(words, Word.WRITERS_BEFORE, ((before + 1) & WINDOW_MASK) === window ? writers : 0);
      Atomics.store(words, Word.LINES, 0);
      Atomics.store(words, Word.BYTES, 0);
    }
    if (this.#window === window) return;
    this.#window = window;
    this.#lines = 0;
    this.#bytes = 0;
    Atomics.add(words, Word.WRITERS, 1);
  }

  /** How many lines may be written now. */
  get lines(): number {
    return this.#room(this.limits.linesPerSecond, this.#lines, Word.LINES);
  }

  /** How many bytes of lines may be written now. */
  get bytes(): number {
    return this.#room(this.limits.lineBytesPerSecond, this.#bytes, Word.BYTES);
  }

  /** So much was written. */
  spend(lines: number, bytes: number): void {
    this.#lines += lines;
    this.#bytes += bytes;
    Atomics.add(this.#words, Word.LINES, lines);
    Atomics.add(this.#words, Word.BYTES, bytes);
  }

  #room(perSecond: number, own: number, word: number): number {
    if (perSecond === Infinity) return Infinity;
    const words = this.#words;
    const all = Math.max(1, Math.ceil(perSecond / WINDOWS_A_SECOND));
    const writers = Math.max(1, Atomics.load(words, Word.WRITERS), Atomics.load(words, Word.WRITERS_BEFORE));
    const share = Math.max(1, Math.floor(all / writers));
    return Math.max(0, Math.min(share - own, all - Atomics.load(words, word)));
  }
}
