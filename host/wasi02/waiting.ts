/**
 * Owns the second step of two-step operations of wasi:sockets that concern the local machine alone: it is waited for. Knows
 * nothing of what the first one was.
 */

import { type Pollable, poll } from "wasi:io/poll@0.2.0";
import { ERRNO, errnoOf } from "./errors.js";

/** Takes both steps. @returns 0, or -errno */
export function inTwoSteps(socket: { subscribe(): Pollable }, start: () => void, finish: () => void): number {
  try {
    start();
  } catch (thrown) {
    return errnoOf(thrown);
  }
  while (true) {
    try {
      finish();
      return 0;
    } catch (thrown) {
      const errno = errnoOf(thrown);
      if (errno !== -ERRNO.EAGAIN) return errno;
    }
    const pollable = socket.subscribe();
    poll([pollable]);
    pollable[Symbol.dispose]();
  }
}
