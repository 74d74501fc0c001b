/**
 * Owns the signatures of the functions that a guest may import. A guest that imports one with another would have
 * JavaScript's conversions between it and the host, and their exceptions. Knows no function.
 */

import type { Preview1Imports } from "./preview1.js";

/**
 * Parameters, "i" an i32 and "I" an i64; the result is an i32, or none with "-" at the end. Where there are several, each
 * is served. "*": any number of i32.
 */
export const SIGNATURES: Readonly<Record<keyof Required<Preview1Imports>, readonly string[]>> = {
  args_get: ["ii"],
  args_sizes_get: ["ii"],
  clock_res_get: ["ii"],
  clock_time_get: ["iIi"],
  environ_get: ["ii"],
  environ_sizes_get: ["ii"],
  fd_advise: ["iIIi"],
  fd_allocate: ["iII"],
  fd_close: ["i"],
  fd_datasync: ["i"],
  fd_fdstat_get: ["ii"],
  fd_fdstat_set_flags: ["ii"],
  fd_fdstat_set_rights: ["iII"],
  fd_filestat_get: ["ii"],
  fd_filestat_set_size: ["iI"],
  fd_filestat_set_times: ["iIIi"],
  fd_pread: ["iiiIi"],
  fd_prestat_dir_name: ["iii"],
  fd_prestat_get: ["ii"],
  fd_pwrite: ["iiiIi"],
  fd_read: ["iiii"],
  fd_readdir: ["iiiIi"],
  fd_renumber: ["ii"],
  fd_seek: ["iIii"],
  fd_sync: ["i"],
  fd_tell: ["ii"],
  fd_write: ["iiii"],
  path_create_directory: ["iii"],
  path_filestat_get: ["iiiii"],
  path_filestat_set_times: ["iiiiIIi"],
  path_link: ["iiiiiii"],
  path_open: ["iiiiiIIii"],
  path_readlink: ["iiiiii"],
  path_remove_directory: ["iii"],
  path_rename: ["iiiiii"],
  path_symlink: ["iiiii"],
  path_unlink_file: ["iii"],
  poll_oneoff: ["iiii"],
  proc_exit: ["i-"],
  proc_raise: ["i"],
  random_get: ["ii"],
  sched_yield: [""],
  sock_accept: ["iii", "ii"],
  sock_bind: ["iii"],
  sock_connect: ["iii"],
  sock_getaddrinfo: ["*"],
  sock_getlocaladdr: ["iii", "iiii"],
  sock_getpeeraddr: ["iii", "iiii"],
  sock_getsockopt: ["iiiii"],
  sock_listen: ["ii"],
  sock_open: ["iii"],
  sock_recv: ["iiiiii"],
  sock_recv_from: ["iiiiiii", "iiiiiiii"],
  sock_send: ["iiiii"],
  sock_send_to: ["iiiiiii"],
  sock_setsockopt: ["iiiii"],
  sock_shutdown: ["ii"],
};

const ANY_I32 = /^\((?:i32(?:, i32)*)?\) -> i32$/;

/** "iI-" is "(i32, i64) -> ()". */
function written(signature: string): string {
  const hasResult = !signature.endsWith("-");
  const parameters = [...signature.replace("-", "")].map((each) => (each === "I" ? "i64" : "i32"));
  return `(${parameters.join(", ")}) -> ${hasResult ? "i32" : "()"}`;
}

/** What is wrong with a function's signature, written as "(i32) -> i32"; undefined if nothing is. */
export function signatureFault(name: string, found: string): string | undefined {
  const served = (SIGNATURES as Readonly<Record<string, readonly string[]>>)[name] ?? [];
  if (served.some((each) => (each === "*" ? ANY_I32.test(found) : written(each) === found))) return undefined;
  return `${name} is ${served.map((each) => (each === "*" ? "(i32, ...) -> i32" : written(each))).join(" or ")}, not ${found}`;
}
