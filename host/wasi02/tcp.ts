/**
 * Owns TCP sockets: what socket(7) does at once and wasi:sockets in two steps. Knows descriptors and addresses; knows no
 * bytes and no poll. Binding and listening wait for their second step, which concerns the local machine alone. Connecting
 * does not: {@link advance} goes on with it when a poll says that it can.
 */

import type { IpSocketAddress } from "wasi:sockets/network@0.2.0";
import { createTcpSocket } from "wasi:sockets/tcp-create-socket@0.2.0";
import type { Accepted, Family } from "../backend/backend.js";
import { fromWasi } from "./addresses.js";
import { Descriptor, type Descriptors, Stage } from "./descriptors.js";
import { ERRNO, errnoOf } from "./errors.js";
import { network } from "./network.js";
import { inTwoSteps } from "./waiting.js";

/** @returns a descriptor, or -errno */
export function openTcp(descriptors: Descriptors, family: Exclude<Family, "unix">): number {
  try {
    const tcp = createTcpSocket(family === "IPv4" ? "ipv4" : "ipv6");
    return descriptors.add(new Descriptor(family, Stage.NEW, tcp, undefined));
  } catch (thrown) {
    return errnoOf(thrown);
  }
}

export function bindTcp(descriptor: Descriptor, address: IpSocketAddress): number {
  const { tcp } = descriptor;
  if (tcp === undefined || descriptor.stage !== Stage.NEW) return -ERRNO.EINVAL;
  const result = inTwoSteps(
    tcp,
    () => tcp.startBind(network(), address),
    () => tcp.finishBind(),
  );
  if (result === 0) descriptor.stage = Stage.BOUND;
  return result;
}

export function listenTcp(descriptor: Descriptor, backlog: number): number {
  const { tcp } = descriptor;
  if (tcp === undefined) return -ERRNO.EOPNOTSUPP;
  if (descriptor.stage === Stage.LISTENING) return 0;
  if (descriptor.stage === Stage.NEW) {
    // As on POSIX: to a free port of all addresses.
    const bound = bindTcp(descriptor, anyAddress(descriptor.family));
    if (bound < 0) return bound;
  }
  if (descriptor.stage !== Stage.BOUND) return -ERRNO.EINVAL;
  try {
    // 0 is not allowed.
    tcp.setListenBacklogSize(Math.max(1, backlog));
  } catch (thrown) {
    // Whatever the host thinks of it is no reason not to listen.
    errnoOf(thrown);
  }
  const result = inTwoSteps(
    tcp,
    () => tcp.startListen(),
    () => tcp.finishListen(),
  );
  if (result === 0) descriptor.stage = Stage.LISTENING;
  return result;
}

export function acceptTcp(descriptors: Descriptors, { tcp, stage, family }: Descriptor): Accepted | number {
  if (tcp === undefined) return -ERRNO.EOPNOTSUPP;
  if (stage !== Stage.LISTENING) return -ERRNO.EINVAL;
  // Most often there is none, which is thrown: without a stack trace that costs little.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    const [socket, input, output] = tcp.accept();
    const descriptor = new Descriptor(family, Stage.OPEN, socket, undefined);
    descriptor.input = input;
    descriptor.output = output;
    return { fd: descriptors.add(descriptor), address: peerOf(descriptor) };
  } catch (thrown) {
    return errnoOf(thrown);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The peer may have reset the connection already: then nobody knows its address. */
function peerOf({ tcp, family }: Descriptor): Accepted["address"] {
  try {
    if (tcp !== undefined) return fromWasi(tcp.remoteAddress());
  } catch (thrown) {
    errnoOf(thrown);
  }
  return { host: family === "IPv4" ? "0.0.0.0" : "::", port: 0 };
}

export function connectTcp(descriptor: Descriptor, address: IpSocketAddress): number {
  const { tcp, stage } = descriptor;
  if (tcp === undefined) return -ERRNO.EOPNOTSUPP;
  if (stage === Stage.OPEN) return -ERRNO.EISCONN;
  if (stage === Stage.CONNECTING) return -ERRNO.EALREADY;
  if (stage === Stage.LISTENING) return -ERRNO.EISCONN;
  if (stage === Stage.FAILED) return -ERRNO.ECONNABORTED;
  try {
    tcp.startConnect(network(), address);
  } catch (thrown) {
    const errno = errnoOf(thrown);
    return errno === -ERRNO.EINVAL && address.val.port === 0 ? -ERRNO.ECONNREFUSED : errno;
  }
  descriptor.stage = Stage.CONNECTING;
  // A host may begin only when it is asked whether it has finished.
  advance(descriptor);
  // As of TCP everywhere, also where it is connected already: the poll reports that, and a failure.
  return -ERRNO.EINPROGRESS;
}

/** Goes on with connecting, where it can: then the descriptor is open, or has failed with its `error`. */
export function advance(descriptor: Descriptor): void {
  try {
    const streams = descriptor.tcp?.finishConnect();
    descriptor.dropPollables();
    [descriptor.input, descriptor.output] = streams ?? [];
    descriptor.stage = Stage.OPEN;
  } catch (thrown) {
    const errno = errnoOf(thrown);
    if (errno === -ERRNO.EAGAIN) return;
    descriptor.dropPollables();
    descriptor.error = errno;
    descriptor.stage = Stage.FAILED;
  }
}

export function anyAddress(family: Family): IpSocketAddress {
  return family === "IPv4"
    ? { tag: "ipv4", val: { port: 0, address: [0, 0, 0, 0] } }
    : { tag: "ipv6", val: { port: 0, flowInfo: 0, address: [0, 0, 0, 0, 0, 0, 0, 0], scopeId: 0 } };
}
