/**
 * Owns the wrapper of a backend that writes everything into a journal: what was called with what, and what came back. Knows
 * the seam; knows no file.
 *
 * Turns are passed on, so the backend batches its calls beneath the wrapper as it does without it.
 */

import type { Backend, Clock, PollSet } from "../backend/backend.js";
import { CALLS, type CallForm, Kind, type RecordedCall, type ShortCall } from "./calls.js";
import { type Journal, NO_BYTES } from "./journal.js";
import { Thrown } from "./values.js";

/** What is called at moments when the program has time. */
export interface Moments {
  /** A turn has ended, or something was recorded outside of one. */
  rest(): void;
  /** How many milliseconds may what is recorded and not written yet stay so? Infinity where that is nothing. */
  unwrittenMs?: () => number;
  /** Writes it: in a wait that blocks no timer fires. */
  write?: () => void;
  /** A descriptor was made, changed or closed, for a snapshot. */
  changed?: (name: RecordedCall, args: readonly unknown[], result: unknown) => void;
}

const NS_PER_MS = 1e6;

type AnyCall = (...args: unknown[]) => unknown;

/** Not -0, and nothing that a record's short form cannot say. */
function isNatural(value: unknown): value is number {
  return typeof value === "number" && (value | 0) === value && value >= 0;
}

