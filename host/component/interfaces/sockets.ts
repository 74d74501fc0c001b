/** Owns `wasi:sockets` as functions of the canonical ABI. Leaves states and descriptors to the sockets. */

import type { InetAddress } from "../../backend/backend.js";
import { bool, borrow, bytes, enumeration, Failed, list, option, own, record, string, tuple, u64 } from "../abi.js";
import { func, type HostFunction, type Interface } from "../calls.js";
import { AddressStream, resolveAddresses } from "../names.js";
import { addressFamily, errorCode, errorCodeOf, ipAddress, Network, socketAddress } from "../network.js";
import { Pollable } from "../watch.js";
import { commonOptions, keepAlive, Options, Results } from "../socket-options.js";
import type { SocketWorld } from "../socket-world.js";
import { InputStream, OutputStream, StreamFailure } from "../streams.js";
import { type Connected, TcpSocket } from "../tcp.js";
import { type Incoming, IncomingStream, type Outgoing, OutgoingStream, UdpSocket } from "../udp.js";

const network = borrow(Network);
const tcp = borrow(TcpSocket);
const udp = borrow(UdpSocket);
const RESULTS = new Results(errorCode);
const { done, fails } = RESULTS;

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
  const options = new Options(world, RESULTS, "");
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
