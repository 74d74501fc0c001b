/**
 * Owns the types of `wasi:sockets/network`: addresses as the component and as the backend have them, and errors of sockets. Knows no
 * socket.
 */

import { isIPv6 } from "node:net";
import type { InetAddress, SocketAddress } from "../backend/backend.js";
import { type Case, enumeration, Failed, record, tuple, type Type, u16, u32, u8, variant } from "./abi.js";
import { Resource } from "./resources.js";

/** The right to use the network: what may be used is for the backend to say. */
export class Network extends Resource {
  override release(): void {
    // It holds nothing.
  }
}

export const errorCode = enumeration(
  ...(["unknown", "access-denied", "not-supported", "invalid-argument", "out-of-memory", "timeout"] as const),
  ...(["concurrency-conflict", "not-in-progress", "would-block", "invalid-state", "new-socket-limit"] as const),
  ...(["address-not-bindable", "address-in-use", "remote-unreachable", "connection-refused"] as const),
  ...(["connection-reset", "connection-aborted", "datagram-too-large", "name-unresolvable"] as const),
  ...(["temporary-resolver-failure", "permanent-resolver-failure"] as const),
);

export type ErrorCode = typeof errorCode extends Type<infer T> ? T : never;
export type SocketFailure = Failed<ErrorCode>;

export const WOULD_BLOCK: SocketFailure = new Failed("would-block");
export const INVALID_STATE: SocketFailure = new Failed("invalid-state");
export const INVALID_ARGUMENT: SocketFailure = new Failed("invalid-argument");
export const NOT_IN_PROGRESS: SocketFailure = new Failed("not-in-progress");
export const CONCURRENCY_CONFLICT: SocketFailure = new Failed("concurrency-conflict");
export const ACCESS_DENIED: SocketFailure = new Failed("access-denied");

const CODES: Readonly<Record<string, ErrorCode>> = {
  EPERM: "access-denied",
  EACCES: "access-denied",
  EADDRINUSE: "address-in-use",
  EADDRNOTAVAIL: "address-not-bindable",
  ETIMEDOUT: "timeout",
  ECONNREFUSED: "connection-refused",
  ECONNRESET: "connection-reset",
  ECONNABORTED: "connection-aborted",
  EINVAL: "invalid-argument",
  EHOSTUNREACH: "remote-unreachable",
  EHOSTDOWN: "remote-unreachable",
  ENETDOWN: "remote-unreachable",
  ENETUNREACH: "remote-unreachable",
  ENONET: "remote-unreachable",
  EISCONN: "invalid-state",
  ENOTCONN: "invalid-state",
  EDESTADDRREQ: "invalid-state",
  EMSGSIZE: "datagram-too-large",
  ENOMEM: "out-of-memory",
  ENOBUFS: "out-of-memory",
  EOPNOTSUPP: "not-supported",
  ENOPROTOOPT: "not-supported",
  EPFNOSUPPORT: "not-supported",
  EPROTONOSUPPORT: "not-supported",
  EPROTOTYPE: "not-supported",
  ESOCKTNOSUPPORT: "not-supported",
  EAFNOSUPPORT: "not-supported",
  EAGAIN: "would-block",
  EWOULDBLOCK: "would-block",
  EMFILE: "new-socket-limit",
  ENFILE: "new-socket-limit",
};

/** The `error-code` of a code such as "ECONNREFUSED". */
export function errorCodeOf(code: string): ErrorCode {
  return CODES[code] ?? "unknown";
}

const failures = new Map<string, SocketFailure>();

/** The failure of a code such as "ECONNREFUSED": one object each. */
export function failureOf(code: string): SocketFailure {
  let failure = failures.get(code);
  if (failure === undefined) failures.set(code, (failure = new Failed(errorCodeOf(code))));
  return failure;
}

export type AddressFamily = "ipv4" | "ipv6";
export const addressFamily = enumeration("ipv4", "ipv6");

type V4 = readonly [number, number, number, number];
type V6 = readonly [number, number, number, number, number, number, number, number];
interface V4Address {
  readonly port: number;
  readonly address: V4;
}
interface V6Address {
  readonly port: number;
  readonly flow: number;
  readonly address: V6;
  readonly scope: number;
}

const v4: Type<V4> = tuple(u8, u8, u8, u8);
const v6: Type<V6> = tuple(u16, u16, u16, u16, u16, u16, u16, u16);
const IPV4 = 0;
const IPV6 = 1;

