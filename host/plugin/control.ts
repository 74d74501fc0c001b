/**
 * Owns the memory that a run of a plugin shares with its supervisor, which may be another thread: what the supervisor wants,
 * what the plugin is doing, and which connections it has open. Knows no backend and no thread.
 *
 * ```
 * Int32Array  COMMAND | PHASE | WAITING | TURNS | CONNECTIONS | LINE_BYTES | THREAD | PAGES | OWN_CPU | a bit a descriptor: is it a connection?
 * ```
 */

/** What the supervisor wants. DRAIN: no new connections, and an end when the last has gone. KILL: no call returns. */
export const Command = { NONE: 0, DRAIN: 1, KILL: 2 } as const;

/** RUNNING: in the guest's code for the first time. UP: it has waited for something, so it has started. */
export const Phase = { STARTING: 0, RUNNING: 1, UP: 2 } as const;

const Word = {
  COMMAND: 0,
  PHASE: 1,
  WAITING: 2,
  TURNS: 3,
  CONNECTIONS: 4,
  LINE_BYTES: 5,
  THREAD: 6,
  PAGES: 7,
  OWN_CPU: 8,
  BITS: 9,
} as const;
/** Higher descriptors are closed at the end of a run, but not reset. */
const DESCRIPTORS_MAX = 262_144;
const BYTES = (Word.BITS + DESCRIPTORS_MAX / 32) * 4;
/** Lines of output that were posted and not yet seen. */
const LINE_BYTES_MAX = 1_048_576;

export class Control {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  constructor(memory = new SharedArrayBuffer(BYTES)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
  }

  get command(): number {
    return Atomics.load(this.#words, Word.COMMAND);
  }

  set command(value: number) {
    Atomics.store(this.#words, Word.COMMAND, value);
  }

  get phase(): number {
    return Atomics.load(this.#words, Word.PHASE);
  }

  set phase(value: number) {
    Atomics.store(this.#words, Word.PHASE, value);
  }

  get isWaiting(): boolean {
    return Atomics.load(this.#words, Word.WAITING) !== 0;
  }

  /** How many waits have ended. */
  get turns(): number {
    return Atomics.load(this.#words, Word.TURNS) >>> 0;
  }

  /** The operating system's number of its thread; 0 where it is not known. */
  get thread(): number {
    return Atomics.load(this.#words, Word.THREAD);
  }

  set thread(value: number) {
    Atomics.store(this.#words, Word.THREAD, value);
  }

  /** Of the module's memory, at its last wait. */
  get memoryPages(): number {
    return Atomics.load(this.#words, Word.PAGES);
  }

  set memoryPages(value: number) {
    Atomics.store(this.#words, Word.PAGES, value);
  }

  /** CPU time that the thread has used before it runs the guest's code, in microseconds. */
  get ownCpuUs(): number {
    return Atomics.load(this.#words, Word.OWN_CPU);
  }

  set ownCpuUs(value: number) {
    Atomics.store(this.#words, Word.OWN_CPU, value);
  }

  /** Connections that are open. */
  get connections(): number {
    return Atomics.load(this.#words, Word.CONNECTIONS);
  }

  waitBegins(): void {
    Atomics.store(this.#words, Word.WAITING, 1);
  }

  waitEnds(): void {
    Atomics.add(this.#words, Word.TURNS, 1);
    Atomics.store(this.#words, Word.WAITING, 0);
  }

  /** After it was opened. */
  addConnection(fd: number): void {
    if (!this.#set(fd, true)) return;
    Atomics.add(this.#words, Word.CONNECTIONS, 1);
  }

  /** Before it is closed: afterwards the number may belong to another thread. */
  removeConnection(fd: number): void {
    if (this.#set(fd, false)) Atomics.sub(this.#words, Word.CONNECTIONS, 1);
  }

  /** The connections, for the supervisor: for certain after the run has ended, and about so before. */
  *openConnections(): Iterable<number> {
    const words = this.#words;
    if (this.connections <= 0) return;
    for (let at: number = Word.BITS; at < words.length; at++) {
      for (let bits = words[at] ?? 0; bits !== 0; bits &= bits - 1) {
        yield (at - Word.BITS) * 32 + (31 - Math.clz32(bits & -bits));
      }
    }
  }

  /** Is there room for lines of so many bytes more? They are counted until {@link linesSeen}. */
  postLines(bytes: number): boolean {
    if (Atomics.add(this.#words, Word.LINE_BYTES, bytes) + bytes <= LINE_BYTES_MAX) return true;
    Atomics.sub(this.#words, Word.LINE_BYTES, bytes);
    return false;
  }

  linesSeen(bytes: number): void {
    Atomics.sub(this.#words, Word.LINE_BYTES, bytes);
  }

  /** Blocks this thread until it is terminated. */
  hang(): never {
    while (true) Atomics.wait(this.#words, Word.COMMAND, Command.KILL);
  }

  /** @returns whether that has changed anything */
  #set(fd: number, on: boolean): boolean {
    if (fd < 0 || fd >= DESCRIPTORS_MAX) return false;
    const at = Word.BITS + (fd >>> 5);
    const bit = 1 << (fd & 31);
    const before = on ? Atomics.or(this.#words, at, bit) : Atomics.and(this.#words, at, ~bit);
    return ((before & bit) !== 0) !== on;
  }
}
