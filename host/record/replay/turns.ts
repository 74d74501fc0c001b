/**
 * Owns the turns of a replay: each is taken when its record comes, and the program has made the calls that come before it.
 * Knows the player and the seam of turns; knows no descriptor.
 *
 * Between two turns promises and the program's own timers go on, as they did then. Two turns between which no promise could
 * go on are taken without a pause.
 */

import { constants } from "node:os";
import type { Addresses, PollSet, Turns, TurnTaker } from "../../backend/backend.js";
import { Kind } from "../calls.js";
import { RecordingError } from "../format.js";
import { TURN_FOLLOWS } from "../journal.js";
import { readValue, textIn, Thrown } from "../values.js";
import { emitSignal, original } from "../outside/answer.js";
import type { OutsidePlayer } from "../outside/player.js";
import { ReplayOver } from "./difference.js";
import type { Player } from "./player.js";
import { areAddresses } from "./results.js";

/** How often the program is looked at while it is to make a call. */
const PAUSE_MS = 1;

interface Taken {
  readonly turns: Turns;
  readonly signal: AbortSignal | undefined;
  readonly abort: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Lookup {
  readonly resolve: (found: Addresses) => void;
  readonly reject: (error: unknown) => void;
}

export class TurnPlayer implements TurnTaker {
  readonly #player: Player;
  readonly #patienceMs: number;
  readonly #sets = new Map<PollSet, number>();
  /** By the number of the poll set. */
  readonly #taken = new Map<number, Taken>();
  readonly #lookups = new Map<number, Lookup>();
  readonly #outside: OutsidePlayer | undefined;
  #isPlaying = false;
  #position = -1;
  #sinceMs = 0;
  #isInTurn = false;

  /** @param patienceMs how long the program may take to make the next call */
  constructor(player: Player, patienceMs: number, outside: OutsidePlayer | undefined) {
    this.#player = player;
    this.#patienceMs = patienceMs;
    this.#outside = outside;
    if (outside !== undefined) outside.onBegin = () => this.#play();
  }

  add(set: PollSet, id: number): void {
    this.#sets.set(set, id);
  }

  lookup(id: number): Promise<Addresses> {
    return new Promise((resolve, reject) => {
      this.#lookups.set(id, { resolve, reject });
      this.#play();
    });
  }

