/**
 * Owns what a guest asks of its host, by WASI 0.3: everything but the poll. The functions are those of ../system.ts, which
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
import { takeAddress } from "../component/addresses";
import { Filetype } from "../preview1";
import { AddressFamily, SocketKind } from "../socket-extension";
import { dropDescriptor } from "./closing";
import { localAddressUdp, remoteAddressUdp } from "./datagrams";
import { Descriptor, Kind, NONE, Stage, removeDescriptor } from "./descriptors";
import { errnoIn } from "./errors";
import { exitWithCode, monotonicNow, randomU64, systemNow } from "./io";
import { closeAll } from "./program";
import { AREA_SIZE, InstantLayout, ResultLayout } from "./layouts";
import { localAddressTcp, remoteAddressTcp } from "./sockets";
import { descriptorAt, flushOutput, putOutput, takeInput } from "./stdio";
import { dropInput, dropOutput, readInput, writeOutput } from "./streams";
import { acceptTcp, bindTcp, connectTcp, connectTcpByName, listenTcp, openTcp } from "./tcp";
import { bindUdp, connectUdp, openUdp, receiveUdp, sendUdp } from "./udp";

export { findVariable, readArguments } from "./strings";

const result = memory.data(AREA_SIZE, 8);

/** The halves of a connection, as the guest counts them. */
const SHUT_READ: i32 = 1;
const SHUT_WRITE: i32 = 2;

export function descriptorType(fd: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  if (descriptor.kind == Kind.TCP) return Filetype.SOCKET_STREAM;
  return descriptor.kind == Kind.UDP ? i32(Filetype.SOCKET_DGRAM) : 0;
}

/** In WASI 0.3 a call waits only where that is asked for. */
export function setNonBlocking(_fd: i32): i32 {
  return 0;
}

export function closeDescriptor(fd: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  removeDescriptor(fd);
  dropDescriptor(descriptor);
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
  if (descriptor.stage != Stage.OPEN) return -ERRNO_NOTCONN;
  // The program has ended this half.
  return descriptor.input == NONE ? 0 : readInput(descriptor, at, length);
}

export function transmit(fd: i32, at: usize, length: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  if (descriptor.kind == Kind.UDP) return sendUdp(descriptor, at, length, 0, 0, 0);
  if (descriptor.stage != Stage.OPEN) return -ERRNO_NOTCONN;
  return descriptor.output == NONE ? -ERRNO_PIPE : writeOutput(descriptor, at, length);
}

export function readFile(fd: i32, at: usize, length: i32, _blocks: bool): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null || descriptor.input == NONE) return -ERRNO_BADF;
  return descriptor.kind == Kind.STDIO ? takeInput(descriptor, at, length) : readInput(descriptor, at, length);
}

export function writeFile(fd: i32, at: usize, length: i32, _blocks: bool): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null || descriptor.output == NONE) return -ERRNO_BADF;
  return descriptor.kind == Kind.STDIO ? putOutput(descriptor, at, length) : writeOutput(descriptor, at, length);
}

export function writeMessage(fd: i32, at: usize, length: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null || descriptor.kind != Kind.STDIO || descriptor.output == NONE) return -ERRNO_BADF;
  flushOutput(descriptor);
  const count = putOutput(descriptor, at, length);
  flushOutput(descriptor);
  return count;
}

export function shutdownSocket(fd: i32, how: i32): i32 {
  const descriptor = descriptorAt(fd);
  if (descriptor === null) return -ERRNO_BADF;
  if (descriptor.kind != Kind.TCP || descriptor.stage != Stage.OPEN) return -ERRNO_NOTCONN;
  if (how != SHUT_READ) dropOutput(descriptor);
  if (how != SHUT_WRITE) {
    dropInput(descriptor);
    descriptor.inputEnded = true;
  }
  return ERRNO_SUCCESS;
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
  return descriptor.kind == Kind.UDP ? bindUdp(descriptor, at, length, port) : bindTcp(descriptor, at, length, port);
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
  return connectTcp(descriptor, at, length, port);
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
  const errno = errnoIn(result);
  if (errno != ERRNO_SUCCESS) return isPeer ? -ERRNO_NOTCONN : -errno;
  takeAddress(result + ResultLayout.VALUE);
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
  systemNow(result);
  return load<i64>(result, InstantLayout.SECONDS) * 1_000_000_000 + load<u32>(result, InstantLayout.NANOSECONDS);
}

export function randomSeed(): u64 {
  return randomU64();
}

/** As on POSIX, the lowest 8 bits count. */
export function exitProcess(status: i32): void {
  closeAll();
  exitWithCode(status & 255);
}
