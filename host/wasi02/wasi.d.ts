/**
 * Owns the types of what world.wit imports, as componentize-qjs gives it to JavaScript: u64 is a number, an enum its name, a
 * variant `{ tag, val }`, and the error of a result is thrown, as the `payload` of an Error.
 */

declare module "wasi:io/error@0.2.0" {
  interface Error extends Disposable {
    toDebugString(): string;
  }
  export type { Error };
}

declare module "wasi:io/poll@0.2.0" {
  interface Pollable extends Disposable {
    ready(): boolean;
  }
  export type { Pollable };
  /** Waits until one of them is ready. @returns the indexes of those that are */
  export function poll(list: readonly Pollable[]): number[];
}

declare module "wasi:io/streams@0.2.0" {
  import type { Pollable } from "wasi:io/poll@0.2.0";
  interface InputStream extends Disposable {
    read(length: number): Uint8Array;
    subscribe(): Pollable;
  }
  interface OutputStream extends Disposable {
    checkWrite(): number;
    write(contents: Uint8Array): void;
    blockingWriteAndFlush(contents: Uint8Array): void;
    flush(): void;
    subscribe(): Pollable;
  }
  export type { InputStream, OutputStream };
}

declare module "wasi:clocks/monotonic-clock@0.2.0" {
  import type { Pollable } from "wasi:io/poll@0.2.0";
  /** Nanoseconds. */
  export function now(): number;
  export function subscribeInstant(whenNs: number): Pollable;
}

declare module "wasi:clocks/wall-clock@0.2.0" {
  export function now(): { readonly seconds: number; readonly nanoseconds: number };
}

declare module "wasi:random/random@0.2.0" {
  export function getRandomU64(): number;
}

declare module "wasi:cli/environment@0.2.0" {
  export function getEnvironment(): [name: string, value: string][];
  export function getArguments(): string[];
}

declare module "wasi:cli/exit@0.2.0" {
  export function exit(status: { readonly tag: "ok" | "err" }): never;
}

declare module "wasi:cli/stdin@0.2.0" {
  import type { InputStream } from "wasi:io/streams@0.2.0";
  export function getStdin(): InputStream;
}

declare module "wasi:cli/stdout@0.2.0" {
  import type { OutputStream } from "wasi:io/streams@0.2.0";
  export function getStdout(): OutputStream;
}

declare module "wasi:cli/stderr@0.2.0" {
  import type { OutputStream } from "wasi:io/streams@0.2.0";
  export function getStderr(): OutputStream;
}

declare module "wasi:sockets/network@0.2.0" {
  type IpAddressFamily = "ipv4" | "ipv6";
  type IpAddress =
    | { readonly tag: "ipv4"; readonly val: readonly number[] }
    | { readonly tag: "ipv6"; readonly val: readonly number[] };
  type IpSocketAddress =
    | { readonly tag: "ipv4"; readonly val: { readonly port: number; readonly address: readonly number[] } }
    | {
        readonly tag: "ipv6";
        readonly val: {
          readonly port: number;
          readonly flowInfo: number;
          readonly address: readonly number[];
          readonly scopeId: number;
        };
      };
  type Network = object;
  export type { IpAddress, IpAddressFamily, IpSocketAddress, Network };
}

declare module "wasi:sockets/instance-network@0.2.0" {
  import type { Network } from "wasi:sockets/network@0.2.0";
  export function instanceNetwork(): Network;
}

declare module "wasi:sockets/ip-name-lookup@0.2.0" {
  import type { Pollable } from "wasi:io/poll@0.2.0";
  import type { IpAddress, Network } from "wasi:sockets/network@0.2.0";
  interface ResolveAddressStream extends Disposable {
    resolveNextAddress(): IpAddress | null;
    subscribe(): Pollable;
  }
  export type { ResolveAddressStream };
  export function resolveAddresses(network: Network, name: string): ResolveAddressStream;
}

declare module "wasi:sockets/tcp@0.2.0" {
  import type { Pollable } from "wasi:io/poll@0.2.0";
  import type { InputStream, OutputStream } from "wasi:io/streams@0.2.0";
  import type { IpSocketAddress, Network } from "wasi:sockets/network@0.2.0";
  interface TcpSocket extends Disposable {
    startBind(network: Network, address: IpSocketAddress): void;
    finishBind(): void;
    startConnect(network: Network, address: IpSocketAddress): void;
    finishConnect(): [InputStream, OutputStream];
    startListen(): void;
    finishListen(): void;
    accept(): [TcpSocket, InputStream, OutputStream];
    localAddress(): IpSocketAddress;
    remoteAddress(): IpSocketAddress;
    isListening(): boolean;
    setListenBacklogSize(value: number): void;
    keepAliveEnabled(): boolean;
    setKeepAliveEnabled(value: boolean): void;
    keepAliveIdleTime(): number;
    setKeepAliveIdleTime(value: number): void;
    keepAliveInterval(): number;
    setKeepAliveInterval(value: number): void;
    keepAliveCount(): number;
    setKeepAliveCount(value: number): void;
    hopLimit(): number;
    setHopLimit(value: number): void;
    receiveBufferSize(): number;
    setReceiveBufferSize(value: number): void;
    sendBufferSize(): number;
    setSendBufferSize(value: number): void;
    subscribe(): Pollable;
    shutdown(how: "receive" | "send" | "both"): void;
  }
  export type { TcpSocket };
}

declare module "wasi:sockets/tcp-create-socket@0.2.0" {
  import type { IpAddressFamily } from "wasi:sockets/network@0.2.0";
  import type { TcpSocket } from "wasi:sockets/tcp@0.2.0";
  export function createTcpSocket(family: IpAddressFamily): TcpSocket;
}

declare module "wasi:sockets/udp@0.2.0" {
  import type { Pollable } from "wasi:io/poll@0.2.0";
  import type { IpSocketAddress, Network } from "wasi:sockets/network@0.2.0";
  interface IncomingDatagramStream extends Disposable {
    receive(max: number): { readonly data: Uint8Array; readonly remoteAddress: IpSocketAddress }[];
    subscribe(): Pollable;
  }
  interface OutgoingDatagramStream extends Disposable {
    checkSend(): number;
    send(datagrams: readonly { readonly data: Uint8Array; readonly remoteAddress: IpSocketAddress | null }[]): number;
    subscribe(): Pollable;
  }
  interface UdpSocket extends Disposable {
    startBind(network: Network, address: IpSocketAddress): void;
    finishBind(): void;
    stream(remote: IpSocketAddress | null): [IncomingDatagramStream, OutgoingDatagramStream];
    localAddress(): IpSocketAddress;
    remoteAddress(): IpSocketAddress;
    unicastHopLimit(): number;
    setUnicastHopLimit(value: number): void;
    receiveBufferSize(): number;
    setReceiveBufferSize(value: number): void;
    sendBufferSize(): number;
    setSendBufferSize(value: number): void;
    subscribe(): Pollable;
  }
  export type { IncomingDatagramStream, OutgoingDatagramStream, UdpSocket };
}

declare module "wasi:sockets/udp-create-socket@0.2.0" {
  import type { IpAddressFamily } from "wasi:sockets/network@0.2.0";
  import type { UdpSocket } from "wasi:sockets/udp@0.2.0";
  export function createUdpSocket(family: IpAddressFamily): UdpSocket;
}
