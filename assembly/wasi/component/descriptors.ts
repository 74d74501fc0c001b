/**
 * Owns the table of descriptors: numbers for what WASI 0.2 has as resources, standard input, output and error among them;
 * and each one's pollables, one a direction, made on first use and kept. Knows no bytes and no addresses.
 *
 * A host traps when a resource goes before those that came of it: pollables are dropped first, then streams, then sockets.
 */

import {
  dropInput,
  dropOutput,
  dropPollable,
  getStderr,
  getStdin,
  getStdout,
  subscribeInput,
  subscribeOutput,
} from "./io";
import {
  dropIncoming,
  dropLookup,
  dropOutgoing,
  dropTcp,
  dropUdp,
  subscribeIncoming,
  subscribeLookup,
  subscribeOutgoing,
  subscribeTcp,
} from "./sockets";

/** No resource. */
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
  /** It has its streams: those of bytes, or of datagrams. */
  export const OPEN: u8 = 5;
}


@unmanaged
export class Descriptor {
  kind: u8;
  stage: u8;
  isIPv6: bool;
  /** Has its writing half been ended, by the program at least? Has it been closed? See pending-output.ts. */
  ends: bool;
  isClosed: bool;
  /** Has the host output to send before that is done? Had it sent all of it when last polled? */
  hasPendingOutput: bool;
  isSent: bool;
  socket: i32;
  input: i32;
  output: i32;
  /** The pollables. */
  reading: i32;
  writing: i32;
  /** Of one that is to be connected to a name: the lookup, and the port. */
  lookup: i32;
  port: i32;
  /** Of one that drains: until when it may once it is closed, and the next one. */
  untilNs: i64;
  next: usize;
}

const STDIO_COUNT: i32 = 3;

/** Pointers, by descriptor; 0 is none. */
let table: usize = 0;
let capacity: i32 = 0;
/** There is no free number below this one. */
let lowest: i32 = STDIO_COUNT;
/** Which of standard input, output and error have been opened: a bit each. */
let opened: i32 = 0;

/** One more than the highest descriptor that there may be. */
export function descriptorEnd(): i32 {
  return capacity;
}

export function descriptorAt(fd: i32): Descriptor | null {
  if (fd >= 0 && fd < STDIO_COUNT && (opened & (1 << fd)) == 0) openStdio(fd);
  if (u32(fd) >= u32(capacity)) return null;
  return changetype<Descriptor | null>(load<usize>(table + ((<usize>fd) << alignof<usize>())));
}

/** Gives it the lowest free number, as POSIX does. */
export function addDescriptor(descriptor: Descriptor): i32 {
  let fd = lowest;
  while (fd < capacity && load<usize>(table + ((<usize>fd) << alignof<usize>())) != 0) fd += 1;
  lowest = fd + 1;
  put(fd, descriptor);
  return fd;
}

/** Frees the number; what it stood for is the caller's. */
export function removeDescriptor(fd: i32): void {
  store<usize>(table + ((<usize>fd) << alignof<usize>()), 0);
  if (fd >= STDIO_COUNT) lowest = min(lowest, fd);
}

export function newDescriptor(kind: u8, stage: u8, isIPv6: bool, socket: i32, input: i32, output: i32): Descriptor {
  const descriptor = changetype<Descriptor>(heap.alloc(offsetof<Descriptor>()));
  descriptor.kind = kind;
  descriptor.stage = stage;
  descriptor.isIPv6 = isIPv6;
  descriptor.ends = false;
  descriptor.isClosed = false;
  descriptor.hasPendingOutput = false;
  descriptor.socket = socket;
  descriptor.input = input;
  descriptor.output = output;
  descriptor.reading = NONE;
  descriptor.writing = NONE;
  descriptor.lookup = NONE;
  return descriptor;
}

/** The pollable that is ready when there is something to read; NONE where that cannot happen. */
export function readPollable(descriptor: Descriptor): i32 {
  if (descriptor.reading == NONE) {
    if (descriptor.input != NONE) {
      const isUdp = descriptor.kind == Kind.UDP;
      descriptor.reading = isUdp ? subscribeIncoming(descriptor.input) : subscribeInput(descriptor.input);
    } else if (descriptor.stage == Stage.LISTENING) {
      descriptor.reading = subscribeTcp(descriptor.socket);
    }
  }
  return descriptor.reading;
}

/** The pollable that is ready when something can be written, or a connection is made; NONE where that cannot happen. */
export function writePollable(descriptor: Descriptor): i32 {
  if (descriptor.writing == NONE) {
    if (descriptor.output != NONE) {
      const isUdp = descriptor.kind == Kind.UDP;
      descriptor.writing = isUdp ? subscribeOutgoing(descriptor.output) : subscribeOutput(descriptor.output);
    } else if (descriptor.stage == Stage.LOOKING_UP) {
      descriptor.writing = subscribeLookup(descriptor.lookup);
    } else if (descriptor.stage == Stage.CONNECTING) {
      descriptor.writing = subscribeTcp(descriptor.socket);
    }
  }
  return descriptor.writing;
}

/** Drops the pollables, which belong to a stage or to streams that are over. */
export function dropPollables(descriptor: Descriptor): void {
  if (descriptor.reading != NONE) dropPollable(descriptor.reading);
  if (descriptor.writing != NONE) dropPollable(descriptor.writing);
  descriptor.reading = NONE;
  descriptor.writing = NONE;
}

/** Drops the pollables, the lookup and the streams. */
export function dropStreams(descriptor: Descriptor): void {
  dropPollables(descriptor);
  const isUdp = descriptor.kind == Kind.UDP;
  if (descriptor.lookup != NONE) dropLookup(descriptor.lookup);
  if (descriptor.input != NONE) {
    if (isUdp) dropIncoming(descriptor.input);
    else dropInput(descriptor.input);
  }
  if (descriptor.output != NONE) {
    if (isUdp) dropOutgoing(descriptor.output);
    else dropOutput(descriptor.output);
  }
  descriptor.lookup = NONE;
  descriptor.input = NONE;
  descriptor.output = NONE;
}

/** Drops everything of one that has no number any more. */
export function freeDescriptor(descriptor: Descriptor): void {
  dropStreams(descriptor);
  if (descriptor.socket != NONE) {
    if (descriptor.kind == Kind.UDP) dropUdp(descriptor.socket);
    else dropTcp(descriptor.socket);
  }
  heap.free(changetype<usize>(descriptor));
}

function openStdio(fd: i32): void {
  opened |= 1 << fd;
  const output = fd == 0 ? NONE : fd == 1 ? getStdout() : getStderr();
  put(fd, newDescriptor(Kind.STDIO, Stage.OPEN, false, NONE, fd == 0 ? getStdin() : NONE, output));
}

function put(fd: i32, descriptor: Descriptor): void {
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
