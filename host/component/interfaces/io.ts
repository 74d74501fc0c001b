/** Owns `wasi:io`: error, poll and streams, as functions of the canonical ABI. Leaves what they do to the streams and the poller. */

import { bool as boolOf, borrow, Failed, own, result, string, type Type, u64, variant } from "../abi.js";
import type { CallMemory } from "../call-memory.js";
import { type CoreFunction, func, type Interface, raw } from "../calls.js";
import type { Poller } from "../polling.js";
import { Pollable, type Source } from "../watch.js";
import { InputStream, OutputStream, type StreamError, StreamFailure } from "../streams.js";
import { Trap } from "../trap.js";

const cases = variant(own(StreamFailure) as Type<never>, undefined);
const LAST_OPERATION_FAILED = 0;
const IS_CLOSED = 1;

const streamError: Type<StreamError> = {
  ...cases,
  load: () => {
    throw new Trap("a stream error is the host's alone");
  },
  store: (memory, at, error) =>
    cases.store(
      memory,
      at,
      error === "closed" ? { tag: IS_CLOSED, value: undefined } : { tag: LAST_OPERATION_FAILED, value: error },
    ),
  lift: () => {
    throw new Trap("a stream error is the host's alone");
  },
};

const input = borrow(InputStream);
const output = borrow(OutputStream);
const byteCount = result<bigint, StreamError>(u64, streamError);
const nothing = result<undefined, StreamError>(undefined, streamError);

const MAX = 0xffff_ffffn;
/** A length as a number: more than a memory has is as good as all of it. */
const lengthOf = (length: bigint): number => Number(length > MAX ? MAX : length);
const counted = (count: number | Failed<StreamError>): bigint | Failed<StreamError> =>
  count instanceof Failed ? count : BigInt(count);

/** Where the payload of a result is: a list, an error. */
const OK_LIST = 4;
const LIST_ERROR = 4;
/** The same beside a u64. */
const OK_U64 = 8;

/** Stores `result<_, stream-error>` or the error of one with a payload at `payload`. */
function storeError(memory: CallMemory, at: number, payload: number, { error }: Failed<StreamError>): void {
  memory.view.setUint8(at, 1);
  streamError.store(memory, at + payload, error);
}

/** read and blocking-read: (stream, length u64, result) */
function reading(take: (stream: InputStream, length: number) => Uint8Array | Failed<StreamError>) {
  return raw((memory): CoreFunction => (handle, length, resultAt) => {
    const stream = memory.handles.get(Number(handle) >>> 0, InputStream);
    const at = Number(resultAt) >>> 0;
    const taken = take(stream, lengthOf(BigInt.asUintN(64, length as bigint)));
    if (taken instanceof Failed) return storeError(memory, at, LIST_ERROR, taken);
    const to = memory.allocate(1, taken.length);
    memory.bytes.set(taken, to);
    const { view } = memory;
    view.setUint8(at, 0);
    view.setUint32(at + OK_LIST, to, true);
    view.setUint32(at + OK_LIST + 4, taken.length, true);
  });
}

/** write and blocking-write-and-flush: (stream, address, length, result) */
function writing(put: (stream: OutputStream, data: Uint8Array) => Failed<StreamError> | undefined) {
  return raw((memory): CoreFunction => (handle, from, length, resultAt) => {
    const stream = memory.handles.get(Number(handle) >>> 0, OutputStream);
    const at = Number(resultAt) >>> 0;
    const failed = put(stream, memory.slice(Number(from), Number(length) >>> 0));
    if (failed === undefined) memory.view.setUint8(at, 0);
    else storeError(memory, at, LIST_ERROR, failed);
  });
}

const checking = raw((memory): CoreFunction => (handle, resultAt) => {
  const at = Number(resultAt) >>> 0;
  const permitted = memory.handles.get(Number(handle) >>> 0, OutputStream).check();
  if (permitted instanceof Failed) return storeError(memory, at, OK_U64, permitted);
  const { view } = memory;
  view.setUint8(at, 0);
  view.setUint32(at + OK_U64, permitted, true);
  view.setUint32(at + OK_U64 + 4, 0, true);
});

