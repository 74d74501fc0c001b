/**
 * Owns the ends of streams and futures that a component has, and what goes through them. Knows handles and the component's memory;
 * knows no descriptor.
 *
 * An end of the component's has another side: a source or a sink of the host's, or a pipe with the component's other end. A copy
 * is under way from the call that begins it until the component takes its event, or cancels it. Its memory is used until then.
 */

import type { FlatReader, Type } from "../abi.js";
import type { CallMemory } from "../call-memory.js";
import { Trap } from "../trap.js";
import { EventKind, Waitable } from "./waitables.js";

export const CopyResult = { COMPLETED: 0, DROPPED: 1, CANCELLED: 2 } as const;

/** What a read or write returns that has neither moved anything nor ended. */
export const BLOCKED = -1;

/** The most elements of one copy. */
const COUNT_MAX = 2 ** 28 - 1;

/** What goes through a stream or future; without a type, as the component has defined it. */
export interface Element {
  readonly isFuture: boolean;
  /** In memory; undefined where it is not known. */
  readonly size: number | undefined;
  readonly align: number;
  /** How the host writes it. */
  readonly type: Type<never> | undefined;
}

/** A future of the host's, of values of this type. */
export function futureOf(type: Type<never>): Element {
  return { isFuture: true, size: type.size, align: type.align, type };
}

/** The side that a reading end of the component's reads. */
export interface ReadSide {
  readonly element: Element;
  /** Copies to `end` what is there, and finishes it; later, if that is nothing. */
  read(end: StreamEnd): void;
  /** Nothing is copied to `end` any more. */
  cancel(end: StreamEnd): void;
  dropReader(): void;
}

/** The side that a writing end of the component's writes. */
export interface WriteSide {
  readonly element: Element;
  write(end: StreamEnd): void;
  cancel(end: StreamEnd): void;
  dropWriter(): void;
}

const State = { IDLE: 0, COPYING: 1, DONE: 2 } as const;

export class StreamEnd extends Waitable {
  readonly isReader: boolean;
  readonly element: Element;
  readonly #side: ReadSide & WriteSide;
  #state: number = State.IDLE;
  #memory: CallMemory | undefined;
  #at = 0;
  #length = 0;
  #progress = 0;
  #result: number = CopyResult.COMPLETED;

  constructor(side: ReadSide | WriteSide, isReader: boolean) {
    super();
    this.isReader = isReader;
    this.element = side.element;
    // It calls those of its direction alone.
    this.#side = side as ReadSide & WriteSide;
  }

  get eventKind(): number {
    if (this.element.isFuture) return this.isReader ? EventKind.FUTURE_READ : EventKind.FUTURE_WRITE;
    return this.isReader ? EventKind.STREAM_READ : EventKind.STREAM_WRITE;
  }

