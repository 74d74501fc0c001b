/** What a guest's compiler knows by itself, for editors and for tsc: the types of whole numbers, and what guests alone have. */

/** A whole number of 32 bits. To Node a number like any other. */
type i32 = number;

declare module "wasyncore/guest" {
  import type { Socket } from "wasyncore";
  /**
   * Takes a listening socket that the host has opened: the one with this name, or the first. Where programs open their own,
   * it listens on `address`, "127.0.0.1:7007", or where the environment variable LISTEN says.
   */
  export function takeListener(name?: string, address?: string): Socket;
}
