/**
 * Owns whose error it is when accepting fails: from `accept` until the callback that called it is over, or its promise
 * settled, what is thrown belongs to the connection that is being set up, and never to its listener. Knows the seam in
 * channel.ts; knows no handler class.
 */

import { ExitNow } from "../backend/errors.js";
import { logThrown, nameForLog } from "../backend/log.js";
import { compactTraceback } from "../backend/traceback.js";
import type { Endpoint } from "../net/endpoint.js";
import { type Channel, handleThrown } from "../loop/channel.js";

/** A connection that `accept` gave, and the channel that has taken it over since. */
interface Given {
  readonly socket: Endpoint;
  channel: Channel | undefined;
}

/** Connections that are being set up, by every listener of this thread. */
const beingSetUp = new WeakMap<Endpoint, Acceptance>();

/** A channel takes this endpoint over. */
export function noteTakenOver(endpoint: Endpoint, channel: Channel): void {
  beingSetUp.get(endpoint)?.takenOver(endpoint, channel);
}

/** The connections of one call of `handleAccept`. */
export class Acceptance {
  readonly #listener: Channel & { logInfo(message: string, type: string): void };
  readonly #given: Given[] = [];
  /** The one that was worked on last: what is thrown is about it. Without one, about the listener. */
  #latest: Given | undefined;

  constructor(listener: Channel & { logInfo(message: string, type: string): void }) {
    this.#listener = listener;
  }

  /** `accept` gives this connection. */
  give(socket: Endpoint): void {
    this.#latest = { socket, channel: undefined };
    this.#given.push(this.#latest);
    beingSetUp.set(socket, this);
  }

  /** `accept` itself has failed. */
  noteOwnError(): void {
    this.#latest = undefined;
  }

  takenOver(socket: Endpoint, channel: Channel): void {
    const given = this.#given.find((each) => each.socket === socket);
    if (given === undefined) return;
    given.channel = channel;
    this.#latest = given;
  }

  /** The callback is over. */
  end(): void {
    for (const { socket } of this.#given) beingSetUp.delete(socket);
  }

  /**
   * The callback threw. Connections that no channel has taken over are closed; the channel of the one that was worked
   * on gets the error, or else it is logged.
   * @param leave called with what that channel's handleError throws, which leaves the loop
   * @returns false where the error is the listener's own, or leaves the loop by itself: the caller handles it
   */
  fail(error: unknown, leave: (error: unknown) => void): boolean {
    this.end();
    // A program that leaves the loop may have kept the connection for later.
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
    // It is gone all the same, and the error that is logged is the reason.
  }
}
