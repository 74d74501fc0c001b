/**
 * Owns the link between a channel's registration and the layer between its descriptor and its handler: what the descriptor
 * is watched for, and the events that follow from the layer's own state. Knows the seams; knows no TLS and no engine.
 */

import { LoopError } from "../backend/errors.js";
import type { Layer, LayerHost } from "../net/endpoint.js";
import { Interest } from "./engine.js";

/** What a link calls on the scheduler. */
export interface LinkHost {
  /** See `LayerHost.keepsAlive`. */
  readonly keepsAlive: () => boolean;
  /** Sets what the descriptor is watched for: bits of `Interest`. */
  watch(interest: number): void;
  callLater(delayMs: number, callback: () => void): () => void;
  /** The handler is to be notified of what the layer has for it, as part of a turn. */
  notify(): void;
}

export class LayerLink implements LayerHost {
  readonly layer: Layer;
  readonly #host: LinkHost;
  /** What the handler wants, and what the descriptor is watched for for that: bits of `Interest`. */
  #wanted: number;
  #watched = -1;
  /** Is an event being delivered? What the layer has is looked at after it. */
  isBusy = false;
  #cancelNotify: (() => void) | undefined;

  constructor(layer: Layer, wanted: number, host: LinkHost) {
    this.layer = layer;
    this.#wanted = wanted;
    this.#host = host;
    // What it reports meanwhile is looked at below.
    this.isBusy = true;
    layer.attach(this);
    this.isBusy = false;
    this.changed();
  }

  get keepsAlive(): boolean {
    return this.#host.keepsAlive();
  }

  get canRead(): boolean {
    return (this.#wanted & Interest.READ) !== 0 && this.layer.hasInput;
  }

  get canWrite(): boolean {
    return (this.#wanted & Interest.WRITE) !== 0 && this.layer.hasRoom;
  }

  /**
   * The descriptor has an error. Is it left to the handler's next calls? Those of a handler that only writes have been made
   * in this turn. It may be the layer alone that does not watch for reading: then the handler reads a stream to its end.
   */
  leavesError(code: string): boolean {
    return this.#wanted !== Interest.WRITE && this.layer.failed(code);
  }

  /** The handler wants this from now on. */
  want(interest: number): void {
    this.#wanted = interest;
    if (!this.isBusy) this.changed();
  }

  /** The same for a handler that is sampled, whose descriptor is watched for what this returns. */
  sampled(interest: number): number {
    this.#wanted = interest;
    if (this.#hasSomething) this.#notifySoon();
    this.#watched = this.#interest;
    return this.#watched;
  }

  changed(): void {
    if (this.isBusy) return;
    const interest = this.#interest;
    if (interest !== this.#watched) {
      this.#watched = interest;
      this.#host.watch(interest);
    }
    if (this.#hasSomething) this.#notifySoon();
  }

  callLater(delayMs: number, callback: () => void): () => void {
    return this.#host.callLater(delayMs, callback);
  }

  close(): void {
    this.#cancelNotify?.();
    this.#cancelNotify = undefined;
    // From here on nothing that the layer reports is of interest.
    this.isBusy = true;
    this.layer.detach();
  }

  get #interest(): number {
    const read = this.layer.watchesRead((this.#wanted & Interest.READ) !== 0) ? Interest.READ : Interest.NONE;
    const writes = this.layer.watchesWrite((this.#wanted & Interest.WRITE) !== 0);
    return writes ? read | Interest.WRITE : read;
  }

  get #hasSomething(): boolean {
    return this.layer.hasNews || this.canRead;
  }

  #notifySoon(): void {
    this.#cancelNotify ??= this.#host.callLater(0, () => {
      this.#cancelNotify = undefined;
      this.#host.notify();
    });
  }
}

/** TLS needs Node's event loop, which does not run inside `loopSync`. */
export function blockingError(): LoopError {
  return new LoopError(
    "ERR_TLS_LOOP_SYNC",
    "TLS needs Node's event loop, which loopSync() and poll() do not run: use `await loop()`",
  );
}
