/**
 * Owns a scripted module that calls `poll_oneoff`: its memory, its subscriptions, its change log where it keeps one.
 * Knows WASI's bytes; knows no engine.
 */

import { PollOneoff } from "../../host/wasi/poll-oneoff.js";
import { createScriptedBackend } from "./scripted-backend.js";
import {
  CLOCK,
  Errno,
  MONOTONIC,
  readEvents,
  SUBSCRIPTION_SIZE,
  writeSubscription,
  type WasiEvent,
  type WasiSubscription,
} from "./wasi-bytes.js";

export const PAGE = 65536;
export const COUNT_AT = 8;
const LOG_AT = 512;
export const SUBSCRIPTIONS_AT = 1024;
export const EVENTS_AT = 32768;

export function fd(id: number, tag: number, userdata: bigint): WasiSubscription {
  return { userdata, tag, id, timeoutNs: 0n, absolute: false };
}

export function clock(
  userdata: bigint,
  timeoutNs: bigint,
  { id = MONOTONIC, absolute = false } = {},
): WasiSubscription {
  return { userdata, tag: CLOCK, id, timeoutNs, absolute };
}

export function event(userdata: bigint, type: number, { error = 0, nbytes = 1, hangup = false } = {}): WasiEvent {
  return { userdata, type, error, nbytes, hangup };
}

export function failed(userdata: bigint, type: number, error: number): WasiEvent {
  return event(userdata, type, { error, nbytes: 0 });
}

/** [fd, interest, slot, generation] */
export type Change = readonly [number, number, number, number];

/** A module that calls `poll_oneoff`, with a change log or without. */
export function createCaller(options: { readonly log?: Change[] } = {}) {
  const scripted = createScriptedBackend();
  const memory = { buffer: new ArrayBuffer(PAGE) };
  const { log } = options;
  let taken = 0;
  const changeLog = {
    count: () => log?.length ?? 0,
    at: () => LOG_AT,
    taken: () => {
      taken++;
      log?.splice(0);
    },
  };
  const poller = new PollOneoff(scripted.backend, () => memory, log === undefined ? undefined : changeLog);

  function call(...subscriptions: WasiSubscription[]): WasiEvent[] | number {
    // Nothing may count on what was there before.
    new Uint8Array(memory.buffer).fill(0xff);
    subscriptions.forEach((each, index) =>
      writeSubscription(memory.buffer, SUBSCRIPTIONS_AT + index * SUBSCRIPTION_SIZE, each),
    );
    writeLog();
    const errno = poller.call(SUBSCRIPTIONS_AT, EVENTS_AT, subscriptions.length, COUNT_AT);
    if (errno !== Errno.SUCCESS) return errno;
    return readEvents(memory.buffer, EVENTS_AT, new DataView(memory.buffer).getUint32(COUNT_AT, true));
  }

  function writeLog(): void {
    log?.forEach((change, index) => new Int32Array(memory.buffer, LOG_AT + index * 16, 4).set(change));
  }

  return { ...scripted, memory, poller, call, writeLog, timesTaken: () => taken };
}
