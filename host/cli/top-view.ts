/**
 * Owns how `wasyncore top` shows two successive reports as text. Knows what is in a report; knows no terminal but its
 * size. Names and paths in a report come from another program: control characters are not passed on.
 */

import { withoutControls } from "../backend/log.js";
import type { Report, ReportedChannel, ReportedMap } from "../stats/report.js";

export interface ViewOptions {
  readonly columns: number;
  /** Lines at most. */
  readonly rows: number;
  readonly colors: boolean;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;
/** Engine counters that make up "events", without timers. */
const EVENTS = ["accepts", "connects", "reads", "writes", "exceptionals", "closes", "errors"] as const;

/** `now`, with rates since `before`. */
export function view(before: Report, now: Report, { columns, rows, colors }: ViewOptions): string {
  const bold = (text: string): string => (colors ? `\u001b[1m${text}\u001b[22m` : text);
  const seconds = Math.max((now.atMs - before.atMs) / 1000, 0.001);
  const cpu = ((now.cpuMs - before.cpuMs) / (seconds * 10)).toFixed(0);
  const lines: { readonly text: string; readonly isBold: boolean }[] = [];
  const add = (text: string, isBold = false): void =>
    void lines.push({ text: Array.from(withoutControls(text)).slice(0, columns).join(""), isBold });
  add(`pid ${now.pid}  ${now.program}  node ${now.node}`, true);
  add(`up ${time(now.uptimeMs)}  CPU ${cpu}%  memory ${bytes(now.rssBytes)}`);
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
  const numbers = [rate, input, output, pending].map((text) => text.padStart(9)).join(" ");
  return `${name.slice(0, 20).padEnd(20)} ${fd.padStart(5)} ${state.padEnd(10)} ${numbers}  ${addresses}`.trimEnd();
}

/** "1.5 MB" */
export function bytes(value: number): string {
  let unit = 0;
  let left = value;
  while (left >= 999.5 && unit < UNITS.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${unit === 0 || left >= 99.95 ? left.toFixed(0) : left.toFixed(1)} ${UNITS[unit]}`;
}

function count(value: number): string {
  return value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

/** "1d 2h", "3h 4m", "5m 6s" */
function time(ms: number): string {
  const s = Math.floor(ms / 1000);
  if (s >= 86_400) return `${Math.floor(s / 86_400)}d ${Math.floor((s % 86_400) / 3600)}h`;
  if (s >= 3600) return `${Math.floor(s / 3600)}h ${Math.floor((s % 3600) / 60)}m`;
  return `${Math.floor(s / 60)}m ${s % 60}s`;
}
