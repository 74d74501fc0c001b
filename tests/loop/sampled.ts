/** Owns channels that are sampled: a handler that is fed from outside of turns, and the two ways in which a loop waits. */

import type { ChannelMap, Socket } from "wasyncore";
import { Quiet, Recorder } from "../support/handlers.js";
import { bytes, connectedPair } from "../support/sockets.js";

/** asyncore's idiom: writes what is in its buffer, and wants to write while there is something. */
export class Fed extends Quiet {
  buffer = "";
  samples = 0;

  override writable(): boolean {
    this.samples += 1;
    return this.buffer.length > 0;
  }

  override handleWrite(): void {
    this.send(bytes(this.buffer));
    this.buffer = "";
  }

  override handleRead(): void {
    this.recv(65536);
  }

  override handleClose(): void {
    this.close();
  }
}

/** A handler that is fed once, and its peer in the same map, which closes both when it has something. */
export function fedOnce<T extends Fed>(
  map: ChannelMap,
  make: new (socket: Socket, map: ChannelMap) => T,
): { handler: T; peer: Recorder } {
  const [near, far] = connectedPair();
  const handler = new make(near, map);
  const peer = new Recorder(far, map);
  peer.handleRead = () => {
    peer.received.push(Buffer.from(peer.recv(10)));
    handler.close();
    peer.close();
  };
  return { handler, peer };
}

export const WAITS = [
  ["the loop waits itself", true],
  ["Node's event loop waits", false],
] as const;
