/**
 * Owns what `util.inspect` and `console.log` print of a channel. Knows what a channel says of itself; knows no class, no
 * loop and no socket.
 */

import { inspectAddress, inspectAs, otherFields, type Inspect, type InspectOptions } from "../backend/inspect.js";
import { nameForLog } from "../backend/log.js";
import { textOf } from "../backend/traceback.js";
import type { ChannelDescription } from "../loop/channel.js";

/** What is shown of a channel. */
interface Shown {
  readonly fd: number;
  readonly outBufferLength?: number;
  describe(): ChannelDescription;
}

/** Fields of the library's classes; those of a user's class are shown beside what is known of the channel. */
const OWN_FIELDS: ReadonlySet<string> = new Set([
  ...["debug", "connected", "connecting", "accepting", "closing", "addr", "ignoreLogTypes"],
  ...["acOutBufferSize", "acInBufferSize", "highWaterMark", "lowWaterMark"],
]);

/** The class, the state, the addresses, and what has been sent and received. @param isOver has it been closed? */
export function inspectChannel(
  channel: Shown,
  isOver: boolean,
  depth: number,
  options: InspectOptions,
  inspect: Inspect,
): string {
  const read = (): Record<string, unknown> => {
    const { state, local, remote, bytesIn, bytesOut } = channel.describe();
    return {
      state: isOver ? "closed" : state,
      fd: channel.fd,
      local: inspectAddress(local),
      remote: inspectAddress(remote),
      bytesIn,
      bytesOut,
      pendingOutput: channel.outBufferLength,
      ...otherFields(channel, OWN_FIELDS),
    };
  };
  // A subclass may have a static "name" of any kind, or no constructor.
  const name = (): unknown => channel.constructor.name;
  return inspectAs(channel, depth < 0 ? nameForLog(channel) : textOf(name), read, depth, options, inspect);
}
