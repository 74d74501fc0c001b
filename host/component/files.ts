/**
 * Owns a component's files and directories: descriptors as `wasi:filesystem` has them, and the streams of files. Knows the backend
 * seam, which keeps every path beneath its directory; knows no layout.
 */

import { constants } from "node:fs";
import type { Backend, FileStatus } from "../backend/backend.js";
import { FILE_BYTES_MAX } from "../guest/transfer.js";
import type { Failed } from "./abi.js";
import { Resource } from "./resources.js";
import { CLOSED, failedWith, InputStream, OutputStream, readBuffer, type StreamError } from "./streams.js";

const FILE_MODE = 0o666;
const WRITE_MAX = 65_536;

export const DescriptorFlags = {
  READ: 1,
  WRITE: 2,
  FILE_SYNC: 4,
  DATA_SYNC: 8,
  REQUESTED_SYNC: 16,
  MUTATE: 32,
} as const;
export const OpenFlags = { CREATE: 1, DIRECTORY: 2, EXCLUSIVE: 4, TRUNCATE: 8 } as const;

/** A file that is open: closed when nothing uses it any more. */
class OpenFile {
  readonly backend: Backend;
  readonly fd: number;
  #users = 0;

  constructor(backend: Backend, fd: number) {
    this.backend = backend;
    this.fd = fd;
  }

  use(): this {
    this.#users += 1;
    return this;
  }

  leave(): void {
    this.#users -= 1;
    if (this.#users === 0) this.backend.close(this.fd);
  }
}

/** `descriptor`. */
export class FileDescriptor extends Resource {
  readonly flags: number;
  readonly isReadOnly: boolean;
  readonly isDirectory: boolean;
  readonly #file: OpenFile;

  constructor(file: OpenFile, flags: number, isReadOnly: boolean, isDirectory: boolean) {
    super(undefined);
    this.#file = file.use();
    this.flags = flags;
    this.isReadOnly = isReadOnly;
    this.isDirectory = isDirectory;
  }

  /** A directory that the host has opened; the component gets it as often as it asks. */
  static directory(backend: Backend, fd: number, isReadOnly: boolean): () => FileDescriptor {
    // The host's own use of it keeps it open.
    const file = new OpenFile(backend, fd).use();
    const flags = DescriptorFlags.READ | (isReadOnly ? 0 : DescriptorFlags.MUTATE);
    return () => new FileDescriptor(file, flags, isReadOnly, true);
  }

  get fd(): number {
    return this.#file.fd;
  }

  get backend(): Backend {
    return this.#file.backend;
  }

  get isReadable(): boolean {
    return (this.flags & DescriptorFlags.READ) !== 0;
  }

  get isWritable(): boolean {
    return (this.flags & DescriptorFlags.WRITE) !== 0;
  }

  /** Opens what is beneath it. @returns the descriptor, or -errno of the platform */
  open(path: string, follow: boolean, how: number, flags: number): FileDescriptor | number {
    const { backend } = this;
    const fd = backend.openBeneath(this.fd, path, systemFlags(follow, how, flags), FILE_MODE);
    if (fd < 0) return fd;
    const status = backend.status(fd);
    if (typeof status === "number") {
      backend.close(fd);
      return status;
    }
    return new FileDescriptor(new OpenFile(backend, fd), flags, this.isReadOnly, status.kind === "directory");
  }

