/** What a guest's compiler knows by itself, for editors and for tsc: the types of whole numbers, and what guests alone have. */

/** A whole number of 32 bits. To Node a number like any other. */
type i32 = number;

declare module "wasyncore/guest" {
  import type { Socket } from "wasyncore";
  /** Takes a listening socket that the host has opened: the one with this name, or the first. */
  export function takeListener(name?: string): Socket;
}
