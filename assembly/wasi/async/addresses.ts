/** Owns calls of sockets.ts and datagrams.ts with an address as parameters. Knows no socket. */

import { flat } from "../component/addresses";

type AddressCall = (
  socket: i32,
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

/** Makes a call with the address in `flat`. */
export function callFlat(call: AddressCall, socket: i32, resultAt: usize): void {
  call(
    socket,
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
