/** Owns how a guest writes text for people: to standard output, to standard error, and its last words. Knows no channel. */

import { exitProcess, writeMessage } from "../wasi/system";
import { asciiAt } from "./ascii";

const STDOUT: i32 = 1;
const STDERR: i32 = 2;
const LINE_FEED: u8 = 10;

/** Writes a line to standard output. What cannot be written is dropped. */
export function print(line: string): void {
  write(STDOUT, line);
}

/** Writes a line to standard error. */
export function printError(line: string): void {
  write(STDERR, line);
}

/** Says why, and ends the program with status 1. */
export function exitWith(line: string): void {
  printError(line);
  exitProcess(1);
}

/** A whole number in decimals: the standard library's way to it knows 35 more bases. */
export function decimal(value: i32): string {
  let at = digits + DIGITS_MAX;
  let left = <u32>abs(value);
  do {
    store<u8>(--at, u8(48 + (left % 10)));
    left /= 10;
  } while (left > 0);
  if (value < 0) store<u8>(--at, 45);
  return asciiAt(at, i32(digits + DIGITS_MAX - at));
}

const DIGITS_MAX: i32 = 11;
const digits = memory.data(DIGITS_MAX);

function write(fd: i32, line: string): void {
  const bytes = heap.alloc(<usize>line.length * 3 + 1);
  let end = encode(line, bytes);
  store<u8>(end++, LINE_FEED);
  let at = bytes;
  while (at < end) {
    const written = writeMessage(fd, at, i32(end - at));
    if (written <= 0) break;
    at += written;
  }
  heap.free(bytes);
}

/** UTF-8, in at most three bytes a unit. The standard library's way brings what it does with half a pair. @returns the end */
function encode(text: string, at: usize): usize {
  let to = at;
  for (let i = 0; i < text.length; i++) {
    let point: u32 = text.charCodeAt(i);
    if (point < 0x80) {
      store<u8>(to++, u8(point));
      continue;
    }
    if ((point & 0xfc00) == 0xd800 && i + 1 < text.length) {
      i += 1;
      point = 0x10000 + ((point & 0x3ff) << 10) + (u32(text.charCodeAt(i)) & 0x3ff);
    }
    let shift: u32 = point < 0x800 ? 6 : point < 0x10000 ? 12 : 18;
    store<u8>(to++, u8(((<u32>0xf00) >> (shift / 6 + 1)) | (point >> shift)));
    while (shift > 0) {
      shift -= 6;
      store<u8>(to++, u8(0x80 | ((point >> shift) & 0x3f)));
    }
  }
  return to;
}