  /** How many elements are left to copy. */
  get left(): number {
    return this.#length - this.#progress;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** The memory of the next `count` elements. */
  bytes(count: number): Uint8Array {
    const size = this.element.size ?? 0;
    if (this.#memory === undefined || size === 0) return NO_BYTES;
    return this.#memory.slice(this.#at + this.#progress * size, count * size);
  }

  /** Writes the next element. */
  put(value: never): void {
    const { type, size = 0 } = this.element;
    if (type !== undefined && this.#memory !== undefined)
      type.store(this.#memory, this.#at + this.#progress * size, value);
    this.#progress += 1;
  }

  advance(count: number): void {
    this.#progress += count;
  }

  /** The copy has ended, or has moved something. */
  finish(result: number): void {
    this.#result = result;
    this.report();
  }

  /** @returns the code of the copy, or BLOCKED */
  begin(memory: CallMemory, at: number, length: number): number {
    if (this.#state !== State.IDLE)
      throw new Trap(`a copy is begun on handle ${this.handle}, which has one or is over`);
    const { size = 0, align } = this.element;
    if (length > COUNT_MAX) throw new Trap("a copy is longer than it may be");
    if (length > 0 && size > 0) {
      if (at % align !== 0) throw new Trap("a copy is not aligned");
      memory.check(at, length * size);
    }
    this.#state = State.COPYING;
    this.#memory = memory;
    this.#at = at;
    this.#length = length;
    this.#progress = 0;
    if (this.isReader) this.#side.read(this);
    else this.#side.write(this);
    return this.hasEvent ? this.takeEvent() : BLOCKED;
  }

  /** @returns the code of the copy */
  cancel(): number {
    if (this.#state !== State.COPYING) throw new Trap(`a copy is cancelled on handle ${this.handle}, which has none`);
    if (!this.hasEvent) {
      this.#side.cancel(this);
      this.finish(CopyResult.CANCELLED);
    }
    return this.takeEvent();
  }

  /** The other side, which is not the component's any more. */
  handOver(): ReadSide {
    if (this.#state !== State.IDLE) throw new Trap(`handle ${this.handle} is handed over while it is read, or is over`);
    if (this.isInSet) throw new Trap(`handle ${this.handle} is handed over while it is in a set`);
    return this.#side;
  }

  checkDrop(): void {
    if (this.#state === State.COPYING) throw new Trap(`handle ${this.handle} is dropped while a copy is under way`);
    if (this.element.isFuture && !this.isReader && this.#state !== State.DONE)
      throw new Trap(`the future of handle ${this.handle} is dropped before it has a value`);
  }

  protected override take(): number {
    const result = this.#result;
    const { isFuture } = this.element;
    const isDone = result === CopyResult.DROPPED || (isFuture && result === CopyResult.COMPLETED);
    if (result !== CopyResult.CANCELLED) this.#side.cancel(this);
    this.#state = isDone ? State.DONE : State.IDLE;
    this.#memory = undefined;
    return isFuture ? result : result | (this.#progress << 4);
  }

  override release(): void {
    this.leave();
    if (this.#state === State.COPYING) this.#side.cancel(this);
    if (this.isReader) this.#side.dropReader();
    else this.#side.dropWriter();
  }
}

const NO_BYTES = new Uint8Array(0);

/**
 * Both ends are the component's, until it hands the reading one over to the host. What the ends have of each other is that of
 * SharedStreamImpl and SharedFutureImpl in the Component Model's definitions.py.
 */
export class Pipe implements ReadSide, WriteSide {
  readonly element: Element;
  /** The end whose copy waits for the other one. It goes on, while its event waits, for as long as its copy has something left. */
  #pending: StreamEnd | undefined;
  #sink: WriteSide | undefined;
  #hasReader = true;
  #hasWriter = true;

  constructor(element: Element) {
    this.element = element;
  }

  read(end: StreamEnd): void {
    if (!this.#hasWriter) return end.finish(CopyResult.DROPPED);
    this.#meet(end);
  }

  write(end: StreamEnd): void {
    if (this.#sink !== undefined) return this.#sink.write(end);
    if (!this.#hasReader) return end.finish(CopyResult.DROPPED);
    this.#meet(end);
  }

  cancel(end: StreamEnd): void {
    if (this.#sink !== undefined) return this.#sink.cancel(end);
    if (this.#pending === end) this.#pending = undefined;
  }

  dropReader(): void {
    this.#hasReader = false;
    this.#pending?.finish(CopyResult.DROPPED);
  }

  dropWriter(): void {
    this.#hasWriter = false;
    if (this.#sink !== undefined) this.#sink.dropWriter();
    else this.#pending?.finish(CopyResult.DROPPED);
  }

  /** The reading end is the host's from now on. */
  drainTo(sink: WriteSide): void {
    this.#sink = sink;
    const writer = this.#pending;
    this.#pending = undefined;
    if (!this.#hasWriter) sink.dropWriter();
    // One that has written everything waits for nothing but that its event is taken.
    else if (writer !== undefined && (writer.isEmpty || writer.left > 0)) sink.write(writer);
  }

  /** Moves what both ends have, if the other one waits; otherwise this one does. */
  #meet(end: StreamEnd): void {
    const other = this.#pending;
    if (other === undefined) {
      this.#pending = end;
      return;
    }
    const { size, isFuture } = this.element;
    if (size === undefined) throw new Trap("it passes itself values of a type that only another component may read");
    if (other.left === 0) {
      // A writer without anything asks whether there is a reader. Otherwise the other one has its answer, and this one waits.
      if (!end.isReader && end.isEmpty && other.isEmpty) return end.finish(CopyResult.COMPLETED);
      this.#pending = end;
      return other.finish(CopyResult.COMPLETED);
    }
    if (end.left > 0) {
      const [reader, writer] = end.isReader ? [end, other] : [other, end];
      const count = Math.min(reader.left, writer.left);
      reader.bytes(count).set(writer.bytes(count));
      reader.advance(count);
      writer.advance(count);
      // A value is all that there is of a future: what becomes of its ends makes no difference to it.
      if (isFuture) this.#pending = undefined;
      other.finish(CopyResult.COMPLETED);
    }
    end.finish(CopyResult.COMPLETED);
  }
}

/** A future of the host's. */
export class HostFuture implements ReadSide {
  readonly element: Element;
  #value: { readonly value: never } | undefined;
  #reader: StreamEnd | undefined;

  constructor(element: Element) {
    this.element = element;
  }

  /** Once. */
  resolve(value: unknown): void {
    if (this.#value !== undefined) return;
    this.#value = { value: value as never };
    if (this.#reader !== undefined) this.read(this.#reader);
  }

  read(end: StreamEnd): void {
    this.#reader = end;
    if (this.#value === undefined) return;
    end.put(this.#value.value);
    end.finish(CopyResult.COMPLETED);
  }

  cancel(): void {
    this.#reader = undefined;
  }

  dropReader(): void {
    this.#reader = undefined;
  }
}

const HANDLE = { size: 4, align: 4, flat: 1 };

const handedBack = (): never => {
  throw new Trap("the host takes streams of bytes alone");
};

/** A stream or future of the host's, as a result. */
export const readable: Type<ReadSide> = {
  ...HANDLE,
  load: handedBack,
  lift: handedBack,
  store: ({ handles, view }, at, side) => view.setUint32(at, new StreamEnd(side, true).addTo(handles), true),
};

/** A stream of bytes that the component hands over. */
export const handedOver: Type<ReadSide> = {
  ...HANDLE,
  load: ({ handles, view }, at) => take(handles, view.getUint32(at, true)),
  lift: ({ handles }, values: FlatReader) => take(handles, values.number() >>> 0),
  store: () => {
    throw new Trap("a stream is handed over by the component alone");
  },
};

function take(handles: CallMemory["handles"], handle: number): ReadSide {
  const end = handles.get(handle, StreamEnd);
  if (!end.isReader || end.element.isFuture || end.element.size !== 1)
    throw new Trap(`handle ${handle} is of another type`);
  const side = end.handOver();
  handles.take(handle, StreamEnd);
  return side;
}
