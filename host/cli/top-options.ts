/** Owns the command line of `wasyncore top`. Knows nothing of what it shows. */

import { parseArgs } from "node:util";
import { optionTrouble } from "./option-trouble.js";

export const USAGE = `Usage: wasyncore top [options]

Shows what a running program does: its plugins with their CPU time, memory and connections, turns and events a second,
bytes, timers, the slowest callback, and its busiest channels. The program must call serveStats(); wasyncore serve does.

Keys: up and down, or k and j, choose the plugin whose connections are shown; q or Ctrl-C ends.

Options:
  --pid N          the process; without it, the only one that serves its statistics, or a list of them
  --socket PATH    the socket, for a program that calls serveStats({ path })
  --plugin NAME    the plugin whose connections are shown first; by default the busiest
  --interval S     seconds between two reports, from 0.2 to 3600; default 1
  --once           shows one interval, and ends
  --json           prints each report as a line of JSON
  --help           prints this
`;

export interface TopOptions {
  readonly pid: number | undefined;
  readonly socket: string | undefined;
  readonly plugin: string | undefined;
  readonly intervalMs: number;
  readonly once: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

/** What is wrong with a command line, in a sentence for the user. */
export class UsageError extends Error {}

const PID_MAX = 0x7fffffff;
const INTERVAL_S_MIN = 0.2;
const INTERVAL_S_MAX = 3600;

/** @throws UsageError */
export function parseTop(argv: readonly string[]): TopOptions {
  const options = {
    pid: { type: "string", short: "p" },
    socket: { type: "string" },
    plugin: { type: "string" },
    interval: { type: "string" },
    once: { type: "boolean" },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  } as const;
  let values;
  try {
    ({ values } = parseArgs({ args: [...argv], options }));
  } catch (error) {
    throw new UsageError(optionTrouble(error), { cause: error });
  }
  const { pid, socket, plugin, interval = "1", once = false, json = false, help = false } = values;
  if (pid !== undefined && socket !== undefined) throw new UsageError("--pid and --socket exclude each other");
  if (socket === "" || socket?.includes("\0") === true) {
    throw new UsageError("--socket: it must be the path of a Unix socket, and is empty or has a NUL");
  }
  if (pid !== undefined && !(/^[1-9]\d*$/.test(pid) && Number(pid) <= PID_MAX)) {
    throw new UsageError(`--pid ${pid}: a process id is a whole number, 1 or more`);
  }
  const seconds = interval.trim() === "" ? Number.NaN : Number(interval);
  if (!(seconds >= INTERVAL_S_MIN && seconds <= INTERVAL_S_MAX)) {
    throw new UsageError(`--interval ${interval}: a number of seconds from ${INTERVAL_S_MIN} to ${INTERVAL_S_MAX}`);
  }
  const number = pid === undefined ? undefined : Number(pid);
  return { pid: number, socket, plugin, intervalMs: seconds * 1000, once, json, help };
}
