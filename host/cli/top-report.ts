/**
 * Owns whether an answer is a report: what it has is what `wasyncore top` shows. Any program may listen where a report is
 * asked for. Shows nothing.
 */

import type { Report } from "../stats/report.js";

type Fields = Readonly<Record<string, unknown>>;
type Check = (value: unknown) => boolean;

const isText: Check = (value) => typeof value === "string";
/** JSON has no other numbers than finite ones, except for those that are too large. */
const isNumber: Check = (value) => Number.isFinite(value);
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

/** An object in which these fields pass. Others may be there: a later version adds some. */
const having =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (typeof value !== "object" || value === null) return false;
    return Object.entries(checks).every(([name, check]) => check((value as Fields)[name]));
  };

function numbers<const N extends string>(...names: N[]): Record<N, Check> {
  return Object.fromEntries(names.map((name) => [name, isNumber])) as Record<N, Check>;
}

const isStatistics = having(
  numbers(
    ...["turns", "timers", "channelsNow", "timersNow", "accepts", "connects", "reads", "writes"],
    ...["exceptionals", "closes", "errors"],
  ),
);

const isChannel = having({
  ...{ name: isText, state: isText, local: optional(isText), remote: optional(isText) },
  ...numbers("fd", "bytesIn", "bytesOut", "moved"),
  pendingOutput: optional(isNumber),
});

const isMap = having({
  stats: isStatistics,
  ...numbers("bytesIn", "bytesOut"),
  slowest: optional(having({ callback: isText, channel: optional(isText), durationMs: isNumber })),
  channels: listOf(isChannel),
});

const isPlugin = having({
  ...{ name: isText, run: isText, state: isText, listeners: listOf(isText) },
  ...numbers("restarts", "replacements", "uptimeMs", "cpuMs", "turns", "memoryBytes", "hostBytes", "descriptors"),
  ...numbers("connections", "accepted", "connected", "bytesIn", "bytesOut", "refused"),
  open: listOf(having({ fd: isNumber, local: optional(isText), remote: optional(isText) })),
});

const isPlugins = having({ ...numbers("count", "running"), busiest: listOf(isPlugin) });

const isReportShape = having({
  version: (value) => value === 1,
  program: isText,
  node: isText,
  ...numbers("pid", "atMs", "uptimeMs", "rssBytes", "cpuMs"),
  maps: listOf(isMap),
  plugins: optional(isPlugins),
});

export function isReport(value: unknown): value is Report {
  return isReportShape(value);
}
