/** Owns recordings in files. Knows the container's sink and source; knows no record. */

import { resolve } from "node:path";
import { files } from "../backend/unhooked.js";
import { RecordingError } from "./format.js";
import type { RecordingSource } from "./reader.js";
import type { ChunkSink } from "./writer.js";

/** The file of a recording is not a file of the program that is recorded. */
const { closeSync, fstatSync, ftruncateSync, openSync, readSync, unlinkSync, writeSync } = files;

/** A file that a recording is written to. */
export interface RecordingFile {
  readonly sink: ChunkSink;
  close(): void;
}

/**
 * Makes the file, or empties it. The descriptor is opened now: a program that has none left goes on recording. A write that
 * fails leaves the whole blocks before it; no file where there is none.
 * @throws an error of node:fs
 */
export function createRecordingFile(path: string): RecordingFile {
  const fd = openSync(path, "w", 0o600);
  // The program may go to another directory.
  const place = resolve(path);
  let length = 0;
  return {
    sink(chunk) {
      let written = 0;
      try {
        while (written < chunk.length) written += writeSync(fd, chunk, written, chunk.length - written);
      } catch (error) {
        cut(fd, length);
        if (length === 0) remove(fd, place);
        throw error;
      }
      length += written;
    },
    close: () => closeSync(fd),
  };
}

/** A pipe has no length, and keeps what it was given. */
function cut(fd: number, length: number): void {
  try {
    ftruncateSync(fd, length);
  } catch {
    // The reader finds that the last block is not whole.
  }
}

/** A pipe or a device stays. */
function remove(fd: number, path: string): void {
  try {
    if (fstatSync(fd).isFile()) unlinkSync(path);
  } catch {
    // An empty file is left, of which the reader says so.
  }
}

/** Reads a recording from its file, a block at a time. @throws an error of node:fs; RecordingError where it is not a file */
export function openRecordingFile(path: string): RecordingSource {
  const fd = openSync(path, "r");
  const status = fstatSync(fd);
  if (!status.isFile()) {
    closeSync(fd);
    throw new RecordingError(status.isDirectory() ? "it is a directory" : "it is not a file");
  }
  return {
    size: status.size,
    read(at, length) {
      const bytes = new Uint8Array(Math.max(0, Math.min(length, status.size - at)));
      let filled = 0;
      while (filled < bytes.length) {
        const count = readSync(fd, bytes, filled, bytes.length - filled, at + filled);
        if (count === 0) return bytes.subarray(0, filled);
        filled += count;
      }
      return bytes;
    },
    close: () => closeSync(fd),
  };
}
