/**
 * Owns the ledger of a process: which thread made which descriptor, which context of asynchronous I/O, and which thread
 * started which. It is in memory that all threads share, because a terminated thread runs no code of its own at its end:
 * another thread reads from the ledger what to release. Knows nothing of how a descriptor is made or closed.
 *
 * ```
 * Int32Array   0 ...                 FIRST_CONTEXT ...              FIRST_RECEIVED ...            FIRST_OWNER ...
 *              | thread, its parent  | thread, low word, high word  | a message, by thread entry  | thread, by descriptor
 * ```
 * A thread is identified by its `threadId`. 0, the main thread's, means "none": the main thread's descriptors end with
 * the process.
 */

const THREADS_MAX = 1024;
const CONTEXTS_MAX = 1024;
/** Higher descriptors are not recorded. The operating system provides the memory only where it is used. */
const DESCRIPTORS_MAX = 262_144;

const FIRST_THREAD = 0;
const FIRST_CONTEXT = FIRST_THREAD + THREADS_MAX * 2;
const FIRST_RECEIVED = FIRST_CONTEXT + CONTEXTS_MAX * 3;
/** The control message with which recvmsg(2) gives a thread descriptors: its length in 8 bytes, its level, its type, and those. */
const MESSAGE_HEADER = 4;
const MESSAGE_TYPE = 3;
const SCM_RIGHTS = 1;
const MESSAGE_WORDS = MESSAGE_HEADER + 254;
const FIRST_OWNER = FIRST_RECEIVED + THREADS_MAX * MESSAGE_WORDS;
const WORDS = FIRST_OWNER + DESCRIPTORS_MAX;
const TWO_32 = 0x1_0000_0000;

/** What a thread has made and not released. */
export interface Possessions {
  readonly descriptors: readonly number[];
  readonly contexts: readonly number[];
}

export class Ledger {
  readonly memory: SharedArrayBuffer;
  /**
   * By descriptor: its thread. Set right after the call that makes the descriptor, because a thread may be terminated
   * at any call of a JavaScript function. Cleared before the descriptor is closed, because afterwards its number may
   * belong to another thread.
   */
  readonly owners: Int32Array;
  readonly #words: Int32Array;

  /** @param memory of a ledger that another thread has made */
  constructor(memory = new SharedArrayBuffer(WORDS * 4)) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.owners = this.#words.subarray(FIRST_OWNER);
  }

  /** `thread` is started by `parent`, which releases what it leaves behind. */
  addThread(thread: number, parent: number): void {
    const at = this.#claim(FIRST_THREAD, FIRST_CONTEXT, 2, thread);
    if (at >= 0) Atomics.store(this.#words, at + 1, parent);
  }

  /** Will another thread release what `thread` leaves behind? */
  hasThread(thread: number): boolean {
    return this.#find(FIRST_THREAD, FIRST_CONTEXT, 2, thread) >= 0;
  }

  /**
   * Where the kernel writes the message with descriptors that `thread` receives, until it has recorded each of them. The first word
   * is 0 while there is none. undefined where nobody releases what the thread leaves behind.
   */
  receivedBy(thread: number): Int32Array | undefined {
    const at = this.#find(FIRST_THREAD, FIRST_CONTEXT, 2, thread);
    return at < 0 ? undefined : this.#receivedAt(at);
  }

  /** @param context the kernel's name for it: an address */
  addContext(context: number, thread: number): void {
    const at = this.#claim(FIRST_CONTEXT, FIRST_RECEIVED, 3, thread);
    if (at < 0) return;
    this.#words[at + 1] = context;
    Atomics.store(this.#words, at + 2, context / TWO_32);
  }

  removeContext(context: number, thread: number): void {
    for (let at = FIRST_CONTEXT; at < FIRST_RECEIVED; at += 3) {
      if (this.#words[at] === thread && this.#contextAt(at) === context) this.#free(at, 3);
    }
  }

  /** Removes the entries of an ended thread and of the threads that it had started, which have ended with it. */
  takeThread(thread: number): Possessions {
    const words = this.#words;
    const descriptors: number[] = [];
    const contexts: number[] = [];
    for (let at = FIRST_THREAD; at < FIRST_CONTEXT; at += 2) {
      const id = Atomics.load(words, at);
      if (id === thread) {
        this.#recordReceived(this.#receivedAt(at), thread);
        this.#free(at, 2);
      } else if (id !== 0 && Atomics.load(words, at + 1) === thread) {
        const left = this.takeThread(id);
        descriptors.push(...left.descriptors);
        contexts.push(...left.contexts);
      }
    }
    for (let at = FIRST_CONTEXT; at < FIRST_RECEIVED; at += 3) {
      if (Atomics.load(words, at) !== thread) continue;
      // 0: the thread was ended while it wrote the entry.
      const context = this.#contextAt(at);
      if (context !== 0) contexts.push(context);
      this.#free(at, 3);
    }
    const { owners } = this;
    for (let fd = owners.indexOf(thread); fd >= 0; fd = owners.indexOf(thread, fd + 1)) {
      owners[fd] = 0;
      descriptors.push(fd);
    }
    return { descriptors, contexts };
  }

  /** @param at of the thread's entry */
  #receivedAt(at: number): Int32Array {
    const from = FIRST_RECEIVED + ((at - FIRST_THREAD) >> 1) * MESSAGE_WORDS;
    return this.#words.subarray(from, from + MESSAGE_WORDS);
  }

  /** The thread was ended while it recorded them. */
  #recordReceived(message: Int32Array, thread: number): void {
    const end = message[MESSAGE_TYPE] === SCM_RIGHTS ? Math.min((message[0] ?? 0) >> 2, MESSAGE_WORDS) : 0;
    for (let at = MESSAGE_HEADER; at < end; at++) this.owners[message[at] ?? 0] = thread;
    message[0] = 0;
  }

  /** Claims a free entry for `thread`. @returns its index; -1 where none is free */
  #claim(from: number, to: number, size: number, thread: number): number {
    for (let at = from; at < to; at += size) {
      if (Atomics.compareExchange(this.#words, at, 0, thread) === 0) return at;
    }
    return -1;
  }

  #find(from: number, to: number, size: number, thread: number): number {
    for (let at = from; at < to; at += size) if (Atomics.load(this.#words, at) === thread) return at;
    return -1;
  }

  #free(at: number, size: number): void {
    this.#words.fill(0, at + 1, at + size);
    Atomics.store(this.#words, at, 0);
  }

  #contextAt(at: number): number {
    return ((this.#words[at + 1] ?? 0) >>> 0) + ((this.#words[at + 2] ?? 0) >>> 0) * TWO_32;
  }
}
