/**
 * Owns TCP sockets: what socket(7) does at once and wasi:sockets in two steps. Knows descriptors and addresses; knows no
 * bytes and no poll. Binding and listening wait for their second step, which concerns the local machine alone. Connecting does
 * not: {@link advance} goes on with it when a poll says that it can, the lookup of a name included.
 */

import { toldHost } from "../address";
import { ERRNO_AGAIN, ERRNO_INPROGRESS, ERRNO_INVAL, ERRNO_NOENT, ERRNO_SUCCESS } from "../../shared/errno";
import { callFlat, flatten, takeHost } from "./addresses";
import { Descriptor, Kind, NONE, Stage, addDescriptor, dropPollables, newDescriptor } from "./descriptors";
import { errnoIn, errnoOf } from "./errors";
import { RESULT_SIZE } from "./io";
import { network } from "./network";
import {
  accept,
  createTcp,
  dropLookup,
  finishBindTcp,
  finishConnect,
  finishListen,
  resolveAddresses,
  resolveNext,
  setBacklog,
  startBindTcp,
  startConnect,
  startListen,
  subscribeTcp,
} from "./sockets";
import { finishStep } from "./waiting";

const result = memory.data(RESULT_SIZE, 8);

/** {@link advance} has to be called again. */
export const NOT_YET: i32 = -1;

/** @returns a descriptor, or -errno */
export function openTcp(isIPv6: bool): i32 {
  createTcp(i32(isIPv6), result);
  if (load<u8>(result) != 0) return -errnoOf(load<u8>(result, 4));
  return addDescriptor(newDescriptor(Kind.TCP, Stage.NEW, isIPv6, load<i32>(result, 4), NONE, NONE));
}

/** Binds to the address in `flat`. @returns 0, or -errno */
export function bindTcp(descriptor: Descriptor): i32 {
  const socket = descriptor.socket;
  callFlat(startBindTcp, socket, network(), result);
  if (load<u8>(result) != 0) return -errnoIn(result);
  const errno = finishStep(socket, finishBindTcp, subscribeTcp);
  if (errno == ERRNO_SUCCESS) descriptor.stage = Stage.BOUND;
  return -errno;
}

/** @returns 0, or -errno */
export function listenTcp(descriptor: Descriptor, backlog: i32): i32 {
  const socket = descriptor.socket;
  // 0 is not allowed, and what else the host thinks of it is no reason not to listen.
  setBacklog(socket, max(1, backlog), result);
  startListen(socket, result);
  if (load<u8>(result) != 0) return -errnoIn(result);
  const errno = finishStep(socket, finishListen, subscribeTcp);
  if (errno == ERRNO_SUCCESS) descriptor.stage = Stage.LISTENING;
  return -errno;
}

/** @returns the descriptor of a connection, or -errno */
export function acceptTcp(descriptor: Descriptor): i32 {
  if (descriptor.stage != Stage.LISTENING) return -ERRNO_INVAL;
  accept(descriptor.socket, result);
  if (load<u8>(result) != 0) return -errnoOf(load<u8>(result, 4));
  const input = load<i32>(result, 8);
  const output = load<i32>(result, 12);
  return addDescriptor(newDescriptor(Kind.TCP, Stage.OPEN, descriptor.isIPv6, load<i32>(result, 4), input, output));
}

/** Begins to connect to the address in `flat`. @returns -EINPROGRESS, or another -errno */
export function connectTcp(descriptor: Descriptor): i32 {
  callFlat(startConnect, descriptor.socket, network(), result);
  if (load<u8>(result) != 0) return -errnoIn(result);
  descriptor.stage = Stage.CONNECTING;
  return -ERRNO_INPROGRESS;
}

/** Begins to look up the name of `length` bytes at `at`, to connect to it. @returns -EINPROGRESS, or another -errno */
export function connectTcpByName(descriptor: Descriptor, at: usize, length: i32, port: i32): i32 {
  if (descriptor.stage > Stage.BOUND) return -ERRNO_INVAL;
  resolveAddresses(network(), at, length, result);
  if (load<u8>(result) != 0) return -errnoOf(load<u8>(result, 4));
  descriptor.lookup = load<i32>(result, 4);
  descriptor.port = port;
  descriptor.stage = Stage.LOOKING_UP;
  return -ERRNO_INPROGRESS;
}

/** Goes on with connecting. @returns 0 when it is done, an errno when it has failed, or NOT_YET */
export function advance(descriptor: Descriptor): i32 {
  const errno = descriptor.stage == Stage.LOOKING_UP ? takeLookup(descriptor) : takeConnection(descriptor);
  if (errno == ERRNO_AGAIN) return NOT_YET;
  // After a failure it is not used any more.
  if (errno > 0) descriptor.stage = Stage.BOUND;
  return errno;
}

function takeConnection(descriptor: Descriptor): i32 {
  finishConnect(descriptor.socket, result);
  const errno = load<u8>(result) == 0 ? ERRNO_SUCCESS : errnoOf(load<u8>(result, 4));
  if (errno == ERRNO_AGAIN) return errno;
  dropPollables(descriptor);
  if (errno != ERRNO_SUCCESS) return errno;
  descriptor.input = load<i32>(result, 4);
  descriptor.output = load<i32>(result, 8);
  descriptor.stage = Stage.OPEN;
  return errno;
}

/** Takes the first address of the socket's family, and begins to connect to it. */
function takeLookup(descriptor: Descriptor): i32 {
  const isIPv6 = descriptor.isIPv6;
  while (true) {
    resolveNext(descriptor.lookup, result);
    const isOver = load<u8>(result) == 0 && load<u8>(result, 2) == 0;
    const errno = load<u8>(result) != 0 ? errnoOf(load<u8>(result, 2)) : isOver ? ERRNO_NOENT : ERRNO_SUCCESS;
    if (errno == ERRNO_AGAIN) return errno;
    if (errno == ERRNO_SUCCESS && (load<u8>(result, 4) != 0) != isIPv6) continue;
    if (errno == ERRNO_SUCCESS) flatten(toldHost, takeHost(isIPv6, result + 6), descriptor.port);
    dropPollables(descriptor);
    dropLookup(descriptor.lookup);
    descriptor.lookup = NONE;
    if (errno != ERRNO_SUCCESS) return errno;
    const begun = connectTcp(descriptor);
    return begun == -ERRNO_INPROGRESS ? ERRNO_AGAIN : -begun;
  }
}
