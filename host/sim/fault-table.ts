/** Owns the names of the faults, what each takes, and the checks of a table that a user gives. Knows no socket. */

import {
  checkArray,
  checkBoolean,
  checkInteger,
  checkMs,
  checkOptions,
  checkString,
  codedTypeError,
  rangeError,
  TIME_MAX_MS,
} from "../backend/check.js";

/** A time at which a fault of a schedule begins, and whom it befalls. */
export interface FaultMoment {
  /** Milliseconds since the world began. */
  readonly atMs: number;
  /** How long it lasts; for a crash, until the host is back. Default: to the end. For `clock-jump`: how far the clock jumps. */
  readonly forMs?: number;
  /** An address of the host that it befalls. */
  readonly host?: string;
  /** For `partition`: nothing goes from `host` to this host. Default: to and from every host. */
  readonly to?: string;
  /** For `partition` with `to`: does what `to` sends still arrive? Default false. */
  readonly oneWay?: boolean;
}

/** How often a fault comes, and how strong it is. Which of these a fault takes says {@link FAULTS}. */
export interface FaultSetting {
  /** In how many of all cases it comes, from 0 to 1. */
  readonly rate?: number;
  /** It comes in these cases as well: 1 is the first. */
  readonly nth?: readonly number[];
  readonly ms?: number;
  readonly jitterMs?: number;
  readonly bytes?: number;
  /** It comes at random times, on average so far apart, and befalls a random host. */
  readonly everyMs?: number;
  /** How long it then lasts. */
  readonly forMs?: number;
  readonly at?: readonly FaultMoment[];
}

type Field = keyof FaultSetting;

const CASES = ["rate", "nth"] as const satisfies readonly Field[];
const SCHEDULE = ["at", "everyMs", "forMs"] as const satisfies readonly Field[];

/** The faults, and what each takes. */
export const FAULTS = {
  /** Between two hosts, everything takes `ms`, and up to `jitterMs` longer. Default: 0.1 ms. */
  latency: ["ms", "jitterMs"],
  /** What one host sends to another passes at `bytes` a second. */
  bandwidth: ["bytes"],
  /** A datagram is lost; a segment of a stream comes later, by the time after which it is sent again. */
  loss: CASES,
  /** A datagram is overtaken by those that are sent up to `ms` after it (default 10). */
  reorder: ["rate", "nth", "ms"],
  /** A datagram arrives twice. */
  duplicate: CASES,
  /** A connection is reset on both sides, behind any byte of what is sent. */
  reset: CASES,
  /** A connect is refused. */
  refuse: CASES,
  /** A connect gets no answer, and times out. */
  "connect-timeout": CASES,
  /** A call that receives gets fewer bytes than it could. */
  "short-read": CASES,
  /** A call that sends takes fewer bytes than it could. */
  "short-write": CASES,
  /** A call says EAGAIN although the descriptor is ready. */
  "not-ready": CASES,
  /** A wait ends early, as by a signal. */
  interrupt: CASES,
  /** A call that makes a descriptor says EMFILE. */
  emfile: CASES,
  /** ... or ENFILE. */
  enfile: CASES,
  /** A call that sends says ENOBUFS. */
  enobufs: CASES,
  /** Sockets and pipes have buffers of `bytes` (default 1) each way. */
  "small-buffers": ["bytes"],
  /** A name takes `ms` longer (default 5000). */
  "slow-name": ["rate", "nth", "ms"],
  /** A name is not found: EAI_AGAIN. */
  "dead-name": CASES,
  /** The realtime clock of a host jumps by `forMs`. The monotonic clock does not. */
  "clock-jump": SCHEDULE,
  /** Nothing passes between hosts. */
  partition: SCHEDULE,
  /** A host takes no turns, as when its process is stopped. The network goes on. */
  pause: SCHEDULE,
  /** A host is gone, with all that it had open and without a word to its peers; then it is back, and its program starts anew. */
  crash: SCHEDULE,
} as const satisfies Readonly<Record<string, readonly Field[]>>;

export type FaultName = keyof typeof FAULTS;

