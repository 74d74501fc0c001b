/** Owns what the peers of a program did, as a recording has it. Types only: knows no record. */

import type { InetAddress } from "../backend/addresses.js";

/** What a peer does, in nanoseconds since its beginning. */
export interface PeerStep {
  readonly atNs: number;
  readonly kind: "send" | "urgent" | "end" | "reset";
  readonly data: Uint8Array;
}

/** One peer of the program, and what there was between them. */
export interface PeerScript {
  /**
   * "accepted": it connected to `socket`; "connected": the program connected to it; "datagrams": it and `socket` exchanged
   * datagrams.
   */
  readonly kind: "accepted" | "connected" | "datagrams";
  /** Which of {@link PeerScripts.sockets}; undefined where the program connected. */
  readonly socket: number | undefined;
  /** The peer's address. */
  readonly remote: InetAddress;
  /** When it began, in nanoseconds since its socket listened or was bound; 0 where it answers the program. */
  readonly beganNs: number;
  /** Does it begin when the program has sent something to it, or has connected? */
  readonly answers: boolean;
  readonly steps: PeerStep[];
  /** What the program sent to it, as far as the recording has it. */
  readonly sent: Uint8Array[];
  /** How many bytes that were, also where it does not have them. */
  sentBytes: number;
}

/** A socket of the program that peers send to. */
export interface ServingSocket {
  readonly type: "stream" | "dgram";
  /** The port that the program asked for, 0 where it asked for any or none is known. */
  port: number;
  /** The address that it asked for; "" where none is known. */
  host: string;
}

export interface PeerScripts {
  readonly sockets: readonly ServingSocket[];
  readonly peers: readonly PeerScript[];
  /** Names that the program looked up, with their addresses. */
  readonly names: ReadonlyMap<string, readonly string[]>;
  readonly durationNs: number;
  /** Are the contents that the program sent in it? */
  readonly hasSent: boolean;
}
