/**
 * Owns open directories and files of node:fs/promises whose calls are recorded or replayed: what the program has in place of
 * Node's own. Imports nothing of the package.
 */

import fs from "node:fs";
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

type AnyCall = (...args: readonly unknown[]) => unknown;

function real(of: object, name: string, args: readonly unknown[]): unknown {
  return Reflect.apply((of as Record<string, unknown>)[name] as AnyCall, of, args);
}

/** `callbackify` calls back outside of the promise, where what is thrown is not one's rejection. */
function passOn(result: Promise<unknown>, callback: (error: unknown, entry?: unknown) => void): undefined {
  callbackify(() => result)(callback);
  return undefined;
}

/** `fs.Dir`. */
export class Directory {
  readonly path: string;
  readonly #real: DirectoryLike;
  readonly #call: HandleCall;

  constructor(of: DirectoryLike, call: HandleCall) {
    this.path = of.path;
    this.#real = of;
    this.#call = call;
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

const PLAIN = "appendFile chmod chown datasync readFile stat sync truncate utimes writeFile close".split(" ");

/** `FileHandle` of node:fs/promises, without its streams. */
export class FileHandle {
  readonly real: HandleLike;
  #fd: number;
  readonly #call: HandleCall;

  constructor(of: HandleLike, call: HandleCall) {
    this.real = of;
    this.#fd = of.fd;
    this.#call = call;
  }

  get fd(): number {
    return this.#fd;
  }

  async read(...args: readonly unknown[]): Promise<unknown> {
    const [first] = args;
    const target = ArrayBuffer.isView(first)
      ? first
      : ((first as { buffer?: unknown } | undefined)?.buffer ?? Buffer.alloc(16_384));
    const options = ArrayBuffer.isView(first) ? args.slice(1) : [first ?? {}];
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

  /** The others, which take and give plain values. */
  plain(name: string, args: readonly unknown[]): Promise<unknown> {
    const result = this.#call(`handle.${name}`, [this.#fd, ...args], () => real(this.real, name, args));
    if (name === "close") this.#fd = -1;
    return result;
  }
}

for (const name of PLAIN) {
  Object.defineProperty(FileHandle.prototype, name, {
    value(this: FileHandle, ...args: readonly unknown[]) {
      return this.plain(name, args);
    },
  });
}
const asyncDispose = (Symbol as { asyncDispose?: symbol }).asyncDispose;
if (asyncDispose !== undefined) {
  Object.defineProperty(FileHandle.prototype, asyncDispose, {
    value(this: FileHandle) {
      return this.plain("close", []);
    },
  });
}
