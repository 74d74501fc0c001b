/**
 * Owns addresses as wasi:sockets has them, and turns them into bytes in network order and back. Knows no socket.
 *
 * `ip-socket-address` in memory, 32 bytes:
 *
 *   0        4      6      8        10       12                28       32
 *   +--------+------+---------------+
 *   |0: IPv4 |port  |4 bytes        |
 *   +--------+------+------+--------+--------+-----------------+--------+
 *   |1: IPv6 |port  |      |flow             |8 groups         |scope   |
 *   +--------+------+------+-----------------+-----------------+--------+
 *
 * A group is 2 bytes, in the order of the machine. As parameters: see sockets.ts.
 */

import { tellAddress, toldHost } from "../address";

/** Twelve parameters, 4 bytes each: see sockets.ts. */
export const flat: usize = memory.data(48, 4);

const GROUPS: i32 = 8;

/** Makes {@link flat} of the `length` bytes at `at`. */
export function flatten(at: usize, length: i32, port: i32): void {
  const isIPv6 = length > 4;
  memory.fill(flat, 0, 48);
  store<i32>(flat, i32(isIPv6));
  store<i32>(flat, port, 4);
  if (isIPv6) {
    for (let i = 0; i < GROUPS; i++) store<i32>(flat + 4 * i, bswap<u16>(load<u16>(at + 2 * i)), 12);
  } else {
    for (let i = 0; i < 4; i++) store<i32>(flat + 4 * i, load<u8>(at + i), 8);
  }
}

/** Notes the `ip-socket-address` at `at` as the one that was told. */
export function takeAddress(at: usize): void {
  const port = load<u16>(at, 4);
  tellAddress(takeHost(load<u8>(at) != 0, at + (load<u8>(at) == 0 ? 6 : 12)), port);
}

/** Notes an address without a port. @returns how many bytes it has */
export function takeHost(isIPv6: bool, at: usize): i32 {
  if (!isIPv6) {
    store<u32>(toldHost, load<u32>(at));
    return 4;
  }
  for (let i = 0; i < GROUPS; i++) store<u16>(toldHost + 2 * i, bswap<u16>(load<u16>(at + 2 * i)));
  return 16;
}

/** Writes the `ip-socket-address` of the `length` bytes at `at`. */
export function writeAddress(to: usize, at: usize, length: i32, port: i32): void {
  memory.fill(to, 0, 32);
  store<u16>(to, u16(port), 4);
  if (length == 4) {
    store<u32>(to, load<u32>(at), 6);
    return;
  }
  store<u8>(to, 1);
  for (let i = 0; i < GROUPS; i++) store<u16>(to + 2 * i, bswap<u16>(load<u16>(at + 2 * i)), 12);
}
