/**
 * Owns reading and writing TCP streams. Knows descriptors; knows no addresses and no poll. Nothing here waits, but for the
 * end of a call that is cancelled, and for why a stream has ended.
 *
 * A read that the host cannot serve at once is under way until there is something to read; its memory is the host's until
 * then. So each connection that is watched has a small buffer for it, and what is read beyond that goes straight where the
 * program wants it. While a connection brings more than that at a time, a read of 0 bytes takes its place, which ends when
 * there is something to read. A write of 0 bytes asks in the same way whether there is room.
 */

import { ERRNO_AGAIN, ERRNO_PIPE, ERRNO_SUCCESS } from "../../shared/errno";
import { BLOCKED, Status, countOf, statusOf } from "./canonical";
import { Descriptor, NONE, Progress, Stage } from "./descriptors";
import { errnoIn } from "./errors";
import { AREA_SIZE, StreamLayout } from "./layouts";
import {
  cancelReadBytes,
  cancelReadConnections,
  cancelWriteBytes,
  dropConnections,
  dropReadable,
  dropResult,
  dropWritable,
  newBytes,
  readBytes,
  readConnections,
  readResult,
  receiveTcp,
  sendTcp,
  writeBytes,
} from "./sockets";
import { unwatch, waitAlone, watch } from "./waitables";

/** Enough for the messages of most protocols; each connection that is watched holds as much. */
const BUFFER_SIZE: i32 = 1024;

const result = memory.data(AREA_SIZE, 8);

/** Gives a connection its streams. */
export function openStreams(descriptor: Descriptor): void {
  receiveTcp(descriptor.socket, result);
  descriptor.input = load<i32>(result, StreamLayout.STREAM);
  descriptor.inputResult = load<i32>(result, StreamLayout.FUTURE);
  const ends = newBytes();
  descriptor.outputResult = sendTcp(descriptor.socket, i32(ends));
  descriptor.output = i32(ends >> 32);
  watch(descriptor.input, descriptor);
  watch(descriptor.output, descriptor);
  descriptor.stage = Stage.OPEN;
}

/** Is there something to read, or to accept, or the end of input? If not, the host is asked to report it. */
export function isReadable(descriptor: Descriptor): bool {
  if (descriptor.reading != Progress.IDLE) return descriptor.reading == Progress.READY;
  if (descriptor.inputEnded) return true;
  if (descriptor.input == NONE) return false;
  const code = askForInput(descriptor);
  if (code == BLOCKED) {
    descriptor.reading = Progress.PENDING;
    return false;
  }
  noteRead(descriptor, code);
  return true;
}

function askForInput(descriptor: Descriptor): i32 {
  if (descriptor.stage == Stage.LISTENING) return readConnections(descriptor.input, 0, 0);
  if (descriptor.isBulk) return readBytes(descriptor.input, 0, 0);
  if (descriptor.buffer == 0) descriptor.buffer = heap.alloc(BUFFER_SIZE);
  return readBytes(descriptor.input, descriptor.buffer, BUFFER_SIZE);
}

/** Is there room to write, or has writing failed? */
export function isWritable(descriptor: Descriptor): bool {
  if (descriptor.writing != Progress.IDLE) return descriptor.writing == Progress.READY;
  if (descriptor.outputEnded) return true;
  if (descriptor.output == NONE) return false;
  const code = writeBytes(descriptor.output, 0, 0);
  if (code == BLOCKED) {
    descriptor.writing = Progress.PENDING;
    return false;
  }
  noteWritten(descriptor, code);
  return true;
}

/** A read has ended. */
export function noteRead(descriptor: Descriptor, code: i32): void {
  descriptor.reading = Progress.READY;
  descriptor.position = 0;
  descriptor.length = countOf(code);
  if (statusOf(code) == Status.DROPPED) descriptor.inputEnded = true;
}

/** A write has ended. */
export function noteWritten(descriptor: Descriptor, code: i32): void {
  descriptor.writing = Progress.READY;
  if (statusOf(code) == Status.DROPPED) descriptor.outputEnded = true;
}

