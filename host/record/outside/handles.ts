/**
 * Owns open directories and files of node:fs/promises whose calls are recorded or replayed: what the program has in place of
 * Node's own. Imports nothing of the package.
 */

import { EventEmitter } from "node:events";
import fs from "node:fs";
import { createInterface, type Interface } from "node:readline";
import { callbackify } from "node:util";

/** Node's own object; or, in a replay, what it was. */
export interface DirectoryLike {
  readonly path: string;
}

export interface HandleLike {
  readonly fd: number;
}

/** How a call of one is made. @param args the first says which directory or file */
export type HandleCall = (name: string, args: readonly unknown[], perform: () => unknown) => Promise<unknown>;
/** The same for one that returns. */
export type SyncCall = (name: string, args: readonly unknown[], perform: () => unknown) => unknown;

type AnyCall = (...args: readonly unknown[]) => unknown;

function real(of: object, name: string, args: readonly unknown[]): unknown {
  return Reflect.apply((of as Record<string, unknown>)[name] as AnyCall, of, args);
}

/** `callbackify` calls back outside the promise: what the callback throws is an uncaught exception, and no rejection. */
function passOn(result: Promise<unknown>, callback: (error: unknown, entry?: unknown) => void): undefined {
  callbackify(() => result)(callback);
  return undefined;
}

/** `fs.Dir`. */
export class Directory {
  readonly path: string;
  readonly #real: DirectoryLike;
  readonly #call: HandleCall;
  readonly #callSync: SyncCall;

  constructor(of: DirectoryLike, call: HandleCall, callSync: SyncCall) {
    this.path = of.path;
    this.#real = of;
    this.#call = call;
    this.#callSync = callSync;
  }

  readSync(): unknown {
    return this.#callSync("directory.readSync", [this.path], () => real(this.#real, "readSync", []));
  }

  closeSync(): unknown {
    return this.#callSync("directory.closeSync", [this.path], () => real(this.#real, "closeSync", []));
  }

  read(callback?: (error: unknown, entry?: unknown) => void): Promise<unknown> | undefined {
    const result = this.#call("directory.read", [this.path], () => real(this.#real, "read", []));
    return callback === undefined ? result : passOn(result, callback);
  }

  close(callback?: (error: unknown) => void): Promise<unknown> | undefined {
    const result = this.#call("directory.close", [this.path], () => real(this.#real, "close", []));
    return callback === undefined ? result : passOn(result, callback);
  }

  async *entries(): AsyncGenerator<unknown> {
    try {
      for (let entry = await this.read(); entry !== null && entry !== undefined; entry = await this.read()) yield entry;
    } finally {
      await this.close();
    }
  }

  [Symbol.asyncIterator](): AsyncGenerator<unknown> {
    return this.entries();
  }
}
Object.setPrototypeOf(Directory.prototype, fs.Dir.prototype as object);
const { asyncDispose, dispose } = Symbol as { asyncDispose?: symbol; dispose?: symbol };
if (dispose !== undefined && dispose in fs.Dir.prototype) {
  Object.defineProperty(Directory.prototype, dispose, {
    value(this: Directory) {
      this.closeSync();
    },
  });
}
if (asyncDispose !== undefined && asyncDispose in fs.Dir.prototype) {
  Object.defineProperty(Directory.prototype, asyncDispose, {
    value(this: Directory) {
      return this.close();
    },
  });
}

const PLAIN = "appendFile chmod chown datasync readFile stat sync truncate utimes writeFile".split(" ");

/** Is what is to be written a stream, or another iterable? Node refuses to begin where its signal has come already. */
export function arePieces(data: unknown, options: unknown): boolean {
  if (typeof data !== "object" || data === null || ArrayBuffer.isView(data)) return false;
  const { signal } = Object(options) as { signal?: { aborted?: unknown } };
  return (Symbol.asyncIterator in data || Symbol.iterator in data) && signal?.aborted !== true;
}

/** A part of node:fs whose calls are made on a handle, for the streams of one. */
interface HandleCalls {
  read(fd: number, to: Uint8Array, offset: number, length: number, position: unknown, done: Done): void;
  write(fd: number, data: Uint8Array, offset: number, length: number, position: unknown, done: Done): void;
  writev(fd: number, data: readonly Uint8Array[], position: unknown, done: Done): void;
  close(fd: number, done: Done): void;
}
type Done = (error: unknown, count?: unknown, buffer?: unknown) => void;

/** `FileHandle` of node:fs/promises. */
export class FileHandle extends EventEmitter {
  readonly real: HandleLike;
  #fd: number;
  readonly #call: HandleCall;

  constructor(of: HandleLike, call: HandleCall) {
    super();
    this.real = of;
    this.#fd = of.fd;
    this.#call = call;
  }

  get fd(): number {
    return this.#fd;
  }