  reader(offset: bigint): FileReader {
    return new FileReader(this.#file, offset);
  }

  /** @param offset undefined: at the end of the file, whatever others append */
  writer(offset: bigint | undefined): FileWriter {
    return new FileWriter(this.#file, offset);
  }

  /** What is in it. The component may drop the directory before. */
  entries(): EntryStream {
    return new EntryStream(this.#file);
  }

  status(): FileStatus | number {
    return this.backend.status(this.fd);
  }

  override release(): void {
    this.#file.leave();
  }
}

/** Never waits for the other end of a named pipe, and makes no terminal the process's own. */
function systemFlags(follow: boolean, how: number, flags: number): number {
  const has = (bits: number, bit: number): boolean => (bits & bit) !== 0;
  let system = constants.O_NONBLOCK | constants.O_NOCTTY;
  if (!follow) system |= constants.O_NOFOLLOW;
  if (has(flags, DescriptorFlags.WRITE))
    system |= has(flags, DescriptorFlags.READ) ? constants.O_RDWR : constants.O_WRONLY;
  if (has(how, OpenFlags.CREATE)) system |= constants.O_CREAT;
  if (has(how, OpenFlags.DIRECTORY)) system |= constants.O_DIRECTORY;
  if (has(how, OpenFlags.EXCLUSIVE)) system |= constants.O_EXCL;
  if (has(how, OpenFlags.TRUNCATE)) system |= constants.O_TRUNC;
  if (has(flags, DescriptorFlags.FILE_SYNC) || has(flags, DescriptorFlags.REQUESTED_SYNC)) system |= constants.O_SYNC;
  else if (has(flags, DescriptorFlags.DATA_SYNC)) system |= constants.O_DSYNC;
  return system;
}

/** Reads a file from a position on. The component may drop the descriptor before. */
export class FileReader {
  readonly #file: OpenFile;
  #at: bigint;

  constructor(file: OpenFile, at: bigint) {
    this.#file = file.use();
    this.#at = at;
  }

  /** @returns how many bytes, 0 at the end, or -errno */
  read(target: Uint8Array): number {
    const { backend, fd } = this.#file;
    const result = backend.readFrom(fd, target.subarray(0, FILE_BYTES_MAX), this.#at);
    if (result > 0) this.#at += BigInt(result);
    return result;
  }

  /** Once. */
  close(): void {
    this.#file.leave();
  }
}

/** Writes a file from a position on, or at its end. The component may drop the descriptor before. */
export class FileWriter {
  readonly #file: OpenFile;
  #at: bigint | undefined;

  constructor(file: OpenFile, at: bigint | undefined) {
    this.#file = file.use();
    this.#at = at;
  }

  /** @returns how many bytes of it were written, or -errno */
  write(data: Uint8Array): number {
    const { backend, fd } = this.#file;
    const at = this.#at ?? this.#size();
    const result = at < 0n ? Number(at) : backend.writeTo(fd, data.subarray(0, FILE_BYTES_MAX), at);
    if (result > 0 && this.#at !== undefined) this.#at += BigInt(result);
    return result;
  }

  /** Once. */
  close(): void {
    this.#file.leave();
  }

  /** Where an append goes to; negative: -errno. */
  #size(): bigint {
    const { backend, fd } = this.#file;
    const status = backend.status(fd);
    return typeof status === "number" ? BigInt(status) : status.size;
  }
}

/** `input-stream` of a file. */
export class FileInput extends InputStream {
  readonly watch = undefined;
  readonly interest = 0;
  readonly #backend: Backend;
  readonly #reader: FileReader;
  #isClosed = false;

  constructor(backend: Backend, reader: FileReader) {
    super(undefined);
    this.#backend = backend;
    this.#reader = reader;
  }

  isImmediate(): boolean {
    return true;
  }

  protected override get isEnded(): boolean {
    return this.#isClosed;
  }

  protected override take(length: number): Uint8Array | Failed<StreamError> {
    const target = readBuffer.subarray(0, length);
    const result = this.#reader.read(target);
    if (result > 0) return target.subarray(0, result);
    this.#isClosed = true;
    return result === 0 ? CLOSED : failedWith(this.#backend.errorCode(result));
  }

  override release(): void {
    this.#reader.close();
  }
}

/** `output-stream` of a file. */
export class FileOutput extends OutputStream {
  readonly watch = undefined;
  readonly interest = 0;
  readonly #backend: Backend;
  readonly #writer: FileWriter;
  #end: Failed<StreamError> | undefined;

  constructor(backend: Backend, writer: FileWriter) {
    super(undefined);
    this.#backend = backend;
    this.#writer = writer;
  }

  isImmediate(): boolean {
    return true;
  }

  override check(): number | Failed<StreamError> {
    return this.#end ?? WRITE_MAX;
  }

  override put(data: Uint8Array): Failed<StreamError> | undefined {
    for (let from = 0; from < data.length && this.#end === undefined;) {
      const result = this.#writer.write(data.subarray(from));
      if (result < 0) {
        this.#end = CLOSED;
        return failedWith(this.#backend.errorCode(result));
      }
      from += result;
    }
    return this.#end;
  }

  override flush(): Failed<StreamError> | undefined {
    return this.#end;
  }

  override release(): void {
    this.#writer.close();
  }
}

/** One of a directory. */
export interface FileEntry {
  readonly name: string;
  readonly kind: FileStatus["kind"];
}

/** `directory-entry-stream`. */
export class EntryStream extends Resource {
  readonly #file: OpenFile;
  #position = 0n;
  #entries: readonly FileEntry[] = [];
  #next = 0;
  #isOver = false;

  constructor(directory: OpenFile) {
    super(undefined);
    this.#file = directory.use();
  }

  /** undefined at the end; a number is -errno. */
  next(): FileEntry | number | undefined {
    const found = this.many(1);
    return typeof found !== "number" ? found[0] : found === 0 ? undefined : found;
  }

  /** Up to `count` of them, at least one; 0 at the end, or -errno. */
  many(count: number): readonly FileEntry[] | number {
    while (this.#next === this.#entries.length) {
      const failed = this.#isOver ? 0 : this.#read();
      if (this.#isOver) return failed;
    }
    const found = this.#entries.slice(this.#next, this.#next + count);
    this.#next += found.length;
    return found;
  }

  override release(): void {
    this.#file.leave();
  }

  /** @returns 0 or -errno */
  #read(): number {
    const { backend, fd } = this.#file;
    const entries = backend.readDirectory(fd, this.#position, ENTRIES_BYTES);
    this.#isOver = typeof entries === "number" || entries.length === 0;
    if (typeof entries === "number") return entries;
    this.#position = entries.at(-1)?.next ?? 0n;
    this.#entries = entries
      .map(({ name, kind }) => ({ name: Buffer.from(name).toString(), kind }))
      .filter(({ name }) => name !== "." && name !== "..");
    this.#next = 0;
    return 0;
  }
}

const ENTRIES_BYTES = 32_768;
