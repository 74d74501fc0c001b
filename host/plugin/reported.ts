/** Owns what a plugin host says of its plugins in reports of statistics. Knows plugins; knows no report. */

import type { Backend, SocketAddress } from "../backend/backend.js";
import { inspectAddress } from "../backend/inspect.js";
import type { PluginSource, ReportedConnection, ReportedPlugin } from "../backend/plugins-observed.js";
import type { Plugin } from "./plugin.js";

const TEXT_MAX = 200;

export function pluginSource(plugins: ReadonlyMap<string, Plugin>, backend: Backend): PluginSource {
  return {
    plugins: () => [...plugins.values()].map(reported),
    connections: (name, max) => {
      const open: ReportedConnection[] = [];
      for (const fd of plugins.get(name)?.connections() ?? []) {
        if (open.length === max) break;
        open.push({ fd, local: textOf(backend.localAddress(fd)), remote: textOf(backend.remoteAddress(fd)) });
      }
      return open;
    },
  };
}

function reported(plugin: Plugin): Omit<ReportedPlugin, "open"> {
  const { listeners, refused, lastEnding: _lastEnding, sockets: _sockets, ...rest } = plugin.snapshot();
  return {
    ...rest,
    refused: Object.values(refused).reduce((sum, count) => sum + count, 0),
    listeners: listeners.map(({ address }) => inspectAddress(address) ?? ""),
  };
}

/** An isolated plugin may have closed it meanwhile. */
function textOf(address: SocketAddress | number): string | undefined {
  return typeof address === "number" ? undefined : inspectAddress(address)?.slice(0, TEXT_MAX);
}
