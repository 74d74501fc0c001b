/**
 * Owns what a channel that is in a map can change about itself. Knows the engine's calls about one channel; no scheduler.
 */

import type { Registration } from "./channel.js";
import { type EngineExports, Pause } from "./engine.js";
import type { Layer } from "../net/endpoint.js";
import { wasiErrorCode } from "../wasi/errno.js";

/** What holds the members of one engine. */
export interface MemberHolder {
  readonly engine: EngineExports;
  /** Makes it the member in a slot. */
  place(member: Member, slot: number): void;
  /** Something changed that a waiting loop must know of. */
  changed(): void;
  /** The channel of that name wants this from now on: bits of `Interest`. */
  setInterest(slot: number, generation: number, interest: number): void;
  remove(slot: number, generation: number): void;
  /** @throws LoopError ERR_TLS_LOOP_SYNC inside `loopSync` */
  setLayer(slot: number, generation: number, layer: Layer, interest: number): void;
}

/**
 * A channel in a map, by its slot and generation in the engine; or a place for that, before it is in one. Not the channel
 * itself nor its descriptor, which the map has.
 */
export class Member implements Registration {
  #holder: MemberHolder | undefined;
  #slot = -1;
  #generation = 0;

  /** @internal */
  placed(holder: MemberHolder, slot: number, generation: number): void {
    this.#holder = holder;
    this.#slot = slot;
    this.#generation = generation;
  }

  get generation(): number {
    return this.#generation;
  }

  /** Has it been in a map since it was last removed? Another channel may have taken over its descriptor meanwhile. */
  get isMember(): boolean {
    return this.#holder !== undefined;
  }

  setInterest(interest: number): void {
    this.#holder?.setInterest(this.#slot, this.#generation, interest);
  }

  setLayer(layer: Layer, interest: number): void {
    this.#holder?.setLayer(this.#slot, this.#generation, layer, interest);
  }

  setState(state: number): void {
    this.#holder?.engine.channelSetState(this.#slot, this.#generation, state);
    this.#holder?.changed();
  }

  endInput(): void {
    this.#holder?.engine.channelEndInput(this.#slot, this.#generation);
    this.#holder?.changed();
  }

  /** @returns one of `Pause` */
  pause(): number {
    const result = this.#holder?.engine.channelPause(this.#slot, this.#generation) ?? Pause.NONE;
    this.#holder?.changed();
    return result;
  }

  takeError(): string | undefined {
    const errno = this.#holder?.engine.channelTakeError(this.#slot, this.#generation) ?? 0;
    return errno === 0 ? undefined : wasiErrorCode(errno);
  }

  remove(): void {
    this.#holder?.remove(this.#slot, this.#generation);
    this.#holder = undefined;
  }
}
