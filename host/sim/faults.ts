/**
 * Owns the chance by which faults come, and the list of those that came. Each fault has a generator of its own, so that
 * one that is left out changes nothing of what the others draw. Knows no socket.
 */

import { checkFaults, FAULT_NAMES, type FaultName, type FaultSetting, type FaultTable } from "./fault-table.js";
import { Random } from "./random.js";

/** A fault that came. */
export interface Injection {
  /** Its number among all faults of the run, from 0. */
  readonly index: number;
  /** Milliseconds since the world began. */
  readonly atMs: number;
  readonly name: FaultName;
  /** The address of the host that it befell; "" for the network. */
  readonly host: string;
  /** What it did: "fd 5: 3 of 64 bytes". */
  readonly detail: string;
}

/** Leaves a fault out where it returns true; it is not listed either. @param occurrence counts those of this name, from 0 */
export type FaultFilter = (name: FaultName, occurrence: number) => boolean;

/** So many are listed; those after them are counted. */
const LISTED_MAX = 100_000;

class Chance {
  readonly setting: FaultSetting;
  readonly random: Random;
  readonly #nth: ReadonlySet<number>;
  #cases = 0;
  #occurrences = 0;

  constructor(setting: FaultSetting, random: Random) {
    this.setting = setting;
    this.random = random;
    this.#nth = new Set(setting.nth);
  }

  /** One case more. @returns the number of this occurrence; negative where it does not come */
  draw(): number {
    this.#cases += 1;
    const byRate = this.random.chance(this.setting.rate ?? 0);
    return byRate || this.#nth.has(this.#cases) ? this.occur() : -1;
  }

  occur(): number {
    return this.#occurrences++;
  }
}

export class Faults {
  /** Is any fault set that comes by case? Where not, nothing is drawn. */
  readonly any: boolean;
  readonly injections: Injection[] = [];
  count = 0;
  readonly #chances = new Map<FaultName, Chance>();
  readonly #leavesOut: FaultFilter | undefined;
  readonly #nowNs: () => number;
  readonly #onInjection: (name: FaultName, host: string) => void;

  constructor(
    table: FaultTable,
    seed: number,
    leavesOut: FaultFilter | undefined,
    nowNs: () => number,
    onInjection: (name: FaultName, host: string) => void,
  ) {
    for (const [name, setting] of checkFaults("faults", table)) {
      this.#chances.set(name, new Chance(setting, new Random(seed, 1 + FAULT_NAMES.indexOf(name))));
    }
    this.any = this.#chances.size > 0;
    this.#leavesOut = leavesOut;
    this.#nowNs = nowNs;
    this.#onInjection = onInjection;
  }

  /** What a fault was set to; undefined where it was not. */
  setting(name: FaultName): FaultSetting | undefined {
    return this.#chances.get(name)?.setting;
  }

  /** The generator of a fault that is set. */
  random(name: FaultName): Random {
    const chance = this.#chances.get(name);
    if (chance === undefined) throw new Error(`the fault ${name} is not set`);
    return chance.random;
  }

  /** Is this a case of the fault? One that comes has to be listed: {@link list}. */
  comes(name: FaultName): boolean {
    if (!this.any) return false;
    const chance = this.#chances.get(name);
    if (chance === undefined) return false;
    const occurrence = chance.draw();
    return occurrence >= 0 && this.#leavesOut?.(name, occurrence) !== true;
  }

  /** A fault of a schedule is about to come. @returns whether it does */
  occurs(name: FaultName): boolean {
    const chance = this.#chances.get(name);
    return chance !== undefined && this.#leavesOut?.(name, chance.occur()) !== true;
  }

  list(name: FaultName, host: string, detail: string): void {
    const index = this.count++;
    this.#onInjection(name, host);
    if (index >= LISTED_MAX) return;
    this.injections.push({ index, atMs: this.#nowNs() / 1e6, name, host, detail });
  }

  /** {@link comes}, and listed. */
  hits(name: FaultName, host: string, detail: string): boolean {
    if (!this.comes(name)) return false;
    this.list(name, host, detail);
    return true;
  }

  /** A line for each fault that came. */
  explain(): string {
    if (this.count === 0) return "no fault came";
    const lines = this.injections.map(
      ({ atMs, name, host, detail }) => `${atMs.toFixed(6)} ms  ${host === "" ? "network" : host}  ${name}: ${detail}`,
    );
    if (this.count > LISTED_MAX) lines.push(`... and ${this.count - LISTED_MAX} more`);
    return lines.join("\n");
  }
}