const ipCases = variant(v4 as Type<never>, v6 as Type<never>);
const socketCases = variant(
  record<V4Address>({ port: u16, address: v4 }) as Type<never>,
  record<V6Address>({ port: u16, flow: u32, address: v6, scope: u32 }) as Type<never>,
);

/** `inner` with another value in JavaScript. */
function mapped<T>(inner: Type<Case>, from: (value: Case) => T, to: (value: T) => Case): Type<T> {
  return {
    ...inner,
    load: (memory, at) => from(inner.load(memory, at)),
    store: (memory, at, value) => inner.store(memory, at, to(value)),
    lift: (memory, values) => from(inner.lift(memory, values)),
  };
}

/** `ip-address` as a numeric host. */
export const ipAddress: Type<string> = mapped(
  ipCases,
  ({ tag, value }) => (tag === IPV4 ? textOf4(value as V4) : textOf6(value as V6, 0)),
  (host) => (isIPv6(host) ? { tag: IPV6, value: partsOf6(host).address } : { tag: IPV4, value: partsOf4(host) }),
);

/** `ip-socket-address`, as the backend has it. */
export const socketAddress: Type<InetAddress> = mapped(
  socketCases,
  ({ tag, value }) => {
    const { port, address, scope } = value as V6Address;
    return { port, host: tag === IPV4 ? textOf4(address as unknown as V4) : textOf6(address, scope) };
  },
  ({ host, port }) =>
    host.includes(":")
      ? { tag: IPV6, value: { port, flow: 0, ...partsOf6(host) } }
      : { tag: IPV4, value: { port, address: partsOf4(host) } },
);

const textOf4 = (parts: V4): string => parts.join(".");

function textOf6(parts: V6, scope: number): string {
  const text = new URL(`http://[${parts.map((part) => part.toString(16)).join(":")}]`).hostname.slice(1, -1);
  return scope === 0 ? text : `${text}%${scope}`;
}

function partsOf4(host: string): V4 {
  return host.split(".").map(Number) as unknown as V4;
}

function partsOf6(host: string): { readonly address: V6; readonly scope: number } {
  const [text = "", scope = "0"] = host.split("%");
  const plain = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const [before = "", after] = plain.split("::");
  const groups = (part: string): number[] => (part === "" ? [] : part.split(":").map((each) => parseInt(each, 16)));
  const head = groups(before);
  const tail = after === undefined ? [] : groups(after);
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0);
  return { address: [...head, ...zeros, ...tail] as unknown as V6, scope: Number(scope) || 0 };
}

/** The address of a socket, which is one of the Internet. */
export function inetOf(address: SocketAddress): InetAddress {
  return address.path === undefined ? address : { host: "0.0.0.0", port: 0 };
}

/** "127.0.0.1:80" or "[::1]:80". */
export function addressText({ host, port }: InetAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The IPv4 address that an IPv6 one maps; any other host unchanged. */
function canonical(host: string): string {
  if (!host.includes(":")) return host;
  const { address } = partsOf6(host);
  if (address.slice(0, 5).some((part) => part !== 0) || address[5] !== 0xffff) return host;
  return [address[6] >> 8, address[6] & 0xff, address[7] >> 8, address[7] & 0xff].join(".");
}

/** Is it one that a socket of the family takes? Of IPv6, neither a mapped nor a compatible address of IPv4. */
export function isOfFamily(host: string, family: AddressFamily): boolean {
  if ((family === "ipv6") !== host.includes(":")) return false;
  if (family === "ipv4") return true;
  const { address } = partsOf6(host);
  if (canonical(host) !== host) return false;
  const isCompatible = address.slice(0, 6).every((part) => part === 0);
  return !isCompatible || (address[6] === 0 && address[7] <= 1);
}

export function isUnicast(host: string): boolean {
  const plain = canonical(host);
  if (plain.includes(":")) return (partsOf6(plain).address[0] & 0xff00) !== 0xff00;
  const [first] = partsOf4(plain);
  return (first < 224 || first > 239) && plain !== "255.255.255.255";
}

/** Can it be connected to? */
export function isRemote({ host, port }: InetAddress): boolean {
  return port !== 0 && !["0.0.0.0", "::"].includes(canonical(host.split("%")[0] ?? ""));
}
