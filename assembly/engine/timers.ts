/**
 * Owns the timers: a binary heap by deadline, ties by age, over a table of slots with generations. Knows no channel,
 * no clock and no handler: it is given the time, and returns which timers are due.
 *
 * Due timers leave the heap together before the first of them is fired, so that one which a callback starts, however
 * early its deadline, waits for the next turn.
 */

import { RECORDS_SIZE, Records } from "./records";


@unmanaged
export class Timer {
  deadlineNs: i64;
  /** 0: fires once. */
  periodNs: i64;
  /** Order of starting; a repeating timer is started anew each time. */
  age: u64;
  /** Grows by one when the slot is given out and when it is freed: odd while in use. */
  generation: u32;
  /** Index in the heap, or DUE. */
  heapAt: i32;
  /** Links free slots. */
  next: i32;
  private _pad: u32;
}


@unmanaged
class Place {
  slot: i32;
}

/** A timer that has left the heap to be fired. */
@unmanaged
class DueTimer {
  slot: i32;
  generation: u32;
}

const NONE: i32 = -1;
const DUE: i32 = -1;

const timers = changetype<Records<Timer>>(memory.data(RECORDS_SIZE));
const heapPlaces = changetype<Records<Place>>(memory.data(RECORDS_SIZE));
const due = changetype<Records<DueTimer>>(memory.data(RECORDS_SIZE));
let dueNext: i32 = 0;
let free: i32 = NONE;
let nextAge: u64 = 0;
let running: i32 = 0;

export function timerCount(): i32 {
  return running;
}

/** Was this slot ever given out? Only then is there a record to look at. */
export function isTimerSlot(slot: i32): bool {
  return <u32>slot < <u32>timers.length;
}

export function timerGeneration(slot: i32): u32 {
  return timers.at(slot).generation;
}

/** Is this the name of a running timer? */
export function isRunning(slot: i32, generation: u32): bool {
  return isTimerSlot(slot) && timers.at(slot).generation == generation && (generation & 1) == 1;
}

/** Memory for one more timer: its record, its place in the heap, and one among those due. @returns whether there is some. */
export function reserveTimerSlot(): bool {
  const count = running + 1;
  return (
    (free != NONE || timers.tryReserve(timers.length + 1)) && heapPlaces.tryReserve(count) && due.tryReserve(count)
  );
}

export function addTimer(deadlineNs: i64, periodNs: i64): i32 {
  let slot = free;
  if (slot == NONE) {
    slot = timers.add();
    timers.at(slot).generation = 0;
  } else {
    free = timers.at(slot).next;
  }
  const timer = timers.at(slot);
  timer.generation += 1;
  timer.deadlineNs = deadlineNs;
  timer.periodNs = periodNs;
  timer.age = nextAge++;
  running += 1;
  insert(slot);
  return slot;
}

/** Stops a running timer. */
export function removeTimer(slot: i32): void {
  const timer = timers.at(slot);
  if (timer.heapAt != DUE) extract(timer.heapAt);
  timer.generation += 1;
  timer.next = free;
  free = slot;
  running -= 1;
}

/** Is a timer waiting for its deadline? */
@inline
export function hasDeadline(): bool {
  return heapPlaces.length > 0;
}

/** The earliest deadline; there must be one. */
export function nextDeadlineNs(): i64 {
  return timers.at(heapPlaces.at(0).slot).deadlineNs;
}

/** Takes every timer that is due at `nowNs` out of the heap, in firing order. */
export function collectDue(nowNs: i64): void {
  while (heapPlaces.length > 0 && nextDeadlineNs() <= nowNs) {
    const slot = heapPlaces.at(0).slot;
    extract(0);
    timers.at(slot).heapAt = DUE;
    const entry = due.at(due.add());
    entry.slot = slot;
    entry.generation = timers.at(slot).generation;
  }
}

/**
 * The next due timer to fire, or -1. The slot of one that fires once is free from here on; a repeating one waits for its
 * next deadline, and deadlines that have passed already are left out.
 */
export function takeDue(nowNs: i64): i32 {
  while (dueNext < due.length) {
    const entry = due.at(dueNext++);
    const slot = entry.slot;
    if (!isRunning(slot, entry.generation)) continue;
    const timer = timers.at(slot);
    if (timer.periodNs == 0) {
      removeTimer(slot);
    } else {
      const missed = (nowNs - timer.deadlineNs) / timer.periodNs;
      timer.deadlineNs += (missed + 1) * timer.periodNs;
      timer.age = nextAge++;
      insert(slot);
    }
    return slot;
  }
  due.length = 0;
  dueNext = 0;
  return NONE;
}

/** The turn was stopped: returns the due timers that were not fired to the heap, with their deadlines. */
export function returnDue(): void {
  while (dueNext < due.length) {
    const entry = due.at(dueNext++);
    if (isRunning(entry.slot, entry.generation)) insert(entry.slot);
  }
  due.length = 0;
  dueNext = 0;
}

function insert(slot: i32): void {
  const index = heapPlaces.add();
  place(slot, index);
  rise(index);
}

/** Takes the timer at `index` out of the heap. */
function extract(index: i32): void {
  const last = heapPlaces.length - 1;
  const moved = heapPlaces.at(last).slot;
  heapPlaces.length = last;
  if (index == last) return;
  place(moved, index);
  rise(index);
  fall(timers.at(moved).heapAt);
}


@inline
function place(slot: i32, index: i32): void {
  heapPlaces.at(index).slot = slot;
  timers.at(slot).heapAt = index;
}

function isBefore(a: i32, b: i32): bool {
  const first = timers.at(heapPlaces.at(a).slot);
  const second = timers.at(heapPlaces.at(b).slot);
  if (first.deadlineNs != second.deadlineNs) return first.deadlineNs < second.deadlineNs;
  return first.age < second.age;
}

function swap(a: i32, b: i32): void {
  const slot = heapPlaces.at(a).slot;
  place(heapPlaces.at(b).slot, a);
  place(slot, b);
}

function rise(from: i32): void {
  let index = from;
  while (index > 0) {
    const parent = (index - 1) >> 1;
    if (!isBefore(index, parent)) return;
    swap(index, parent);
    index = parent;
  }
}

function fall(from: i32): void {
  let index = from;
  while (true) {
    let least = index;
    const left = 2 * index + 1;
    if (left < heapPlaces.length && isBefore(left, least)) least = left;
    if (left + 1 < heapPlaces.length && isBefore(left + 1, least)) least = left + 1;
    if (least == index) return;
    swap(index, least);
    index = least;
  }
}
