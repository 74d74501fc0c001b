/**
 * Owns the imports of the socket extension that WasmEdge adds to WASI preview 1. Knows nothing else. Only modules built
 * for the profile "preview1+sockets" have them.
 *
 * An address is 8 bytes, `{ buffer, length }`, as an iovec: 4 bytes of IPv4 or 16 of IPv6 in network order.
 */

/** `address_family`. */
export namespace AddressFamily {
  export const INET4: i32 = 1;
  export const INET6: i32 = 2;
}

/** `socket_type`. */
export namespace SocketKind {
  export const DGRAM: i32 = 1;
  export const STREAM: i32 = 2;
}


@external("wasi_snapshot_preview1", "sock_open")
export declare function sock_open(family: i32, kind: i32, fdAt: usize): i32;


@external("wasi_snapshot_preview1", "sock_bind")
export declare function sock_bind(fd: i32, addressAt: usize, port: i32): i32;


@external("wasi_snapshot_preview1", "sock_connect")
export declare function sock_connect(fd: i32, addressAt: usize, port: i32): i32;


@external("wasi_snapshot_preview1", "sock_listen")
export declare function sock_listen(fd: i32, backlog: i32): i32;

/** `sock_opt_level`. */
export const SOL_SOCKET: i32 = 0;
/** `sock_opt_so`. */
export const SO_REUSEADDR: i32 = 0;
/** A WASI errno. */
export const SO_ERROR: i32 = 2;


@external("wasi_snapshot_preview1", "sock_setsockopt")
export declare function sock_setsockopt(fd: i32, level: i32, name: i32, valueAt: usize, length: i32): i32;

/** `lengthAt`: of the room, and then of the value. */
@external("wasi_snapshot_preview1", "sock_getsockopt")
export declare function sock_getsockopt(fd: i32, level: i32, name: i32, valueAt: usize, lengthAt: usize): i32;
