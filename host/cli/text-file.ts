/**
 * Owns reading a file that people write: UTF-8, and of a size that people write. Whatever else it is, is said in a sentence. Knows no
 * format.
 */

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { fileTrouble } from "./run-troubles.js";

/** Far more than any such file has. Parsers of more than that take minutes. */
const BYTES_MAX = 16 * 2 ** 20;
const BLOCK = 65_536;

/** Its message is what is wrong, without the path. */
export class TextFileError extends Error {}

/** The text, without a byte order mark. Pipes and devices are read to their end. @throws TextFileError */
export function readTextFile(path: string): string {
  const bytes = attempt(() => readBounded(path));
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new TextFileError("it is no text in UTF-8", { cause: error });
  }
}

function readBounded(path: string): Uint8Array {
  const fd = openSync(path, "r");
  try {
    if (fstatSync(fd).size > BYTES_MAX) throw tooLarge();
    const blocks: Uint8Array[] = [];
    for (let length = 0; ;) {
      const block = new Uint8Array(BLOCK);
      const count = readSync(fd, block);
      if (count === 0) return Buffer.concat(blocks);
      length += count;
      if (length > BYTES_MAX) throw tooLarge();
      blocks.push(block.subarray(0, count));
    }
  } finally {
    closeSync(fd);
  }
}

const tooLarge = (): TextFileError => new TextFileError(`it is larger than ${BYTES_MAX / 2 ** 20} MiB`);

function attempt<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw new TextFileError(fileTrouble(error.code), { cause: error });
  }
}
