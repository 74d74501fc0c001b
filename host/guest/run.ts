/**
 * Owns the public way to run a guest in this process: to its end, or turn by turn on Node's own event loop. Knows how a
 * guest is put together; leaves WASI to host/wasi.
 */

import type { Backend } from "../backend/backend.js";
import { checkBytes } from "../backend/check.js";
import { defaultBackend } from "../net/default-backend.js";
import type { Socket } from "../net/socket.js";
import { Guest } from "./instance.js";
import { driveTurns } from "./turns.js";
import { Preview1, type Preview1Options } from "./preview1.js";

export { GuestError, type GuestErrorCode, type GuestFrame, GuestTrap } from "./instance.js";
export type { GuestStdio } from "./preview1.js";

/** What a guest is given. */
export interface GuestOptions extends Omit<Preview1Options, "listeners"> {
  /**
   * Listening sockets, its descriptors from 3 on in this order. They are the guest's from the call on: whatever becomes
   * of it, they are closed. `name` goes into LISTEN_FDNAMES.
   */
  readonly listeners?: readonly (Socket | { readonly socket: Socket; readonly name: string })[] | undefined;
}

export interface DriveGuestOptions extends GuestOptions {
  /** Ends the guest between two turns. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a command to its end, and blocks the thread meanwhile: what `wasyncore run` does.
 * @param module a WASI preview 1 command, as `wasyncore build` makes it
 * @returns its exit status, as it gave it to proc_exit
 * @throws GuestError for a module that cannot be run here, GuestTrap when it traps
 */
export function runGuest(module: Uint8Array, options: GuestOptions = {}): number {
  const preview1 = createPreview1(options);
  try {
    checkBytes("module", module);
    return new Guest(module, preview1).start();
  } finally {
    preview1.close();
  }
}

/**
 * Has a guest take turns on Node's own event loop, which goes on with everything else in between. Nothing in it waits.
 * @param module as `wasyncore build --reactor` makes it: it exports `_initialize`, `turn` and `pending`
 * @returns its exit status; 0 when it has no channel and no timer left, or the signal is aborted
 * @throws GuestError for a module that cannot be run here, GuestTrap when it traps
 */
export async function driveGuest(module: Uint8Array, options: DriveGuestOptions = {}): Promise<number> {
  const preview1 = createPreview1(options);
  try {
    checkBytes("module", module);
    const guest = new Guest(module, preview1);
    preview1.poller.waits = false;
    guest.initialize();
    return guest.exitCode ?? (await driveTurns(guest, preview1.poller, options.signal));
  } finally {
    preview1.close();
  }
}

function createPreview1(options: GuestOptions): Preview1 {
  const given = (options.listeners ?? []).map((each) => ("socket" in each ? each : { socket: each, name: undefined }));
  const backend: Backend = defaultBackend();
  try {
    const listeners = given.map(({ socket: { fd }, name }) => ({ fd, name }));
    const preview1 = new Preview1(backend, { ...options, listeners });
    // The guest's from here on, and this thread's to close if it ends before the guest does.
    for (const { socket } of given) backend.adopt(socket.detach());
    return preview1;
  } catch (error) {
    for (const { socket } of given) socket.close();
    throw error;
  }
}
