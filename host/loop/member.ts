/** Owns what a channel that is in a map can change about itself. Knows the engine's calls about one channel; no scheduler. */

import type { Channel, Registration } from "./channel.js";
import type { EngineExports } from "./engine.js";
import { wasiErrorCode } from "../wasi/errno.js";

/** What holds the members of one engine. */
export interface MemberHolder {
  readonly engine: EngineExports;
  /** Something changed that a waiting loop must know of. */
  changed(): void;
  remove(member: Member): void;
}

/** A channel in the map, with its slot and generation in the engine. */
export class Member implements Registration {
  readonly #holder: MemberHolder;
  readonly channel: Channel;
  readonly fd: number;
  readonly slot: number;
  readonly generation: number;
  readonly isSampled: boolean;

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
  }

  setInterest(interest: number): void {
    this.#holder.engine.channelSetInterest(this.slot, this.generation, interest);
    this.#holder.changed();
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
