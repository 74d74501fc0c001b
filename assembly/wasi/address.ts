/**
 * Owns the static memory that holds an address returned by a call. Knows no call: an address is 4 bytes of IPv4, or 16
 * of IPv6, in network order, and a port.
 */

/** 4 or 16 bytes. */
export const toldHost: usize = memory.data(16);
/** The length of the address; 0 where the host returned none. */
export let toldLength: i32 = 0;
export let toldPort: i32 = 0;

export function tellAddress(length: i32, port: i32): void {
  toldLength = length;
  toldPort = port;
}
