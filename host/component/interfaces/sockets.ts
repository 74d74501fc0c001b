/** Owns `wasi:sockets` as functions of the canonical ABI. Leaves states and descriptors to the sockets. */

import type { InetAddress, IntegerOption } from "../../backend/backend.js";
import {
  bool,
  borrow,
  bytes,
  enumeration,
  Failed,
  list,
  option,
  own,
  record,
  result,
  string,
  tuple,
  type Type,
  u32,
  u64,
  u8,
} from "../abi.js";
import { func, type HostFunction, type Interface } from "../calls.js";
import { AddressStream, resolveAddresses } from "../names.js";
import {
  addressFamily,
  type ErrorCode,
  errorCode,
  errorCodeOf,
  INVALID_ARGUMENT,
  ipAddress,
  Network,
  socketAddress,
  type SocketFailure,
} from "../network.js";
import { Pollable } from "../polling.js";
import type { SocketWorld } from "../socket-world.js";
import { InputStream, OutputStream, StreamFailure } from "../streams.js";
import { type Connected, TcpSocket } from "../tcp.js";
import { type Incoming, IncomingStream, type Outgoing, OutgoingStream, UdpSocket } from "../udp.js";

const network = borrow(Network);
const tcp = borrow(TcpSocket);
const udp = borrow(UdpSocket);
/** Results with an error, as one version of the interfaces has them. */
export class Results {
  readonly done: Type<undefined | Failed<ErrorCode>>;
  readonly #error: Type<ErrorCode>;

  constructor(error: Type<ErrorCode>) {
    this.#error = error;
    this.done = result<undefined, ErrorCode>(undefined, error);
  }

  readonly fails = <T>(type: Type<T>): Type<T | Failed<ErrorCode>> => result<T, ErrorCode>(type, this.#error);
}

const RESULTS = new Results(errorCode);
const { done, fails } = RESULTS;

const NS_PER_S = 1_000_000_000;
const SECONDS_MAX = 0x7fff;
const COUNT_MAX = 127;
const SIZE_MAX = 0x7fffffffn;

/** The options that sockets of both kinds have, by the names of their functions. */
export class Options {
  readonly #world: SocketWorld;
  readonly results: Results;
  /** What the name of a function that returns an option begins with. */
  readonly get: string;

  constructor(world: SocketWorld, results = RESULTS, get = "") {
    this.#world = world;
    this.results = results;
    this.get = get;
  }

  read(socket: TcpSocket | UdpSocket, name: IntegerOption): number | SocketFailure {
    const { fd } = socket;
    if (typeof fd !== "number") return fd;
    const value = this.#world.backend.getOption(fd, name);
    return value < 0 ? this.#world.failure(value) : value;
  }

