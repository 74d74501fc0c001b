/**
 * Owns a poll set that answers from a recording: a descriptor that was ready then has to be watched now. Knows the player;
 * watches nothing, and knows no call but those of a poll set.
 */

import { type PollSet, Ready, ReadyRow } from "../../backend/backend.js";
import { Kind } from "../calls.js";
import { RecordingError } from "../format.js";
import { ROW_IS_LONG, TURN_FOLLOWS } from "../journal.js";
import type { Player } from "./player.js";

const ALWAYS_REPORTED = Ready.HANGUP | Ready.ERROR;
const ROWS_MAX = 0x10_0000;

/** A poll set that finds ready what was found then. */
export class ReplaySet implements PollSet {
  ready: Int32Array = new Int32Array(64);
  readonly alwaysReady = false;
  readonly #player: Player;
  readonly #id: number;
  /** By descriptor. */
  readonly #interests = new Map<number, number>();

  constructor(player: Player, id: number) {
    this.#player = player;
    this.#id = id;
  }

  /** The descriptor is closed. */
  forget(fd: number): void {
    this.#interests.delete(fd);
  }

  update(fd: number, interest: number): number {
    if (interest === 0) this.#interests.delete(fd);
    else this.#interests.set(fd, interest);
    return this.#player.reporting(() => this.#player.refused(this.#id, fd, interest));
  }

  wait(_timeoutMs: number): number {
    return this.#player.reporting(() => this.#wait());
  }

  #wait(): number {
    const player = this.#player;
    const fields = player.take(Kind.WAIT, "wait", undefined, () => "a wait of the loop");
    if (fields.varint() !== this.#id) {
      player.differ({ call: "wait", fd: undefined, expected: "a wait of another map", found: "a wait of this map" });
    }
    const count = fields.signed();
    if (count > ROWS_MAX) throw new RecordingError("damaged: too many descriptors are ready");
    if (count * ReadyRow.STRIDE > this.ready.length) this.ready = new Int32Array(count * ReadyRow.STRIDE * 2);
    let kept = 0;
    for (let i = 0; i < count; i++) {
      const at = kept * ReadyRow.STRIDE;
      const fd = fields.varint();
      const byte = fields.byte();
      const isLong = (byte & ROW_IS_LONG) !== 0;
      const bits = byte & ~ROW_IS_LONG;
      this.ready[at + ReadyRow.FD] = fd;
      this.ready[at + ReadyRow.BITS] = bits;
      this.ready[at + ReadyRow.ERROR] = isLong ? fields.signed() : 0;
      this.ready[at + ReadyRow.READABLE] = isLong ? fields.signed() : -1;
      if (this.#isWatched(fd, bits)) kept += 1;
    }
    player.used();
    return count < 0 ? count : kept;
  }

  /** A descriptor that is ready then has to be watched now. */
  #isWatched(fd: number, bits: number): boolean {
    const interest = this.#interests.get(fd) ?? 0;
    if (interest !== 0 && (bits & ~interest & ~ALWAYS_REPORTED) === 0) return true;
    // What it was watched for may have been done earlier, with a file that was there earlier.
    if (this.#player.hasFiles && (bits & Ready.READ) === 0) return false;
    this.#player.differ({
      call: "wait",
      fd,
      expected: `descriptor ${fd} is watched, and ready: ${bitsText(bits)}`,
      found: interest === 0 ? "it is not watched" : `it is watched for: ${bitsText(interest)}`,
    });
  }

  watch(): never {
    // The turns of a replay are taken by its clock.
    throw new RecordingError("a replay waits for nothing");
  }

  beginTurn(): void {
    this.#player.reporting(() => this.#beginTurn());
  }

  #beginTurn(): void {
    const player = this.#player;
    const fields = player.take(Kind.TURN, "turn", undefined, () => `a turn of map ${this.#id}`);
    const id = fields.varint();
    if (id !== this.#id) {
      player.differ({
        call: "turn",
        fd: undefined,
        expected: `a turn of map ${id}`,
        found: `a turn of map ${this.#id}`,
      });
    }
    if (fields.byte() > TURN_FOLLOWS) throw new RecordingError("damaged: a turn of an unknown form");
    player.turnUsed();
  }

  endTurn(): void {
    this.#player.reporting(() => this.#player.turnEnded());
  }

  close(): void {
    this.#interests.clear();
  }
}

function bitsText(bits: number): string {
  const names = Object.entries(Ready).filter(([, bit]) => (bits & bit) !== 0);
  return names.map(([name]) => name.toLowerCase()).join(", ");
}
