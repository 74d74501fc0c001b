/**
 * Owns options of sockets as functions of the canonical ABI: those that both versions of `wasi:sockets` have, by the names of each.
 * Leaves descriptors to the sockets.
 */

import type { IntegerOption } from "../backend/backend.js";
import { bool, borrow, type Failed, result, type Type, u32, u64, u8 } from "./abi.js";
import { func, type HostFunction } from "./calls.js";
import { addressFamily, type ErrorCode, INVALID_ARGUMENT, type SocketFailure } from "./network.js";
import type { SocketWorld } from "./socket-world.js";
import { TcpSocket } from "./tcp.js";
import type { UdpSocket } from "./udp.js";

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

  constructor(world: SocketWorld, results: Results, get: string) {
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

const tcp = borrow(TcpSocket);

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
