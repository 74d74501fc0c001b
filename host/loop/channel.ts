/**
 * Owns the seam between the loop and the handlers: what the loop calls on a handler, what it means when that throws,
 * and what a handler tells the loop. Knows no handler class and no scheduler.
 */

import type { SocketAddress } from "../backend/backend.js";
import { BlockingIOError, ExitNow, isDisconnect, OSError } from "../backend/errors.js";

/** A handler as the loop sees it. `Dispatcher` is one. Method names and meanings are asyncore's. */
export interface Channel {
  /** The descriptor; -1 where there is none, or none any more. */
  readonly fd: number;
  /** Asked every turn, before the poll, where it was registered so: bits of `Interest`. */
  sampleInterest(): number;
  /** A listener has a connection waiting. @returns whether one was taken, so that more may be waiting. */
  handleAcceptEvent(): boolean;
  handleConnectEvent(): void;
  handleReadEvent(): void;
  handleWriteEvent(): void;
  handleExptEvent(): void;
  /** The channel has come to its end: calls `handleClose`, once in its life. */
  handleCloseEvent(): void;
  handleError(error: unknown): void;
  /** Makes the error that `handleError` is given for a pending socket error. */
  socketError(code: string): OSError;
  close(): void;
  describe(): ChannelDescription;
}

/**
 * Tells a channel what one of its callbacks threw. BlockingIOError is no error: there was nothing to do after all. Nor
 * is EBADF from a channel that has closed: asyncore's programs go on to use one whose `recv` has closed it. An
 * OSError that means "the peer is gone" closes where `closesWhenGone` says so, as under asyncore's poll2. All else is
 * an error.
 * @returns whether the callback has failed
 * @throws what must leave the loop: ExitNow, and what the channel throws when it is told
 */
export function tellThrown(channel: Channel, error: unknown, closesWhenGone: boolean): boolean {
  if (error instanceof BlockingIOError) return false;
  if (error instanceof ExitNow) throw error;
  if (channel.fd < 0 && error instanceof OSError && error.code === "EBADF") return false;
  if (closesWhenGone && error instanceof OSError && isDisconnect(error.code)) channel.handleCloseEvent();
  else channel.handleError(error);
  return true;
}

/** What a channel knows of itself, for a snapshot of the map. */
export interface ChannelDescription {
  readonly state: "idle" | "connecting" | "connected" | "open" | "accepting" | "resolving";
  readonly local: SocketAddress | undefined;
  readonly remote: SocketAddress | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What the loop must know of a handler when it comes into the map. */
export interface Registering {
  readonly fd: number;
  /** A `State` of the engine. */
  readonly state: number;
  /** What it wants to be notified of, bits of `Interest`; ignored for one that is sampled. */
  readonly interest: number;
  /** Does the class override `readable` or `writable`, so that its interest is sampled every turn? */
  readonly sampled: boolean;
  /** Is it a byte stream? */
  readonly stream: boolean;
}

/** A handler's place in a map. Calls on one that was removed do nothing. */
export interface Registration {
  setInterest(interest: number): void;
  setState(state: number): void;
  /** There is nothing to read any more, whatever the handler answers. */
  endInput(): void;
  /** The listener is out of descriptors: it is not watched until one may be free. */
  pause(): void;
  /** Takes the pending error of a stream at its end: its code, or undefined. */
  takeError(): string | undefined;
  remove(): void;
}

/** The part of a channel map that handlers use. */
export interface Registrar {
  register(channel: Channel, registering: Registering): Registration;
  /**
   * Looks a host name up the way that suits the loop: without blocking under `loop`, blocking under `loopSync`; when
   * none runs, the next one does it. `done` gets a numeric address or an OSError; what it throws goes to
   * `channel.handleError`. @returns a call that gives up waiting.
   */
  lookup(channel: Channel, host: string, family: 0 | 4 | 6, done: (result: string | OSError) => void): () => void;
}
