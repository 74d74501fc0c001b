/**
 * Owns how `wasyncore ctl` shows plugins and log lines as text. Texts are from another process: control characters are not
 * passed on. Knows no socket and no terminal.
 */

import stringWidth from "string-width";
import { withoutControls } from "../backend/log.js";
import type { ControlAnswer, ListedLine } from "./control-protocol.js";
import { bytes } from "./top-units.js";

const HEADER = ["NAME", "STATE", "LISTENING", "CONNECTIONS", "RESTARTS", "UP", "CPU", "MEMORY", "MODULE"];
const NUMBERS = new Set(["CONNECTIONS", "RESTARTS", "UP", "CPU", "MEMORY"]);
const STATE_COLUMN = HEADER.indexOf("STATE");
const COLORS: Readonly<Record<string, number>> = { running: 32, starting: 33, waiting: 33, stopping: 33, down: 31 };

/** A line for each plugin, with the last ending of those that do not run. */
export function listText(plugins: readonly ListedLine[], colors: boolean): string {
  const rows = [HEADER, ...plugins.map(rowOf)];
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => stringWidth(row[column] ?? ""))));
  const lines = rows.map((row, index) => {
    const cells = row.map((cell, column) => {
      const space = " ".repeat((widths[column] ?? 0) - stringWidth(cell));
      const color = index > 0 && column === STATE_COLUMN ? COLORS[cell] : undefined;
      const shown = colors && color !== undefined ? `\u001b[${color}m${cell}\u001b[39m` : cell;
      return NUMBERS.has(HEADER[column] ?? "") ? space + shown : shown + space;
    });
    const line = cells.join("  ").trimEnd();
    return index === 0 && colors ? `\u001b[1m${line}\u001b[22m` : line;
  });
  const endings = plugins
    .filter(({ state, lastEnding }) => state !== "running" && lastEnding !== undefined)
    .map(({ name, lastEnding = "" }) => withoutControls(`${name}: ${lastEnding}`));
  return `${[...lines, ...(endings.length > 0 ? ["", ...endings] : [])].join("\n")}\n`;
}

function rowOf({ name, state, listeners, connections, restarts, uptimeMs, cpuMs, memoryBytes, module }: ListedLine) {
  const isUp = state === "running";
  const cells = [
    ...[name, state, listeners.length === 0 ? "-" : listeners.join(" "), String(connections), String(restarts)],
    ...[isUp ? duration(uptimeMs) : "-", `${(cpuMs / 1000).toFixed(1)} s`, isUp ? bytes(memoryBytes) : "-", module],
  ];
  return cells.map(withoutControls);
}

/** "2026-11-27T12:00:00.000Z | a line of the plugin", or "... wasyncore: what has happened to it". */
export function logText({ atMs, source, text }: Extract<ControlAnswer, { line: unknown }>["line"]): string {
  const isTime = Math.abs(atMs) <= TIME_MAX_MS;
  const at = isTime ? new Date(atMs).toISOString() : "-";
  return `${at} ${source === "host" ? "wasyncore:" : "|"} ${withoutControls(text)}\n`;
}

/** What a Date holds. */
const TIME_MAX_MS = 8.64e15;
const S = 1000;
const MINUTE = 60 * S;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** "3d 4h", "5h 6m", "7m 8s", "9s" */
function duration(ms: number): string {
  const whole = (unit: number, of = Infinity): number => Math.floor((ms % of) / unit);
  if (ms >= DAY) return `${whole(DAY)}d ${whole(HOUR, DAY)}h`;
  if (ms >= HOUR) return `${whole(HOUR)}h ${whole(MINUTE, HOUR)}m`;
  return ms >= MINUTE ? `${whole(MINUTE)}m ${whole(S, MINUTE)}s` : `${whole(S)}s`;
}
