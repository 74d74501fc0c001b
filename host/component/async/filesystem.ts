/**
 * Owns `wasi:filesystem` of WASI 0.3 as functions of the canonical ABI: the streams of files and directories, and otherwise what 0.2
 * has. Leaves files to their descriptors.
 *
 * Regular files are always ready, so that every call returns at once, whichever way it is lowered.
 */

import { type Backend, Ready } from "../../backend/backend.js";
import { tuple, type Type, u64 } from "../abi.js";
import { func, type Interface } from "../calls.js";
import { descriptor, fileFunctions, method } from "../file-functions.js";
import { type ErrorCode, ERRORS, type Failure, failure, type Kind, KIND_OF, KINDS } from "../file-values.js";
import {
  DescriptorFlags,
  type EntryStream,
  FileDescriptor,
  type FileReader,
  type FileWriter,
  OpenFlags,
} from "../files.js";
import { Watch } from "../watch.js";
import type { Runtime } from "./runtime.js";
import { errorOf } from "./sockets.js";
import { BYTES, ByteSource, drain, ENDED, OVER, Sink, Source } from "./sources.js";
import { type Element, handedOver, HostFuture, readable, type ReadSide, type StreamEnd } from "./streams.js";

const errorCode = errorOf(ERRORS.filter((name) => name !== "would-block")) as Type<ErrorCode>;
const kind = errorOf(KINDS.filter((name) => name !== "unknown")) as Type<Kind>;

/** What opens a file to create it may write it; what asks for nothing may read. */
function flagsOf(how: number, flags: number): number {
  const { READ, WRITE } = DescriptorFlags;
  if ((flags & WRITE) !== 0) return flags;
  return flags | READ | ((how & OpenFlags.CREATE) === 0 ? 0 : WRITE);
}

/** How a stream has ended. */
interface Ending {
  readonly result: HostFuture;
  readonly outcome: (value: number) => Failure | undefined;
}

/** No descriptor is watched for a file: a look at it is over at once. */
const never = (): Watch => new Watch(-1);

class FileSource extends ByteSource {
  readonly #reader: FileReader;
  readonly #ending: Ending;

  constructor({ poller }: Runtime, reader: FileReader, ending: Ending) {
    super(poller, BYTES, never(), Ready.READ);
    this.#reader = reader;
    this.#ending = ending;
  }

  override fill(target: Uint8Array): number {
    const count = this.#reader.read(target);
    if (count > 0) return count;
    this.#ending.result.resolve(this.#ending.outcome(count));
    return OVER;
  }

  protected override hasMore(): boolean {
    return true;
  }

  protected override close(): void {
    this.#ending.result.resolve(undefined);
    this.#reader.close();
  }
}

class FileSink extends Sink {
  readonly #writer: FileWriter;
  readonly #ending: Ending;

  constructor({ poller }: Runtime, writer: FileWriter, ending: Ending) {
    super(poller, never(), Ready.WRITE);
    this.#writer = writer;
    this.#ending = ending;
  }

  override put(data: Uint8Array): number {
    const count = this.#writer.write(data);
    if (count >= 0) return count;
    this.#ending.result.resolve(this.#ending.outcome(count));
    return OVER;
  }

  /** A file that has taken a part takes the rest as well, or says why not. */
  protected override isFull(): boolean {
    return false;
  }

  protected override close(): void {
    this.#ending.result.resolve(undefined);
    this.#writer.close();
  }
}

/** What is in a directory. */
class EntrySource extends Source {
  readonly #entries: EntryStream;
  readonly #ending: Ending;

  constructor({ poller }: Runtime, element: Element, entries: EntryStream, ending: Ending) {
    super(poller, element, never(), Ready.READ);
    this.#entries = entries;
    this.#ending = ending;
  }

  protected override copy(end: StreamEnd): number {
    // All are taken before one is written: the component's allocator may drop the stream, and with it the directory.
    const taken = this.#entries.many(end.left);
    if (typeof taken === "number") {
      this.#ending.result.resolve(this.#ending.outcome(taken));
      return OVER;
    }
    for (const each of taken) end.put({ kind: KIND_OF[each.kind], name: each.name } as never);
    return taken.length;
  }

  protected override hasMore(): boolean {
    return true;
  }

  protected override close(): void {
    this.#ending.result.resolve(undefined);
    this.#entries.release();
  }
}

export function asyncFileInterfaces(
  files: Readonly<Record<string, Interface>>,
  backend: Backend,
  runtime: Runtime,
): Readonly<Record<string, Interface>> {
  const { functions, done, entry, outcome } = fileFunctions(backend, { errorCode, kind, flagsOf });
  const end: Element = { isFuture: true, size: done.size, align: done.align, type: done as Type<never> };
  const entries: Element = { isFuture: false, size: entry.size, align: entry.align, type: entry as Type<never> };
  const ending = (): Ending => ({ result: new HostFuture(end), outcome });
  /** A stream that is over, and why. */
  const refused = (code: ErrorCode) => {
    const { result } = ending();
    result.resolve(failure(code));
    return [ENDED, result] as const;
  };
  const write = (file: FileDescriptor, data: ReadSide, offset: bigint | undefined): HostFuture => {
    const made = ending();
    if (file.isWritable) drain(runtime, data, new FileSink(runtime, file.writer(offset), made));
    else {
      data.dropReader();
      made.result.resolve(failure(file.isReadOnly ? "not-permitted" : "bad-descriptor"));
    }
    return made.result;
  };
  return {
    ...files,
    types: {
      resources: { descriptor: FileDescriptor },
      functions: {
        ...functions,
        [method("read-via-stream")]: func([descriptor, u64], tuple(readable, readable), (file, offset) => {
          if (file.isDirectory || !file.isReadable)
            return refused(file.isDirectory ? "is-directory" : "bad-descriptor");
          const made = ending();
          return [new FileSource(runtime, file.reader(offset), made), made.result] as const;
        }),
        [method("write-via-stream")]: func([descriptor, handedOver, u64], readable, write),
        [method("append-via-stream")]: func([descriptor, handedOver], readable, (file, data) =>
          write(file, data, undefined),
        ),
        [method("read-directory")]: func([descriptor], tuple(readable, readable), (file) => {
          if (!file.isDirectory) return refused("not-directory");
          const made = ending();
          return [new EntrySource(runtime, entries, file.entries(), made), made.result] as const;
        }),
      },
    },
  };
}
