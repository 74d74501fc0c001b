/**
 * Owns a backend that does what a test says: a poll set that records its updates and finds what it is given, and a
 * clock that moves by the waits alone. Knows the backend seam; opens nothing.
 */

import { Ready, type Backend, type Clock, type PollSet, type Watch } from "../../host/backend/backend.js";

/** The numbering of the scripted platform: not WASI's. */
const CODES = new Map([
  [-9, "EBADF"],
  [-28, "ENOSPC"],
  [-104, "ECONNRESET"],
]);

/** One row of `PollSet.ready`. */
export interface Row {
  readonly fd: number;
  readonly bits: number;
  readonly error?: number;
  readonly bytes?: number;
}

class ScriptedClock implements Clock {
  readonly turnTaker = undefined;
  nowNs = 5_000_000_000;
  monotonicNs(): number {
    return this.nowNs;
  }
  realtimeNs(): bigint {
    return 1_700_000_000_000_000_000n + BigInt(this.nowNs);
  }
  threadCpuNs(): bigint {
    return 0n;
  }
}

export class ScriptedPollSet implements PollSet {
  ready = new Int32Array(0);
  alwaysReady = false;
  closed = false;
  /** The calls of {@link update}, since it was last looked at. */
  updates: (readonly [fd: number, interest: number])[] = [];
  /** How long each wait was to be. */
  readonly waits: number[] = [];
  /** Descriptors that cannot be watched, and why. */
  readonly refused = new Map<number, number>();
  /** What the next waits find, one entry a wait, or the errno that they fail with; after that nothing. */
  readonly findings: (readonly Row[] | number)[] = [];
  readonly #clock: ScriptedClock;

  constructor(clock: ScriptedClock) {
    this.#clock = clock;
  }

  takeUpdates(): (readonly [number, number])[] {
    const { updates } = this;
    this.updates = [];
    return updates;
  }

  update(fd: number, interest: number): number {
    this.updates.push([fd, interest]);
    return (interest & (Ready.READ | Ready.WRITE)) === 0 ? 0 : (this.refused.get(fd) ?? 0);
  }

  wait(timeoutMs: number): number {
    this.waits.push(timeoutMs);
    const found = this.findings.shift();
    if (found === undefined) {
      if (timeoutMs === Infinity) throw new Error("a wait without end, and nothing to find");
      this.#clock.nowNs += Math.ceil(timeoutMs * 1e6);
      return 0;
    }
    if (typeof found === "number") return found;
    this.ready = Int32Array.from(found.flatMap(({ fd, bits, error = 0, bytes = -1 }) => [fd, bits, error, bytes]));
    return found.length;
  }

  beginTurn(): void {}

  endTurn(): void {}

  watch(): Watch {
    throw new Error("not part of the script");
  }

  close(): void {
    this.closed = true;
  }
}

export interface ScriptedBackend {
  readonly backend: Backend;
  readonly pollSet: ScriptedPollSet;
  readonly clock: ScriptedClock;
}

export function createScriptedBackend(): ScriptedBackend {
  const clock = new ScriptedClock();
  const pollSet = new ScriptedPollSet(clock);
  const part: Partial<Backend> = {
    name: "scripted",
    clock,
    errorCode: (errno) => CODES.get(errno) ?? `E${-errno}`,
    createPollSet: () => pollSet,
  };
  // No more of it is used here; what is missing throws when it is called.
  return { backend: part as Backend, pollSet, clock };
}