/** Reads to `at`. @returns bytes, 0 at the end of input, -errno */
export function readInput(descriptor: Descriptor, at: usize, length: i32): i32 {
  if (!isReadable(descriptor)) return -ERRNO_AGAIN;
  const left = descriptor.length - descriptor.position;
  let count = min(length, left);
  if (count > 0) {
    memory.copy(at, descriptor.buffer + descriptor.position, count);
    descriptor.position += count;
    if (count < left) return count;
  }
  descriptor.reading = Progress.IDLE;
  // A buffer that was not filled was all there was.
  const mayHaveMore = descriptor.length == BUFFER_SIZE || descriptor.isBulk;
  descriptor.length = 0;
  descriptor.position = 0;
  if (mayHaveMore && count < length && !descriptor.inputEnded) count += readNow(descriptor, at + count, length - count);
  descriptor.isBulk = count > BUFFER_SIZE;
  if (count > 0) return count;
  return descriptor.inputEnded ? -inputErrno(descriptor) : -ERRNO_AGAIN;
}

/** Writes what the host takes at once. @returns bytes, or -errno */
export function writeOutput(descriptor: Descriptor, at: usize, length: i32): i32 {
  if (descriptor.outputEnded) return -outputErrno(descriptor);
  if (length == 0) return 0;
  if (descriptor.writing == Progress.PENDING) return -ERRNO_AGAIN;
  descriptor.writing = Progress.IDLE;
  const output = descriptor.output;
  let code = writeBytes(output, at, length);
  if (code == BLOCKED) {
    unwatch(output);
    code = cancelWriteBytes(output);
    watch(output, descriptor);
  }
  if (statusOf(code) == Status.DROPPED) descriptor.outputEnded = true;
  const count = countOf(code);
  if (count > 0) return count;
  return descriptor.outputEnded ? -outputErrno(descriptor) : -ERRNO_AGAIN;
}

/** Reads bytes, or the handle of one connection, that the host has said are there. @returns how many */
export function readNow(descriptor: Descriptor, at: usize, length: i32): i32 {
  const input = descriptor.input;
  const isListener = descriptor.stage == Stage.LISTENING;
  let code = isListener ? readConnections(input, at, 1) : readBytes(input, at, length);
  if (code == BLOCKED) {
    unwatch(input);
    code = isListener ? cancelReadConnections(input) : cancelReadBytes(input);
    watch(input, descriptor);
  }
  if (statusOf(code) == Status.DROPPED) descriptor.inputEnded = true;
  return countOf(code);
}

/** Ends the reading half. */
export function dropInput(descriptor: Descriptor): void {
  const input = descriptor.input;
  if (input == NONE) return;
  const isListener = descriptor.stage == Stage.LISTENING;
  unwatch(input);
  if (descriptor.reading == Progress.PENDING) {
    if (isListener) cancelReadConnections(input);
    else cancelReadBytes(input);
  }
  if (isListener) dropConnections(input);
  else dropReadable(input);
  if (descriptor.inputResult != NONE) dropResult(descriptor.inputResult);
  descriptor.input = NONE;
  descriptor.inputResult = NONE;
  descriptor.reading = Progress.IDLE;
}

/** Ends the writing half: the host sends what it has, and then the end. */
export function dropOutput(descriptor: Descriptor): void {
  const output = descriptor.output;
  if (output == NONE) return;
  unwatch(output);
  if (descriptor.writing == Progress.PENDING) cancelWriteBytes(output);
  dropWritable(output);
  dropResult(descriptor.outputResult);
  descriptor.output = NONE;
  descriptor.outputResult = NONE;
  descriptor.writing = Progress.IDLE;
}

/** Why there is nothing more to read: 0 where the peer has ended its half. */
function inputErrno(descriptor: Descriptor): i32 {
  if (descriptor.inputErrno < 0) descriptor.inputErrno = resultOf(descriptor.inputResult);
  return descriptor.inputErrno;
}

function outputErrno(descriptor: Descriptor): i32 {
  if (descriptor.outputErrno < 0) {
    const errno = resultOf(descriptor.outputResult);
    descriptor.outputErrno = errno == ERRNO_SUCCESS ? ERRNO_PIPE : errno;
  }
  return descriptor.outputErrno;
}

/** The errno of a future whose stream has ended: it is known by then, or as soon as the host goes on. */
function resultOf(future: i32): i32 {
  if (future == NONE) return ERRNO_SUCCESS;
  if (readResult(future, result) == BLOCKED) {
    watch(future, null);
    waitAlone(future);
    unwatch(future);
  }
  return errnoIn(result);
}
