/**
 * Owns the names of the options of `wasyncore run` that hold the guest to a policy, and their help. Knows no value: those are
 * read by run-policy.
 */

import type { Limits } from "../plugin/policy/types.js";
import type { Unit } from "../plugin/policy/units.js";

interface LimitOption {
  readonly option: string;
  readonly limit: keyof Limits;
  readonly unit: Unit;
}

export const LIMITS: readonly LimitOption[] = [
  { option: "max-memory", limit: "maxMemoryBytes", unit: "size" },
  { option: "max-host-memory", limit: "maxHostBytes", unit: "size" },
  { option: "max-descriptors", limit: "maxDescriptors", unit: "count" },
  { option: "max-connections", limit: "maxConnections", unit: "count" },
  { option: "bytes-in", limit: "bytesPerSecondIn", unit: "size" },
  { option: "bytes-out", limit: "bytesPerSecondOut", unit: "size" },
  { option: "lines", limit: "linesPerSecond", unit: "count" },
  { option: "line-bytes", limit: "lineBytesPerSecond", unit: "size" },
  { option: "cpu-turn", limit: "cpuMsPerTurn", unit: "time" },
  { option: "cpu-total", limit: "cpuMsTotal", unit: "time" },
  { option: "lifetime", limit: "lifetimeMs", unit: "time" },
];

/** For parseArgs. */
export const POLICY_OPTIONS = {
  policy: { type: "string" },
  connect: { type: "string", multiple: true },
  udp: { type: "string", multiple: true },
  bind: { type: "string", multiple: true },
  "max-memory": { type: "string" },
  "max-host-memory": { type: "string" },
  "max-descriptors": { type: "string" },
  "max-connections": { type: "string" },
  "bytes-in": { type: "string" },
  "bytes-out": { type: "string" },
  lines: { type: "string" },
  "line-bytes": { type: "string" },
  "cpu-turn": { type: "string" },
  "cpu-total": { type: "string" },
  lifetime: { type: "string" },
  "clock-resolution": { type: "string" },
  "random-seed": { type: "string" },
  stdio: { type: "string" },
  restart: { type: "string" },
  "stop-timeout": { type: "string" },
} as const;

export const POLICY_USAGE = `Policy: any of these holds the command to a policy, as plugins are. It then reaches and uses only what is granted, runs in
a thread that can be ended, and has the limits of docs/policy.md by default:
  --policy FILE           takes the policy of a .json or .yaml file; options add to its lists, and replace the rest
  --connect HOST:PORTS    lets it connect there: an address, a network such as 10.0.0.0/8, a host name, or the
                          path of a Unix socket. Repeatable, as are the next two
  --udp HOST:PORTS        lets it send datagrams there, and receive them from there
  --bind HOST:PORTS       lets it bind, and so listen on, sockets of its own there
  --stdio HOW             inherit (the default here), none, or lines: printed without control characters
  --restart WHEN          never (the default here), failure, always: starts it again when it has ended

Limits of a policy, or "unlimited". SIZE is in bytes, or with K, M, G; TIME is in milliseconds, or with ms, s, m, h:
  --max-memory SIZE       its memory; 256M by default
  --max-descriptors N, --max-connections N
                          what it may have open; 1024 and 1000 by default
  --bytes-in SIZE, --bytes-out SIZE
                          what its sockets receive and send in a second
  --cpu-turn TIME         CPU time between two waits; 1s by default
  --cpu-total TIME        CPU time in all
  --lifetime TIME         ends it after that time, within --stop-timeout TIME; 5s by default
  --max-host-memory SIZE  what the host keeps for it; 16M by default
  --lines N, --line-bytes SIZE
                          what it may write in a second with --stdio lines
  --clock-resolution TIME makes its clocks coarse
  --random-seed N         gives it the same random numbers each time
`;

/** The option that sets a limit. */
export function optionOfLimit(limit: string): string | undefined {
  return LIMITS.find((each) => each.limit === limit)?.option;
}
