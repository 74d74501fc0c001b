/**
 * Owns streams as `wasi:io/streams` has them, whatever bytes go through, and errors as `wasi:io/error` has them. Knows the poller;
 * knows no descriptor.
 */

import { Failed } from "./abi.js";
import type { Poller } from "./polling.js";
import type { Source, Watch } from "./watch.js";
import { Resource } from "./resources.js";
import { Trap } from "./trap.js";

/** `error`: why an operation of a stream has failed. */
export class StreamFailure extends Resource {
  /** Such as "ECONNRESET". */
  readonly code: string;

  constructor(code: string) {
    super(undefined);
    this.code = code;
  }

  override release(): void {
    // It holds nothing.
  }
}

/** `stream-error`: with an error, "last-operation-failed"; without, "closed". */
export type StreamError = StreamFailure | "closed";

export const CLOSED = new Failed<StreamError>("closed");

export const failedWith = (code: string): Failed<StreamError> => new Failed<StreamError>(new StreamFailure(code));

/** What is read at once, at most. */
const READ_MAX = 65_536;
/** What a stream has read, until any stream reads again: one array for all of them, however many handles there are. */
export const readBuffer = new Uint8Array(READ_MAX);
/** Nothing has arrived. */
export const NOTHING = new Uint8Array(0);
/** blocking-write-and-flush takes no more. */
const BLOCKING_WRITE_MAX = 4096;

abstract class Stream extends Resource implements Source {
  abstract readonly watch: Watch | undefined;
  abstract readonly interest: number;
  readonly deadlineNs = Infinity;
  abstract isImmediate(): boolean;
}

export abstract class InputStream extends Stream {
  /**
   * Up to `length` bytes, in {@link readBuffer}; none where nothing has arrived. `length` is at least 1, and at most that of
   * the buffer.
   */
  protected abstract take(length: number): Uint8Array | Failed<StreamError>;
  /** Is there nothing to come any more? */
  protected abstract get isEnded(): boolean;

  read(length: number): Uint8Array | Failed<StreamError> {
    if (this.isEnded) return CLOSED;
    return length === 0 ? NOTHING : this.take(Math.min(length, READ_MAX));
  }

  /** Waits until there is something. */
  blockingRead(poller: Poller, length: number): Uint8Array | Failed<StreamError> {
    if (length === 0) return this.read(0);
    while (true) {
      const taken = this.read(length);
      if (taken instanceof Failed || taken.length > 0) return taken;
      poller.block(this);
    }
  }
}

export abstract class OutputStream extends Stream {
  /** How many bytes {@link put} takes now. */
  abstract check(): number | Failed<StreamError>;
  /** Takes all of `data`, of which it keeps nothing but a copy. */
  abstract put(data: Uint8Array): Failed<StreamError> | undefined;
  /** Everything that was put before is on its way. */
  abstract flush(): Failed<StreamError> | undefined;

  /** Waits until it takes something. @returns how much */
  blockingCheck(poller: Poller): number | Failed<StreamError> {
    while (true) {
      const permitted = this.check();
      if (permitted !== 0) return permitted;
      poller.block(this);
    }
  }

  blockingFlush(poller: Poller): Failed<StreamError> | undefined {
    const failed = this.flush();
    if (failed !== undefined) return failed;
    const permitted = this.blockingCheck(poller);
    return permitted instanceof Failed ? permitted : undefined;
  }

  /** @param name of the call, for the message of the trap */
  blockingWrite(poller: Poller, data: Uint8Array, name: string): Failed<StreamError> | undefined {
    if (data.length > BLOCKING_WRITE_MAX) throw new Trap(`${name} takes at most ${BLOCKING_WRITE_MAX} bytes`);
    for (let at = 0; at < data.length;) {
      const permitted = this.blockingCheck(poller);
      if (permitted instanceof Failed) return permitted;
      const failed = this.put(data.subarray(at, at + permitted));
      if (failed !== undefined) return failed;
      at += permitted;
    }
    return this.blockingFlush(poller);
  }

  /** Moves what has arrived from `source`, up to `length` bytes. */
  splice(source: InputStream, length: number): number | Failed<StreamError> {
    const permitted = this.check();
    if (permitted instanceof Failed) return permitted;
    return this.#move(source.read(Math.min(length, permitted)));
  }

  /** The same, and waits for at least one byte. */
  blockingSplice(poller: Poller, source: InputStream, length: number): number | Failed<StreamError> {
    const permitted = this.blockingCheck(poller);
    if (permitted instanceof Failed) return permitted;
    const moved = this.#move(source.blockingRead(poller, Math.min(length, permitted)));
    if (moved instanceof Failed) return moved;
    return this.blockingFlush(poller) ?? moved;
  }

  #move(taken: Uint8Array | Failed<StreamError>): number | Failed<StreamError> {
    if (taken instanceof Failed || taken.length === 0) return taken instanceof Failed ? taken : 0;
    return this.put(taken) ?? taken.length;
  }
}
