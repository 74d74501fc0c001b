/** Owns UDP sockets and their datagrams. Knows descriptors and addresses; knows no poll. */

import { toldHost } from "../address";
import { ERRNO_AGAIN, ERRNO_NOTCONN, ERRNO_SUCCESS } from "../../shared/errno";
import { callFlat, flat, flatten, takeAddress, writeAddress } from "./addresses";
import { Descriptor, Kind, NONE, Stage, addDescriptor, dropStreams, newDescriptor } from "./descriptors";
import { errnoIn, errnoOf } from "./errors";
import { RESULT_SIZE } from "./io";
import { network } from "./network";
import {
  OUTGOING_SIZE,
  checkSend,
  createUdp,
  finishBindUdp,
  openDatagrams,
  receiveDatagrams,
  sendDatagrams,
  startBindUdp,
  subscribeUdp,
} from "./sockets";
import { finishStep } from "./waiting";

const result = memory.data(RESULT_SIZE, 8);
const outgoing = memory.data(OUTGOING_SIZE, 8);

/** @returns a descriptor, or -errno */
export function openUdp(isIPv6: bool): i32 {
  createUdp(i32(isIPv6), result);
  if (load<u8>(result) != 0) return -errnoOf(load<u8>(result, 4));
  return addDescriptor(newDescriptor(Kind.UDP, Stage.NEW, isIPv6, load<i32>(result, 4), NONE, NONE));
}

/** Binds to the address in `flat`, and opens the streams of datagrams. @returns 0, or -errno */
export function bindUdp(descriptor: Descriptor): i32 {
  const socket = descriptor.socket;
  callFlat(startBindUdp, socket, network(), result);
  if (load<u8>(result) != 0) return -errnoIn(result);
  const errno = finishStep(socket, finishBindUdp, subscribeUdp);
  if (errno != ERRNO_SUCCESS) return -errno;
  descriptor.stage = Stage.BOUND;
  return openStreams(descriptor, false);
}

/** Sends to, and receives from, the address of `length` bytes at `at` alone. @returns 0, or -errno */
export function connectUdp(descriptor: Descriptor, at: usize, length: i32, port: i32): i32 {
  const bound = ensureBound(descriptor);
  if (bound < 0) return bound;
  dropStreams(descriptor);
  flatten(at, length, port);
  return openStreams(descriptor, true);
}

/** Receives one datagram, and notes where it came from; one longer than `length` is cut. @returns bytes, or -errno */
export function receiveUdp(descriptor: Descriptor, at: usize, length: i32): i32 {
  if (descriptor.input == NONE) return -ERRNO_NOTCONN;
  receiveDatagrams(descriptor.input, 1, result);
  if (load<u8>(result) != 0) return -errnoOf(load<u8>(result, 4));
  if (load<i32>(result, 8) == 0) return -ERRNO_AGAIN;
  const datagram = load<usize>(result, 4);
  const size = load<i32>(datagram, 4);
  const count = min(length, size);
  memory.copy(at, load<usize>(datagram), count);
  takeAddress(datagram + 8);
  if (size > 0) heap.free(load<usize>(datagram));
  heap.free(datagram);
  return count;
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
  if (hostLength > 0) {
    writeAddress(outgoing + 12, hostAt, hostLength, port);
    const bound = ensureBound(descriptor);
    if (bound < 0) return bound;
  }
  if (descriptor.output == NONE) return -ERRNO_NOTCONN;
  checkSend(descriptor.output, result);
  if (load<u8>(result) != 0) return -errnoOf(load<u8>(result, 8));
  if (load<i64>(result, 8) == 0) return -ERRNO_AGAIN;
  store<usize>(outgoing, at);
  store<i32>(outgoing, length, 4);
  store<u32>(outgoing, u32(hostLength > 0), 8);
  sendDatagrams(descriptor.output, outgoing, 1, result);
  if (load<u8>(result) != 0) return -errnoOf(load<u8>(result, 8));
  return load<i64>(result, 8) == 0 ? -ERRNO_AGAIN : length;
}

/** One that sends before it is bound is bound to any port, as on POSIX. */
function ensureBound(descriptor: Descriptor): i32 {
  if (descriptor.stage != Stage.NEW) return 0;
  memory.fill(toldHost, 0, 16);
  flatten(toldHost, descriptor.isIPv6 ? 16 : 4, 0);
  return bindUdp(descriptor);
}

function openStreams(descriptor: Descriptor, isConnected: bool): i32 {
  if (!isConnected) memory.fill(flat, 0, 48);
  callFlat(openDatagrams, descriptor.socket, i32(isConnected), result);
  if (load<u8>(result) != 0) return -errnoOf(load<u8>(result, 4));
  descriptor.input = load<i32>(result, 4);
  descriptor.output = load<i32>(result, 8);
  descriptor.stage = Stage.OPEN;
  return 0;
}
