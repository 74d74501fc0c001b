/** Owns what a test sees of a recording that is played in a world. Knows nothing of how it is made. */

import type { InetAddress } from "../backend/backend.js";
import type { SimHost } from "./public-host.js";

/** A peer of a recording, in a world. */
export interface RecordedPeer {
  /** "accepted": it connects to the program; "connected": the program connects to it; "datagrams". */
  readonly kind: "accepted" | "connected" | "datagrams";
  /** Its address when it was recorded. */
  readonly address: InetAddress;
  /** Waiting for the program, in an exchange, or at its end. */
  readonly state: "waiting" | "open" | "closed";
  /** The code of the error that it ended with: "ECONNRESET". */
  readonly failure: string | undefined;
  /** How many of the bytes that it sent then it has sent now. */
  readonly sentBytes: number;
  /** What the program has sent to it, as one. */
  readonly received: Uint8Array;
  /** The same by datagram; by what one read has found otherwise. */
  readonly messages: readonly Uint8Array[];
  /** What the program sent to it when it was recorded; undefined where the recording has hashes of it. */
  readonly recorded: Uint8Array | undefined;
}

export interface RecordedOptions {
  /** Of the host for the program. Default: one that the program listened on, or 10.0.0.1. */
  readonly address?: string;
}

/** The peers of a recording, and the host for the program that they talk to. */
export interface RecordedWorld {
  /** Run the program here: `host.start(program)`. */
  readonly host: SimHost;
  /** In the order in which they began. */
  readonly peers: readonly RecordedPeer[];
  /** How long the recording is, in milliseconds. */
  readonly durationMs: number;
}
