/** Owns what a program sees of a simulated host. Knows nothing of how it is made. */

import type { Backend } from "../backend/backend.js";
import type { SimGuest, SimGuestOptions } from "./guests.js";

/** What runs on a host: called when it starts, and again when the host is back after a crash. */
export type Program = (host: SimHost) => unknown;

/** What a host is made with. */
export interface HostOptions {
  /** Further addresses: IPv6 ones, for example. */
  readonly addresses?: readonly string[];
  /** Names that are looked up to its addresses. */
  readonly names?: readonly string[];
  /** How many descriptors it may have open. Default 65,536. */
  readonly descriptorLimit?: number;
}

/** A host of a `SimWorld`: made by `world.host(address)`. */
export interface SimHost {
  readonly address: string;
  readonly addresses: readonly string[];
  /** Polls and does socket operations on this host: for `new ChannelMap({ backend })`. Another one after a crash. */
  readonly backend: Backend;
  /** Is it up? Not between a crash and its return. */
  readonly isUp: boolean;
  /** Does it take no turns? */
  readonly isPaused: boolean;
  /** What SO_PEERCRED says of its programs. */
  readonly pid: number;
  /** How many descriptors it has open. */
  readonly openDescriptors: number;
  /**
   * Runs a program on the host: calls it now, and again each time that the host is back after a crash. What it throws, or
   * rejects with, leaves `world.run`.
   */
  start(program: Program): this;
  /**
   * Runs a WASI preview 1 command on the host, now and each time that the host is back after a crash: its sockets, names and
   * clocks are the host's, and its random bytes come from the seed. It has a thread of its own, for which the world stands
   * still until the guest waits; so the module needs no change, and a guest that never waits stops the world.
   * @throws TypeError, GuestError for what is no module
   */
  guest(module: Uint8Array, options?: SimGuestOptions): SimGuest;
  /** Writes a file, and makes its directories. Files outlive a crash. @throws OSError */
  writeFile(path: string, data: string | Uint8Array): void;
  /** Makes a directory, and those above it; one that is there already is no error. @throws OSError */
  makeDirectory(path: string): void;
  /** What is in a file; undefined where there is none. */
  readFile(path: string): Uint8Array | undefined;
  /** Opens a file or a directory, by the flags of open(2) in the platform's numbering: `constants` of node:fs. @returns a descriptor. @throws OSError */
  open(path: string, flags?: number): number;
  /** Removes a file, or the path of a Unix socket. @throws OSError */
  unlink(path: string): void;
  /** Takes no turns until {@link resume}; calls are counted. The network goes on, as for a process that is stopped. */
  pause(): void;
  resume(): void;
  /**
   * Ends everything on it without a word to anybody. Its loops are never heard of again, as those of a process that was
   * killed. What peers send is sent again, until it is back and resets their connections, or they give up.
   */
  crash(): void;
  /** It is back after a crash, with its files, and its programs start anew. */
  restart(): void;
  /** Moves the realtime clock: forward, or back where negative. The monotonic clock goes on. */
  jumpClock(ms: number): void;
}
