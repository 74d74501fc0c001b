/** Owns how a guest writes text for people: to standard output, to standard error, and its last words. Knows no channel. */

import { exitProcess, writeMessage } from "../wasi/system";

const STDOUT: i32 = 1;
const STDERR: i32 = 2;

/** Writes a line to standard output. What cannot be written is dropped. */
export function print(line: string): void {
  write(STDOUT, line + "\n");
}

/** Writes a line to standard error. */
export function printError(line: string): void {
  write(STDERR, line + "\n");
}

/** Says why, and ends the program with status 1. */
export function exitWith(line: string): void {
  printError(line);
  exitProcess(1);
}

/** A whole number in decimals: the standard library's way to it knows 35 more bases. */
export function decimal(value: i32): string {
  let text = "";
  let left = <u32>abs(value);
  while (true) {
    text = String.fromCharCode(48 + (left % 10)) + text;
    left /= 10;
    if (left == 0) return value < 0 ? "-" + text : text;
  }
}

function write(fd: i32, text: string): void {
  const bytes = String.UTF8.encode(text);
  const end = changetype<usize>(bytes) + bytes.byteLength;
  let at = changetype<usize>(bytes);
  while (at < end) {
    const written = writeMessage(fd, at, i32(end - at));
    if (written <= 0) return;
    at += written;
  }
}
