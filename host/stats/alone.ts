/**
 * Owns serving statistics in a process that runs no loop of its own, such as that of `wasyncore serve`: a map for it alone, and a
 * loop on it. Knows nothing of what is reported.
 */

import { ChannelMap } from "../loop/channel-map.js";
import { loop } from "../loop/loop.js";
import { serveStats, type StatsServer } from "./server.js";

const DAY_MS = 86_400_000;

/** Serves the statistics of this process until it is closed. @throws as `serveStats` */
export function serveStatsAlone(): StatsServer {
  const map = new ChannelMap();
  const server = serveStats({ map, maps: [] });
  // Clients do not keep a loop going.
  const timer = map.callEvery(DAY_MS, () => undefined);
  void loop({ map });
  const close = (): void => {
    timer.cancel();
    server.close();
  };
  return { path: server.path, close, [Symbol.dispose]: close };
}
