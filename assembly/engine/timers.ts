/**
 * Owns the timers: a table of slots with generations, and when each is to fire, by deadline, ties by age. Knows no
 * channel, no clock and no handler: it is given the time, and returns which timer is due.
 *
 * Most timers of a program have the same delay, so that each is due after those before it: these are in a queue, in which
 * starting and firing cost O(1). The others are in a binary heap. The first of the two is the next to fire.
 *
 * The entry of a cancelled timer stays where it is, and is recognised by its generation; when there are more of these than
 * running timers, all of them are removed. So cancelling costs O(1) on average, and the memory for them is bounded.
 *
 * While timers fire, those that are started or repeat wait aside: however early its deadline, a timer that a callback
 * starts fires in the next turn.
 */

import { RECORDS_SIZE, Records } from "./records";


@unmanaged
export class Timer {
  /** 0: fires once. */
  periodNs: i64;
  /** Grows by one when the slot is given out and when it is freed: odd while in use. */
  generation: u32;
  /** Links free slots. */
  next: i32;
}

/** When a timer is to fire. */
@unmanaged
class Entry {
  deadlineNs: i64;
  /** Order of starting; a repeating timer is started anew each time. */
  age: u64;
  slot: i32;
  generation: u32;
}

const NONE: i32 = -1;
/** So many entries of cancelled timers may always be left behind. */
const CANCELLED_MIN: i32 = 64;

const timers = changetype<Records<Timer>>(memory.data(RECORDS_SIZE));
/** In order, from `queueFrom`. */
const queue = changetype<Records<Entry>>(memory.data(RECORDS_SIZE));
const heap = changetype<Records<Entry>>(memory.data(RECORDS_SIZE));
/** Those that wait aside while timers fire, by age. */
const aside = changetype<Records<Entry>>(memory.data(RECORDS_SIZE));
/** The entry that is moved down the heap. */
const moving = changetype<Entry>(memory.data(offsetof<Entry>(), 8));
let queueFrom: i32 = 0;
let free: i32 = NONE;
let nextAge: u64 = 0;
let running: i32 = 0;
let repeating: i32 = 0;
/** How many entries are of cancelled timers. */
let cancelled: i32 = 0;
let isFiring: bool = false;


@inline
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

/**
 * Memory for one more timer, its record and its entry, and for the next entry of each that repeats, wherever it will be.
 * @returns whether there is some.
 */