/** (address, length, result) */
function polling(poller: Poller, mayPoll: (count: number) => boolean) {
  return raw((memory): CoreFunction => {
    const sources: Source[] = [];
    return (from, length, resultAt) => {
      const count = Number(length) >>> 0;
      let at = Number(from) >>> 0;
      if (count === 0) throw new Trap("it polls an empty list");
      if (at % 4 !== 0) throw new Trap("a list is not aligned");
      memory.check(at, count * 4);
      if (!mayPoll(count)) throw new Trap(`it polls more than it may: ${count} pollables`);
      const { handles, view } = memory;
      sources.length = count;
      for (let index = 0; index < count; index++, at += 4)
        sources[index] = handles.get(view.getUint32(at, true), Pollable).source;
      const found = poller.poll(sources);
      const to = memory.allocate(4, found.length * 4);
      const target = memory.view;
      for (let index = 0; index < found.length; index++) target.setUint32(to + index * 4, found[index] as number, true);
      const resultsAt = Number(resultAt) >>> 0;
      target.setUint32(resultsAt, to, true);
      target.setUint32(resultsAt + 4, found.length, true);
    };
  });
}

const ZEROS_MAX = 4096;
const ZEROS = new Uint8Array(ZEROS_MAX);

function putZeros(stream: OutputStream, length: number): Failed<StreamError> | undefined {
  const permitted = stream.check();
  if (permitted instanceof Failed) return permitted;
  if (length > permitted) throw new Trap("it wrote more zeros than it may");
  return stream.put(new Uint8Array(length));
}

export function ioInterfaces(poller: Poller, mayPoll: (count: number) => boolean): Readonly<Record<string, Interface>> {
  const subscribe = <T extends InputStream | OutputStream>(type: Type<T>) =>
    func([type], own(Pollable), (stream) => new Pollable(stream, stream));
  const pollable = borrow(Pollable);
  return {
    error: {
      resources: { error: StreamFailure },
      functions: {
        "[method]error.to-debug-string": func([borrow(StreamFailure)], string, ({ code }) => code),
      },
    },
    poll: {
      resources: { pollable: Pollable },
      functions: {
        poll: polling(poller, mayPoll),
        "[method]pollable.ready": func([pollable], boolOf, ({ source }) => poller.isReady(source)),
        "[method]pollable.block": func([pollable], undefined, ({ source }) => poller.block(source)),
      },
    },
    streams: {
      resources: {
        "input-stream": InputStream,
        "output-stream": OutputStream,
        error: StreamFailure,
        pollable: Pollable,
      },
      functions: {
        "[method]input-stream.read": reading((stream, length) => stream.read(length)),
        "[method]input-stream.blocking-read": reading((stream, length) => stream.blockingRead(poller, length)),
        "[method]input-stream.skip": func([input, u64], byteCount, (stream, length) =>
          skipped(stream.read(lengthOf(length))),
        ),
        "[method]input-stream.blocking-skip": func([input, u64], byteCount, (stream, length) =>
          skipped(stream.blockingRead(poller, lengthOf(length))),
        ),
        "[method]input-stream.subscribe": subscribe(input),
        "[method]output-stream.check-write": checking,
        "[method]output-stream.write": writing((stream, data) => stream.put(data)),
        "[method]output-stream.blocking-write-and-flush": writing((stream, data) =>
          stream.blockingWrite(poller, data, "blocking-write-and-flush"),
        ),
        "[method]output-stream.flush": func([output], nothing, (stream) => stream.flush()),
        "[method]output-stream.blocking-flush": func([output], nothing, (stream) => stream.blockingFlush(poller)),
        "[method]output-stream.subscribe": subscribe(output),
        "[method]output-stream.write-zeroes": func([output, u64], nothing, (stream, length) =>
          putZeros(stream, lengthOf(length)),
        ),
        "[method]output-stream.blocking-write-zeroes-and-flush": func([output, u64], nothing, (stream, length) =>
          stream.blockingWrite(
            poller,
            length > BigInt(ZEROS_MAX) ? new Uint8Array(ZEROS_MAX + 1) : ZEROS.subarray(0, Number(length)),
            "blocking-write-zeroes-and-flush",
          ),
        ),
        "[method]output-stream.splice": func([output, input, u64], byteCount, (stream, source, length) =>
          counted(stream.splice(source, lengthOf(length))),
        ),
        "[method]output-stream.blocking-splice": func([output, input, u64], byteCount, (stream, source, length) =>
          counted(stream.blockingSplice(poller, source, lengthOf(length))),
        ),
      },
    },
  };
}

function skipped(taken: Uint8Array | Failed<StreamError>): bigint | Failed<StreamError> {
  return taken instanceof Failed ? taken : BigInt(taken.length);
}
