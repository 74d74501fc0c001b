/**
 * Owns what a guest asks of its host, by WASI preview 1: everything but the poll. Knows the layouts; knows no channel
 * and no handler. Another profile answers the same functions.
 *
 * As in the backends of the TypeScript side, a call that can fail returns a number, and a negative one is -errno (WASI's
 * errno here). Nothing blocks: of a descriptor that cannot be made non-blocking, a poll says first whether it would.
 */

import { noteActivity } from "./activity";
import { ERRNO_AGAIN, ERRNO_INPROGRESS, ERRNO_NOTSUP, ERRNO_SUCCESS } from "../shared/errno";
import { ClockId, EventType, clock_time_get } from "./poll";
import { forgetPolled, isReady } from "./portable-poll";
import {
  FDSTAT_SIZE,
  FdFlags,
  args_get,
  args_sizes_get,
  environ_get,
  environ_sizes_get,
  fd_close,
  fd_fdstat_get,
  fd_fdstat_set_flags,
  fd_read,
  fd_write,
  proc_exit,
  random_get,
  sock_accept,
  sock_recv,
  sock_send,
  sock_shutdown,
} from "./preview1";
import { PROFILE, Profile } from "./profile";
import {
  SOL_SOCKET,
  SO_ERROR,
  SO_REUSEADDR,
  sock_bind,
  sock_connect,
  sock_getsockopt,
  sock_listen,
  sock_open,
  sock_setsockopt,
} from "./socket-extension";

/** An iovec, or an address of the extension. */
const vector = memory.data(8, 8);
/** What a call returns, and the flags that sock_recv returns. */
const result = memory.data(8, 8);
const fdstat = memory.data(FDSTAT_SIZE, 8);

/** The `filetype` of a descriptor. */
export function descriptorType(fd: i32): i32 {
  const errno = fd_fdstat_get(fd, fdstat);
  return errno == ERRNO_SUCCESS ? load<u8>(fdstat) : -errno;
}

export function setNonBlocking(fd: i32): i32 {
  return -fd_fdstat_set_flags(fd, FdFlags.NONBLOCK);
}

export function closeDescriptor(fd: i32): i32 {
  if (fd <= 2) forgetPolled();
  return -fd_close(fd);
}

/** Takes one waiting connection, and makes it non-blocking. @returns its descriptor. */
export function acceptConnection(fd: i32): i32 {
  const errno = sock_accept(fd, FdFlags.NONBLOCK, result);
  if (errno != ERRNO_SUCCESS) return -errno;
  noteActivity();
  const accepted = load<i32>(result);
  // Some hosts do not look at the flag of sock_accept.
  setNonBlocking(accepted);
  return accepted;
}

/** Receives from a socket. @returns bytes, 0 at end of input. */
export function receive(fd: i32, at: usize, length: i32): i32 {
  return moved(sock_recv(fd, vectorOf(at, length), 1, 0, result, result + 4));
}

/** Sends to a socket. @returns bytes taken. */
export function transmit(fd: i32, at: usize, length: i32): i32 {
  return moved(sock_send(fd, vectorOf(at, length), 1, 0, result));
}

/** Reads from a file, a pipe or a terminal. `blocks`: it could not be made non-blocking. */
export function readFile(fd: i32, at: usize, length: i32, blocks: bool): i32 {
  if (blocks && !isReady(fd, EventType.FD_READ)) return -ERRNO_AGAIN;
  return moved(fd_read(fd, vectorOf(at, length), 1, result));
}

/** Writes to a file, a pipe or a terminal. */
export function writeFile(fd: i32, at: usize, length: i32, blocks: bool): i32 {
  if (blocks && !isReady(fd, EventType.FD_WRITE)) return -ERRNO_AGAIN;
  return moved(fd_write(fd, vectorOf(at, length), 1, result));
}

/** Writes without asking first: for messages, which are not worth a loop. @returns bytes taken. */
export function writeMessage(fd: i32, at: usize, length: i32): i32 {
  const errno = fd_write(fd, vectorOf(at, length), 1, result);
  return errno == ERRNO_SUCCESS ? load<i32>(result) : -errno;
}

/** Ends the reading half (1), the writing half (2), or both (3) of a connection. */
export function shutdownSocket(fd: i32, how: i32): i32 {
  return -sock_shutdown(fd, how);
}

/** Makes a socket. ENOTSUP where the profile has no call for it. */
export function openSocket(family: i32, kind: i32): i32 {
  if (PROFILE == Profile.PREVIEW1_SOCKETS) {
    const errno = sock_open(family, kind, result);
    if (errno != ERRNO_SUCCESS) return -errno;
    const fd = load<i32>(result);
    setNonBlocking(fd);
    return fd;
  }
  return -ERRNO_NOTSUP;
}

/** Lets a socket bind to an address whose last connections are not forgotten yet, where the profile has a call for it. */
export function allowReuse(fd: i32): void {
  if (PROFILE == Profile.PREVIEW1_SOCKETS) {
    store<i32>(result, 1);
    sock_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, result, 4);
  }
}

