/**
 * Owns reading and writing WASI preview 1's `poll_oneoff` structures for the tests, offsets written out from the
 * specification: what the engine and the host write is held against this. Knows neither of them.
 */

export const CLOCK = 0;
export const FD_READ = 1;
export const FD_WRITE = 2;
export const FD_PRIORITY = 3;

export const REALTIME = 0;
export const MONOTONIC = 1;

export const SUBSCRIPTION_SIZE = 48;
export const EVENT_SIZE = 32;

/** Numbers of WASI's `errno`. */
export const Errno = {
  SUCCESS: 0,
  BADF: 8,
  CONNREFUSED: 14,
  CONNRESET: 15,
  FAULT: 21,
  INTR: 27,
  INVAL: 28,
  IO: 29,
  NOMEM: 48,
  NOTSUP: 58,
} as const;

export interface WasiSubscription {
  readonly userdata: bigint;
  readonly tag: number;
  /** The descriptor, or the clock. */
  readonly id: number;
  readonly timeoutNs: bigint;
  readonly absolute: boolean;
}

export interface WasiEvent {
  readonly userdata: bigint;
  readonly error: number;
  readonly type: number;
  readonly nbytes: number;
  readonly hangup: boolean;
}

export function readSubscriptions(memory: ArrayBuffer, at: number, count: number): WasiSubscription[] {
  const view = new DataView(memory, at, count * SUBSCRIPTION_SIZE);
  return Array.from({ length: count }, (_, index) => {
    const offset = index * SUBSCRIPTION_SIZE;
    return {
      userdata: view.getBigUint64(offset, true),
      tag: view.getUint8(offset + 8),
      id: view.getUint32(offset + 16, true),
      timeoutNs: view.getBigUint64(offset + 24, true),
      absolute: (view.getUint16(offset + 40, true) & 1) !== 0,
    };
  });
}

export function writeSubscription(memory: ArrayBuffer, at: number, subscription: WasiSubscription): void {
  const view = new DataView(memory, at, SUBSCRIPTION_SIZE);
  view.setBigUint64(0, subscription.userdata, true);
  view.setUint8(8, subscription.tag);
  view.setUint32(16, subscription.id, true);
  view.setBigUint64(24, subscription.timeoutNs, true);
  view.setBigUint64(32, 0n, true);
  view.setUint16(40, subscription.absolute ? 1 : 0, true);
}

export function readEvents(memory: ArrayBuffer, at: number, count: number): WasiEvent[] {
  const view = new DataView(memory, at, count * EVENT_SIZE);
  return Array.from({ length: count }, (_, index) => {
    const offset = index * EVENT_SIZE;
    return {
      userdata: view.getBigUint64(offset, true),
      error: view.getUint16(offset + 8, true),
      type: view.getUint8(offset + 10),
      nbytes: Number(view.getBigUint64(offset + 16, true)),
      hangup: (view.getUint16(offset + 24, true) & 1) !== 0,
    };
  });
}

export function writeEvent(memory: ArrayBuffer, at: number, event: WasiEvent): void {
  const view = new DataView(memory, at, EVENT_SIZE);
  view.setBigUint64(0, event.userdata, true);
  view.setUint16(8, event.error, true);
  view.setUint8(10, event.type);
  view.setBigUint64(16, BigInt(event.nbytes), true);
  view.setUint16(24, event.hangup ? 1 : 0, true);
}
