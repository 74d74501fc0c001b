/**
 * Owns what a guest is given beside the backend: clocks as coarse as its policy says, random bytes, arguments. Knows no
 * guest: the functions are given to it as options.
 */

import type { Clock } from "../../backend/backend.js";
import type { Account } from "./account.js";
import type { Policy, RandomPolicy } from "./types.js";

const NS_PER_MS = 1e6;
/** Standard input, output and error, which the account does not count. */
const STDIO_COUNT = 3;
/** What the host holds of a subscription. */
const SUBSCRIPTION_BYTES = 128;
/** So many are in the memory that a poll set takes anyway. */
const FEW_SUBSCRIPTIONS = 512;

/** A clock that stands still for `resolutionMs`, and then advances by it. 0: `clock` itself. */
export function coarseClock(clock: Clock, resolutionMs: number): Clock {
  if (resolutionMs === 0) return clock;
  const stepNs = Math.max(1, Math.round(resolutionMs * NS_PER_MS));
  const step = BigInt(stepNs);
  return {
    monotonicNs: () => floorTo(clock.monotonicNs(), stepNs),
    realtimeNs: () => {
      const now = clock.realtimeNs();
      return now - (now % step);
    },
    threadCpuNs: () => {
      const now = clock.threadCpuNs();
      return now - (now % step);
    },
    turnTaker: clock.turnTaker,
  };
}

/**
 * How long a wait is to be so that a coarse clock has advanced by `timeoutMs` when it ends. It would end between two
 * steps otherwise, and whoever compares the clock with a deadline would wait again and again.
 */
export function waitMsOf(clock: Clock, resolutionMs: number, timeoutMs: number): number {
  if (resolutionMs === 0 || timeoutMs <= 0 || timeoutMs === Infinity) return timeoutMs;
  const stepNs = Math.max(1, Math.round(resolutionMs * NS_PER_MS));
  const nowNs = clock.monotonicNs();
  const untilNs = Math.ceil((floorTo(nowNs, stepNs) + timeoutMs * NS_PER_MS) / stepNs) * stepNs;
  return Math.max(0, untilNs - nowNs) / NS_PER_MS;
}

function floorTo(now: number, step: number): number {
  return now - (now % step);
}

/** Fills with random bytes; undefined for the system's, which a guest has by default. */
export function randomSource(random: RandomPolicy): ((target: Uint8Array) => void) | undefined {
  if (random === "system") return undefined;
  const next = sfc32(random.seed);
  return (target) => {
    for (let at = 0; at < target.length; at += 4) {
      const word = next();
      const end = Math.min(4, target.length - at);
      for (let byte = 0; byte < end; byte++) target[at + byte] = word >>> (8 * byte);
    }
  };
}

/** Chris Doty-Humphrey's small fast counter, 32 bits: passes PractRand, and is no secret. */
function sfc32(seed: number): () => number {
  let [a, b, c, counter] = [0, seed | 0, Math.floor(seed / 0x1_0000_0000) | 0, 1];
  const next = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum;
  };
  for (let round = 0; round < 16; round++) next();
  return next;
}

/** Options of a guest that follow from its policy. */
export interface ProcessOptions {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly random: ((target: Uint8Array) => void) | undefined;
  /** Of its table: one more than the account allows, so that the account refuses first, and reports it. */
  readonly maxDescriptors: number | undefined;
  /** May a poll have so many subscriptions? The host holds an entry of each while the call is made. */
  readonly maySubscribe: ((count: number) => boolean) | undefined;
  /** May the guest make sockets? Only where there is something that it may do with them. */
  readonly socketExtension: boolean;
  /** The paths of Unix sockets that it may name in any call; which call may use which is checked by the guard. */
  readonly unixPaths: readonly string[];
}

/** @param account where polls are to be held to `maxHostBytes` */
export function processOptions(policy: Policy, account?: Account): ProcessOptions {
  const { args, env, random, limits, connect, bind, udp } = policy;
  return {
    args,
    env,
    random: randomSource(random),
    maxDescriptors: limits.maxDescriptors === Infinity ? undefined : limits.maxDescriptors + STDIO_COUNT + 1,
    maySubscribe: account === undefined ? undefined : (count) => hasRoomFor(account, count),
    unixPaths: [...connect, ...bind].flatMap(({ path }) => path ?? []),
    socketExtension: connect.length + bind.length + udp.length > 0,
  };
}

function hasRoomFor(account: Account, subscriptions: number): boolean {
  if (subscriptions <= FEW_SUBSCRIPTIONS) return true;
  const bytes = subscriptions * SUBSCRIPTION_BYTES;
  if (!account.take("maxHostBytes", bytes)) return false;
  account.give("maxHostBytes", bytes);
  return true;
}
