/**
 * Owns what a report of statistics holds, and how it is made of maps. Knows maps and channels; knows no socket.
 *
 * A report has the counters of each map, and those channels that have moved most bytes since the last report, so that its
 * size does not grow with the number of channels. Making one takes O(channels), without a system call for most.
 */

import { inspectAddress } from "../backend/inspect.js";
import { nameForLog } from "../backend/log.js";
import type { Channel } from "../loop/channel.js";
import { type ChannelMap, type MapStatistics, schedulerOf } from "../loop/channel-map.js";
import type { PluginReporter, ReportedPlugins } from "./plugins.js";
import { type Observation, type SlowCallback, SlowestWatch } from "../loop/observation.js";

/** How many channels of a map a report lists. */
const CHANNELS_MAX = 50;
/** Class names and paths can be of any length. */
const TEXT_MAX = 200;

/** One channel in a report. Bytes are since it was made. */
export interface ReportedChannel {
  readonly name: string;
  readonly fd: number;
  readonly state: string;
  readonly local: string | undefined;
  readonly remote: string | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Bytes of pending output, where the channel has a queue. */
  readonly pendingOutput: number | undefined;
  /** Bytes moved since the last report. */
  readonly moved: number;
}

export interface ReportedMap {
  readonly stats: MapStatistics;
  /** Bytes that the map's channels have moved, counted while statistics are served. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Since the last report. */
  readonly slowest: SlowCallback | undefined;
  /** The busiest. */
  readonly channels: readonly ReportedChannel[];
}

export interface Report {
  readonly version: 1;
  readonly pid: number;
  readonly program: string;
  readonly node: string;
  /** A monotonic time, to be compared with that of another report of the process. */
  readonly atMs: number;
  readonly uptimeMs: number;
  readonly rssBytes: number;
  /** CPU time of the process. */
  readonly cpuMs: number;
  readonly maps: readonly ReportedMap[];
  /** Of the thread's plugin hosts; absent where there is none. */
  readonly plugins?: ReportedPlugins | undefined;
}

interface Moved {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Reports one map, while it is open. */
export class MapReporter {
  readonly #map: ChannelMap;
  readonly #isHidden: (channel: Channel) => boolean;
  readonly #observation: Observation;
  readonly #slowest: SlowestWatch;
  readonly #last = new WeakMap<Channel, Moved>();
  #bytesIn = 0;
  #bytesOut = 0;

  /** @param isHidden is the channel one of those that serve the report? */
  constructor(map: ChannelMap, isHidden: (channel: Channel) => boolean) {
    this.#map = map;
    this.#isHidden = isHidden;
    this.#slowest = new SlowestWatch(isHidden);
    this.#observation = schedulerOf(map).observation;
    this.#observation.watches.add(this.#slowest);
  }

  report(): ReportedMap {
    const moved: { readonly channel: Channel; readonly bytes: number }[] = [];
    for (const channel of this.#map.values()) {
      if (this.#isHidden(channel)) continue;
      const bytes = known(() => this.#count(channel));
      if (bytes !== undefined) moved.push({ channel, bytes });
    }
    moved.sort((a, b) => b.bytes - a.bytes);
    const channels = moved
      .slice(0, CHANNELS_MAX)
      .flatMap(({ channel, bytes }) => known(() => describe(channel, bytes)) ?? []);
    const slowest = this.#slowest.take();
    return { stats: this.#map.stats(), bytesIn: this.#bytesIn, bytesOut: this.#bytesOut, slowest, channels };
  }

  close(): void {
    this.#observation.watches.delete(this.#slowest);
  }

  /** Counts what a channel has moved since the last report. @returns how many bytes */
  #count(channel: Channel): number {
    const { bytesIn, bytesOut } = channel.describe(false);
    const last = this.#last.get(channel);
    // A channel that has taken over another socket counts from 0 again.
    const isSame = last !== undefined && last.bytesIn <= bytesIn && last.bytesOut <= bytesOut;
    const newIn = isSame ? bytesIn - last.bytesIn : bytesIn;
    const newOut = isSame ? bytesOut - last.bytesOut : bytesOut;
    if (!isSame || newIn + newOut > 0) this.#last.set(channel, { bytesIn, bytesOut });
    this.#bytesIn += newIn;
    this.#bytesOut += newOut;
    return newIn + newOut;
  }
}

/** What a channel says of itself; nothing if a method of its class throws, which is no fault of whoever asks. */
function known<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function describe(channel: Channel, moved: number): ReportedChannel {
  const { state, local, remote, bytesIn, bytesOut } = channel.describe();
  const { outBufferLength: pendingOutput } = channel as { outBufferLength?: number };
  return {
    name: nameForLog(channel.constructor.name).slice(0, TEXT_MAX),
    fd: channel.fd,
    state,
    local: inspectAddress(local)?.slice(0, TEXT_MAX),
    remote: inspectAddress(remote)?.slice(0, TEXT_MAX),
    bytesIn,
    bytesOut,
    pendingOutput,
    moved,
  };
}

/** A report of the process, with these maps. */
export function reportOf(maps: readonly MapReporter[], plugins: PluginReporter): Report {
  const { user, system } = process.cpuUsage();
  return {
    version: 1,
    pid: process.pid,
    program: (process.argv[1] ?? process.title).slice(-TEXT_MAX),
    node: process.version,
    atMs: performance.now(),
    uptimeMs: process.uptime() * 1000,
    rssBytes: process.memoryUsage.rss(),
    cpuMs: (user + system) / 1000,
    maps: maps.map((map) => map.report()),
    plugins: plugins.report(),
  };
}
