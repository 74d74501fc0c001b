/**
 * Owns a backend whose waits take no time: a wait that finds nothing advances a clock by as long as it was to be. So a
 * test of a rate counts waits and bytes, and measures nothing. Knows the seam alone.
 */

import type { PollSet, Watch } from "../../../host/backend/backend.js";
import { ForwardingBackend } from "../../backend/forwarding.js";

export class VirtualTime extends ForwardingBackend {
  nowMs = 0;
  /** How long each wait was to be at most, in milliseconds, and how many descriptors it found. */
  readonly waits: { readonly timeoutMs: number; readonly found: number }[] = [];

  override createPollSet(): PollSet {
    return new VirtualPollSet(super.createPollSet(), this);
  }
}

class VirtualPollSet implements PollSet {
  readonly #inner: PollSet;
  readonly #time: VirtualTime;

  constructor(inner: PollSet, time: VirtualTime) {
    this.#inner = inner;
    this.#time = time;
  }

  get ready(): Int32Array {
    return this.#inner.ready;
  }

  get alwaysReady(): boolean {
    return this.#inner.alwaysReady;
  }

  update(fd: number, interest: number): number {
    return this.#inner.update(fd, interest);
  }

  wait(timeoutMs: number): number {
    const found = this.#inner.wait(0);
    this.#time.waits.push({ timeoutMs, found });
    if (found > 0) return found;
    if (timeoutMs === Infinity) throw new Error("the wait would have no end");
    this.#time.nowMs += timeoutMs;
    return found;
  }

  watch(onReady: () => void): Watch {
    return this.#inner.watch(onReady);
  }

  beginTurn(): void {
    this.#inner.beginTurn();
  }

  endTurn(): void {
    this.#inner.endTurn();
  }

  close(): void {
    this.#inner.close();
  }
}
