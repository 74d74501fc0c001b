/**
 * Owns the seam between the loop and the handlers: what the loop calls on a handler, how it handles what a callback
 * throws, and what a handler calls on the loop. Knows no handler class and no scheduler.
 */

import type { Addresses, SocketAddress } from "../backend/backend.js";
import { BlockingIOError, ExitNow, isDisconnect, OSError } from "../backend/errors.js";
import { logThrown, nameForLog } from "../backend/log.js";
import type { Layer } from "../net/endpoint.js";
import type { Keeper } from "../net/unreachable.js";
import { Opening } from "./opening.js";
import { errors } from "./diagnostics.js";
import type { Member } from "./member.js";

/**
 * A handler as the loop sees it. `Dispatcher` is one. Method names and meanings are asyncore's. What the promise of an
 * event rejects with is handled as what the event throws.
 */
export interface Channel {
  /** The descriptor; -1 where there is none: before a socket is taken over, and once it is closed. */
  readonly fd: number;
  /** Aborted when the channel is closed. A channel that is opened again has another signal. */
  readonly signal: AbortSignal;
  /** Called every turn, before the poll, for a channel that is registered as sampled: bits of `Interest`. @internal */
  sampleInterest(): number;
  /** A listener has a connection waiting. @returns whether one was taken, so that more may be waiting. @internal */
  handleAcceptEvent(): boolean;
  /** @internal */
  handleConnectEvent(): void | Promise<void>;
  /** The TLS handshake has succeeded. @internal */
  handleSecureEvent(): void | Promise<void>;
  /** @internal */
  handleReadEvent(): void | Promise<void>;
  /** @internal */
  handleWriteEvent(): void | Promise<void>;
  /** @internal */
  handleExptEvent(): void | Promise<void>;
  /** The channel has come to its end: calls `handleClose`, once for each socket taken over. @internal */
  handleCloseEvent(): void;
  /**
   * A callback has failed, or the socket has an error: calls `handleError`. What that throws leaves the loop.
   * @internal
   */
  handleErrorEvent(error: unknown): void;
  /** Makes the error that is passed to `handleError` for a pending socket error. @internal */
  socketError(code: string): OSError;
  close(): void;
  /** @param withAddresses false: `local` and `remote` are left undefined, which saves system calls. Default true */
  describe(withAddresses?: boolean): ChannelDescription;
}

/**
 * Handles what a callback of a channel threw, or what its promise rejected with:
 * - BlockingIOError is dropped: the channel was not ready after all.
 * - ExitNow is rethrown, and leaves the loop.
 * - On a channel that has closed meanwhile no callback is called: the error is logged. EBADF is dropped there, because
 *   programs written for asyncore go on using a channel that its `recv` has closed.
 * - An OSError that means "the peer is gone" closes the channel if `closesWhenGone`, as under asyncore's poll2.
 * - All else goes to `handleError`.
 * @param isClosed has the channel closed since the callback was called?
 * @returns whether the callback has failed
 * @throws what is to leave the loop: ExitNow, and what `handleError` throws
 * @internal
 */
export function handleThrown(
  channel: Channel,
  error: unknown,
  closesWhenGone: boolean,
  isClosed = channel.fd < 0,
): boolean {
  if (error instanceof BlockingIOError) return false;
  if (error instanceof ExitNow) throw error;
  const wasOpen = channel.fd >= 0;
  if (errors.hasSubscribers) errors.publish({ channel, error });
  // A subscriber may have closed it.
  if (isClosed || (wasOpen && channel.fd < 0)) {
    if (error instanceof OSError && error.code === "EBADF") return false;
    logThrown(`uncaptured exception on closed channel ${nameForLog(channel)}`, error);
  } else if (closesWhenGone && error instanceof OSError && isDisconnect(error.code)) {
    channel.handleCloseEvent();
  } else {
    channel.handleErrorEvent(error);
  }
  return true;
}

/**
 * Is it a promise, of any library? A callback may return something else: `handleRead() { return this.recv(1); }`. What
 * `connect` returns is none: the channel has been notified of its failure already.
 * @internal
 */
export function isThenable(result: unknown): result is PromiseLike<unknown> {
  if (result instanceof Opening) return false;
  return typeof result === "object" && result !== null && "then" in result && typeof result.then === "function";
}

/** A channel's description of itself, for a snapshot of the map. */
export interface ChannelDescription {
  readonly state: "idle" | "connecting" | "connected" | "open" | "accepting" | "resolving";
  readonly local: SocketAddress | undefined;
  readonly remote: SocketAddress | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** What the loop must know of a handler that is added to the map. @internal */
export interface Registering {
  readonly fd: number;
  /** A `State` of the engine. */
  readonly state: number;
  /** The events that it wants, bits of `Interest`; not used when it is sampled. */
  readonly interest: number;
  /** Does the class override `readable` or `writable`, so that its interest must be sampled every turn? */
  readonly sampled: boolean;
  /** Is it a byte stream? */
  readonly stream: boolean;
}

/** A handler's entry in a map. After it is removed, calls on it do nothing. @internal */
export interface Registration {
  setInterest(interest: number): void;
  setState(state: number): void;
  /**
   * Events pass through this layer from now on: see {@link Layer}.
   * @param interest what the handler wants: bits of `Interest`; not used when it is sampled
   * @throws LoopError ERR_TLS_LOOP_SYNC inside `loopSync`
   * @internal
   */
  setLayer(layer: Layer, interest: number): void;
  /** There is nothing to read any more, whatever the handler's interest. */
  endInput(): void;
  /** The listener is out of descriptors: it is not watched until one may be free. @returns one of `Pause` */
  pause(): number;
  /** Takes the pending error of a stream at its end: its code, or undefined. */
  takeError(): string | undefined;
  remove(): void;
}

/** The part of a channel map that handlers use. @internal */
export interface Registrar {
  /** Closes what its channels' sockets have open once the map, and they with it, are garbage; none where time is simulated. */
  readonly keeper: Keeper | undefined;
  /** @param member what becomes its registration, by default a new one */
  add(channel: Channel, registering: Registering, member?: Member): Registration;
  /**
   * Looks a host name up in the way of the loop that runs: without blocking under `loop`, blocking under `loopSync`. If
   * none runs, the next one does it. `done` gets numeric addresses or an OSError; what it throws goes to
   * `channel.handleError`. @returns a call that cancels it.
   */
  lookup(channel: Channel, host: string, family: 0 | 4 | 6, done: (result: Addresses | OSError) => void): () => void;
  /**
   * If a callback returned a promise, handles its rejection: by `fail`, by default by {@link handleThrown}. What `fail`
   * throws leaves the loop; if none runs, the next one.
   */
  follow(channel: Channel, result: unknown, fail?: (error: unknown) => void): void;
  /** Ends the turn, and throws `error` from the loop after it: for an error about another channel than the callback's. */
  leaveLoop(error: unknown): void;
}
