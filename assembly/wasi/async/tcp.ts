/**
 * Owns TCP sockets, and connecting to a name. Knows descriptors, addresses and streams; knows no poll. Connecting and
 * looking up are subtasks, which {@link advance} goes on with when the host reports their end.
 */

import { toldHost } from "../address";
import {
  ERRNO_AGAIN,
  ERRNO_CONNABORTED,
  ERRNO_CONNREFUSED,
  ERRNO_CONNRESET,
  ERRNO_HOSTUNREACH,
  ERRNO_INPROGRESS,
  ERRNO_INVAL,
  ERRNO_NOENT,
  ERRNO_SUCCESS,
  ERRNO_TIMEDOUT,
} from "../../shared/errno";
import { flatten, takeHost, writeAddress } from "../component/addresses";
import { callFlat } from "./addresses";
import { CallState, countOf, statusOf } from "./canonical";
import { Descriptor, Kind, Progress, Stage, addDescriptor, newDescriptor, parametersOf, resultOf } from "./descriptors";
import { errnoIn, lookupErrnoIn } from "./errors";
import { AREA_SIZE, ConnectLayout, LookupLayout, ResultLayout } from "./layouts";
import { bindTcpSocket, connectTcpSocket, createTcp, listenTcpSocket, resolveAddresses, setBacklog } from "./sockets";
import { isReadable, openStreams, readNow } from "./streams";
import { watch } from "./waitables";

const result = memory.data(AREA_SIZE, 8);
const accepted = memory.data(4, 4);

/** @returns a descriptor, or -errno */
export function openTcp(isIPv6: bool): i32 {
  createTcp(i32(isIPv6), result);
  if (load<u8>(result, ResultLayout.IS_ERROR) != 0) return -errnoIn(result);
  return addDescriptor(newDescriptor(Kind.TCP, Stage.NEW, isIPv6, load<i32>(result, ResultLayout.VALUE)));
}

/** @returns 0, or -errno */
export function bindTcp(descriptor: Descriptor, at: usize, length: i32, port: i32): i32 {
  flatten(at, length, port);
  callFlat(bindTcpSocket, descriptor.socket, result);
  const errno = errnoIn(result);
  if (errno == ERRNO_SUCCESS) descriptor.stage = Stage.BOUND;
  return -errno;
}

/** @returns 0, or -errno */
export function listenTcp(descriptor: Descriptor, backlog: i32): i32 {
  const socket = descriptor.socket;
  // 0 is not allowed, and what else the host thinks of it is no reason not to listen.
  setBacklog(socket, max(1, backlog), result);
  errnoIn(result);
  listenTcpSocket(socket, result);
  if (load<u8>(result, ResultLayout.IS_ERROR) != 0) return -errnoIn(result);
  descriptor.input = load<i32>(result, ResultLayout.VALUE);
  descriptor.stage = Stage.LISTENING;
  watch(descriptor.input, descriptor);
  return 0;
}

/** @returns the descriptor of a connection, or -errno */
export function acceptTcp(descriptor: Descriptor): i32 {
  if (descriptor.stage != Stage.LISTENING || descriptor.inputEnded) return -ERRNO_INVAL;
  if (!isReadable(descriptor)) return -ERRNO_AGAIN;
  descriptor.reading = Progress.IDLE;
  if (readNow(descriptor, accepted, 1) == 0) return -ERRNO_AGAIN;
  const connection = newDescriptor(Kind.TCP, Stage.OPEN, descriptor.isIPv6, load<i32>(accepted));
  openStreams(connection);
  return addDescriptor(connection);
}

/** Begins to connect to an address of `length` bytes. @returns -EINPROGRESS, or another -errno */
export function connectTcp(descriptor: Descriptor, at: usize, length: i32, port: i32): i32 {
  if (descriptor.stage > Stage.BOUND) return -ERRNO_INVAL;
  const errno = beginConnect(descriptor, at, length, port);
  // A host may know at once that there is no connection. As on POSIX the poll reports it; what the call itself refuses is
  // reported here.
  if (isOfNetwork(errno)) descriptor.failure = errno;
  else if (errno != ERRNO_SUCCESS) return -errno;
  return -ERRNO_INPROGRESS;
}

