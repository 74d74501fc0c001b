/**
 * Owns the channels of one engine whose events pass through a layer, by slot: passes events of a descriptor to the layer,
 * and what follows from them to the handler. Knows links, members and the channel seam; knows no scheduler.
 */

import type { Layer } from "../net/endpoint.js";
import { wasiErrorCode } from "../wasi/errno.js";
import { Kind, Verdict } from "./engine.js";
import type { Failures } from "./failures.js";
import { blockingError, LayerLink } from "./layered.js";
import type { Member } from "./member.js";
import type { Timer } from "./timer.js";

/** Starts the timers of layers, and knows whether its loop keeps the process alive. */
interface LayerScheduler {
  readonly keepsAlive: boolean;
  startTimerOf(member: Member, delayMs: number, callback: () => unknown): Timer;
}

export class Layers {
  /** How many channels have a layer. Nothing else here is called while there are none: most programs have no TLS. */
  count = 0;
  /** Does the loop that runs block the thread? */
  isBlocking = false;
  readonly #bySlot: (Member | undefined)[] = [];
  readonly #failures: Failures;
  readonly #scheduler: LayerScheduler;

  constructor(failures: Failures, scheduler: LayerScheduler) {
    this.#failures = failures;
    this.#scheduler = scheduler;
  }

  /** The link of the channel in a slot, if it has a layer. */
  linkOf(slot: number): LayerLink | undefined {
    return this.#bySlot[slot]?.link;
  }

  /** Events of `member` pass through `layer` from now on. @throws LoopError ERR_TLS_LOOP_SYNC inside `loopSync` */
  set(member: Member, layer: Layer, interest: number): void {
    if (this.isBlocking) throw blockingError();
    this.remove(member);
    this.#bySlot[member.slot] = member;
    this.count += 1;
    member.link = new LayerLink(layer, interest, {
      keepsAlive: () => this.#scheduler.keepsAlive,
      watch: (watched) => member.watch(watched),
      callLater: (delayMs, callback) => {
        const timer = this.#scheduler.startTimerOf(member, delayMs, callback);
        return () => timer.cancel();
      },
      notify: () => this.#notify(member),
    });
  }

  /** Removes the layer of a member, if it has one. */
  remove(member: Member): void {
    const { link, slot } = member;
    if (link === undefined) return;
    member.link = undefined;
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
    const member = this.#bySlot[slot];
    const link = member?.link;
    if (member === undefined || link === undefined) return Verdict.GO_ON;
    if (this.isBlocking) throw blockingError();
    const { channel } = member;
    link.isBusy = true;
    try {
      if (kind === Kind.READ) link.layer.readable();
      else if (kind === Kind.WRITE) link.layer.writable();
      else {
        this.#failures.follow(channel, channel.handleConnectEvent());
        link.layer.connected();
      }
      return this.#deliverFrom(member, link, kind);
    } finally {
      leave(member, link);
    }
  }

  /** Delivers what a layer has for its handler. @throws what a handler does */
  #deliverFrom(member: Member, link: LayerLink, kind: number): number {
    const { channel } = member;
    const { layer } = link;
    const failures = this.#failures;
    const failure = layer.takeFailure();
    if (failure !== undefined) return failures.fail(channel, failure);
    if (layer.takeSecured()) failures.follow(channel, channel.handleSecureEvent());
    // A callback may have closed the channel.
    if (kind === Kind.READ && member.link === link && link.canRead) failures.follow(channel, channel.handleReadEvent());
    if (kind === Kind.WRITE && member.link === link && link.canWrite) {
      failures.follow(channel, channel.handleWriteEvent());
    }
    return Verdict.GO_ON;
  }

  /** Delivers what a layer has for its handler, from a timer. */
  #notify(member: Member): void {
    const { channel, link } = member;
    if (link === undefined) return;
    link.isBusy = true;
    try {
      if (this.isBlocking) throw blockingError();
      this.#deliverFrom(member, link, Kind.READ);
    } catch (error) {
      this.#failures.fail(channel, error);
    } finally {
      leave(member, link);
    }
  }
}

/** What the layer reported meanwhile is looked at now, unless it is gone. */
function leave(member: Member, link: LayerLink): void {
  if (member.link !== link) return;
  link.isBusy = false;
  link.changed();
}