  async read(...args: readonly unknown[]): Promise<unknown> {
    const [first] = args;
    const { buffer, ...others } = (ArrayBuffer.isView(first) ? {} : Object(first)) as { buffer?: unknown };
    const target = ArrayBuffer.isView(first) ? first : (buffer ?? Buffer.alloc(16_384));
    const options = ArrayBuffer.isView(first) ? args.slice(1) : [others];
    const bytesRead = await this.#call("handle.read", [this.#fd, target, ...options], async () => {
      const result = (await real(this.real, "read", [target, ...options])) as { bytesRead: number };
      return result.bytesRead;
    });
    return { bytesRead, buffer: target };
  }

  async write(data: unknown, ...args: readonly unknown[]): Promise<unknown> {
    const bytesWritten = await this.#call("handle.write", [this.#fd, data, ...args], async () => {
      const result = (await real(this.real, "write", [data, ...args])) as { bytesWritten: number };
      return result.bytesWritten;
    });
    return { bytesWritten, buffer: data };
  }

  async readv(buffers: readonly NodeJS.ArrayBufferView[], ...args: readonly unknown[]): Promise<unknown> {
    const bytesRead = await this.#call("handle.readv", [this.#fd, buffers, ...args], async () => {
      const result = (await real(this.real, "readv", [buffers, ...args])) as { bytesRead: number };
      return result.bytesRead;
    });
    return { bytesRead, buffers };
  }

  async writev(buffers: readonly NodeJS.ArrayBufferView[], ...args: readonly unknown[]): Promise<unknown> {
    const bytesWritten = await this.#call("handle.writev", [this.#fd, buffers, ...args], async () => {
      const result = (await real(this.real, "writev", [buffers, ...args])) as { bytesWritten: number };
      return result.bytesWritten;
    });
    return { bytesWritten, buffers };
  }

  /** What comes piece by piece is the program's: each piece is a call. */
  async writePieces(pieces: AsyncIterable<unknown>, options: unknown): Promise<void> {
    const { encoding, signal } = Object(typeof options === "string" ? { encoding: options } : options) as {
      encoding?: BufferEncoding;
      signal?: AbortSignal;
    };
    for await (const piece of pieces) {
      const data = ArrayBuffer.isView(piece) ? piece : Buffer.from(piece as string, encoding);
      await this.plain("writeFile", [data, { signal }]);
    }
  }

  /** The others, which take and give plain values. */
  plain(name: string, args: readonly unknown[]): Promise<unknown> {
    const [data, options] = args;
    if ((name === "writeFile" || name === "appendFile") && arePieces(data, options))
      return this.writePieces(data as AsyncIterable<unknown>, options);
    return this.#call(`handle.${name}`, [this.#fd, ...args], () => real(this.real, name, args));
  }

  close(): Promise<unknown> {
    const isOpen = this.#fd !== -1;
    const result = this.plain("close", []);
    this.#fd = -1;
    if (isOpen) this.emit("close");
    return result;
  }

  createReadStream(options?: object): fs.ReadStream {
    return this.#stream((more) => fs.createReadStream("", { ...options, ...more } as object));
  }

  createWriteStream(options?: object): fs.WriteStream {
    return this.#stream((more) => fs.createWriteStream("", { ...options, ...more } as object));
  }

  readLines(options?: object): Interface {
    return createInterface({ input: this.createReadStream(options), crlfDelay: Infinity });
  }

  readableWebStream({ autoClose = false }: { autoClose?: boolean } = {}): ReadableStream {
    return new ReadableStream({
      type: "bytes",
      autoAllocateChunkSize: 16_384,
      pull: async (controller) => {
        const { byobRequest } = controller as ReadableByteStreamController;
        if (byobRequest?.view === null || byobRequest?.view === undefined) return;
        const { bytesRead } = (await this.read(byobRequest.view)) as { bytesRead: number };
        if (bytesRead === 0) {
          controller.close();
          if (autoClose) await this.close();
        }
        byobRequest.respond(bytesRead);
      },
      cancel: async () => {
        if (autoClose) await this.close();
      },
    });
  }

  /** Its calls are those of this handle, and so recorded. */
  #stream<T extends fs.ReadStream | fs.WriteStream>(create: (options: { fd: number; fs: HandleCalls }) => T): T {
    const counted = (result: Promise<unknown>, name: string, done: Done): undefined =>
      passOn(result, (error, given) => {
        if (error) return done(error);
        const { buffer, [name]: count } = given as Record<string, unknown>;
        done(null, count, buffer);
      });
    const calls: HandleCalls = {
      read: (_fd, to, offset, length, position, done) =>
        counted(this.read(to, offset, length, position), "bytesRead", done),
      write: (_fd, data, offset, length, position, done) =>
        counted(this.write(data, offset, length, position), "bytesWritten", done),
      writev: (_fd, data, position, done) => counted(this.writev(data, position), "bytesWritten", done),
      close: (_fd, done) => passOn(this.#fd === -1 ? Promise.resolve() : this.close(), done),
    };
    const stream = create({ fd: this.#fd, fs: calls });
    const onClose = (): void => void stream.close();
    this.once("close", onClose);
    (stream as EventEmitter).once("close", () => this.off("close", onClose));
    return stream;
  }
}

for (const name of PLAIN) {
  Object.defineProperty(FileHandle.prototype, name, {
    value(this: FileHandle, ...args: readonly unknown[]) {
      return this.plain(name, args);
    },
  });
}
if (asyncDispose !== undefined) {
  Object.defineProperty(FileHandle.prototype, asyncDispose, {
    value(this: FileHandle) {
      return this.close();
    },
  });
}