function isOfNetwork(errno: i32): bool {
  return (
    errno == ERRNO_CONNREFUSED ||
    errno == ERRNO_CONNRESET ||
    errno == ERRNO_CONNABORTED ||
    errno == ERRNO_TIMEDOUT ||
    errno == ERRNO_HOSTUNREACH
  );
}

/** Begins to look up the name of `length` bytes at `at`, to connect to it. @returns -EINPROGRESS, or another -errno */
export function connectTcpByName(descriptor: Descriptor, at: usize, length: i32, port: i32): i32 {
  if (descriptor.stage > Stage.BOUND) return -ERRNO_INVAL;
  descriptor.port = port;
  descriptor.stage = Stage.LOOKING_UP;
  const call = resolveAddresses(at, length, resultOf(descriptor));
  if (statusOf(call) == CallState.RETURNED) {
    advance(descriptor);
  } else {
    descriptor.subtask = countOf(call);
    watch(descriptor.subtask, descriptor);
  }
  return -ERRNO_INPROGRESS;
}

/** The lookup or the connection has ended: goes on with what comes next, or notes the failure. */
export function advance(descriptor: Descriptor): void {
  const isLookup = descriptor.stage == Stage.LOOKING_UP;
  const errno = isLookup ? takeLookup(descriptor) : errnoIn(resultOf(descriptor));
  if (errno != ERRNO_SUCCESS) {
    descriptor.failure = errno;
    // It is not used any more.
    descriptor.stage = Stage.BOUND;
  } else if (!isLookup) {
    openStreams(descriptor);
  }
}

/** @returns an errno of what failed at once */
function beginConnect(descriptor: Descriptor, at: usize, length: i32, port: i32): i32 {
  descriptor.stage = Stage.CONNECTING;
  const parameters = parametersOf(descriptor);
  store<i32>(parameters, descriptor.socket, ConnectLayout.SOCKET);
  writeAddress(parameters + ConnectLayout.ADDRESS, at, length, port);
  const call = connectTcpSocket(parameters, resultOf(descriptor));
  if (statusOf(call) == CallState.RETURNED) {
    const errno = errnoIn(resultOf(descriptor));
    if (errno == ERRNO_SUCCESS) openStreams(descriptor);
    else descriptor.stage = Stage.BOUND;
    return errno;
  }
  descriptor.subtask = countOf(call);
  watch(descriptor.subtask, descriptor);
  return ERRNO_SUCCESS;
}

/** Begins to connect to the first address of the socket's family. @returns an errno */
function takeLookup(descriptor: Descriptor): i32 {
  const at = resultOf(descriptor);
  const failed = lookupErrnoIn(at);
  if (failed != ERRNO_SUCCESS) return failed;
  const list = load<usize>(at, LookupLayout.LIST);
  const count = load<i32>(at, LookupLayout.COUNT);
  const family = u8(descriptor.isIPv6);
  let length = 0;
  for (let i = 0; i < count && length == 0; i++) {
    const host = list + <usize>i * LookupLayout.ADDRESS_SIZE;
    if (load<u8>(host, LookupLayout.FAMILY) == family) length = takeHost(descriptor.isIPv6, host + LookupLayout.BYTES);
  }
  if (count > 0) heap.free(list);
  return length == 0 ? ERRNO_NOENT : beginConnect(descriptor, toldHost, length, descriptor.port);
}

/** Frees the result of a lookup that ended while it was being cancelled. */
export function freeLookup(descriptor: Descriptor): void {
  const at = resultOf(descriptor);
  if (lookupErrnoIn(at) == ERRNO_SUCCESS && load<i32>(at, LookupLayout.COUNT) > 0)
    heap.free(load<usize>(at, LookupLayout.LIST));
}
