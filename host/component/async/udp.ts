/** Owns datagrams that a call of the component waits for. Leaves what they are to the sockets; knows no layout. */

import { type InetAddress, Ready } from "../../backend/backend.js";
import { Failed } from "../abi.js";
import { failureOf, INVALID_ARGUMENT, INVALID_STATE, type SocketFailure } from "../network.js";
import { Notice } from "../watch.js";
import type { Outgoing, UdpSocket } from "../udp.js";
import { Pending, type Runtime } from "./runtime.js";

type Received = readonly [data: Uint8Array, from: InetAddress];

export function bind(socket: UdpSocket, address: InetAddress): SocketFailure | undefined {
  return socket.isBound ? INVALID_STATE : (socket.startBind(address) ?? socket.finishBind());
}

export function receive(
  runtime: Runtime,
  socket: UdpSocket,
): Received | SocketFailure | Pending<Received | SocketFailure> {
  if (!socket.isBound) return INVALID_STATE;
  const once = (): Received | SocketFailure | typeof AGAIN => {
    const received = socket.receive(1);
    if (received instanceof Failed) return received;
    const [datagram] = received;
    return datagram === undefined ? AGAIN : ([datagram.data, datagram.from] as const);
  };
  return attempt(runtime, socket, Ready.READ, once, () => undefined);
}

export function send(
  runtime: Runtime,
  socket: UdpSocket,
  data: Uint8Array,
  to: InetAddress | undefined,
): SocketFailure | undefined | Pending<SocketFailure | undefined> {
  if (to === undefined && socket.remoteAddress() === INVALID_STATE) return INVALID_ARGUMENT;
  const { bytes } = runtime.handles;
  let outgoing: Outgoing = { data, to };
  let held = 0;
  return attempt(
    runtime,
    socket,
    Ready.WRITE,
    () => {
      const failed = socket.send(outgoing);
      if (failed?.error !== "would-block") return failed;
      // The component may use its memory for something else when the call has returned to it.
      if (outgoing.data === data) {
        if (!bytes.take(data.length)) return failureOf("ENOBUFS");
        held = data.length;
        outgoing = { data: data.slice(), to };
      }
      return AGAIN;
    },
    () => bytes.give(held),
  );
}

const AGAIN = Symbol("again");

/**
 * Tries it at once, and whenever the socket is ready until it is done.
 * @param over it has waited, and does not any more
 */
function attempt<T>(
  runtime: Runtime,
  socket: UdpSocket,
  interest: number,
  once: () => T | typeof AGAIN,
  over: () => void,
): T | Pending<T> {
  const first = once();
  if (first !== AGAIN) return first;
  const { poller } = runtime;
  const notice = new Notice(socket.watched, interest, () => {
    const result = once();
    if (result === AGAIN) return poller.await(notice);
    over();
    pending.settle(result);
  });
  const pending = new Pending<T>(runtime, socket, () => {
    poller.withdraw(notice);
    over();
  });
  poller.await(notice);
  return pending;
}
