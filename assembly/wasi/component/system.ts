/**
 * Owns what a guest asks of its host, by WASI 0.2: everything but the poll. The functions are those of ../system.ts, which
 * the build replaces by this file; what they mean stands there. Knows the other files here; knows no channel.
 */

import {
  ERRNO_BADF,
  ERRNO_INVAL,
  ERRNO_NOTCONN,
  ERRNO_NOTSOCK,
  ERRNO_NOTSUP,
  ERRNO_PIPE,
  ERRNO_SUCCESS,
} from "../../shared/errno";
import { Filetype } from "../preview1";
import { AddressFamily, SocketKind } from "../socket-extension";
import { flatten, takeAddress } from "./addresses";
import { Descriptor, Kind, NONE, Stage, descriptorAt, removeDescriptor } from "./descriptors";
import { endWhenSent, freeWhenSent } from "./pending-output";
import { errnoIn, errnoOf, errnoOfStream } from "./errors";
import { RESULT_SIZE, exit, flushStream, monotonicNow, randomU64, wallNow, writeAndFlush } from "./io";
import { finish } from "./program";
import { localAddressTcp, localAddressUdp, remoteAddressTcp, remoteAddressUdp, shutdownTcp } from "./sockets";
import { readInput, writeOutput } from "./streams";
import { acceptTcp, bindTcp, connectTcp, connectTcpByName, listenTcp, openTcp } from "./tcp";
import { bindUdp, connectUdp, openUdp, receiveUdp, sendUdp } from "./udp";

export { findVariable, readArguments } from "./strings";

const result = memory.data(RESULT_SIZE, 8);
/** wasi:io, blocking-write-and-flush. */
const MESSAGE_BYTES_MAX: i32 = 4096;

/** The halves of a connection, as the guest counts them. */
const SHUT_READ: i32 = 1;
const SHUT_WRITE: i32 = 2;
/** `shutdown-type.receive`. */
const RECEIVE: i32 = 0;

export function descriptorType(fd: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  if (descriptor.kind == Kind.TCP) return Filetype.SOCKET_STREAM;
  return descriptor.kind == Kind.UDP ? i32(Filetype.SOCKET_DGRAM) : 0;
}

/** In WASI 0.2 only calls made for waiting wait. */
export function setNonBlocking(_fd: i32): i32 {
  return 0;
}

/** Closes it; what was written is sent all the same. */
export function closeDescriptor(fd: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  removeDescriptor(fd);
  freeWhenSent(descriptor);
  return 0;
}

export function acceptConnection(fd: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  return descriptor.kind == Kind.TCP ? acceptTcp(descriptor) : -ERRNO_NOTSOCK;
}

export function receive(fd: i32, at: usize, length: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  if (descriptor.kind == Kind.UDP) return receiveUdp(descriptor, at, length);
  return descriptor.input == NONE ? -ERRNO_NOTCONN : readInput(descriptor.input, at, length);
}

export function transmit(fd: i32, at: usize, length: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  if (descriptor.kind == Kind.UDP) return sendUdp(descriptor, at, length, 0, 0, 0);
  if (descriptor.ends) return -ERRNO_PIPE;
  return descriptor.output == NONE ? -ERRNO_NOTCONN : writeOutput(descriptor.output, at, length);
}

export function readFile(fd: i32, at: usize, length: i32, _blocks: bool): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null || descriptor.input == NONE) return -ERRNO_BADF;
  return readInput(descriptor.input, at, length);
}

export function writeFile(fd: i32, at: usize, length: i32, _blocks: bool): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null || descriptor.output == NONE) return -ERRNO_BADF;
  const count = writeOutput(descriptor.output, at, length);
  if (count > 0) {
    flushStream(descriptor.output, result);
    if (load<u8>(result) != 0) return -errnoOfStream(result + 4);
  }
  return count;
}

export function writeMessage(fd: i32, at: usize, length: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null || descriptor.output == NONE) return -ERRNO_BADF;
  const count = min(length, MESSAGE_BYTES_MAX);
  writeAndFlush(descriptor.output, at, count, result);
  return load<u8>(result) == 0 ? count : -errnoOfStream(result + 4);
}

export function shutdownSocket(fd: i32, how: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  if (descriptor.kind != Kind.TCP || descriptor.stage != Stage.OPEN) return -ERRNO_NOTCONN;
  if (how != SHUT_READ) {
    const ended = endWhenSent(descriptor);
    if (ended < 0 || how == SHUT_WRITE) return ended;
  }
  shutdownTcp(descriptor.socket, RECEIVE, result);
  return -errnoIn(result);
}

export function openSocket(family: i32, kind: i32): i32 {
  const isIPv6 = family == AddressFamily.INET6;
  return kind == SocketKind.STREAM ? openTcp(isIPv6) : openUdp(isIPv6);
}

/** A host of components does so for each socket that it binds. */
export function allowReuse(_fd: i32): void {}

/** The poll reports it. */
export function connectError(_fd: i32): i32 {
  return ERRNO_SUCCESS;
}

export function bindSocket(fd: i32, at: usize, length: i32, port: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  flatten(at, length, port);
  return descriptor.kind == Kind.UDP ? bindUdp(descriptor) : bindTcp(descriptor);
}

export function listenSocket(fd: i32, backlog: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  return descriptor.kind == Kind.TCP ? listenTcp(descriptor, backlog) : -ERRNO_NOTSUP;
}

export function connectSocket(fd: i32, at: usize, length: i32, port: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  if (descriptor.kind == Kind.UDP) return connectUdp(descriptor, at, length, port);
  flatten(at, length, port);
  return connectTcp(descriptor);
}

export function connectToName(fd: i32, at: usize, length: i32, port: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  return descriptor.kind == Kind.TCP ? connectTcpByName(descriptor, at, length, port) : -ERRNO_INVAL;
}

export function sendDatagram(fd: i32, at: usize, length: i32, hostAt: usize, hostLength: i32, port: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  if (descriptor.kind != Kind.UDP) return -ERRNO_NOTSUP;
  return sendUdp(descriptor, at, length, hostAt, hostLength, port);
}

export function addressOf(fd: i32, isPeer: bool): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  if (descriptor.kind == Kind.STDIO) return -ERRNO_NOTSOCK;
  askAddress(descriptor, isPeer);
  if (load<u8>(result) != 0) return isPeer ? -ERRNO_NOTCONN : -errnoOf(load<u8>(result, 4));
  takeAddress(result + 4);
  return ERRNO_SUCCESS;
}

function askAddress(descriptor: Descriptor, isPeer: bool): void {
  const socket = descriptor.socket;
  if (descriptor.kind == Kind.TCP) {
    if (isPeer) remoteAddressTcp(socket, result);
    else localAddressTcp(socket, result);
  } else if (isPeer) {
    remoteAddressUdp(socket, result);
  } else {
    localAddressUdp(socket, result);
  }
}

export function monotonicNs(): i64 {
  return monotonicNow();
}

export function realtimeNs(): i64 {
  wallNow(result);
  return load<i64>(result) * 1_000_000_000 + load<u32>(result, 8);
}

export function randomSeed(): u64 {
  return randomU64();
}

/** WASI 0.2.0 knows success and failure: any other status than 0 is 1. */
export function exitProcess(status: i32): void {
  finish();
  exit(i32(status != 0));
}
