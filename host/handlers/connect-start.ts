/**
 * Owns the part of a connect that needs the loop: its time limit, the look-up of a host name, and the race of the name's
 * addresses. Knows the seams to the loop; knows no handler class.
 */

import type { SocketAddress } from "../backend/backend.js";
import { OSError } from "../backend/errors.js";
import { backendOf } from "../loop/channel-map.js";
import type { Channel } from "../loop/channel.js";
import type { Opening } from "../loop/opening.js";
import type { Socket } from "../net/socket.js";
import { type ConnectOptions, connectError, isHostName } from "./connect-options.js";
import { ConnectRace } from "./connect-race.js";
import type { Membership } from "./membership.js";

/** What the channel does at the end of a part. */
export interface ConnectSteps {
  /** The address for its own socket is known. @throws OSError if it fails at once */
  connectTo(address: SocketAddress): void;
  /** One of several addresses is connected. */
  won(socket: Socket): void;
  /** The connect is over: the channel is not notified of the error here. */
  ended(error: unknown): void;
  /** The same, and notifies the channel. @throws what leaves the loop */
  failed(error: unknown): void;
}

/**
 * Starts a connect whose options have been checked.
 * @param addresses those of a host name: of which family, and whether the channel's own socket connects to one of them
 */
export function startConnect(
  channel: Channel,
  membership: Membership,
  opening: Opening,
  address: SocketAddress,
  options: ConnectOptions,
  addresses: { readonly family: 0 | 4 | 6; readonly areForOwnSocket: boolean },
  steps: ConnectSteps,
): void {
  const { map } = membership;
  const { connectTimeoutMs = Infinity, attemptDelayMs } = options;
  if (connectTimeoutMs < Infinity) {
    try {
      opening.timer = map.callLater(connectTimeoutMs, () => steps.failed(connectError("ETIMEDOUT", address)));
    } catch (error) {
      steps.ended(error);
      throw error;
    }
  }
  if (!isHostName(backendOf(map), address)) {
    steps.connectTo(address);
    return;
  }
  const { host, port } = address;
  membership.lookup(channel, host, addresses.family, (result) => {
    if (result instanceof OSError) {
      steps.ended(result);
      throw result;
    }
    if (addresses.areForOwnSocket) {
      steps.connectTo({ host: result[0], port });
      return;
    }
    const race = new ConnectRace({
      map,
      addresses: result,
      port,
      attemptDelayMs,
      won: (socket) => steps.won(socket),
      lost: (error) => steps.failed(error),
    });
    opening.stop = () => race.cancel();
    race.start();
  });
}
