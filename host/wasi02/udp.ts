/** Owns UDP sockets and their datagrams. Knows descriptors and addresses; knows no poll. */

import type { IpSocketAddress } from "wasi:sockets/network@0.2.0";
import { createUdpSocket } from "wasi:sockets/udp-create-socket@0.2.0";
import type { Datagram, Family } from "../backend/backend.js";
import { fromWasi } from "./addresses.js";
import { Descriptor, type Descriptors, Stage } from "./descriptors.js";
import { ERRNO, errnoOf } from "./errors.js";
import { network } from "./network.js";
import { anyAddress } from "./tcp.js";
import { inTwoSteps } from "./waiting.js";

/** @returns a descriptor, or -errno */
export function openUdp(descriptors: Descriptors, family: Exclude<Family, "unix">): number {
  try {
    const udp = createUdpSocket(family === "IPv4" ? "ipv4" : "ipv6");
    return descriptors.add(new Descriptor(family, Stage.NEW, undefined, udp));
  } catch (thrown) {
    return errnoOf(thrown);
  }
}

/** Binds, and opens the streams of datagrams. */
export function bindUdp(descriptor: Descriptor, address: IpSocketAddress): number {
  const { udp } = descriptor;
  if (udp === undefined || descriptor.stage !== Stage.NEW) return -ERRNO.EINVAL;
  const result = inTwoSteps(
    udp,
    () => udp.startBind(network(), address),
    () => udp.finishBind(),
  );
  return result < 0 ? result : openStreams(descriptor, null);
}

/** Sends to, and receives from, one address alone. */
export function connectUdp(descriptor: Descriptor, address: IpSocketAddress): number {
  const bound = ensureBound(descriptor);
  if (bound < 0) return bound;
  descriptor.dropStreams();
  const result = openStreams(descriptor, address);
  if (result === 0) descriptor.peer = address;
  return result;
}

/** Receives one datagram, whole. */
export function receiveUdp(descriptor: Descriptor): Datagram | number {
  const { incoming, peekedDatagram } = descriptor;
  if (peekedDatagram !== undefined) {
    descriptor.peekedDatagram = undefined;
    descriptor.changed();
    return { data: peekedDatagram.data, address: fromWasi(peekedDatagram.remoteAddress) };
  }
  if (incoming === undefined) return -ERRNO.EAGAIN;
  try {
    const [datagram] = incoming.receive(1);
    if (datagram === undefined) return -ERRNO.EAGAIN;
    return { data: datagram.data, address: fromWasi(datagram.remoteAddress) };
  } catch (thrown) {
    return errnoOf(thrown);
  }
}

/** The next datagram, which stays. */
export function peekUdp(descriptor: Descriptor): Uint8Array | number {
  try {
    if (descriptor.peekedDatagram === undefined) {
      descriptor.peekedDatagram = descriptor.incoming?.receive(1)[0];
      descriptor.changed();
    }
  } catch (thrown) {
    return errnoOf(thrown);
  }
  return descriptor.peekedDatagram?.data ?? -ERRNO.EAGAIN;
}

/** Sends one datagram, to `address`, or with undefined to whom the socket is connected. @returns bytes, or -errno */
export function sendUdp(descriptor: Descriptor, data: Uint8Array, address: IpSocketAddress | undefined): number {
  if (address === undefined && descriptor.peer === undefined) return -ERRNO.EDESTADDRREQ;
  const bound = ensureBound(descriptor);
  if (bound < 0) return bound;
  const { outgoing } = descriptor;
  if (outgoing === undefined) return -ERRNO.EPIPE;
  try {
    if (outgoing.checkSend() === 0) return -ERRNO.EAGAIN;
    // A host refuses another address than that of the peer.
    return outgoing.send([{ data, remoteAddress: address ?? null }]) === 0 ? -ERRNO.EAGAIN : data.length;
  } catch (thrown) {
    return errnoOf(thrown);
  }
}

/** One that sends before it is bound is bound to any port, as on POSIX. */
function ensureBound(descriptor: Descriptor): number {
  return descriptor.stage === Stage.NEW ? bindUdp(descriptor, anyAddress(descriptor.family)) : 0;
}

function openStreams(descriptor: Descriptor, remote: IpSocketAddress | null): number {
  try {
    const streams = descriptor.udp?.stream(remote);
    [descriptor.incoming, descriptor.outgoing] = streams ?? [];
    descriptor.stage = Stage.OPEN;
    return 0;
  } catch (thrown) {
    return errnoOf(thrown);
  }
}
