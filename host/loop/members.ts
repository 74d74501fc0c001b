/**
 * Owns which channels are in the map of one engine: by slot, by descriptor, and in channel order. Knows no engine and no
 * handler class.
 *
 * What is known of a channel beside itself is in typed arrays: a Map by descriptor, and an object a channel, would take
 * several times their memory.
 */

import { roomFor } from "../backend/tables.js";
import type { Channel } from "./channel.js";
import { Member, type MemberHolder } from "./member.js";

const FIRST_CAPACITY = 16;

export class Members {
  /** How many there are. */
  size = 0;
  readonly #holder: MemberHolder;
  /** By slot. */
  readonly #channels: (Channel | undefined)[] = [];
  /** By slot: the descriptor, doubled, and 1 more if the channel is sampled. */
  #descriptors = new Int32Array(FIRST_CAPACITY);
  /** By slot: which addition to the map it was, counted from 1; 0 where there is no channel. */
  #additions = new Float64Array(FIRST_CAPACITY);
  /** By slot: when the channel came into the map. */
  #addedMs = new Float64Array(FIRST_CAPACITY);
  /** By descriptor: its slot plus 1; 0 where it has none. */
  #slots = new Int32Array(FIRST_CAPACITY);
  #lastAddition = 0;

  constructor(holder: MemberHolder) {
    this.#holder = holder;
  }

  channelAt(slot: number): Channel | undefined {
    return this.#channels[slot];
  }

  fdAt(slot: number): number {
    return (this.#descriptors[slot] ?? 0) >> 1;
  }

  isSampledAt(slot: number): boolean {
    return ((this.#descriptors[slot] ?? 0) & 1) !== 0;
  }

  addedMsAt(slot: number): number {
    return this.#addedMs[slot] ?? 0;
  }

  /** The slot of the channel on a descriptor; -1 if there is none. */
  slotOf(fd: number): number {
    return (this.#slots[fd] ?? 0) - 1;
  }

  has(fd: number): boolean {
    return this.slotOf(fd) >= 0;
  }

  /** A descriptor has one channel: what it had before was removed. */
  add(slot: number, channel: Channel, fd: number, isSampled: boolean, nowMs: number): void {
    if (slot >= this.#additions.length) this.#growSlots(slot);
    if (fd >= this.#slots.length) this.#slots = grown(this.#slots, new Int32Array(roomFor(fd, this.#slots)));
    this.#channels[slot] = channel;
    this.#descriptors[slot] = fd * 2 + Number(isSampled);
    this.#additions[slot] = ++this.#lastAddition;
    this.#addedMs[slot] = nowMs;
    this.#slots[fd] = slot + 1;
    this.size += 1;
  }

  remove(slot: number): void {
    this.#channels[slot] = undefined;
    this.#additions[slot] = 0;
    this.#slots[this.fdAt(slot)] = 0;
    this.size -= 1;
  }

  /**
   * Channels and their slots, in channel order. As in the iteration of a Map, what is removed meanwhile is left out, and what
   * is added meanwhile follows.
   */
  *entries(): IterableIterator<[slot: number, channel: Channel]> {
    for (let seen = 0; seen < this.#lastAddition;) {
      const found = this.#addedAfter(seen);
      seen = this.#lastAddition;
      for (const { slot, addition } of found) {
        const channel = this.#channels[slot];
        if (channel !== undefined && this.#additions[slot] === addition) yield [slot, channel];
      }
    }
  }

  *channels(): IterableIterator<Channel> {
    for (const [, channel] of this.entries()) yield channel;
  }

  *values(): IterableIterator<Member> {
    for (const [slot] of this.entries()) {
      const member = new Member();
      this.#holder.place(member, slot);
      yield member;
    }
  }

  #addedAfter(seen: number): { readonly slot: number; readonly addition: number }[] {
    const found = [];
    for (let slot = 0; slot < this.#channels.length; slot++) {
      const addition = this.#additions[slot] ?? 0;
      if (addition > seen) found.push({ slot, addition });
    }
    return found.toSorted((one, other) => one.addition - other.addition);
  }

  #growSlots(slot: number): void {
    const room = roomFor(slot, this.#additions);
    this.#descriptors = grown(this.#descriptors, new Int32Array(room));
    this.#additions = grown(this.#additions, new Float64Array(room));
    this.#addedMs = grown(this.#addedMs, new Float64Array(room));
  }
}

function grown<T extends Int32Array | Float64Array>(table: T, larger: T): T {
  larger.set(table);
  return larger;
}
