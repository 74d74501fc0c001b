/**
 * Owns the attribution of errors while a connection is accepted: from `accept` until the callback that called it returns,
 * or its promise settles, an error belongs to the connection being set up and never to its listener. Knows the seam in
 * channel.ts; knows no handler class.
 */

import { ExitNow } from "../backend/errors.js";
import { logThrown, nameForLog } from "../backend/log.js";
import { describeThrown } from "../backend/traceback.js";
import type { Endpoint } from "../net/endpoint.js";
import type { Socket } from "../net/socket.js";
import { type Channel, handleThrown } from "../loop/channel.js";

/** A connection that `accept` returned, and the channel that has since taken it over. */
interface Given {
  readonly socket: Socket;
  channel: Channel | undefined;
}

/** Calls that are being made in this thread: more than one where a callback runs another map's loop. */
const running: Acceptance[] = [];
/** Connections of calls whose promise is pending. */
const pending = new WeakMap<Endpoint, Acceptance>();

/** Records that a channel takes over this endpoint. */
export function noteTakenOver(endpoint: Endpoint, channel: Channel): void {
  for (let i = running.length - 1; i >= 0; i--) if (running[i]?.takenOver(endpoint, channel) === true) return;
  pending.get(endpoint)?.takenOver(endpoint, channel);
}

/** The connections accepted in one call of `handleAccept`. Used again for the next call, unless it was deferred. */
export class Acceptance {
  /** Has the default handleAccept accepted a connection in this call? */
  mayHaveMore = false;
  readonly #listener: Channel & { logInfo(message: string, type: string): void };
  readonly #given: Given[] = [];
  /** The connection handled last: an error belongs to it, or to the listener if there is none. */
  #latest: Given | undefined;
  #isDeferred = false;
  #isRunning = false;

  constructor(listener: Channel & { logInfo(message: string, type: string): void }) {
    this.#listener = listener;
  }

  /** Has `accept` returned no connection? */
  get isEmpty(): boolean {
    return this.#given.length === 0;
  }

  /** Is the call being made? No longer once its promise is pending. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** A call begins. */
  begin(): void {
    this.mayHaveMore = false;
    this.#isRunning = true;
    running.push(this);
  }

  /** Records a connection that `accept` returned. */
  give(socket: Socket): void {
    this.#latest = { socket, channel: undefined };
    this.#given.push(this.#latest);
  }

  /** Records that `accept` itself failed. */
  noteOwnError(): void {
    this.#latest = undefined;
  }

  /** @returns whether `socket` is one of its connections */
  takenOver(socket: Endpoint, channel: Channel): boolean {
    for (const given of this.#given) {
      if (given.socket !== socket) continue;
      given.channel = channel;
      this.#latest = given;
      return true;
    }
    return false;
  }

  /** The callback has returned a promise: until it settles, its connections are being set up. */
  defer(): void {
    this.#stopRunning();
    for (const { socket } of this.#given) pending.set(socket, this);
    this.#isDeferred = true;
  }

  /** Records that the callback has finished. */
  end(): void {
    if (this.#isDeferred) for (const { socket } of this.#given) pending.delete(socket);
    else this.#stopRunning();
    for (let given = this.#given.pop(); given !== undefined; given = this.#given.pop()) {
      if (given.channel === undefined) given.socket.keepBy(undefined);
    }
    this.#latest = undefined;
  }

  /**
   * Handles an error that the callback threw. Connections that no channel has taken over are closed. The channel of the
   * connection handled last gets the error; if it has none, the error is logged.
   * @param leave called with an error thrown by that channel's handleError, which leaves the loop
   * @returns false if the error is the listener's own or leaves the loop anyway: the caller handles it
   */
  fail(error: unknown, leave: (error: unknown) => void): boolean {
    const given = this.#given.slice();
    const latest = this.#latest;
    this.end();
    // A program that leaves the loop may have kept the connection for later use.
    if (error instanceof ExitNow) return false;
    for (const { socket, channel } of given) if (channel === undefined) closeQuietly(socket);
    if (latest === undefined) return false;
    if (latest.channel === undefined) {
      this.#log(error);
      return true;
    }
    try {
      handleThrown(latest.channel, error, false, latest.socket.fd < 0);
    } catch (thrown) {
      leave(thrown);
    }
    return true;
  }

  #stopRunning(): void {
    this.#isRunning = false;
    // The last one, unless its call went on after an inner one began.
    const at = running.lastIndexOf(this);
    if (at === running.length - 1) running.pop();
    else if (at >= 0) running.splice(at, 1);
  }

  #log(error: unknown): void {
    const what = "uncaptured exception on a new connection, closing it";
    try {
      this.#listener.logInfo(`${what} (${describeThrown(error)})`, "error");
    } catch {
      logThrown(`${what} of ${nameForLog(this.#listener)}`, error);
    }
  }
}

function closeQuietly(socket: Endpoint): void {
  try {
    socket.close();
  } catch {
    // The connection is closed all the same; the error worth logging is the one that led here.
  }
}
