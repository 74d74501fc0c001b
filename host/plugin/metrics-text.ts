/**
 * Owns how snapshots of plugins are written for Prometheus: its text format, version 0.0.4. Knows snapshots; knows no server.
 *
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */

import type { PluginSnapshot, PluginState } from "./snapshot.js";

const STATES: readonly PluginState[] = ["starting", "running", "waiting", "stopping", "down"];
const MS_PER_S = 1000;

interface Metric {
  /** After `wasyncore_plugin_`. */
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  readonly of: (plugin: PluginSnapshot) => number;
}

const METRICS: readonly Metric[] = [
  {
    name: "up",
    type: "gauge",
    help: "1 while it serves, 0 otherwise.",
    of: ({ state }) => Number(state === "running"),
  },
  {
    name: "uptime_seconds",
    type: "gauge",
    help: "Since its current run came up.",
    of: ({ uptimeMs }) => uptimeMs / MS_PER_S,
  },
  {
    name: "restarts_total",
    type: "counter",
    help: "How often it was started again after it had ended.",
    of: ({ restarts }) => restarts,
  },
  {
    name: "replacements_total",
    type: "counter",
    help: "How often its module was replaced.",
    of: ({ replacements }) => replacements,
  },
  { name: "accepted_total", type: "counter", help: "Connections accepted.", of: ({ accepted }) => accepted },
  { name: "connected_total", type: "counter", help: "Connections begun.", of: ({ connected }) => connected },
  { name: "received_bytes_total", type: "counter", help: "Bytes that sockets received.", of: ({ bytesIn }) => bytesIn },
  { name: "sent_bytes_total", type: "counter", help: "Bytes that sockets sent.", of: ({ bytesOut }) => bytesOut },
  {
    name: "cpu_seconds_total",
    type: "counter",
    help: "CPU time in the code of the plugin and in its calls.",
    of: ({ cpuMs }) => cpuMs / MS_PER_S,
  },
  { name: "turns_total", type: "counter", help: "How often it has waited.", of: ({ turns }) => turns },
  { name: "connections", type: "gauge", help: "Connections open now.", of: ({ connections }) => connections },
  { name: "descriptors", type: "gauge", help: "Descriptors open now.", of: ({ descriptors }) => descriptors },
  { name: "memory_bytes", type: "gauge", help: "Linear memory of the module.", of: ({ memoryBytes }) => memoryBytes },
  {
    name: "host_memory_bytes",
    type: "gauge",
    help: "Memory that the host holds for it.",
    of: ({ hostBytes }) => hostBytes,
  },
];

/** The page for `plugins`. */
export function metricsText(plugins: readonly PluginSnapshot[]): string {
  const labels = plugins.map(({ name }) => `plugin="${escaped(name)}"`);
  const lines: string[] = [];
  const begin = (name: string, type: string, help: string): string => {
    const full = `wasyncore_plugin_${name}`;
    lines.push(`# HELP ${full} ${help}`, `# TYPE ${full} ${type}`);
    return full;
  };
  for (const { name, type, help, of } of METRICS) {
    const full = begin(name, type, help);
    for (const [index, plugin] of plugins.entries()) lines.push(`${full}{${labels[index]}} ${of(plugin)}`);
  }
  const state = begin("state", "gauge", "1 for the state that it is in.");
  for (const [index, plugin] of plugins.entries()) {
    for (const each of STATES)
      lines.push(`${state}{${labels[index]},state="${each}"} ${Number(plugin.state === each)}`);
  }
  const refused = begin("refused_total", "counter", "Calls refused, and lines dropped, by a limit of its policy.");
  for (const [index, plugin] of plugins.entries()) {
    for (const [limit, count] of Object.entries(plugin.refused)) {
      lines.push(`${refused}{${labels[index]},limit="${limit}"} ${count}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** The value of a label. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
