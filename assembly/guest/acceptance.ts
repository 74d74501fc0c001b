/**
 * Owns whose error it is when accepting fails: what goes wrong after `accept` has given a connection belongs to that
 * connection, and never to its listener. Calls no handler.
 */

import { Channel } from "./channel";
import { Endpoint } from "./endpoint";

/** The connection that `accept` gave last in the callback under way, and the channel that has taken it over since. */
let accepted: Endpoint | null = null;
let owner: Channel | null = null;

/** `accept` has given a connection; or null: a listener is about to be called, or `accept` has failed. */
export function noteAccepted(connection: Endpoint | null): void {
  accepted = connection;
  owner = null;
}

/** A channel takes an endpoint over. */
export function noteTakenOver(endpoint: Endpoint, channel: Channel): void {
  if (endpoint === accepted) owner = channel;
}

/** What an error in the callback is about; null for the listener itself. */
export function acceptedConnection(): Endpoint | null {
  return accepted;
}

/** The channel that an error is for; null where the connection has none. */
export function acceptedChannel(): Channel | null {
  return owner;
}
