/**
 * Owns how `wasyncore top` shows two successive reports as text. Knows what is in a report; knows no terminal but its
 * size. Names and paths in a report come from another program: control characters are not passed on.
 */

import { withoutControls } from "../backend/log.js";
import { cell, cellRight, fit } from "./text-width.js";
import { pluginLines } from "./top-plugins.js";
import { bytes, count, time } from "./top-units.js";
import type { Report, ReportedChannel, ReportedMap } from "../stats/report.js";

export interface ViewOptions {
  readonly columns: number;
  /** Lines at most. */
  readonly rows: number;
  readonly colors: boolean;
  /** The plugin whose connections are shown; by default the busiest. */
  readonly plugin?: string | undefined;
}

/** On a terminal with few rows the table of plugins is that long. */
const PLUGIN_ROWS_MIN = 3;
/** Engine counters that make up "events", without timers. */
const EVENTS = ["accepts", "connects", "reads", "writes", "exceptionals", "closes", "errors"] as const;

/** `now`, with rates since `before`. */
export function view(before: Report, now: Report, { columns, rows, colors, plugin }: ViewOptions): string {
  const bold = (text: string): string => (colors ? `\u001b[1m${text}\u001b[22m` : text);
  const seconds = Math.max((now.atMs - before.atMs) / 1000, 0.001);
  const cpu = ((now.cpuMs - before.cpuMs) / (seconds * 10)).toFixed(0);
  const lines: { readonly text: string; readonly isBold: boolean }[] = [];
  const add = (text: string, isBold = false): void =>
    void lines.push({ text: fit(withoutControls(text), columns), isBold });
  add(`pid ${now.pid}  ${now.program}  node ${now.node}`, true);
  add(`up ${time(now.uptimeMs)}  CPU ${cpu}%  memory ${bytes(now.rssBytes)}`);
  if (now.plugins !== undefined) {
    add("");
    const rowsMax = Math.max(PLUGIN_ROWS_MIN, Math.floor(rows / 2) - PLUGIN_ROWS_MIN);
    for (const { text, isBold } of pluginLines(before.plugins, now.plugins, seconds, plugin, rowsMax))
      add(text, isBold);
  }
  now.maps.forEach((map, at) => {
    const earlier = before.maps[at];
    if (earlier === undefined) return;
    add("");
    for (const line of mapLines(earlier, map, seconds)) add(line);
    if (map.channels.length === 0) return;
    add(row("CHANNEL", "FD", "STATE", "BYTES/S", "IN", "OUT", "PENDING", "ADDRESSES"), true);
    for (const channel of map.channels) add(channelLine(channel, seconds));
  });
  return lines
    .slice(0, rows)
    .map(({ text, isBold }) => `${isBold ? bold(text) : text}\n`)
    .join("");
}

function mapLines(before: ReportedMap, now: ReportedMap, seconds: number): string[] {
  const rate = (value: (map: ReportedMap) => number): string => count((value(now) - value(before)) / seconds);
  const events = (map: ReportedMap): number => EVENTS.reduce((sum, name) => sum + map.stats[name], 0);
  const { slowest } = now;
  const what = slowest === undefined ? "none" : `${slowest.callback} of ${slowest.channel ?? "a timer"}`;
  return [
    `channels ${now.stats.channelsNow}  timers ${now.stats.timersNow}  turns/s ${rate(({ stats }) => stats.turns)}` +
      `  events/s ${rate(events)}  timers/s ${rate(({ stats }) => stats.timers)}  accepts/s ${rate(({ stats }) => stats.accepts)}`,
    `in ${bytes((now.bytesIn - before.bytesIn) / seconds)}/s  out ${bytes((now.bytesOut - before.bytesOut) / seconds)}/s` +
      `  slowest callback: ${what}${slowest === undefined ? "" : `, ${slowest.durationMs.toFixed(2)} ms`}`,
  ];
}

function channelLine(
  { name, fd, state, local, remote, bytesIn, bytesOut, pendingOutput, moved }: ReportedChannel,
  seconds: number,
): string {
  const addresses = remote === undefined ? (local ?? "") : `${local ?? ""} - ${remote}`;
  const pending = pendingOutput === undefined ? "" : bytes(pendingOutput);
  return row(name, String(fd), state, bytes(moved / seconds), bytes(bytesIn), bytes(bytesOut), pending, addresses);
}

function row(
  name: string,
  fd: string,
  state: string,
  rate: string,
  input: string,
  output: string,
  pending: string,
  addresses: string,
): string {
  const numbers = [rate, input, output, pending].map((text) => cellRight(text, 9)).join(" ");
  return `${cell(name, 20)} ${cellRight(fd, 5)} ${cell(state, 10)} ${numbers}  ${addresses}`.trimEnd();
}
