/** Owns the seam of readiness: sets of descriptors that are watched together. Knows no other call on them. */

/** Bits of readiness and of interest. Interest is READ, WRITE and PRIORITY; the others may always be reported. */
export const Ready = {
  READ: 1,
  WRITE: 2,
  /** Out-of-band data (POLLPRI). */
  PRIORITY: 4,
  /** The peer is gone (POLLHUP); what it sent may still be there to read. */
  HANGUP: 8,
  /** An error is pending (POLLERR, POLLNVAL). */
  ERROR: 16,
} as const;

/** One row of {@link PollSet.ready}: how many numbers it has, and where each is in it. */
export const ReadyRow = {
  STRIDE: 4,
  /** The descriptor. */
  FD: 0,
  /** Bits of {@link Ready}. */
  BITS: 1,
  /** The pending error (SO_ERROR, which reading it takes) as -errno, or 0. */
  ERROR: 2,
  /** With HANGUP, how many bytes can be read; otherwise -1. */
  READABLE: 3,
} as const;

/** Descriptors watched together; level-triggered. One owner closes it. */
export interface PollSet {
  /**
   * Watches `fd` for `interest` (bits of {@link Ready}); 0 stops watching, and is no error for a descriptor that is
   * not watched or is closed already. A regular file is always ready.
   * @returns 0, or -errno: -EBADF for a descriptor that is not open
   */
  update(fd: number, interest: number): number;

  /**
   * Waits until a descriptor is ready, a signal came or `timeoutMs` is over: 0 does not wait, Infinity waits without
   * end. A fraction of a millisecond is rounded up, but less than a microsecond is 0. May return early with nothing.
   * @returns how many descriptors are ready, each once, in {@link ready}; or -errno. A signal gives 0
   */
  wait(timeoutMs: number): number;

  /** What the last {@link wait} found: a {@link ReadyRow} each. The array may be a new one after each wait. */
  readonly ready: Int32Array;

  /** Is something ready regardless of the operating system (a regular file, unread input)? Then there is no need to wait. */
  readonly alwaysReady: boolean;

  /** Can any write of those that are asked: see {@link PollSetOptions.asksWriters}? Absent where none is asked. */
  readonly canAnyWrite?: boolean;

  /**
   * Calls `onReady` when {@link wait} would find something: from the host's own event loop, never from inside this
   * call, and perhaps again while something is ready. Keeps the host's event loop alive until stopped.
   */
  watch(onReady: () => void): Watch;

  /**
   * Begins a turn: one {@link wait} and the calls that handlers make after it. Until {@link endTurn} the backend may
   * batch system calls: read ahead of the call that returns the data, and send later than the call. Each call still has
   * the effect that it would have alone, in the order of the calls. Does nothing in a backend that does not batch.
   */
  beginTurn(): void;

  /** The turn is over: everything that was sent in it is in the kernel when this returns. */
  endTurn(): void;

  /** Releases the set. The descriptors in it stay open. */
  close(): void;
}

/** What a caller allows a {@link PollSet}. */
export interface PollSetOptions {
  /**
   * The caller reads {@link PollSet.alwaysReady} after its updates and before anything else waits for the set. Then the set may
   * ask what begins to be watched for writing whether it can write, rather than watch it; it is always ready while any can.
   */
  readonly asksWriters?: boolean;
}

/** A running {@link PollSet.watch}. */
export interface Watch {
  /** Lets it keep the host's event loop alive, or not. At first it does; while something is ready, it does in any case. */
  setReferenced(on: boolean): void;
  stop(): void;
  /**
   * Does this thread itself wait in it at present, inside of callbacks, so that {@link mayWait} is called? undefined where it
   * never does.
   */
  readonly waitsItself?: boolean | undefined;
  /**
   * Set by who takes the turns. Called at the beginning of each callback in which this thread is to wait itself, and once when
   * that is over.
   * @param isFirst is it the first callback since the host's event loop was returned to?
   * @returns false where it must not wait in this callback, but in the next
   */
  mayWait?: ((isFirst: boolean) => boolean) | undefined;
}

export interface PollCalls {
  /** @param options what the caller allows; a backend may do without */
  createPollSet(options?: PollSetOptions): PollSet;
}