/** @returns `inner`, recorded: a backend of its own, which has no state but the journal's */
export function wrapBackend(inner: Backend, journal: Journal, moments: Moments): Backend {
  let sets = 0;
  let lookups = 0;
  /** Is a microtask under way that says that one has run? */
  let isMicrotaskDue = false;
  let isInTurn = false;
  const ran = (): void => {
    isMicrotaskDue = false;
  };

  const clock: Clock = {
    get turnTaker() {
      return inner.clock.turnTaker;
    },
    monotonicNs() {
      const now = inner.clock.monotonicNs();
      journal.clock(Kind.CLOCK, now);
      return now;
    },
    turnNs() {
      const now = inner.clock.turnNs?.() ?? inner.clock.monotonicNs();
      journal.clock(Kind.TURN_TIME, now);
      return now;
    },
    realtimeNs() {
      const now = inner.clock.realtimeNs();
      journal.note(Kind.REALTIME, now);
      return now;
    },
    threadCpuNs() {
      const used = inner.clock.threadCpuNs();
      journal.note(Kind.THREAD_CPU, used);
      return used;
    },
  };

  function rest(): void {
    if (!isInTurn) moments.rest();
  }

  /** Waits, and in the middle of a long wait writes what is due. */
  function waitOn(set: PollSet, timeoutMs: number): number {
    const unwrittenMs = timeoutMs > 0 ? (moments.unwrittenMs?.() ?? Infinity) : Infinity;
    if (unwrittenMs >= timeoutMs) return set.wait(timeoutMs);
    const beganNs = inner.clock.monotonicNs();
    const count = set.wait(unwrittenMs);
    const waitedMs = (inner.clock.monotonicNs() - beganNs) / NS_PER_MS;
    // A wait that ended early has ended for a reason: a signal.
    if (count !== 0 || waitedMs < unwrittenMs - 1) return count;
    moments.write?.();
    return set.wait(Math.max(timeoutMs - waitedMs, 0));
  }

  function wrapSet(set: PollSet, id: number): PollSet {
    return {
      update(fd, interest) {
        const result = set.update(fd, interest);
        if (result !== 0) journal.note(Kind.UPDATE_FAILED, id, fd, interest, result);
        return result;
      },
      wait(timeoutMs) {
        const count = waitOn(set, timeoutMs);
        journal.wait(id, count, set);
        journal.tick(inner.clock.monotonicNs());
        return count;
      },
      get ready() {
        return set.ready;
      },
      get alwaysReady() {
        return set.alwaysReady;
      },
      watch: (onReady) => set.watch(onReady),
      beginTurn() {
        isInTurn = true;
        journal.turn(id, isMicrotaskDue);
        set.beginTurn();
      },
      endTurn() {
        set.endTurn();
        journal.tick(inner.clock.monotonicNs());
        journal.turnEnd(id);
        isInTurn = false;
        if (!isMicrotaskDue) {
          isMicrotaskDue = true;
          queueMicrotask(ran);
        }
        moments.rest();
      },
      close() {
        set.close();
        journal.note(Kind.SET_CLOSED, id);
      },
    };
  }

  /** A call whose record has its arguments and its result as values. */
  function plain(name: RecordedCall, form: CallForm): AnyCall {
    const call = (inner[name] as AnyCall).bind(inner);
    const { target } = form;
    return (...args) => {
      let result: unknown;
      try {
        result = call(...args);
      } catch (error) {
        journal.call(form, args, new Thrown(error), NO_BYTES);
        throw error;
      }
      journal.call(form, args, result, target === undefined ? NO_BYTES : filledOf(args[target], result));
      moments.changed?.(name, args, result);
      rest();
      return result;
    };
  }

  const entries = Object.entries(CALLS) as [RecordedCall, CallForm][];
  const all = Object.fromEntries(entries.map(([name, form]) => [name, plain(name, form)])) as unknown as Pick<
    Backend,
    RecordedCall
  >;

  const short: Pick<Backend, ShortCall> = {
    receive(fd, maxBytes) {
      if (!isNatural(fd) || !isNatural(maxBytes)) return all.receive(fd, maxBytes);
      const data = inner.receive(fd, maxBytes);
      if (typeof data === "number") journal.received(Kind.RECEIVE, fd, maxBytes, data, NO_BYTES);
      else journal.received(Kind.RECEIVE, fd, maxBytes, data.length, data);
      rest();
      return data;
    },
    recv(fd, target, length) {
      const most = length ?? target?.length;
      if (!isNatural(fd) || !isNatural(most)) return all.recv(fd, target, length);
      const count = inner.recv(fd, target, length);
      journal.received(Kind.RECV, fd, most, count, target);
      rest();
      return count;
    },
    read(fd, target, length) {
      const most = length ?? target?.length;
      if (!isNatural(fd) || !isNatural(most)) return all.read(fd, target, length);
      const count = inner.read(fd, target, length);
      journal.received(Kind.READ, fd, most, count, target);
      rest();
      return count;
    },
    readBytes(fd, maxBytes) {
      if (!isNatural(fd) || !isNatural(maxBytes)) return all.readBytes(fd, maxBytes);
      const data = inner.readBytes(fd, maxBytes);
      if (typeof data === "number") journal.received(Kind.READ_BYTES, fd, maxBytes, data, NO_BYTES);
      else journal.received(Kind.READ_BYTES, fd, maxBytes, data.length, data);
      rest();
      return data;
    },
    send(fd, data) {
      if (!isNatural(fd) || !isBytes(data)) return all.send(fd, data);
      const result = inner.send(fd, data);
      journal.sent(Kind.SEND, fd, data, result);
      rest();
      return result;
    },
    sendVector(fd, pieces) {
      if (!isNatural(fd) || !Array.isArray(pieces) || !pieces.every(isBytes)) return all.sendVector(fd, pieces);
      const result = inner.sendVector(fd, pieces);
      journal.sentAll(fd, pieces, result);
      rest();
      return result;
    },
    write(fd, data) {
      if (!isNatural(fd) || !isBytes(data)) return all.write(fd, data);
      const result = inner.write(fd, data);
      journal.sent(Kind.WRITE, fd, data, result);
      rest();
      return result;
    },
    close(fd) {
      if (!isNatural(fd)) return all.close(fd);
      const result = inner.close(fd);
      journal.closed(fd, result);
      moments.changed?.("close", [fd], result);
      rest();
      return result;
    },
  };

  return {
    ...all,
    ...short,
    name: inner.name,
    clock,
    errorCode: (errno) => inner.errorCode(errno),
    createPollSet() {
      const set = inner.createPollSet();
      const id = sets++;
      journal.note(Kind.SET, id);
      return wrapSet(set, id);
    },
    async lookup(host, family) {
      const id = lookups++;
      journal.note(Kind.LOOKUP, id, host, family);
      try {
        const found = await inner.lookup(host, family);
        journal.note(Kind.LOOKED_UP, id, found);
        return found;
      } catch (error) {
        journal.note(Kind.LOOKED_UP, id, new Thrown(error));
        throw error;
      }
    },
  };
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array;
}

/** What a call has put into its target: it returns how much, or an object that has it as `length`. */
function filledOf(target: unknown, result: unknown): Uint8Array {
  const length = typeof result === "object" && result !== null ? (result as { length?: unknown }).length : result;
  if (!(target instanceof Uint8Array) || typeof length !== "number" || length <= 0) return NO_BYTES;
  return target.subarray(0, length);
}