  set(socket: TcpSocket | UdpSocket, name: IntegerOption, value: number): SocketFailure | undefined {
    const { fd } = socket;
    if (typeof fd !== "number") return fd;
    const failed = this.#world.backend.setOption(fd, name, value);
    return failed < 0 ? this.#world.failure(failed) : undefined;
  }
}

type Socket = TcpSocket | UdpSocket;

const hops = ({ family }: Socket): IntegerOption => (family === "ipv4" ? "IP_TTL" : "IPV6_UNICAST_HOPS");

/** Linux doubles what is set, and returns the double. */
const DOUBLED = process.platform === "linux" ? 2 : 1;

/** hop limit and buffer sizes: the same for both kinds. */
export function commonOptions<T extends Socket>(prefix: string, type: Type<T>, hopName: string, options: Options) {
  const { get } = options;
  const { done, fails } = options.results;
  const size = (name: "SO_RCVBUF" | "SO_SNDBUF", label: string): Record<string, HostFunction> => ({
    [`${prefix}.${get}${label}-buffer-size`]: func([type], fails(u64), (socket) => {
      const value = options.read(socket, name);
      return typeof value === "number" ? BigInt(Math.trunc(value / DOUBLED)) : value;
    }),
    [`${prefix}.set-${label}-buffer-size`]: func([type, u64], done, (socket, value) => {
      if (value === 0n) return INVALID_ARGUMENT;
      const failed = options.set(socket, name, Number(value > SIZE_MAX ? SIZE_MAX : value));
      // Larger than the system allows is as large as it allows.
      return failed?.error === "out-of-memory" ? undefined : failed;
    }),
  });
  return {
    [`${prefix}.${get}${hopName}`]: func([type], fails(u8), (socket) => options.read(socket, hops(socket))),
    [`${prefix}.set-${hopName}`]: func([type, u8], done, (socket, value) =>
      value === 0 ? INVALID_ARGUMENT : options.set(socket, hops(socket), value),
    ),
    [`${prefix}.${get}address-family`]: func([type], addressFamily, ({ family }) => family),
    ...size("SO_RCVBUF", "receive"),
    ...size("SO_SNDBUF", "send"),
  };
}

export function keepAlive(options: Options): Record<string, HostFunction> {
  const { get } = options;
  const { done, fails } = options.results;
  const seconds = (name: "TCP_KEEPIDLE" | "TCP_KEEPINTVL", label: string): Record<string, HostFunction> => ({
    [`[method]tcp-socket.${get}keep-alive-${label}`]: func([tcp], fails(u64), (socket) => {
      const value = options.read(socket, name);
      return typeof value === "number" ? BigInt(value) * BigInt(NS_PER_S) : value;
    }),
    [`[method]tcp-socket.set-keep-alive-${label}`]: func([tcp, u64], done, (socket, ns) => {
      if (ns === 0n) return INVALID_ARGUMENT;
      return options.set(socket, name, Math.min(SECONDS_MAX, Math.max(1, Math.trunc(Number(ns) / NS_PER_S))));
    }),
  });
  return {
    [`[method]tcp-socket.${get}keep-alive-enabled`]: func([tcp], fails(bool), (socket) => {
      const value = options.read(socket, "SO_KEEPALIVE");
      return typeof value === "number" ? value !== 0 : value;
    }),
    "[method]tcp-socket.set-keep-alive-enabled": func([tcp, bool], done, (socket, on) =>
      options.set(socket, "SO_KEEPALIVE", on ? 1 : 0),
    ),
    ...seconds("TCP_KEEPIDLE", "idle-time"),
    ...seconds("TCP_KEEPINTVL", "interval"),
    [`[method]tcp-socket.${get}keep-alive-count`]: func([tcp], fails(u32), (socket) =>
      options.read(socket, "TCP_KEEPCNT"),
    ),
    "[method]tcp-socket.set-keep-alive-count": func([tcp, u32], done, (socket, count) =>
      count === 0 ? INVALID_ARGUMENT : options.set(socket, "TCP_KEEPCNT", Math.min(COUNT_MAX, count)),
    ),
  };
}

const streams = tuple(own(InputStream), own(OutputStream));
const pair = ({ input, output }: Connected): readonly [InputStream, OutputStream] => [input, output];

function tcpFunctions(options: Options): Record<string, HostFunction> {
  const method = (name: string): string => `[method]tcp-socket.${name}`;
  return {
    [method("start-bind")]: func([tcp, network, socketAddress], done, (socket, _network, address) =>
      socket.startBind(address),
    ),
    [method("finish-bind")]: func([tcp], done, (socket) => socket.finishBind()),
    [method("start-connect")]: func([tcp, network, socketAddress], done, (socket, _network, address) =>
      socket.startConnect(address),
    ),
    [method("finish-connect")]: func([tcp], fails(streams), (socket) => {
      const connected = socket.finishConnect();
      return connected instanceof Failed ? connected : pair(connected);
    }),
    [method("start-listen")]: func([tcp], done, (socket) => socket.startListen()),
    [method("finish-listen")]: func([tcp], done, (socket) => socket.finishListen()),
    [method("accept")]: func([tcp], fails(tuple(own(TcpSocket), own(InputStream), own(OutputStream))), (socket) => {
      const accepted = socket.accept();
      return accepted instanceof Failed ? accepted : ([accepted, ...pair(accepted.streams())] as const);
    }),
    [method("local-address")]: func([tcp], fails(socketAddress), (socket) => socket.localAddress()),
    [method("remote-address")]: func([tcp], fails(socketAddress), (socket) => socket.remoteAddress()),
    [method("is-listening")]: func([tcp], bool, ({ isListening }) => isListening),
    [method("set-listen-backlog-size")]: func([tcp, u64], done, (socket, size) => socket.setBacklog(size)),
    [method("subscribe")]: func([tcp], own(Pollable), (socket) => new Pollable(socket, socket)),
    [method("shutdown")]: func([tcp, enumeration("receive", "send", "both")], done, (socket, how) =>
      socket.shutdown(how),
    ),
    ...keepAlive(options),
    ...commonOptions("[method]tcp-socket", tcp, "hop-limit", options),
  };
}

const incoming = record<Incoming>({ data: bytes, from: socketAddress });
const outgoing = record<Outgoing>({ data: bytes, to: option<InetAddress>(socketAddress) });

function udpFunctions(options: Options): Record<string, HostFunction> {
  const method = (name: string): string => `[method]udp-socket.${name}`;
  const incomingStream = borrow(IncomingStream);
  const outgoingStream = borrow(OutgoingStream);
  const RECEIVE_MAX = 0xffffn;
  return {
    [method("start-bind")]: func([udp, network, socketAddress], done, (socket, _network, address) =>
      socket.startBind(address),
    ),
    [method("finish-bind")]: func([udp], done, (socket) => socket.finishBind()),
    [method("stream")]: func(
      [udp, option<InetAddress>(socketAddress)],
      fails(tuple(own(IncomingStream), own(OutgoingStream))),
      (socket, remote) => socket.stream(remote),
    ),
    [method("local-address")]: func([udp], fails(socketAddress), (socket) => socket.localAddress()),
    [method("remote-address")]: func([udp], fails(socketAddress), (socket) => socket.remoteAddress()),
    [method("subscribe")]: func([udp], own(Pollable), (socket) => new Pollable(socket, socket)),
    ...commonOptions("[method]udp-socket", udp, "unicast-hop-limit", options),
    "[method]incoming-datagram-stream.receive": func([incomingStream, u64], fails(list(incoming)), (stream, max) =>
      stream.receive(Number(max > RECEIVE_MAX ? RECEIVE_MAX : max)),
    ),
    "[method]incoming-datagram-stream.subscribe": func(
      [incomingStream],
      own(Pollable),
      (stream) => new Pollable(stream, stream),
    ),
    "[method]outgoing-datagram-stream.check-send": func([outgoingStream], fails(u64), (stream) =>
      BigInt(stream.check()),
    ),
    "[method]outgoing-datagram-stream.send": func([outgoingStream, list(outgoing)], fails(u64), (stream, datagrams) => {
      const sent = stream.send(datagrams);
      return typeof sent === "number" ? BigInt(sent) : sent;
    }),
    "[method]outgoing-datagram-stream.subscribe": func(
      [outgoingStream],
      own(Pollable),
      (stream) => new Pollable(stream, stream),
    ),
  };
}

export function socketInterfaces(world: SocketWorld): Readonly<Record<string, Interface>> {
  const options = new Options(world);
  return {
    network: {
      resources: { network: Network, error: StreamFailure },
      functions: {
        "network-error-code": func([borrow(StreamFailure)], option(errorCode), ({ code }) => errorCodeOf(code)),
      },
    },
    "instance-network": {
      resources: { network: Network },
      functions: { "instance-network": func([], own(Network), () => new Network(undefined)) },
    },
    "ip-name-lookup": {
      resources: { "resolve-address-stream": AddressStream, network: Network, pollable: Pollable },
      functions: {
        "resolve-addresses": func([network, string], fails(own(AddressStream)), (_network, name) =>
          resolveAddresses(world, name),
        ),
        "[method]resolve-address-stream.resolve-next-address": func(
          [borrow(AddressStream)],
          fails(option(ipAddress)),
          (stream) => stream.next(),
        ),
        "[method]resolve-address-stream.subscribe": func(
          [borrow(AddressStream)],
          own(Pollable),
          (stream) => new Pollable(stream, stream),
        ),
      },
    },
    "tcp-create-socket": {
      resources: { "tcp-socket": TcpSocket },
      functions: {
        "create-tcp-socket": func([addressFamily], fails(own(TcpSocket)), (family) => {
          const fd = world.open(family, "stream");
          return typeof fd === "number" ? new TcpSocket(world, fd, family) : fd;
        }),
      },
    },
    tcp: {
      resources: {
        "tcp-socket": TcpSocket,
        network: Network,
        "input-stream": InputStream,
        "output-stream": OutputStream,
        pollable: Pollable,
      },
      functions: tcpFunctions(options),
    },
    "udp-create-socket": {
      resources: { "udp-socket": UdpSocket },
      functions: {
        "create-udp-socket": func([addressFamily], fails(own(UdpSocket)), (family) => {
          const fd = world.open(family, "dgram");
          return typeof fd === "number" ? new UdpSocket(world, fd, family) : fd;
        }),
      },
    },
    udp: {
      resources: {
        "udp-socket": UdpSocket,
        "incoming-datagram-stream": IncomingStream,
        "outgoing-datagram-stream": OutgoingStream,
        network: Network,
        pollable: Pollable,
      },
      functions: udpFunctions(options),
    },
  };
}
