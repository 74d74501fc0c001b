/**
 * Owns the calls that concern the guest as a process: arguments, environment, clocks, random bytes, its end. Knows
 * the layouts; knows no descriptor.
 */

import type { Backend } from "../../backend/backend.js";
import { ERRNO_FAULT, ERRNO_INVAL, ERRNO_NOTSUP, ERRNO_SUCCESS } from "../../wasi/errno.js";
import type { GuestMemory } from "../memory.js";
import { endingError, GuestExit } from "../exit.js";
import { ClockId } from "../../wasi/layout.js";

/** What a guest is given as a process. */
export interface GuestProcess {
  readonly args: readonly string[];
  /** "NAME=value" */
  readonly environ: readonly string[];
  readonly random: (target: Uint8Array) => void;
  /** Called when it ends itself, before anything else runs. */
  readonly onExit: (exit: GuestExit) => void;
}

/** All clocks count in nanoseconds. */
const RESOLUTION_NS = 1n;
const TWO_32 = 0x1_0000_0000;

/** Strings as a guest gets them: each ends with a NUL, and there is an array of their addresses. */
class StringTable {
  readonly #strings: readonly Uint8Array[];
  readonly #bytes: number;

  constructor(strings: readonly string[]) {
    this.#strings = strings.map((each) => Buffer.from(`${each}\0`));
    this.#bytes = this.#strings.reduce((sum, { length }) => sum + length, 0);
  }

  writeSizes(memory: GuestMemory, countAt: number, bytesAt: number): number {
    if (!memory.has(countAt, 4) || !memory.has(bytesAt, 4)) return ERRNO_FAULT;
    memory.setUint32(countAt, this.#strings.length);
    memory.setUint32(bytesAt, this.#bytes);
    return ERRNO_SUCCESS;
  }

  write(memory: GuestMemory, addressesAt: number, stringsAt: number): number {
    if (!memory.has(addressesAt, 4 * this.#strings.length) || !memory.has(stringsAt, this.#bytes)) return ERRNO_FAULT;
    const { bytes } = memory;
    let addressAt = addressesAt >>> 0;
    let at = stringsAt >>> 0;
    for (const each of this.#strings) {
      memory.setUint32(addressAt, at);
      bytes.set(each, at);
      addressAt += 4;
      at += each.length;
    }
    return ERRNO_SUCCESS;
  }
}

export function createProcessCalls({ clock }: Backend, memory: GuestMemory, given: GuestProcess) {
  const args = new StringTable(given.args);
  const environ = new StringTable(given.environ);
  const cpuFromNs = clock.threadCpuNs();

  /** undefined for a clock that there is not. */
  function timeOf(id: number): bigint | number | undefined {
    switch (id) {
      case ClockId.REALTIME:
        return clock.realtimeNs();
      case ClockId.MONOTONIC:
        return clock.monotonicNs();
      // A guest has one thread. What its host has used before it came is none of its business.
      case ClockId.PROCESS_CPUTIME:
      case ClockId.THREAD_CPUTIME:
        return clock.threadCpuNs() - cpuFromNs;
      default:
        return undefined;
    }
  }

  return {
    args_sizes_get: (countAt: number, bytesAt: number): number => args.writeSizes(memory, countAt, bytesAt),
    args_get: (addressesAt: number, stringsAt: number): number => args.write(memory, addressesAt, stringsAt),
    environ_sizes_get: (countAt: number, bytesAt: number): number => environ.writeSizes(memory, countAt, bytesAt),
    environ_get: (addressesAt: number, stringsAt: number): number => environ.write(memory, addressesAt, stringsAt),

    clock_res_get(id: number, resolutionAt: number): number {
      if (id >>> 0 > ClockId.THREAD_CPUTIME) return ERRNO_INVAL;
      if (!memory.has(resolutionAt, 8)) return ERRNO_FAULT;
      memory.view.setBigUint64(resolutionAt >>> 0, RESOLUTION_NS, true);
      return ERRNO_SUCCESS;
    },

    clock_time_get(id: number, _precision: bigint, timeAt: number): number {
      const now = timeOf(id);
      if (now === undefined) return ERRNO_INVAL;
      if (!memory.has(timeAt, 8)) return ERRNO_FAULT;
      if (typeof now === "bigint") memory.view.setBigUint64(timeAt >>> 0, now, true);
      else {
        // The clock that is read most often: no BigInt is made for it.
        const { view } = memory;
        view.setUint32(timeAt >>> 0, now % TWO_32, true);
        view.setUint32((timeAt >>> 0) + 4, now / TWO_32, true);
      }
      return ERRNO_SUCCESS;
    },

    random_get(at: number, length: number): number {
      if (!memory.has(at, length)) return ERRNO_FAULT;
      given.random(memory.slice(at, length));
      return ERRNO_SUCCESS;
    },

    proc_exit(code: number): never {
      const exit = new GuestExit(code >>> 0);
      given.onExit(exit);
      throw endingError(exit);
    },

    // There are no signals in a guest.
    proc_raise: (_signal: number): number => ERRNO_NOTSUP,
    sched_yield: (): number => ERRNO_SUCCESS,
  };
}
