/** Owns the addresses of the seam: families and types of sockets, and where they are bound. Knows no call. */

/** Address family of a socket. */
export type Family = "IPv4" | "IPv6" | "unix";

/** Type of a socket: SOCK_STREAM or SOCK_DGRAM. */
export type SocketType = "stream" | "dgram";

/** An IPv4 or IPv6 address, or a host name where one is to be looked up. */
export interface InetAddress {
  readonly host: string;
  /** 0 to 65535. */
  readonly port: number;
  readonly path?: undefined;
}

/** The address of a Unix socket. The empty path is an unnamed socket; a leading NUL is Linux's abstract namespace. */
export interface UnixAddress {
  readonly path: string;
  readonly host?: undefined;
  readonly port?: undefined;
}

/** The addresses of a family of sockets. */
export type AddressOf<F extends Family> = F extends "unix" ? UnixAddress : InetAddress;

/** `{ host, port }` or `{ path }`. Addresses that come from the operating system are numeric. */
export type SocketAddress = InetAddress | UnixAddress;