  take(turns: Turns, signal: AbortSignal | undefined): Promise<void> {
    const id = this.#sets.get(turns.pollSet) ?? -1;
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        // Inside a turn, the loop ends after the turn.
        if (!this.#isInTurn) this.#end(id);
      };
      this.#taken.set(id, { turns, signal, abort, resolve, reject });
      signal?.addEventListener("abort", abort);
      if (signal?.aborted === true) this.#end(id);
      else this.#prepare(id);
      this.#play();
    });
  }

  /** Samples, as after a turn. */
  #prepare(id: number): void {
    const taken = this.#taken.get(id);
    if (taken === undefined) return;
    this.#attempt(id, () => {
      const waitMs = taken.signal?.aborted === true ? undefined : taken.turns.prepare(0);
      if (waitMs === undefined) this.#end(id);
    });
  }

  #attempt(id: number, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#end(id, { error });
    }
  }

  #end(id: number, thrown?: { readonly error: unknown }): void {
    const taken = this.#taken.get(id);
    if (taken === undefined) return;
    this.#taken.delete(id);
    taken.turns.onChange = undefined;
    taken.signal?.removeEventListener("abort", taken.abort);
    const over = thrown?.error instanceof ReplayOver;
    if (thrown === undefined || over) taken.resolve();
    else taken.reject(thrown.error);
  }

  /** Goes on in callbacks of its own, so that what Node does after each of them comes where it came. */
  #play(): void {
    if (this.#isPlaying) return;
    this.#isPlaying = true;
    this.#later(0);
  }

  #later(delayMs: number): void {
    if (delayMs === 0) original.setImmediate(this.#proceed);
    else original.setTimeout(this.#proceed, delayMs);
  }

  readonly #proceed = (): void => {
    const nowMs = performance.now();
    const player = this.#player;
    if (this.#position !== player.records.position) this.#sinceMs = nowMs;
    this.#position = player.records.position;
    const isAwaited = this.#taken.size + this.#lookups.size > 0;
    let call: (() => unknown) | undefined;
    try {
      call = this.#step(nowMs - this.#sinceMs);
    } catch (thrown) {
      const error = thrown instanceof RecordingError ? player.report(thrown) : thrown;
      this.#fail(error);
      // A program that waits for files and timers alone would wait for ever.
      if (!isAwaited && this.#outside !== undefined) player.fail(error);
    }
    this.#isPlaying = this.#taken.size + this.#lookups.size + (this.#outside?.waiting ?? 0) > 0;
    if (this.#isPlaying) this.#later(this.#position === player.records.position ? PAUSE_MS : 0);
    // What it throws is the program's uncaught exception.
    call?.();
  };

  /** What comes next, where that is not the program's to do. @returns the program's callback, where it is one */
  #step(waitedMs: number): (() => unknown) | undefined {
    const player = this.#player;
    player.rethrow();
    switch (player.next) {
      case Kind.TURN:
        // A turn may need what is being read: it has all of it sooner than it did, and never later.
        if (waitedMs >= this.#patienceMs || !this.#awaitsFiles()) this.#turns(waitedMs);
        return undefined;
      case Kind.LOOKED_UP:
        this.#lookedUp();
        return undefined;
      case Kind.SIGNAL: {
        const name = textIn(readValue(player.records.fields));
        // Nothing else of the process is to be notified of what a recording says.
        if (!Object.hasOwn(constants.signals, name)) throw new RecordingError("damaged: a signal that there is not");
        player.records.advance();
        return () => emitSignal(name as NodeJS.Signals);
      }
      case Kind.FILE_DONE:
      case Kind.TIMER: {
        const call = this.#outside?.proceed();
        if (call === undefined) this.#await(waitedMs, "the program has not begun it");
        return call;
      }
      case Kind.EXIT:
      case 0:
        if (!player.isAtEnd) return undefined;
        player.end();
        this.#fail(new ReplayOver("the recording is over"));
        return undefined;
      default:
        this.#await(waitedMs, "the program does nothing");
        return undefined;
    }
  }

  /** Are calls of node:fs under way? */
  #awaitsFiles(): boolean {
    // Their ends are in the recording.
    if (this.#outside !== undefined) return false;
    const isWaiting = process.getActiveResourcesInfo().some((name) => name.startsWith("FSReq"));
    this.#player.hasFiles ||= isWaiting;
    return isWaiting;
  }

  #await(waitedMs: number, found: string): void {
    if (waitedMs < this.#patienceMs) return;
    const player = this.#player;
    player.differ({ call: "between turns", fd: undefined, expected: player.expected, found });
  }

  /** Takes a turn, and those that followed it directly. */
  #turns(waitedMs: number): void {
    const player = this.#player;
    let follows = false;
    do {
      const { fields } = player.records;
      const { at } = fields;
      const id = fields.varint();
      follows = fields.byte() === TURN_FOLLOWS;
      fields.at = at;
      const taken = this.#taken.get(id);
      if (taken === undefined) return this.#await(waitedMs, `no loop runs on map ${id}`);
      const { turns } = taken;
      this.#attempt(id, () => {
        if (!follows) {
          if (turns.areSampled) turns.prepare(0);
          turns.beforeWait();
        }
        this.#isInTurn = true;
        try {
          turns.run();
        } finally {
          this.#isInTurn = false;
        }
      });
      player.rethrow();
      this.#prepare(id);
    } while (player.next === Kind.TURN && this.#followsDirectly());
  }

  #followsDirectly(): boolean {
    const { fields } = this.#player.records;
    const { at } = fields;
    fields.varint();
    const follows = fields.byte() === TURN_FOLLOWS;
    fields.at = at;
    return follows;
  }

  #lookedUp(): void {
    const player = this.#player;
    const id = readValue(player.records.fields);
    const result = readValue(player.records.fields);
    // What is thrown here rejects all lookups: this one as well.
    if (!(result instanceof Thrown) && !areAddresses(result)) throw new RecordingError("damaged: no addresses");
    player.records.advance();
    const lookup = typeof id === "number" ? this.#lookups.get(id) : undefined;
    if (lookup === undefined || typeof id !== "number") return;
    this.#lookups.delete(id);
    if (result instanceof Thrown) return lookup.reject(result.error);
    lookup.resolve(result as Addresses);
  }

  /** No turn follows, in any loop. */
  #fail(error: unknown): void {
    for (const id of [...this.#taken.keys()]) this.#end(id, { error });
    const lookups = [...this.#lookups.values()];
    this.#lookups.clear();
    for (const lookup of lookups) lookup.reject(error);
  }
}
