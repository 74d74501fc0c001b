/**
 * Owns what a report holds of plugins: those that have used most CPU time and moved most bytes since the last report, so that its
 * size does not grow with their number. Knows the sources; knows no plugin host.
 */

import { type PluginSource, pluginSources, type ReportedPlugin } from "../backend/plugins-observed.js";

/** How many plugins a report lists. */
const PLUGINS_MAX = 50;
/** And connections of each. */
const CONNECTIONS_MAX = 20;
const TEXT_MAX = 200;

export interface ReportedPlugins {
  /** How many there are. */
  readonly count: number;
  /** How many of them are running. */
  readonly running: number;
  /** The busiest. */
  readonly busiest: readonly ReportedPlugin[];
}

interface Used {
  readonly cpuMs: number;
  readonly bytes: number;
}

/** Reports the plugins of this thread, while somebody asks. */
export class PluginReporter {
  readonly #last = new Map<PluginSource, Map<string, Used>>();

  /** undefined where nobody has plugins. */
  report(): ReportedPlugins | undefined {
    if (pluginSources.size === 0) return undefined;
    const found: (Used & { source: PluginSource; plugin: Omit<ReportedPlugin, "open"> })[] = [];
    for (const source of this.#last.keys()) if (!pluginSources.has(source)) this.#last.delete(source);
    for (const source of pluginSources) {
      const last = this.#last.get(source);
      const now = new Map<string, Used>();
      for (const plugin of source.plugins()) {
        const { name, cpuMs, bytesIn, bytesOut } = plugin;
        const bytes = bytesIn + bytesOut;
        const before = last?.get(name) ?? { cpuMs: 0, bytes: 0 };
        now.set(name, { cpuMs, bytes });
        found.push({ source, plugin, cpuMs: cpuMs - before.cpuMs, bytes: bytes - before.bytes });
      }
      this.#last.set(source, now);
    }
    found.sort((a, b) => b.cpuMs - a.cpuMs || b.bytes - a.bytes);
    return {
      count: found.length,
      running: found.filter(({ plugin }) => plugin.state === "running").length,
      busiest: found.slice(0, PLUGINS_MAX).map(({ source, plugin }) => ({
        ...plugin,
        name: plugin.name.slice(0, TEXT_MAX),
        listeners: plugin.listeners.slice(0, CONNECTIONS_MAX).map((each) => each.slice(0, TEXT_MAX)),
        open: source.connections(plugin.name, CONNECTIONS_MAX),
      })),
    };
  }
}
