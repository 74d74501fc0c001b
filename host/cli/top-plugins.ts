/** Owns the lines of `wasyncore top` about plugins: a table, and the connections of one. Knows what is in a report; knows no terminal. */

import type { ReportedPlugin } from "../backend/plugins-observed.js";
import type { ReportedPlugins } from "../stats/plugins.js";
import { cell, cellRight } from "./text-width.js";
import { bytes, count, time } from "./top-units.js";

export interface PluginLine {
  readonly text: string;
  readonly isBold: boolean;
}

/** Of which plugin connections are shown: the one of that name if it is listed, else the first. */
export function selected({ busiest }: ReportedPlugins, name: string | undefined): ReportedPlugin | undefined {
  return busiest.find((each) => each.name === name) ?? busiest[0];
}

/** The name of the plugin that is `by` further down than `name`. */
export function moved(plugins: ReportedPlugins, name: string | undefined, by: number): string | undefined {
  const shown = byName(plugins);
  const at = shown.findIndex((each) => each.name === selected(plugins, name)?.name);
  return shown[Math.min(Math.max(at + by, 0), shown.length - 1)]?.name;
}

/** In an order that stays the same from report to report. */
function byName({ busiest }: ReportedPlugins): ReportedPlugin[] {
  return [...busiest].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

/** @param rowsMax how many plugins at most; the selected one is among them */
export function pluginLines(
  before: ReportedPlugins | undefined,
  now: ReportedPlugins,
  seconds: number,
  selection: string | undefined,
  rowsMax: number,
): PluginLine[] {
  const lines: PluginLine[] = [];
  const add = (text: string, isBold = false): void => void lines.push({ text, isBold });
  const shown = byName(now);
  const chosen = selected(now, selection);
  const chosenAt = shown.findIndex((each) => each === chosen);
  const from = Math.max(0, Math.min(chosenAt - Math.floor(rowsMax / 2), shown.length - rowsMax));
  const visible = shown.slice(from, from + rowsMax);
  add(`plugins ${now.count}  running ${now.running}${visible.length < now.count ? `  shown ${visible.length}` : ""}`);
  add(row("  ", HEADINGS), true);
  for (const plugin of visible) {
    const earlier = before?.busiest.find(({ name }) => name === plugin.name);
    const mark = plugin === chosen ? "> " : "  ";
    add(row(mark, cellsOf(earlier, plugin, seconds)), plugin === chosen);
  }
  if (chosen === undefined) return lines;
  const { name, listeners, open, connections, turns, accepted, connected, refused, replacements } = chosen;
  const listening = listeners.length === 0 ? "" : `  listening on ${listeners.join(", ")}`;
  add("");
  add(`${name}${listening}`, true);
  add(
    `turns ${turns}  accepted ${accepted}  connected ${connected}  refused ${refused}  replaced ${replacements}` +
      `  host memory ${bytes(chosen.hostBytes)}`,
  );
  if (open.length === 0) return lines;
  add(`${cellRight("FD", 7)}  ADDRESSES`, true);
  for (const { fd, local = "", remote = "" } of open) add(`${cellRight(String(fd), 7)}  ${local} - ${remote}`);
  if (connections > open.length) add(`${" ".repeat(9)}and ${connections - open.length} more`);
  return lines;
}

/** The most important ones first: a narrow terminal cuts off the rest. */
const HEADINGS = {
  ...{ name: "PLUGIN", state: "STATE", up: "UP", cpu: "CPU", memory: "MEMORY", connections: "CONNS", input: "IN/S" },
  ...{ output: "OUT/S", restarts: "RESTARTS", accepts: "ACCEPTS/S", fds: "FDS", run: "RUN" },
};
type Cells = typeof HEADINGS;

function cellsOf(before: ReportedPlugin | undefined, now: ReportedPlugin, seconds: number): Cells {
  // One that is new in the report, or was started anew, has no rate yet.
  const rate = (of: (plugin: ReportedPlugin) => number): number =>
    before === undefined ? 0 : Math.max(0, of(now) - of(before)) / seconds;
  return {
    name: now.name,
    run: now.run,
    state: now.state,
    up: now.state === "running" ? time(now.uptimeMs) : "",
    cpu: `${(rate(({ cpuMs }) => cpuMs) / 10).toFixed(0)}%`,
    memory: bytes(now.memoryBytes),
    fds: String(now.descriptors),
    connections: String(now.connections),
    accepts: count(rate(({ accepted }) => accepted)),
    input: bytes(rate(({ bytesIn }) => bytesIn)),
    output: bytes(rate(({ bytesOut }) => bytesOut)),
    restarts: String(now.restarts),
  };
}

function row(mark: string, cells: Cells): string {
  const { name, state, up, cpu, memory, connections, input, output, restarts, accepts, fds, run } = cells;
  const numbers = [up, cpu, memory, connections, input, output, restarts, accepts, fds].map((text, index) =>
    cellRight(text, WIDTHS[index] ?? 8),
  );
  return `${mark}${[cell(name, 20), cell(state, 8), ...numbers, cell(run, 8)].join(" ")}`.trimEnd();
}

const WIDTHS = [7, 5, 8, 6, 8, 8, 8, 9, 5];
