/**
 * Owns the channels of one engine whose events pass through a layer, by slot: passes events of a descriptor to the layer,
 * and what follows from them to the handler. Knows links, members and the channel seam; knows no scheduler.
 */

import type { Layer } from "../net/endpoint.js";
import { wasiErrorCode } from "../wasi/errno.js";
import { Kind, Verdict } from "./engine.js";
import type { Failures } from "./failures.js";
import { blockingError, LayerLink } from "./layered.js";
import type { Channel } from "./channel.js";
import type { Timer } from "./timer.js";

/** Starts the timers of layers, and knows whether its loop keeps the process alive. */
interface LayerScheduler {
  readonly keepsAlive: boolean;
  watch(slot: number, generation: number, interest: number): void;
  startTimerOf(slot: number, delayMs: number, callback: () => unknown): Timer;
}

/** A channel with a layer. */
interface Layered {
  readonly channel: Channel;
  readonly slot: number;
  readonly generation: number;
  /** undefined before the layer is laid, and once it is gone. */
  link: LayerLink | undefined;
}

export class Layers {
  /** How many channels have a layer. Nothing else here is called while there are none: most programs have no TLS. */
  count = 0;
  /** Does the loop that runs block the thread? */
  isBlocking = false;
  readonly #bySlot: (Layered | undefined)[] = [];
  readonly #failures: Failures;
  readonly #scheduler: LayerScheduler;

  constructor(failures: Failures, scheduler: LayerScheduler) {
    this.#failures = failures;
    this.#scheduler = scheduler;
  }

  /** The link of the channel in a slot, if it has a layer; with a generation, of that channel only. */
  linkOf(slot: number, generation?: number): LayerLink | undefined {
    const layered = this.#bySlot[slot];
    return generation === undefined || layered?.generation === generation ? layered?.link : undefined;
  }

  /** Events of a channel pass through `layer` from now on. @throws LoopError ERR_TLS_LOOP_SYNC inside `loopSync` */
  set(layered: Layered, layer: Layer, interest: number): void {
    if (this.isBlocking) throw blockingError();
    const { slot, generation } = layered;
    this.remove(slot);
    this.#bySlot[slot] = layered;
    this.count += 1;
    layered.link = new LayerLink(layer, interest, {
      keepsAlive: () => this.#scheduler.keepsAlive,
      watch: (watched) => this.#scheduler.watch(slot, generation, watched),
      callLater: (delayMs, callback) => {
        const timer = this.#scheduler.startTimerOf(slot, delayMs, callback);
        return () => timer.cancel();
      },
      notify: () => this.#notify(layered),
    });
  }

  /** Removes the layer of the channel in a slot, if it has one. */
  remove(slot: number): void {
    const layered = this.count === 0 ? undefined : this.#bySlot[slot];
    if (layered?.link === undefined) return;
    const { link } = layered;
    layered.link = undefined;
    this.#bySlot[slot] = undefined;
    this.count -= 1;
    link.close();
  }

  /** Is the layer in this slot, if there is one, notified of this event before the handler is? */
  takes(slot: number, kind: number): boolean {
    return this.#bySlot[slot] !== undefined && (kind === Kind.READ || kind === Kind.WRITE || kind === Kind.CONNECT);
  }

  /**
   * Is an error or a hang-up kept from the handler? A layer may have taken everything from the descriptor: what the handler
   * has not read of it comes first, as what is left in a descriptor does.
   */
  holdsBack(slot: number, kind: number, detail: number): boolean {
    const link = this.linkOf(slot);
    if (link === undefined) return false;
    if (kind === Kind.ERROR) return link.leavesError(wasiErrorCode(detail));
    return kind === Kind.CLOSE && link.layer.hasUnread;
  }

  /** Delivers an event that a layer takes. @returns the verdict. @throws what a handler does */
  deliver(slot: number, kind: number): number {
    const layered = this.#bySlot[slot];
    const link = layered?.link;
    if (layered === undefined || link === undefined) return Verdict.GO_ON;
    if (this.isBlocking) throw blockingError();
    const { channel } = layered;
    link.isBusy = true;
    try {
      if (kind === Kind.READ) link.layer.readable();
      else if (kind === Kind.WRITE) link.layer.writable();
      else {
        this.#failures.follow(channel, channel.handleConnectEvent());
        link.layer.connected();
      }
      return this.#deliverFrom(layered, link, kind);
    } finally {
      leave(layered, link);
    }
  }

  /** Delivers what a layer has for its handler. @throws what a handler does */
  #deliverFrom(layered: Layered, link: LayerLink, kind: number): number {
    const { channel } = layered;
    const { layer } = link;
    const failures = this.#failures;
    const failure = layer.takeFailure();
    if (failure !== undefined) return failures.fail(channel, failure);
    if (layer.takeSecured()) failures.follow(channel, channel.handleSecureEvent());
    // A callback may have closed the channel.
    if (kind === Kind.READ && layered.link === link && link.canRead)
      failures.follow(channel, channel.handleReadEvent());
    if (kind === Kind.WRITE && layered.link === link && link.canWrite) {
      failures.follow(channel, channel.handleWriteEvent());
    }
    return Verdict.GO_ON;
  }

  /** Delivers what a layer has for its handler, from a timer. */
  #notify(layered: Layered): void {
    const { channel, link } = layered;
    if (link === undefined) return;
    link.isBusy = true;
    try {
      if (this.isBlocking) throw blockingError();
      this.#deliverFrom(layered, link, Kind.READ);
    } catch (error) {
      this.#failures.fail(channel, error);
    } finally {
      leave(layered, link);
    }
  }
}

/** What the layer reported meanwhile is looked at now, unless it is gone. */
function leave(layered: Layered, link: LayerLink): void {
  if (layered.link !== link) return;
  link.isBusy = false;
  link.changed();
}
