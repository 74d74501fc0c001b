/**
 * Owns the attribution of errors while a connection is accepted: from `accept` until the callback that called it returns,
 * or its promise settles, an error belongs to the connection being set up and never to its listener. Knows the seam in
 * channel.ts; knows no handler class.
 */

import { ExitNow } from "../backend/errors.js";
import { logThrown, nameForLog } from "../backend/log.js";
import { compactTraceback } from "../backend/traceback.js";
import type { Endpoint } from "../net/endpoint.js";
import { type Channel, handleThrown } from "../loop/channel.js";

/** A connection that `accept` returned, and the channel that has since taken it over. */
interface Given {
  readonly socket: Endpoint;
  channel: Channel | undefined;
}

/** Connections being set up, for all listeners of this thread. */
const beingSetUp = new WeakMap<Endpoint, Acceptance>();

/** Records that a channel takes over this endpoint. */
export function noteTakenOver(endpoint: Endpoint, channel: Channel): void {
  beingSetUp.get(endpoint)?.takenOver(endpoint, channel);
}

/** The connections accepted in one call of `handleAccept`. */
export class Acceptance {
  readonly #listener: Channel & { logInfo(message: string, type: string): void };
  readonly #given: Given[] = [];
  /** The connection handled last: an error belongs to it, or to the listener if there is none. */
  #latest: Given | undefined;

  constructor(listener: Channel & { logInfo(message: string, type: string): void }) {
    this.#listener = listener;
  }

  /** Records a connection that `accept` returned. */
  give(socket: Endpoint): void {
    this.#latest = { socket, channel: undefined };
    this.#given.push(this.#latest);
    beingSetUp.set(socket, this);
  }

  /** Records that `accept` itself failed. */
  noteOwnError(): void {
    this.#latest = undefined;
  }

  takenOver(socket: Endpoint, channel: Channel): void {
    const given = this.#given.find((each) => each.socket === socket);
    if (given === undefined) return;
    given.channel = channel;
    this.#latest = given;
  }

  /** Records that the callback has finished. */
  end(): void {
    for (const { socket } of this.#given) beingSetUp.delete(socket);
  }

  /**
   * Handles an error that the callback threw. Connections that no channel has taken over are closed. The channel of the
   * connection handled last gets the error; if it has none, the error is logged.
   * @param leave called with an error thrown by that channel's handleError, which leaves the loop
   * @returns false if the error is the listener's own or leaves the loop anyway: the caller handles it
   */
  fail(error: unknown, leave: (error: unknown) => void): boolean {
    this.end();
    // A program that leaves the loop may have kept the connection for later use.
    if (error instanceof ExitNow) return false;
    for (const { socket, channel } of this.#given) if (channel === undefined) closeQuietly(socket);
    const latest = this.#latest;
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

  #log(error: unknown): void {
    const { type, message, info } = compactTraceback(error);
    const what = "uncaptured exception on a new connection, closing it";
    try {
      this.#listener.logInfo(`${what} (${type}: ${message} ${info})`, "error");
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
