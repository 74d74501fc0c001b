/** Owns timers and what they call: by slot of the engine, kept alive while they run. Knows no channel. */

import { isRunning, removeTimer, timerGeneration } from "../engine/timers";
import { startTimer as startEngineTimer } from "../engine/turn";
import { ERRNO_INVAL } from "../shared/errno";
import { raiseErrno } from "./errors";
import { withRoom } from "./memory";

const NS_PER_MS: f64 = 1e6;

/** The latest time that there is: some 126 years. */
const NS_MAX: f64 = 4e18;

/** What a timer calls where a function, which cannot know anything around it, is not enough. */
export interface TimerHandler {
  handleTimer(): void;
}

/** A timer started with `callLater`, `callAt` or `callEvery`. */
export class Timer {
  private slot: i32;
  private generation: u32;
  private callback: (() => void) | null;
  private handler: TimerHandler | null;

  constructor(slot: i32, callback: (() => void) | null, handler: TimerHandler | null) {
    this.slot = slot;
    this.generation = slot < 0 ? 0 : timerGeneration(slot);
    this.callback = callback;
    this.handler = handler;
  }

  /** Is it still to fire? */
  get active(): bool {
    return this.slot >= 0 && isRunning(this.slot, this.generation);
  }

  /** Stops it. @returns false where it had fired or was stopped already. */
  cancel(): bool {
    if (!this.active) return false;
    removeTimer(this.slot);
    unchecked((timers[this.slot] = null));
    return true;
  }

  call(): void {
    const callback = this.callback;
    const handler = this.handler;
    if (callback !== null) callback();
    else if (handler !== null) handler.handleTimer();
  }
}

// Lazy is for constants alone: asc may put any other beginning behind that of the program, where its loop runs.
@lazy
let timers: StaticArray<Timer | null> = [];

/** What the loop calls for a timer; nothing until there was one, so that a program without any does without the rest. */
let fire: (slot: i32) => void = fireNone;

/** A timer of the engine is due. */
export function fireTimer(slot: i32): void {
  fire(slot);
}

function fireNone(_slot: i32): void {}

/** @param callback a `() => void`, or a {@link TimerHandler} */
export function startTimer<T>(name: string, deadlineMs: f64, periodMs: f64, callback: T): Timer {
  if (!(deadlineMs >= 0 && deadlineMs < Infinity) || (name == "callEvery" && !(periodMs > 0))) {
    raiseErrno(ERRNO_INVAL, name);
    return new Timer(-1, null, null);
  }
  fire = fireStarted;
  const slot = startEngineTimer(toNs(deadlineMs), periodMs > 0 ? max<i64>(1, toNs(periodMs)) : 0);
  timers = withRoom<Timer | null>(timers, slot);
  let timer: Timer;
  if (isFunction<T>()) timer = new Timer(slot, callback, null);
  else timer = new Timer(slot, null, callback);
  unchecked((timers[slot] = timer));
  return timer;
}

function fireStarted(slot: i32): void {
  const timer = slot < timers.length ? unchecked(timers[slot]) : null;
  if (timer === null) return;
  if (!timer.active) unchecked((timers[slot] = null));
  timer.call();
}

export function cancelAllTimers(): void {
  for (let slot = 0; slot < timers.length; slot++) {
    const timer = unchecked(timers[slot]);
    if (timer !== null) timer.cancel();
  }
}

/** Nanoseconds; no time is earlier than 0. */
export function toNs(ms: f64): i64 {
  return i64(min(max(ms, 0.0) * NS_PER_MS, NS_MAX));
}
