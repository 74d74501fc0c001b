/**
 * Owns making several reads and writes in one system call, through a context of Linux's asynchronous I/O (io_setup(2)).
 * On a non-blocking socket each of them is done before io_submit(2) returns, so that nothing is ever under way here.
 * Knows no poll set, and nothing of what is read or written. io_uring could take its place behind the same class.
 *
 * ```
 * struct iocb       0      8         16       18     20   24       32      40       64
 *                   | data | key, rw | opcode | prio | fd | buffer | bytes | 0 ...  |
 * struct io_event   0      8      16       24     32
 *                   | data | iocb | result | 0    |
 * ```
 */

import { OSError } from "../../backend/errors.js";
import { errnos, errorCode } from "../constants.js";
import type { Libc, LinuxCalls } from "../libc.js";
import { forgetContext, recordContext } from "../threads/records.js";

/** How many calls one {@link Submission.run} makes at most. */
export const SUBMISSION_MAX = 64;

/** The result of a call that was not made; made alone, the call returns the reason. */
export const NOT_MADE = -errnos.EINTR;

/** In 32-bit words. */
const BLOCK_WORDS = 16;
const BLOCK_BYTES = BLOCK_WORDS * 4;
const EVENT_WORDS = 8;
const EVENT_RESULT = 4;
const TWO_32 = 0x1_0000_0000;

/** Numbers of system calls that libc has no functions for: x86 has its own, and all other architectures the generic ones. */
const [IO_SETUP, IO_DESTROY, IO_SUBMIT, IO_GETEVENTS] = process.arch === "x64" ? [206, 207, 209, 208] : [0, 1, 2, 4];

const SIG_BLOCK = 0;
const SIGPIPE = 13;
/** sigset_t has 1024 bits. */
const SIGNAL_WORDS = 32;

/**
 * Keeps SIGPIPE from this thread, for good. A write to a connection whose peer is gone raises it, and no flag of
 * io_submit says that it should not; where the process does not ignore it (Node does, until a listener for it is added and
 * removed), it would end the process. Threads and child processes have masks of their own: libuv clears a child's.
 */
function blockSigpipe(linux: LinuxCalls): void {
  const signals = new Uint32Array(SIGNAL_WORDS);
  signals[0] = 2 ** (SIGPIPE - 1);
  linux.pthread_sigmask(SIG_BLOCK, signals, 0n);
}

const IOCB_CMD_PREAD = 0;
const IOCB_CMD_PWRITE = 1;

/** Destroys a context by the kernel's name for it. Any thread of the process may. */
export function destroyContext(linux: LinuxCalls, context: number): void {
  linux.syscall(IO_DESTROY, context, 0, 0, 0, 0);
}

/** Reads and writes that are made together: prepared by index, then run. */
export class Submission {
  /** By index, of the last {@link run}: bytes, or -errno, or {@link NOT_MADE}. */
  readonly results = new Int32Array(SUBMISSION_MAX);
  readonly #libc: Libc;
  readonly #linux: LinuxCalls;
  readonly #blocks = new Uint32Array(SUBMISSION_MAX * BLOCK_WORDS);
  /** The address of each block: what io_submit is given. */
  readonly #list = new BigUint64Array(SUBMISSION_MAX);
  readonly #listAt: number;
  readonly #events = new Int32Array(SUBMISSION_MAX * EVENT_WORDS);
  readonly #eventsAt: number;
  /** The kernel's name for the context; 0 once closed. */
  #context: number;

  private constructor(libc: Libc, linux: LinuxCalls, context: number) {
    this.#libc = libc;
    this.#linux = linux;
    this.#context = context;
    const blocksAt = libc.addressOf(this.#blocks);
    for (let index = 0; index < SUBMISSION_MAX; index++) {
      this.#list[index] = blocksAt + BigInt(index * BLOCK_BYTES);
      this.#blocks[index * BLOCK_WORDS] = index;
    }
    this.#listAt = Number(libc.addressOf(this.#list));
    this.#eventsAt = Number(libc.addressOf(this.#events));
  }

  /** undefined where the kernel has none to give: built without it, forbidden, or all contexts in use (fs.aio-max-nr). */
  static open(libc: Libc, linux: LinuxCalls): Submission | undefined {
    const context = new BigUint64Array(1);
    if (linux.syscall(IO_SETUP, SUBMISSION_MAX, Number(libc.addressOf(context)), 0, 0, 0) < 0) return undefined;
    const name = Number(context[0]);
    recordContext(name);
    const submission = new Submission(libc, linux, name);
    if (!submission.#isAllowed()) {
      submission.close();
      return undefined;
    }
    blockSigpipe(linux);
    return submission;
  }

  /** Prepares read(2), at an index below {@link SUBMISSION_MAX}. */
  read(index: number, fd: number, address: number, length: number): void {
    this.#prepare(index, IOCB_CMD_PREAD, fd, address, length);
  }

  /** Prepares write(2). */
  write(index: number, fd: number, address: number, length: number): void {
    this.#prepare(index, IOCB_CMD_PWRITE, fd, address, length);
  }

  /** Makes the calls at the indexes below `count`, in their order. */
  run(count: number): void {
    for (let first = 0; first < count;) {
      const taken = this.#linux.syscall(IO_SUBMIT, this.#context, count - first, this.#listAt + first * 8, 0, 0);
      if (taken > 0) {
        this.#reap(taken);
        first += taken;
      } else {
        // The first of them is refused (its descriptor is not open, say), and those after it have not been looked at.
        this.results[first++] = NOT_MADE;
      }
    }
  }

  close(): void {
    if (this.#context === 0) return;
    forgetContext(this.#context);
    destroyContext(this.#linux, this.#context);
    this.#context = 0;
  }

  #prepare(index: number, opcode: number, fd: number, address: number, length: number): void {
    const blocks = this.#blocks;
    const at = index * BLOCK_WORDS;
    blocks[at + 4] = opcode;
    blocks[at + 5] = fd;
    blocks[at + 6] = address;
    blocks[at + 7] = address / TWO_32;
    blocks[at + 8] = length;
  }

  /** A filter of system calls may let one of them pass and not another; better found here than when calls are made. */
  #isAllowed(): boolean {
    return (
      this.#linux.syscall(IO_SUBMIT, this.#context, 0, this.#listAt, 0, 0) === 0 &&
      this.#linux.syscall(IO_GETEVENTS, this.#context, 0, 0, this.#eventsAt, 0) === 0
    );
  }

  /** Takes the results of `count` calls, which are done. */
  #reap(count: number): void {
    const events = this.#events;
    for (let left = count; left > 0;) {
      const found = this.#linux.syscall(IO_GETEVENTS, this.#context, left, left, this.#eventsAt, 0);
      if (found < 0) {
        const errno = this.#libc.errno();
        if (errno === errnos.EINTR) continue;
        throw new OSError(errorCode(-errno), { errno: -errno, syscall: "io_getevents" });
      }
      for (let i = 0, at = 0; i < found; i++, at += EVENT_WORDS) {
        this.results[events[at] ?? 0] = events[at + EVENT_RESULT] ?? 0;
      }
      left -= found;
    }
  }
}
