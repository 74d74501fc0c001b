/** Owns the listener that tests of accepting use: it records its errors, and leaves what is accepted to the test. */

import type { Socket, SocketAddress } from "wasyncore";
import { Quiet } from "./handlers.js";

/** Accepts by asyncore's way, with what a test says. */
export class Listening extends Quiet {
  readonly errors: unknown[] = [];
  onAccepted: (socket: Socket, address: SocketAddress) => unknown = () => undefined;

  override handleAccepted(socket: Socket, address: SocketAddress): void | Promise<void> {
    return this.onAccepted(socket, address) as void | Promise<void>;
  }

  override handleError(error: unknown): void {
    this.errors.push(error);
    super.handleError(error);
  }
}
