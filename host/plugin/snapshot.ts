/** Owns what a snapshot of a plugin contains. Types, and how the counts of its runs are added up; knows no run. */

import type { ListenerSnapshot } from "./listeners.js";
import { Account, type AccountSnapshot } from "./policy/account.js";
import type { Policy } from "./policy/types.js";
import type { PluginEnding, RunUsage } from "./run.js";
import type { TlsSnapshot } from "./tls/use.js";

/**
 * "starting": its first wait is to come. "running": it serves. "waiting": it has ended, and is started again after a delay.
 * "stopping": it has no new connections, and ends with the last. "down": it has ended, and is not started again.
 */
export type PluginState = "starting" | "running" | "waiting" | "stopping" | "down";

/** A plugin at one moment. Counts are of all its runs since it was started; what is open or in use, of the current one. */
export interface PluginSnapshot extends AccountSnapshot {
  readonly name: string;
  readonly run: Policy["run"];
  readonly state: PluginState;
  readonly listeners: readonly ListenerSnapshot[];
  /** How often it was started again after it had ended. */
  readonly restarts: number;
  /** How often its module was replaced. */
  readonly replacements: number;
  /** Since the current run came up; 0 while it is not running. */
  readonly uptimeMs: number;
  readonly cpuMs: number;
  /** Of the module's memory. In a thread, at its last wait. */
  readonly memoryBytes: number;
  /** How often it has waited. */
  readonly turns: number;
  /** Of the TLS that the host has in its place. */
  readonly tls: TlsSnapshot;
  /** How its last run ended; undefined while none has. */
  readonly lastEnding: PluginEnding | undefined;
}

const SUMS = ["accepted", "connected", "bytesIn", "bytesOut", "cpuMs", "turns"] as const;
type Sum = (typeof SUMS)[number];

/** @internal */
export type Counts = AccountSnapshot & RunUsage;

/** Counts of the runs that have ended. @internal */
export class PastCounts {
  readonly #sums: Record<Sum, number> = { accepted: 0, connected: 0, bytesIn: 0, bytesOut: 0, cpuMs: 0, turns: 0 };
  readonly #refused: Record<string, number> = {};

  add(counts: Counts): void {
    for (const name of SUMS) this.#sums[name] += counts[name];
    for (const [limit, count] of Object.entries(counts.refused)) {
      this.#refused[limit] = (this.#refused[limit] ?? 0) + count;
    }
  }

  /** With those of runs that go on. */
  with(current: readonly Counts[]): Counts {
    const total: { -readonly [K in keyof Counts]: Counts[K] } = {
      ...{ descriptors: 0, sockets: 0, connections: 0, hostBytes: 0, memoryBytes: 0 },
      ...this.#sums,
      refused: {},
    };
    const refused = { ...this.#refused };
    for (const counts of current) {
      for (const name of [...SUMS, "descriptors", "sockets", "connections", "hostBytes", "memoryBytes"] as const) {
        total[name] += counts[name];
      }
      for (const [limit, count] of Object.entries(counts.refused)) refused[limit] = (refused[limit] ?? 0) + count;
    }
    return { ...total, refused };
  }
}

/** What a run has used by now. @internal */
export function countsOf(accountMemory: SharedArrayBuffer, usage: RunUsage): Counts {
  return { ...Account.read(accountMemory), ...usage };
}
