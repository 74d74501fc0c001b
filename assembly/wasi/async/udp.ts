/**
 * Owns UDP sockets and their datagrams. Knows descriptors and addresses; knows no poll. A datagram is received by a call
 * that returns when there is one: it is made for a socket that wants to read, and what it returns is kept until it is read.
 */

import { ERRNO_AGAIN, ERRNO_NOTCONN, ERRNO_SUCCESS } from "../../shared/errno";
import { flatten, takeAddress, writeAddress } from "../component/addresses";
import { callFlat } from "./addresses";
import { CallState, countOf, statusOf } from "./canonical";
import { bindUdpSocket, connectUdpSocket, createUdp, receiveDatagram, sendDatagram } from "./datagrams";
import {
  Descriptor,
  Kind,
  Progress,
  Stage,
  addDescriptor,
  newDescriptor,
  parametersOf,
  resultOf,
  sendResultOf,
} from "./descriptors";
import { errnoIn } from "./errors";
import { AREA_SIZE, ReceivedLayout, ResultLayout, SendLayout } from "./layouts";
import { watch } from "./waitables";

const result = memory.data(AREA_SIZE, 8);

/** @returns a descriptor, or -errno */
export function openUdp(isIPv6: bool): i32 {
  createUdp(i32(isIPv6), result);
  if (load<u8>(result, ResultLayout.IS_ERROR) != 0) return -errnoIn(result);
  return addDescriptor(newDescriptor(Kind.UDP, Stage.NEW, isIPv6, load<i32>(result, ResultLayout.VALUE)));
}

/** @returns 0, or -errno */
export function bindUdp(descriptor: Descriptor, at: usize, length: i32, port: i32): i32 {
  flatten(at, length, port);
  callFlat(bindUdpSocket, descriptor.socket, result);
  return opened(descriptor, Stage.BOUND);
}

/** Sends to, and receives from, this address alone. @returns 0, or -errno */
export function connectUdp(descriptor: Descriptor, at: usize, length: i32, port: i32): i32 {
  flatten(at, length, port);
  callFlat(connectUdpSocket, descriptor.socket, result);
  return opened(descriptor, Stage.OPEN);
}

/** Is there a datagram? If not, the host is asked for one. Before it is bound, a socket receives none. */
export function hasDatagram(descriptor: Descriptor): bool {
  if (descriptor.reading != Progress.IDLE) return descriptor.reading == Progress.READY;
  if (descriptor.stage == Stage.NEW) return false;
  const call = receiveDatagram(descriptor.socket, resultOf(descriptor));
  if (statusOf(call) == CallState.RETURNED) {
    descriptor.reading = Progress.READY;
    return true;
  }
  descriptor.subtask = countOf(call);
  descriptor.reading = Progress.PENDING;
  watch(descriptor.subtask, descriptor);
  return false;
}

/** Receives one datagram, and notes where it came from; one longer than `length` is cut. @returns bytes, or -errno */
export function receiveUdp(descriptor: Descriptor, at: usize, length: i32): i32 {
  if (descriptor.stage == Stage.NEW) return -ERRNO_NOTCONN;
  if (!hasDatagram(descriptor)) return -ERRNO_AGAIN;
  descriptor.reading = Progress.IDLE;
  const received = resultOf(descriptor);
  const errno = errnoIn(received);
  if (errno != ERRNO_SUCCESS) return -errno;
  const data = load<usize>(received, ReceivedLayout.DATA);
  const size = load<i32>(received, ReceivedLayout.LENGTH);
  const count = min(length, size);
  memory.copy(at, data, count);
  if (size > 0) heap.free(data);
  takeAddress(received + ReceivedLayout.ADDRESS);
  return count;
}

/** Frees a datagram that nobody has read. */
export function freeDatagram(descriptor: Descriptor): void {
  const received = resultOf(descriptor);
  if (errnoIn(received) == ERRNO_SUCCESS && load<i32>(received, ReceivedLayout.LENGTH) > 0)
    heap.free(load<usize>(received, ReceivedLayout.DATA));
}

/** Sends one datagram, to the address of `hostLength` bytes at `hostAt`, or with 0 to whom it is connected. @returns bytes, or -errno */
export function sendUdp(
  descriptor: Descriptor,
  at: usize,
  length: i32,
  hostAt: usize,
  hostLength: i32,
  port: i32,
): i32 {
  const failure = descriptor.failure;
  descriptor.failure = 0;
  if (failure != 0) return -failure;
  if (descriptor.stage != Stage.OPEN && hostLength == 0) return -ERRNO_NOTCONN;
  if (descriptor.writing == Progress.PENDING) return -ERRNO_AGAIN;
  const parameters = parametersOf(descriptor);
  store<i32>(parameters, descriptor.socket, SendLayout.SOCKET);
  store<usize>(parameters, at, SendLayout.DATA);
  store<i32>(parameters, length, SendLayout.LENGTH);
  store<u32>(parameters, u32(hostLength > 0), SendLayout.HAS_ADDRESS);
  if (hostLength > 0) writeAddress(parameters + SendLayout.ADDRESS, hostAt, hostLength, port);
  // The host copies the datagram before it returns.
  const call = sendDatagram(parameters, sendResultOf(descriptor));
  if (statusOf(call) == CallState.RETURNED) {
    const errno = errnoIn(sendResultOf(descriptor));
    // Sending binds to any port, as on POSIX.
    if (errno == ERRNO_SUCCESS && descriptor.stage == Stage.NEW) descriptor.stage = Stage.BOUND;
    return errno == ERRNO_SUCCESS ? length : -errno;
  }
  descriptor.sending = countOf(call);
  descriptor.writing = Progress.PENDING;
  if (descriptor.stage == Stage.NEW) descriptor.stage = Stage.BOUND;
  watch(descriptor.sending, descriptor);
  return length;
}

/** The datagram has been sent, or has not; that is reported by what is sent next. */
export function noteSent(descriptor: Descriptor): void {
  descriptor.writing = Progress.IDLE;
  descriptor.failure = errnoIn(sendResultOf(descriptor));
}

function opened(descriptor: Descriptor, stage: u8): i32 {
  const errno = errnoIn(result);
  if (errno == ERRNO_SUCCESS) descriptor.stage = max(descriptor.stage, stage);
  return -errno;
}
