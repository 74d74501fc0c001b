/**
 * Owns what the host reads for a component, and writes for it, as the other sides of its streams. Knows the poller; leaves descriptors
 * to those who make them.
 *
 * Nothing is read ahead and nothing is kept: bytes go from the kernel to where the component wants them, and the other way. So a
 * component that does not read makes its peer wait, and a write has moved what the kernel has taken.
 */

import type { Poller } from "../polling.js";
import { Notice, type Watch } from "../watch.js";
import { Trap } from "../trap.js";
import type { Runtime } from "./runtime.js";
import { CopyResult, type Element, Pipe, type ReadSide, type StreamEnd, type WriteSide } from "./streams.js";

/** A stream of bytes. */
export const BYTES: Element = { isFuture: false, size: 1, align: 1, type: undefined };

/** What a copy returns that has to wait. */
export const WAIT = 0;
/** What it returns where there is nothing to come any more. */
export const OVER = -1;

/** Might a copy move something? */
const Chance = {
  /** It has to be tried, and who asks whether it might has to wait. */
  UNKNOWN: 0,
  LIKELY: 1,
  NONE: 2,
} as const;

/** What the host reads. */
export abstract class Source implements ReadSide {
  readonly element: Element;
  readonly notice: Notice;
  protected readonly poller: Poller;
  #reader: StreamEnd | undefined;
  #chance: number = Chance.UNKNOWN;
  #isOver = false;

  constructor(poller: Poller, element: Element, watch: Watch, interest: number) {
    this.poller = poller;
    this.element = element;
    this.notice = new Notice(watch, interest, () => {
      this.#chance = Chance.LIKELY;
      this.#copy();
    });
  }

  /** Copies what is there to `end`. @returns how much, WAIT or OVER */
  protected abstract copy(end: StreamEnd): number;
  /** Was everything copied that was there? */
  protected abstract hasMore(copied: number, wanted: number): boolean;
  /** Nobody reads it any more. Called once, also when it is over. */
  protected abstract close(): void;

  read(end: StreamEnd): void {
    if (this.#isOver) return end.finish(CopyResult.DROPPED);
    this.#reader = end;
    const mayCopy = end.isEmpty ? this.#chance === Chance.LIKELY : this.#chance !== Chance.NONE;
    if (mayCopy) this.#copy();
    else this.again();
  }

  cancel(): void {
    this.poller.withdraw(this.notice);
    this.#reader = undefined;
  }

  /** Has the notice copy what comes. */
  protected again(): void {
    this.poller.await(this.notice);
  }

  dropReader(): void {
    this.cancel();
    this.end();
  }

  protected end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.close();
  }

  /** Takes the place of a reader. */
  pass(ready: () => void): Notice {
    return new Notice(this.notice.watch, this.notice.interest, ready);
  }

  #copy(): void {
    const end = this.#reader;
    if (end === undefined) return;
    if (end.isEmpty) return end.finish(CopyResult.COMPLETED);
    const wanted = end.left;
    const copied = this.copy(end);
    if (copied === WAIT) {
      this.#chance = Chance.NONE;
      return this.again();
    }
    if (copied === OVER) {
      this.end();
      return end.finish(CopyResult.DROPPED);
    }
    this.#chance = this.hasMore(copied, wanted) ? Chance.LIKELY : Chance.NONE;
    end.finish(CopyResult.COMPLETED);
  }
}

/** What the host reads bytes from. */
export abstract class ByteSource extends Source {
  /** @returns how many bytes, WAIT or OVER */
  abstract fill(target: Uint8Array): number;

  protected override copy(end: StreamEnd): number {
    const count = this.fill(end.bytes(end.left));
    if (count > 0) end.advance(count);
    return count;
  }

  protected override hasMore(copied: number, wanted: number): boolean {
    return copied === wanted;
  }
}

/** A stream without anything in it. */
export const ENDED: ReadSide = {
  element: BYTES,
  read: (end) => end.finish(CopyResult.DROPPED),
  cancel: () => undefined,
  dropReader: () => undefined,
};

