/** Owns `wasi:sockets` of WASI 0.3 as functions of the canonical ABI. Leaves states and descriptors to the sockets. */

import type { InetAddress } from "../../backend/backend.js";
import {
  bool,
  borrow,
  bytes,
  Failed,
  list,
  option,
  own,
  result,
  string,
  tuple,
  type Type,
  u64,
  variant,
} from "../abi.js";
import { func, type HostFunction, type Interface } from "../calls.js";
import { commonOptions, keepAlive, Options, Results } from "../socket-options.js";
import { resolveAddresses } from "../names.js";
import { addressFamily, type ErrorCode, ipAddress, socketAddress, type SocketFailure } from "../network.js";
import type { SocketWorld } from "../socket-world.js";
import { TcpSocket } from "../tcp.js";
import { UdpSocket } from "../udp.js";
import type { Runtime } from "./runtime.js";
import { type Element, futureOf, handedOver, readable } from "./streams.js";
import * as tcp from "./tcp.js";
import * as udp from "./udp.js";

const CODES = [
  ...(["access-denied", "not-supported", "invalid-argument", "out-of-memory", "timeout", "invalid-state"] as const),
  ...(["address-not-bindable", "address-in-use", "remote-unreachable", "connection-refused"] as const),
  ...(["connection-broken", "connection-reset", "connection-aborted", "datagram-too-large"] as const),
];
const LOOKUP_CODES = [
  ...(["access-denied", "invalid-argument", "name-unresolvable"] as const),
  ...(["temporary-resolver-failure", "permanent-resolver-failure"] as const),
];
/** Those of WASI 0.2 that have become others. */
const STATES = new Set(["concurrency-conflict", "not-in-progress"]);

/** Cases without a value, and `other` with a text, which the host does not give. */
export function errorOf(codes: readonly string[]): Type<string> {
  const inner = variant(...codes.map(() => undefined), option(string) as Type<never>);
  const fromGuest = (): never => {
    throw new Error("it is the host's alone");
  };
  return {
    ...inner,
    load: fromGuest,
    lift: fromGuest,
    store(memory, at, code) {
      const tag = codes.indexOf(STATES.has(code) ? "invalid-state" : code);
      inner.store(memory, at, { tag: tag < 0 ? codes.length : tag, value: undefined });
    },
  };
}

const errorCode = errorOf(CODES);
const results = new Results(errorCode as Type<ErrorCode>);
const { done, fails } = results;

/** Of a stream: how it has ended. */
const END = futureOf(result<undefined, string>(undefined, errorCode) as Type<never>);
const socketType = own(TcpSocket);
const SOCKETS: Element = {
  isFuture: false,
  size: socketType.size,
  align: socketType.align,
  type: socketType as Type<never>,
};

const tcpSocket = borrow(TcpSocket);
const udpSocket = borrow(UdpSocket);

function tcpFunctions(world: SocketWorld, runtime: Runtime): Record<string, HostFunction> {
  const method = (name: string): string => `[method]tcp-socket.${name}`;
  return {
    "[static]tcp-socket.create": func([addressFamily], fails(socketType), (family) => {
      const fd = world.open(family, "stream");
      return typeof fd === "number" ? new TcpSocket(world, fd, family) : fd;
    }),
    [method("bind")]: func([tcpSocket, socketAddress], done, (socket, address) => tcp.bind(socket, address)),
    [method("connect")]: func([tcpSocket, socketAddress], done, (socket, address) =>
      tcp.connect(runtime, socket, address),
    ),
    [method("listen")]: func([tcpSocket], fails(readable), (socket) => tcp.listen(runtime, socket, SOCKETS)),
    [method("send")]: func([tcpSocket, handedOver], readable, (socket, data) => tcp.send(runtime, socket, data, END)),
    [method("receive")]: func([tcpSocket], tuple(readable, readable), (socket) => tcp.receive(runtime, socket, END)),
    [method("get-local-address")]: func([tcpSocket], fails(socketAddress), (socket) => socket.localAddress()),
    [method("get-remote-address")]: func([tcpSocket], fails(socketAddress), (socket) => socket.remoteAddress()),
    [method("get-is-listening")]: func([tcpSocket], bool, ({ isListening }) => isListening),
    [method("set-listen-backlog-size")]: func([tcpSocket, u64], done, (socket, size) => socket.setBacklog(size)),
  };
}

function udpFunctions(world: SocketWorld, runtime: Runtime): Record<string, HostFunction> {
  const method = (name: string): string => `[method]udp-socket.${name}`;
  return {
    "[static]udp-socket.create": func([addressFamily], fails(own(UdpSocket)), (family) => {
      const fd = world.open(family, "dgram");
      return typeof fd === "number" ? new UdpSocket(world, fd, family) : fd;
    }),
    [method("bind")]: func([udpSocket, socketAddress], done, (socket, address) => udp.bind(socket, address)),
    [method("connect")]: func([udpSocket, socketAddress], done, (socket, address) => socket.connect(address)),
    [method("disconnect")]: func([udpSocket], done, (socket) => socket.disconnect()),
    [method("send")]: func([udpSocket, bytes, option<InetAddress>(socketAddress)], done, (socket, data, to) =>
      udp.send(runtime, socket, data, to),
    ),
    [method("receive")]: func([udpSocket], fails(tuple(bytes, socketAddress)), (socket) =>
      udp.receive(runtime, socket),
    ),
    [method("get-local-address")]: func([udpSocket], fails(socketAddress), (socket) => socket.localAddress()),
    [method("get-remote-address")]: func([udpSocket], fails(socketAddress), (socket) => socket.remoteAddress()),
  };
}

/** A name is looked up while the component waits in the call. */
function resolve(world: SocketWorld, name: string): readonly string[] | SocketFailure {
  const found = resolveAddresses(world, name);
  if (found instanceof Failed) return found;
  const addresses: string[] = [];
  for (let next = found.next(); next !== undefined; next = found.next()) {
    if (next instanceof Failed) return next;
    addresses.push(next);
  }
  return addresses;
}

export function asyncSocketInterfaces(world: SocketWorld, runtime: Runtime): Readonly<Record<string, Interface>> {
  const options = new Options(world, results, "get-");
  const lookupError = errorOf(LOOKUP_CODES) as Type<ErrorCode>;
  return {
    types: {
      resources: { "tcp-socket": TcpSocket, "udp-socket": UdpSocket },
      functions: {
        ...tcpFunctions(world, runtime),
        ...keepAlive(options),
        ...commonOptions("[method]tcp-socket", tcpSocket, "hop-limit", options),
        ...udpFunctions(world, runtime),
        ...commonOptions("[method]udp-socket", udpSocket, "unicast-hop-limit", options),
      },
    },
    "ip-name-lookup": {
      resources: {},
      functions: {
        "resolve-addresses": func(
          [string],
          result<readonly string[], ErrorCode>(list(ipAddress), lookupError),
          (name) => resolve(world, name),
        ),
      },
    },
  };
}