export function reserveTimerSlot(): bool {
  const more = 1 + repeating + aside.length;
  return (
    (free != NONE || timers.tryReserve(timers.length + 1)) &&
    // One that repeats may have an entry in the queue and one before `queueFrom`.
    queue.tryReserve(queue.length + more + repeating) &&
    heap.tryReserve(heap.length + more) &&
    aside.tryReserve(more)
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
  timer.periodNs = periodNs;
  running += 1;
  if (periodNs > 0) repeating += 1;
  start(deadlineNs, slot, timer.generation);
  return slot;
}

/** Stops a running timer. */
export function removeTimer(slot: i32): void {
  const timer = timers.at(slot);
  const last = queue.length - 1;
  if (last >= queueFrom && queue.at(last).slot == slot && queue.at(last).generation == timer.generation) {
    queue.length = last;
  } else {
    cancelled += 1;
  }
  release(slot, timer);
  if (cancelled > running + CANCELLED_MIN) removeCancelled();
}

/** The earliest deadline; there must be one. */
export function nextDeadlineNs(): i64 {
  return first().deadlineNs;
}

/** From here on, timers that are started wait aside. */
export function beginFiring(): void {
  isFiring = true;
}

/**
 * The next timer that is due, or -1. The slot of one that fires once is free from here on; a repeating one waits for its
 * next deadline, and deadlines that have passed already are left out.
 */
export function takeDue(nowNs: i64): i32 {
  if (running == 0) return NONE;
  const entry = first();
  if (changetype<usize>(entry) == 0 || entry.deadlineNs > nowNs) return NONE;
  const slot = entry.slot;
  const deadlineNs = entry.deadlineNs;
  removeFirst(entry);
  const timer = timers.at(slot);
  const periodNs = timer.periodNs;
  if (periodNs == 0) release(slot, timer);
  else start(deadlineNs + ((nowNs - deadlineNs) / periodNs + 1) * periodNs, slot, timer.generation);
  return slot;
}

/** Those that waited aside join the others. */
export function endFiring(): void {
  isFiring = false;
  for (let i = 0; i < aside.length; i++) {
    const entry = aside.at(i);
    if (isLeft(entry)) insert(entry.deadlineNs, entry.age, entry.slot, entry.generation);
    else cancelled -= 1;
  }
  aside.length = 0;
}

function start(deadlineNs: i64, slot: i32, generation: u32): void {
  const age = nextAge++;
  if (isFiring) put(aside, aside.add(), deadlineNs, age, slot, generation);
  else insert(deadlineNs, age, slot, generation);
}

function release(slot: i32, timer: Timer): void {
  if (timer.periodNs > 0) repeating -= 1;
  timer.generation += 1;
  timer.next = free;
  free = slot;
  running -= 1;
}

/** Has the timer of this entry not been cancelled? */
@inline
function isLeft(entry: Entry): bool {
  return timers.at(entry.slot).generation == entry.generation;
}

/** The entry of the timer that fires next, without those before it that were cancelled; a null pointer where none is left. */
function first(): Entry {
  while (true) {
    let entry = changetype<Entry>(0);
    if (queueFrom < queue.length) entry = queue.at(queueFrom);
    if (heap.length > 0 && (changetype<usize>(entry) == 0 || isBefore(heap.at(0), entry))) entry = heap.at(0);
    if (changetype<usize>(entry) == 0 || isLeft(entry)) return entry;
    removeFirst(entry);
    cancelled -= 1;
  }
}

/** Removes what {@link first} has given. */
function removeFirst(entry: Entry): void {
  if (heap.length > 0 && changetype<usize>(entry) == heap.base) {
    const last = heap.length - 1;
    heap.length = last;
    if (last > 0) fall(0, heap.at(last));
    return;
  }
  queueFrom += 1;
  // What lies before it is used again when it is half of the queue.
  if (queueFrom * 2 >= queue.length) keepLeft(queue, queueFrom);
}

function insert(deadlineNs: i64, age: u64, slot: i32, generation: u32): void {
  const last = queue.length - 1;
  if (last < queueFrom || queue.at(last).deadlineNs <= deadlineNs) {
    put(queue, queue.add(), deadlineNs, age, slot, generation);
    return;
  }
  let index = heap.add();
  while (index > 0) {
    const parent = (index - 1) >> 1;
    const above = heap.at(parent);
    if (above.deadlineNs <= deadlineNs) break;
    copy(heap.at(index), above);
    index = parent;
  }
  put(heap, index, deadlineNs, age, slot, generation);
}

/** Moves the entry at `from`, or another in its place, down the heap to where it belongs. */
function fall(from: i32, moved: Entry): void {
  copy(moving, moved);
  let index = from;
  while (true) {
    let least = 2 * index + 1;
    if (least >= heap.length) break;
    if (least + 1 < heap.length && isBefore(heap.at(least + 1), heap.at(least))) least += 1;
    if (!isBefore(heap.at(least), moving)) break;
    copy(heap.at(index), heap.at(least));
    index = least;
  }
  copy(heap.at(index), moving);
}

function removeCancelled(): void {
  keepLeft(queue, queueFrom);
  keepLeft(heap, 0);
  for (let i = (heap.length >> 1) - 1; i >= 0; i--) fall(i, heap.at(i));
  keepLeft(aside, 0);
}

/** Keeps the entries from `from` whose timers were not cancelled, in their order. */
function keepLeft(entries: Records<Entry>, from: i32): void {
  let kept = 0;
  for (let i = from; i < entries.length; i++) {
    const entry = entries.at(i);
    if (!isLeft(entry)) cancelled -= 1;
    else copy(entries.at(kept++), entry);
  }
  entries.length = kept;
  if (entries === queue) queueFrom = 0;
}

function isBefore(one: Entry, other: Entry): bool {
  if (one.deadlineNs != other.deadlineNs) return one.deadlineNs < other.deadlineNs;
  return one.age < other.age;
}

function copy(to: Entry, from: Entry): void {
  to.deadlineNs = from.deadlineNs;
  to.age = from.age;
  to.slot = from.slot;
  to.generation = from.generation;
}

function put(entries: Records<Entry>, index: i32, deadlineNs: i64, age: u64, slot: i32, generation: u32): void {
  const entry = entries.at(index);
  entry.deadlineNs = deadlineNs;
  entry.age = age;
  entry.slot = slot;
  entry.generation = generation;
}
