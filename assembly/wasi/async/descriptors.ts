/**
 * Owns the table of descriptors: numbers for what WASI 0.3 has as resources, streams, futures and subtasks. Knows no call,
 * and no bytes.
 */

import { AREA_SIZE } from "./layouts";

/** No handle. */
export const NONE: i32 = -1;

export namespace Kind {
  /** Standard input, output or error. */
  export const STDIO: u8 = 0;
  export const TCP: u8 = 1;
  export const UDP: u8 = 2;
}

export namespace Stage {
  export const NEW: u8 = 0;
  export const BOUND: u8 = 1;
  export const LISTENING: u8 = 2;
  export const LOOKING_UP: u8 = 3;
  export const CONNECTING: u8 = 4;
  /** It has its streams, or can send and receive datagrams. */
  export const OPEN: u8 = 5;
}

/** How far reading, or writing, is. */
export namespace Progress {
  /** The host has not been asked. */
  export const IDLE: u8 = 0;
  /** It has been, and an event is to come. */
  export const PENDING: u8 = 1;
  /** It has answered, and that has not been used. */
  export const READY: u8 = 2;
}


@unmanaged
export class Descriptor {
  kind: u8;
  stage: u8;
  isIPv6: bool;
  reading: u8;
  writing: u8;
  /** Has the host dropped its end of the stream? */
  inputEnded: bool;
  outputEnded: bool;
  /** Did it bring more than a buffer when it was read last? */
  isBulk: bool;
  socket: i32;
  /** A stream of bytes or, of a listener, of sockets; and the future of how it ended. */
  input: i32;
  inputResult: i32;
  output: i32;
  outputResult: i32;
  /** Of a call that is under way: a lookup, connecting, receiving a datagram; and one that sends a datagram. */
  subtask: i32;
  sending: i32;
  /** Why connecting, or sending a datagram, has failed; reported once. */
  failure: i32;
  /** How each stream has ended: -1 until that has been asked. */
  inputErrno: i32;
  outputErrno: i32;
  /** Of one that is to be connected to a name. */
  port: i32;
  /** Three areas: the result of `subtask`, the parameters of either, and the result of `sending`. 0 until one is needed. */
  area: usize;
  /** Of input what has been read ahead, of standard output what is to be written: where, how much, and how far it is used. */
  buffer: usize;
  length: i32;
  position: i32;
}

/** Where the host writes the result of `subtask`. */
export function resultOf(descriptor: Descriptor): usize {
  if (descriptor.area == 0) descriptor.area = heap.alloc(3 * AREA_SIZE);
  return descriptor.area;
}

export function parametersOf(descriptor: Descriptor): usize {
  return resultOf(descriptor) + AREA_SIZE;
}

export function sendResultOf(descriptor: Descriptor): usize {
  return resultOf(descriptor) + 2 * AREA_SIZE;
}

const STDIO_COUNT: i32 = 3;

/** Pointers, by descriptor; 0 is none. */
let table: usize = 0;
let capacity: i32 = 0;
/** There is no free number below this one. */
let lowest: i32 = STDIO_COUNT;

/** One more than the highest descriptor that there may be. */
export function descriptorEnd(): i32 {
  return capacity;
}

/** That of a socket, or of standard input or output once it is in use: see stdio.ts. */
export function descriptorIn(fd: i32): Descriptor | null {
  if (u32(fd) >= u32(capacity)) return null;
  return changetype<Descriptor | null>(load<usize>(table + ((<usize>fd) << alignof<usize>())));
}

/** Gives it the lowest free number, as POSIX does. */
export function addDescriptor(descriptor: Descriptor): i32 {
  let fd = lowest;
  while (fd < capacity && load<usize>(table + ((<usize>fd) << alignof<usize>())) != 0) fd += 1;
  lowest = fd + 1;
  putDescriptor(fd, descriptor);
  return fd;
}

/** Frees the number; what it stood for is the caller's. */
export function removeDescriptor(fd: i32): void {
  store<usize>(table + ((<usize>fd) << alignof<usize>()), 0);
  if (fd >= STDIO_COUNT) lowest = min(lowest, fd);
}

export function newDescriptor(kind: u8, stage: u8, isIPv6: bool, socket: i32): Descriptor {
  const at = heap.alloc(offsetof<Descriptor>());
  memory.fill(at, 0, offsetof<Descriptor>());
  const descriptor = changetype<Descriptor>(at);
  descriptor.kind = kind;
  descriptor.stage = stage;
  descriptor.isIPv6 = isIPv6;
  descriptor.socket = socket;
  descriptor.input = NONE;
  descriptor.inputResult = NONE;
  descriptor.output = NONE;
  descriptor.outputResult = NONE;
  descriptor.subtask = NONE;
  descriptor.sending = NONE;
  descriptor.inputErrno = -1;
  descriptor.outputErrno = -1;
  return descriptor;
}

/** Frees the memory of one whose handles have been dropped. */
export function freeDescriptor(descriptor: Descriptor): void {
  if (descriptor.area != 0) heap.free(descriptor.area);
  if (descriptor.buffer != 0) heap.free(descriptor.buffer);
  heap.free(changetype<usize>(descriptor));
}

export function putDescriptor(fd: i32, descriptor: Descriptor): void {
  if (fd >= capacity) {
    const grown = max(64, 2 * capacity);
    const size = (<usize>grown) << alignof<usize>();
    const used = (<usize>capacity) << alignof<usize>();
    table = table == 0 ? heap.alloc(size) : heap.realloc(table, size);
    memory.fill(table + used, 0, size - used);
    capacity = grown;
  }
  store<usize>(table + ((<usize>fd) << alignof<usize>()), changetype<usize>(descriptor));
}