/** Binds to the address of `length` bytes at `at`. */
export function bindSocket(fd: i32, at: usize, length: i32, port: i32): i32 {
  if (PROFILE == Profile.PREVIEW1_SOCKETS) return -sock_bind(fd, vectorOf(at, length), port);
  return -ERRNO_NOTSUP;
}

export function listenSocket(fd: i32, backlog: i32): i32 {
  if (PROFILE == Profile.PREVIEW1_SOCKETS) return -sock_listen(fd, backlog);
  return -ERRNO_NOTSUP;
}

/** Begins to connect. 0 when it is done, -EINPROGRESS when a poll will show the result. */
export function connectSocket(fd: i32, at: usize, length: i32, port: i32): i32 {
  if (PROFILE == Profile.PREVIEW1_SOCKETS) {
    const errno = sock_connect(fd, vectorOf(at, length), port);
    return errno == ERRNO_AGAIN ? -ERRNO_INPROGRESS : -errno;
  }
  return -ERRNO_NOTSUP;
}

/** Why a connection failed, where the poll may not report it: an errno, 0 for none. */
export function connectError(fd: i32): i32 {
  if (PROFILE == Profile.PREVIEW1_SOCKETS) {
    store<i32>(result, 4, 4);
    const errno = sock_getsockopt(fd, SOL_SOCKET, SO_ERROR, result, result + 4);
    return errno == ERRNO_SUCCESS ? load<i32>(result) : errno;
  }
  return ERRNO_SUCCESS;
}

/**
 * Begins to connect to the name of `length` bytes at `at`, which the host looks up; -EINPROGRESS: a poll will show the result.
 * Preview 1 has no such call, nor the next two.
 */
export function connectToName(_fd: i32, _at: usize, _length: i32, _port: i32): i32 {
  return -ERRNO_NOTSUP;
}

/** Sends one datagram to the address of `hostLength` bytes at `hostAt`. @returns bytes taken. */
export function sendDatagram(_fd: i32, _at: usize, _length: i32, _hostAt: usize, _hostLength: i32, _port: i32): i32 {
  return -ERRNO_NOTSUP;
}

/** Tells (address.ts) where a socket is bound, or whom it is connected to. */
export function addressOf(_fd: i32, _isPeer: bool): i32 {
  return -ERRNO_NOTSUP;
}

/** Nanoseconds of the monotonic clock. */
export function monotonicNs(): i64 {
  clock_time_get(ClockId.MONOTONIC, 0, result);
  return load<i64>(result);
}

/** Nanoseconds since 1970. */
export function realtimeNs(): i64 {
  clock_time_get(ClockId.REALTIME, 0, result);
  return load<i64>(result);
}

export function randomSeed(): u64 {
  random_get(result, 8);
  return load<u64>(result);
}

export function exitProcess(status: i32): void {
  proc_exit(status);
}

/** The arguments of the program, each a string of UTF-8; none where the host has none to give. */
export function readArguments(): string[] {
  if (args_sizes_get(result, result + 4) != ERRNO_SUCCESS) return [];
  const count = load<i32>(result);
  const pointers = heap.alloc(usize(count) * sizeof<usize>() + load<u32>(result, 4));
  const errno = args_get(pointers, pointers + usize(count) * sizeof<usize>());
  return takeStrings(pointers, errno == ERRNO_SUCCESS ? count : 0);
}

/** The address of the value of an environment variable, which ends with a zero; 0 where there is none. Names are ASCII. */
export function findVariable(name: string): usize {
  if (variableCount < 0) readEnvironment();
  for (let i = 0; i < variableCount; i++) {
    const at = load<usize>(variables + usize(i) * sizeof<usize>());
    let matched = 0;
    while (matched < name.length && load<u8>(at + matched) == name.charCodeAt(matched)) matched += 1;
    if (matched == name.length && load<u8>(at + matched) == EQUALS) return at + matched + 1;
  }
  return 0;
}

const EQUALS: i32 = 61;

/** Pointers to "NAME=value", read once and kept. */
let variables: usize = 0;
let variableCount: i32 = -1;

function readEnvironment(): void {
  variableCount = 0;
  if (environ_sizes_get(result, result + 4) != ERRNO_SUCCESS) return;
  const count = load<i32>(result);
  const textAt = usize(count) * sizeof<usize>();
  variables = heap.alloc(textAt + load<u32>(result, 4));
  if (environ_get(variables, variables + textAt) == ERRNO_SUCCESS) variableCount = count;
}

/** Frees what it reads. */
function takeStrings(pointers: usize, count: i32): string[] {
  const strings = new Array<string>(count);
  for (let i = 0; i < count; i++) {
    const at = load<usize>(pointers + usize(i) * sizeof<usize>());
    let end = at;
    while (load<u8>(end) != 0) end += 1;
    strings[i] = String.UTF8.decodeUnsafe(at, end - at);
  }
  heap.free(pointers);
  return strings;
}


@inline
function vectorOf(at: usize, length: i32): usize {
  store<usize>(vector, at);
  store<i32>(vector, length, 4);
  return vector;
}


@inline
function moved(errno: i32): i32 {
  if (errno == ERRNO_SUCCESS) {
    noteActivity();
    return load<i32>(result);
  }
  // What failed has moved on as well; only "not now" has not.
  if (errno != ERRNO_AGAIN) noteActivity();
  return -errno;
}