/** What the host writes bytes to. */
export abstract class Sink implements WriteSide {
  readonly element = BYTES;
  readonly notice: Notice;
  readonly #poller: Poller;
  #writer: StreamEnd | undefined;
  #isFull = false;
  #isOver = false;

  constructor(poller: Poller, watch: Watch, interest: number) {
    this.#poller = poller;
    this.notice = new Notice(watch, interest, () => {
      this.#isFull = false;
      this.#copy();
    });
  }

  /** @returns how many bytes of `data` it has taken, WAIT or OVER */
  abstract put(data: Uint8Array): number;
  /** Has it taken everything that it had room for? */
  protected isFull(taken: number, wanted: number): boolean {
    return taken < wanted;
  }
  /** Nothing more comes. Called once, also when it is over. */
  protected abstract close(): void;

  write(end: StreamEnd): void {
    if (this.#isOver) return end.finish(CopyResult.DROPPED);
    this.#writer = end;
    if (this.#isFull) this.#poller.await(this.notice);
    else this.#copy();
  }

  cancel(): void {
    this.#poller.withdraw(this.notice);
    this.#writer = undefined;
  }

  dropWriter(): void {
    this.cancel();
    if (this.#isOver) return;
    this.#isOver = true;
    this.close();
  }

  #copy(): void {
    const end = this.#writer;
    if (end === undefined) return;
    if (end.isEmpty) return end.finish(CopyResult.COMPLETED);
    const wanted = end.left;
    const taken = this.put(end.bytes(wanted));
    if (taken === WAIT) {
      this.#isFull = true;
      this.#poller.await(this.notice);
      return;
    }
    if (taken === OVER) {
      this.#isOver = true;
      this.close();
      return end.finish(CopyResult.DROPPED);
    }
    this.#isFull = this.isFull(taken, wanted);
    end.advance(taken);
    end.finish(CopyResult.COMPLETED);
  }
}

/** Has the host write to `sink` what comes from `side`, which the component has handed over. */
export function drain(runtime: Runtime, side: ReadSide, sink: Sink): void {
  if (side instanceof Pipe) side.drainTo(sink);
  else if (side instanceof ByteSource) new Splice(runtime, side, sink).go();
  // A stream that was over when it was made.
  else sink.dropWriter();
}

const SPLICE_BYTES = 65_536;
/** How often it copies before others have their turn. */
const SPLICE_ROUNDS = 16;

/** From one descriptor of the host's to another. */
class Splice {
  readonly #runtime: Runtime;
  readonly #source: ByteSource;
  readonly #sink: Sink;
  readonly #readable: Notice;
  readonly #writable: Notice;
  readonly #buffer = new Uint8Array(SPLICE_BYTES);
  #rest = this.#buffer.subarray(0, 0);
  #held = 0;

  constructor(runtime: Runtime, source: ByteSource, sink: Sink) {
    const go = (): void => this.go();
    this.#runtime = runtime;
    this.#source = source;
    this.#sink = sink;
    this.#readable = source.pass(go);
    this.#writable = new Notice(sink.notice.watch, sink.notice.interest, go);
    runtime.owned.add(this);
    if (runtime.handles.bytes.take(SPLICE_BYTES)) this.#held = SPLICE_BYTES;
    else throw new Trap("the host copies more for it than it may");
  }

  close(): void {
    const { poller, owned, handles } = this.#runtime;
    owned.delete(this);
    handles.bytes.give(this.#held);
    poller.withdraw(this.#readable);
    poller.withdraw(this.#writable);
    this.#source.dropReader();
    this.#sink.dropWriter();
  }

  go(): void {
    const { poller } = this.#runtime;
    for (let round = 0; round < SPLICE_ROUNDS; round++) {
      if (this.#rest.length === 0) {
        const count = this.#source.fill(this.#buffer);
        if (count === WAIT) break;
        if (count === OVER) return this.close();
        this.#rest = this.#buffer.subarray(0, count);
      }
      const taken = this.#sink.put(this.#rest);
      if (taken === OVER) return this.close();
      if (taken === WAIT) return poller.await(this.#writable);
      this.#rest = this.#rest.subarray(taken);
    }
    poller.await(this.#rest.length === 0 ? this.#readable : this.#writable);
  }
}
