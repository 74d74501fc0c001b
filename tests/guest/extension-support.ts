/**
 * Owns what the tests of the socket extension stand on: a guest that may open sockets, and addresses as WasmEdge's guests
 * write them. Knows no scenario.
 */

import { expect } from "vitest";
import { type Caller, createCaller, DATA_AT, Errno, RESULT_AT } from "./support.js";

export const INET4 = 1;
export const INET6 = 2;
export const UNIX = 3;
export const DGRAM = 1;
export const STREAM = 2;
export const ADDRESS_AT = 256;
export const BYTES_AT = 512;
export const PORT_AT = 1024;

export type Calls = Required<Caller["calls"]>;

/** A guest that may open sockets, and use these paths of Unix sockets. */
export function createClient(...unixPaths: readonly string[]): [Caller, Calls] {
  const [caller] = createCaller({ socketExtension: true, unixPaths });
  return [caller, caller.calls as Calls];
}

/** Writes an address. @returns where it is */
export function address(caller: Caller, ...bytes: number[]): number {
  caller.view.setUint32(ADDRESS_AT, BYTES_AT, true);
  caller.view.setUint32(ADDRESS_AT + 4, bytes.length, true);
  caller.bytes(BYTES_AT, bytes.length).set(bytes);
  return ADDRESS_AT;
}

export const loopback4 = [127, 0, 0, 1];
export const loopback6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/** An address in 128 bytes, its family in front. */
export function storage(family: number, bytes: Iterable<number>): number[] {
  const all = [family, 0, ...bytes];
  return [...all, ...Array.from({ length: 128 - all.length }, () => 0)];
}

export function open(caller: Caller, calls: Calls, family: number, type: number): number {
  expect(calls.sock_open(family, type, RESULT_AT)).toBe(Errno.SUCCESS);
  return caller.u32(RESULT_AT);
}

/** Where a socket is bound, in 16 bytes. */
export function local(caller: Caller, calls: Calls, fd: number): { bytes: number[]; type: number; port: number } {
  address(caller, ...Array.from({ length: 16 }, () => 0xee));
  expect(calls.sock_getlocaladdr(fd, ADDRESS_AT, PORT_AT, PORT_AT + 4)).toBe(Errno.SUCCESS);
  return { bytes: [...caller.bytes(BYTES_AT, 16)], type: caller.u32(PORT_AT), port: caller.u32(PORT_AT + 4) };
}

export function getOption(caller: Caller, calls: Calls, fd: number, name: number, size = 4): number {
  caller.view.setUint32(RESULT_AT, size, true);
  return calls.sock_getsockopt(fd, 0, name, DATA_AT, RESULT_AT);
}
