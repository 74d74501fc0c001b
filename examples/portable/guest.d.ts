/** What guests alone have, for editors and for tsc; the guest's own compiler reads the package's sources. */
declare module "wasyncore/guest" {
  import type { Socket } from "wasyncore";
  /** Takes a listening socket that the host has opened: the one with this name, or the first. */
  export function takeListener(name?: string): Socket;
}
