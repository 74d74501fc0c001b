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

/** A call of sockets.ts that takes an address; `other` is what it takes before that. */
type AddressCall = (
  socket: i32,
  other: i32,
  family: i32,
  port: i32,
  a: i32,
  b: i32,
  c: i32,
  d: i32,
  e: i32,
  f: i32,
  g: i32,
  h: i32,
  i: i32,
  j: i32,
  resultAt: usize,
) => void;

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

/** Makes a call with the address in {@link flat}. */
export function callFlat(call: AddressCall, socket: i32, other: i32, resultAt: usize): void {
  call(
    socket,
    other,
    load<i32>(flat),
    load<i32>(flat, 4),
    load<i32>(flat, 8),
    load<i32>(flat, 12),
    load<i32>(flat, 16),
    load<i32>(flat, 20),
    load<i32>(flat, 24),
    load<i32>(flat, 28),
    load<i32>(flat, 32),
    load<i32>(flat, 36),
    load<i32>(flat, 40),
    load<i32>(flat, 44),
    resultAt,
  );
}

/** Notes the `ip-socket-address` at `at` as the last one that the host gave. */
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
