/**
 * Owns standard input, output and error. Knows descriptors; knows no socket and no poll.
 *
 * Hosts cannot tell whether these are ready, so that reads and writes of 0 bytes end at once. Input is therefore read ahead
 * to a buffer, and output is written from one: the next can be written when all of it has been taken.
 */

import { ERRNO_AGAIN, ERRNO_PIPE } from "../../shared/errno";
import { BLOCKED, Status, countOf, statusOf } from "./canonical";
import { Descriptor, Kind, NONE, Progress, Stage, descriptorIn, newDescriptor, putDescriptor } from "./descriptors";
import {
  cancelReadStdin,
  dropOutput,
  dropOutputResult,
  dropStdin,
  dropStdinResult,
  newOutput,
  openStderr,
  openStdin,
  openStdout,
  readOutputResult,
  readStdin,
  writeOutput,
} from "./io";
import { StreamLayout } from "./layouts";
import { unwatch, waitAlone, watch } from "./waitables";

const STDIO_COUNT: i32 = 3;
const BUFFER_SIZE: i32 = 65_536;

const result = memory.data(8, 4);

/** Which have been opened: a bit each. */
let opened: i32 = 0;

export function descriptorAt(fd: i32): Descriptor | null {
  if (fd >= 0 && fd < STDIO_COUNT && (opened & (1 << fd)) == 0) open(fd);
  return descriptorIn(fd);
}

function open(fd: i32): void {
  opened |= 1 << fd;
  const descriptor = newDescriptor(Kind.STDIO, Stage.OPEN, false, NONE);
  descriptor.buffer = heap.alloc(BUFFER_SIZE);
  putDescriptor(fd, descriptor);
  if (fd == 0) {
    openStdin(result);
    descriptor.input = load<i32>(result, StreamLayout.STREAM);
    descriptor.inputResult = load<i32>(result, StreamLayout.FUTURE);
    watch(descriptor.input, descriptor);
  } else {
    const ends = newOutput();
    descriptor.outputResult = fd == 1 ? openStdout(i32(ends)) : openStderr(i32(ends));
    descriptor.output = i32(ends >> 32);
    watch(descriptor.output, descriptor);
  }
}

/** Is there input, or its end? If not, the host is asked for some. */
export function hasInput(descriptor: Descriptor): bool {
  if (descriptor.reading != Progress.IDLE) return descriptor.reading == Progress.READY;
  if (descriptor.inputEnded) return true;
  if (descriptor.input == NONE) return false;
  const code = readStdin(descriptor.input, descriptor.buffer, BUFFER_SIZE);
  if (code == BLOCKED) {
    descriptor.reading = Progress.PENDING;
    return false;
  }
  noteInput(descriptor, code);
  return descriptor.reading == Progress.READY;
}

/** A read has ended. */
export function noteInput(descriptor: Descriptor, code: i32): void {
  descriptor.position = 0;
  descriptor.length = countOf(code);
  if (statusOf(code) == Status.DROPPED) descriptor.inputEnded = true;
  descriptor.reading = descriptor.length > 0 || descriptor.inputEnded ? Progress.READY : Progress.IDLE;
}

/** @returns bytes, 0 at the end of input, -errno */
export function takeInput(descriptor: Descriptor, at: usize, length: i32): i32 {
  if (!hasInput(descriptor)) return -ERRNO_AGAIN;
  const count = min(length, descriptor.length - descriptor.position);
  memory.copy(at, descriptor.buffer + descriptor.position, count);
  descriptor.position += count;
  if (descriptor.position == descriptor.length) descriptor.reading = Progress.IDLE;
  return count;
}

/** Takes bytes to write. @returns how many, or -errno */
export function putOutput(descriptor: Descriptor, at: usize, length: i32): i32 {
  if (descriptor.outputEnded) return -ERRNO_PIPE;
  if (descriptor.writing == Progress.PENDING) return -ERRNO_AGAIN;
  const count = min(length, BUFFER_SIZE);
  memory.copy(descriptor.buffer, at, count);
  descriptor.position = 0;
  descriptor.length = count;
  writeRest(descriptor);
  return descriptor.outputEnded ? -ERRNO_PIPE : count;
}

/** A write has ended: the rest is written. */
export function noteOutput(descriptor: Descriptor, code: i32): void {
  descriptor.position += countOf(code);
  if (statusOf(code) == Status.DROPPED) descriptor.outputEnded = true;
  writeRest(descriptor);
}

/** Waits until what was taken has been written. */
export function flushOutput(descriptor: Descriptor): void {
  while (descriptor.writing == Progress.PENDING) noteOutput(descriptor, waitAlone(descriptor.output));
}

function writeRest(descriptor: Descriptor): void {
  descriptor.writing = Progress.IDLE;
  while (!descriptor.outputEnded && descriptor.position < descriptor.length) {
    const rest = descriptor.length - descriptor.position;
    const code = writeOutput(descriptor.output, descriptor.buffer + descriptor.position, rest);
    if (code == BLOCKED) {
      descriptor.writing = Progress.PENDING;
      return;
    }
    descriptor.position += countOf(code);
    if (statusOf(code) == Status.DROPPED) descriptor.outputEnded = true;
  }
}

/** Drops the stream; of output, waits until the host has written all of it. */
export function dropStdio(descriptor: Descriptor): void {
  if (descriptor.input != NONE) {
    unwatch(descriptor.input);
    if (descriptor.reading == Progress.PENDING) cancelReadStdin(descriptor.input);
    dropStdin(descriptor.input);
    dropStdinResult(descriptor.inputResult);
  }
  if (descriptor.output != NONE) {
    flushOutput(descriptor);
    unwatch(descriptor.output);
    dropOutput(descriptor.output);
    const future = descriptor.outputResult;
    watch(future, null);
    if (readOutputResult(future, result) == BLOCKED) waitAlone(future);
    unwatch(future);
    dropOutputResult(future);
  }
}
