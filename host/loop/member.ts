/** Owns what a channel that is in a map can change about itself. Knows the engine's calls about one channel; no scheduler. */

import type { Channel, Registration } from "./channel.js";
import type { EngineExports } from "./engine.js";
import type { LayerLink } from "./layered.js";
import type { Layer } from "../net/endpoint.js";
import { wasiErrorCode } from "../wasi/errno.js";

/** What holds the members of one engine. */
export interface MemberHolder {
  readonly engine: EngineExports;
  /** Something changed that a waiting loop must know of. */
  changed(): void;
  remove(member: Member): void;
  /** @throws LoopError ERR_TLS_LOOP_SYNC inside `loopSync` */
  setLayer(member: Member, layer: Layer, interest: number): void;
}

/** A channel in the map, with its slot and generation in the engine. */
export class Member implements Registration {
  readonly #holder: MemberHolder;
  readonly channel: Channel;
  readonly fd: number;
  readonly slot: number;
  readonly generation: number;
  readonly isSampled: boolean;
  /** Events of the descriptor pass through it, if there is one. */
  link: LayerLink | undefined;

  constructor(
    holder: MemberHolder,
    channel: Channel,
    fd: number,
    slot: number,
    generation: number,
    isSampled: boolean,
  ) {
    this.#holder = holder;
    this.channel = channel;
    this.fd = fd;
    this.slot = slot;
    this.generation = generation;
    this.isSampled = isSampled;
    this.link = undefined;
  }

  setInterest(interest: number): void {
    if (this.link === undefined) this.watch(interest);
    else this.link.want(interest);
  }

  /** Sets what the descriptor is watched for: bits of `Interest`. */
  watch(interest: number): void {
    this.#holder.engine.channelSetInterest(this.slot, this.generation, interest);
    this.#holder.changed();
  }

  setLayer(layer: Layer, interest: number): void {
    this.#holder.setLayer(this, layer, interest);
  }

  setState(state: number): void {
    this.#holder.engine.channelSetState(this.slot, this.generation, state);
    this.#holder.changed();
  }

  endInput(): void {
    this.#holder.engine.channelEndInput(this.slot, this.generation);
    this.#holder.changed();
  }

  pause(): void {
    this.#holder.engine.channelPause(this.slot, this.generation);
    this.#holder.changed();
  }

  takeError(): string | undefined {
    const errno = this.#holder.engine.channelTakeError(this.slot, this.generation);
    return errno === 0 ? undefined : wasiErrorCode(errno);
  }

  remove(): void {
    this.#holder.remove(this);
  }
}