export const FAULT_NAMES = Object.keys(FAULTS) as FaultName[];

/** Faults by name; a number is a rate. */
export type FaultTable = { readonly [name in FaultName]?: number | FaultSetting };

/** A fault that came. */
export interface Injection {
  /** Its number among all faults of the run, from 0. */
  readonly index: number;
  /** Milliseconds since the world began. */
  readonly atMs: number;
  readonly name: FaultName;
  /** Its number among the faults of this name, from 0; counted whether or not the others are left out. */
  readonly occurrence: number;
  /** The address of the host that it befell; "" for the network. */
  readonly host: string;
  /** What it did: "fd 5: 3 of 64 bytes". */
  readonly detail: string;
}

/** Leaves a fault out where it returns true; it is not listed either. @param occurrence counts those of this name, from 0 */
export type FaultFilter = (name: FaultName, occurrence: number) => boolean;

const MOMENT = ["atMs", "forMs", "host"] as const;
const PARTITION = [...MOMENT, "to", "oneWay"] as const;

/** @throws TypeError, RangeError */
export function checkFaults(name: string, table: unknown): Map<FaultName, FaultSetting> {
  checkOptions(name, table, FAULT_NAMES);
  const settings = new Map<FaultName, FaultSetting>();
  // In the order of the names, whatever the order in the table.
  for (const fault of FAULT_NAMES) {
    const given = table[fault];
    if (given === undefined) continue;
    const at = `${name}["${fault}"]`;
    const known: readonly Field[] = FAULTS[fault];
    const setting: unknown = typeof given === "number" ? { rate: given } : given;
    checkOptions(at, setting, known);
    checkSetting(at, setting as FaultSetting, fault);
    settings.set(fault, setting as FaultSetting);
  }
  return settings;
}

/** How far a clock jumps: back where negative. */
export function checkJump(name: string, ms: unknown): asserts ms is number {
  if (typeof ms !== "number") throw codedTypeError(`"${name}" must be a number of milliseconds`);
  if (!(Math.abs(ms) <= TIME_MAX_MS)) throw rangeError(name, "a time that a Date can have", ms);
}

function checkSetting(at: string, setting: FaultSetting, fault: FaultName): void {
  const checkFor: (name: string, ms: unknown) => void = fault === "clock-jump" ? checkJump : checkMs;
  const { rate, nth, ms, jitterMs, bytes, everyMs, forMs, at: moments } = setting;
  if (rate !== undefined) {
    checkMs(`${at}.rate`, rate);
    if (rate > 1) throw rangeError(`${at}.rate`, "from 0 to 1", rate);
  }
  for (const [name, value] of Object.entries({ ms, jitterMs })) {
    if (value !== undefined) checkMs(`${at}.${name}`, value);
  }
  if (forMs !== undefined) checkFor(`${at}.forMs`, forMs);
  if (everyMs !== undefined) {
    checkMs(`${at}.everyMs`, everyMs);
    if (everyMs < 0.001) throw rangeError(`${at}.everyMs`, "a microsecond or more", everyMs);
  }
  if (bytes !== undefined) checkInteger(`${at}.bytes`, bytes, 1, Number.MAX_SAFE_INTEGER);
  if (nth !== undefined) {
    checkArray(`${at}.nth`, nth);
    for (const each of nth) checkInteger(`${at}.nth`, each, 1, Number.MAX_SAFE_INTEGER);
  }
  if (moments === undefined) return;
  checkArray(`${at}.at`, moments);
  for (const [index, moment] of moments.entries()) {
    const name = `${at}.at[${index}]`;
    checkOptions(name, moment, fault === "partition" ? PARTITION : MOMENT);
    const { atMs, forMs: lasts, host, to, oneWay } = moment as FaultMoment;
    checkMs(`${name}.atMs`, atMs);
    if (lasts !== undefined) checkFor(`${name}.forMs`, lasts);
    if (host !== undefined) checkString(`${name}.host`, host);
    if (to !== undefined) checkString(`${name}.to`, to);
    if (oneWay !== undefined) checkBoolean(`${name}.oneWay`, oneWay);
  }
}
