/**
 * Owns the imports of WASI preview 1 that guests use beside `poll_oneoff` and `clock_time_get`. Knows the layouts in
 * assembly/shared; an import that a program does not call is not in its module.
 */

import { Fdstat } from "../shared/preview1";

export { FdFlags, Filetype } from "../shared/preview1";

export const FDSTAT_SIZE: i32 = offsetof<Fdstat>();


@external("wasi_snapshot_preview1", "fd_read")
export declare function fd_read(fd: i32, iovecsAt: usize, iovecs: i32, lengthAt: usize): i32;


@external("wasi_snapshot_preview1", "fd_write")
export declare function fd_write(fd: i32, ciovecsAt: usize, ciovecs: i32, lengthAt: usize): i32;


@external("wasi_snapshot_preview1", "fd_close")
export declare function fd_close(fd: i32): i32;


@external("wasi_snapshot_preview1", "fd_fdstat_get")
export declare function fd_fdstat_get(fd: i32, fdstatAt: usize): i32;


@external("wasi_snapshot_preview1", "fd_fdstat_set_flags")
export declare function fd_fdstat_set_flags(fd: i32, flags: i32): i32;


@external("wasi_snapshot_preview1", "sock_accept")
export declare function sock_accept(fd: i32, flags: i32, acceptedAt: usize): i32;


@external("wasi_snapshot_preview1", "sock_recv")
export declare function sock_recv(
  fd: i32,
  iovecsAt: usize,
  iovecs: i32,
  flags: i32,
  lengthAt: usize,
  flagsAt: usize,
): i32;


@external("wasi_snapshot_preview1", "sock_send")
export declare function sock_send(fd: i32, ciovecsAt: usize, ciovecs: i32, flags: i32, lengthAt: usize): i32;


@external("wasi_snapshot_preview1", "sock_shutdown")
export declare function sock_shutdown(fd: i32, how: i32): i32;


@external("wasi_snapshot_preview1", "args_sizes_get")
export declare function args_sizes_get(countAt: usize, sizeAt: usize): i32;


@external("wasi_snapshot_preview1", "args_get")
export declare function args_get(pointersAt: usize, bytesAt: usize): i32;


@external("wasi_snapshot_preview1", "environ_sizes_get")
export declare function environ_sizes_get(countAt: usize, sizeAt: usize): i32;


@external("wasi_snapshot_preview1", "environ_get")
export declare function environ_get(pointersAt: usize, bytesAt: usize): i32;


@external("wasi_snapshot_preview1", "random_get")
export declare function random_get(at: usize, length: usize): i32;


@external("wasi_snapshot_preview1", "proc_exit")
export declare function proc_exit(status: i32): void;
