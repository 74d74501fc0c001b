/**
 * Owns the chance by which faults come, and the list of those that came. Each fault has a generator of its own, so that
 * one that is left out changes nothing of what the others draw. Knows no socket.
 */

import {
  checkFaults,
  FAULT_NAMES,
  type FaultFilter,
  type FaultName,
  type FaultSetting,
  type FaultTable,
  type Injection,
} from "./fault-table.js";
import { Random } from "./random.js";

/** So many are listed; those after them are counted. */
const LISTED_MAX = 100_000;

/** More than there are faults: the generators of one seed are numbered. */
const STREAMS = 64;

class Chance {
  readonly setting: FaultSetting;
  /** For how strong it is: of its own for each occurrence, so that leaving one out changes nothing of the next. */
  random: Random;
  readonly #seed: number;
  readonly #stream: number;
  readonly #cases: Random;
  readonly #nth: ReadonlySet<number>;
  #count = 0;
  /** How many came so far, the last of them being one less. */
  occurrences = 0;

  constructor(setting: FaultSetting, seed: number, stream: number) {
    this.setting = setting;
    this.#seed = seed;
    this.#stream = stream;
    this.random = new Random(seed, stream);
    this.#cases = new Random(seed, STREAMS + stream);
    this.#nth = new Set(setting.nth);
  }

  /** One case more. @returns the number of this occurrence; negative where it does not come */
  draw(): number {
    this.#count += 1;
    const byRate = this.#cases.chance(this.setting.rate ?? 0);
    if (!byRate && !this.#nth.has(this.#count)) return -1;
    const occurrence = this.occur();
    this.random = new Random(this.#seed, (2 + occurrence) * STREAMS + this.#stream);
    return occurrence;
  }

  occur(): number {
    return this.occurrences++;
  }
}

export class Faults {
  /** Is any fault set that comes by case? Where not, nothing is drawn. */
  readonly any: boolean;
  readonly injections: Injection[] = [];
  count = 0;
  readonly #chances = new Map<FaultName, Chance>();
  readonly #untilNs: number;
  readonly #leavesOut: FaultFilter | undefined;
  readonly #nowNs: () => number;
  readonly #onInjection: (name: FaultName, host: string) => void;

  constructor(
    table: FaultTable,
    seed: number,
    untilNs: number,
    leavesOut: FaultFilter | undefined,
    nowNs: () => number,
    onInjection: (name: FaultName, host: string) => void,
  ) {
    for (const [name, setting] of checkFaults("faults", table)) {
      this.#chances.set(name, new Chance(setting, seed, 1 + FAULT_NAMES.indexOf(name)));
    }
    this.any = this.#chances.size > 0;
    this.#untilNs = untilNs;
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
    if (!this.any || this.#nowNs() >= this.#untilNs) return false;
    const chance = this.#chances.get(name);
    if (chance === undefined) return false;
    const occurrence = chance.draw();
    return occurrence >= 0 && this.#leavesOut?.(name, occurrence) !== true;
  }

  /** A fault of a schedule is about to come. @returns whether it does */
  occurs(name: FaultName): boolean {
    if (this.#nowNs() >= this.#untilNs) return false;
    const chance = this.#chances.get(name);
    if (chance === undefined) return false;
    // Counted whether or not anything is left out.
    const occurrence = chance.occur();
    return this.#leavesOut?.(name, occurrence) !== true;
  }

  list(name: FaultName, host: string, detail: string): void {
    const index = this.count++;
    this.#onInjection(name, host);
    if (index >= LISTED_MAX) return;
    const occurrence = (this.#chances.get(name)?.occurrences ?? 1) - 1;
    this.injections.push({ index, atMs: this.#nowNs() / 1e6, name, occurrence, host, detail });
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
