/**
 * Owns who on this thread can say what plugins there are, for reports, and the shape of what they say. Knows none of them: the
 * package's main entry reports plugins without loading the plugin host.
 */

/** A connection of a plugin. */
export interface ReportedConnection {
  readonly fd: number;
  readonly local: string | undefined;
  readonly remote: string | undefined;
}

/** A plugin in a report. Counts are since it was started. */
export interface ReportedPlugin {
  readonly name: string;
  /** "isolated" or "shared". */
  readonly run: string;
  readonly state: string;
  readonly restarts: number;
  readonly replacements: number;
  readonly uptimeMs: number;
  readonly cpuMs: number;
  readonly turns: number;
  readonly memoryBytes: number;
  readonly hostBytes: number;
  readonly descriptors: number;
  readonly connections: number;
  readonly accepted: number;
  readonly connected: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Calls refused, and lines dropped, by any limit. */
  readonly refused: number;
  /** Addresses. */
  readonly listeners: readonly string[];
  /** Some of the connections that are open. */
  readonly open: readonly ReportedConnection[];
}

/** A party with plugins. */
export interface PluginSource {
  /** Without `open`, which is asked for one by one. */
  plugins(): readonly Omit<ReportedPlugin, "open">[];
  /** At most `max` of the connections of a plugin; none where there is no such plugin. */
  connections(name: string, max: number): readonly ReportedConnection[];
}

export const pluginSources = new Set<PluginSource>();
