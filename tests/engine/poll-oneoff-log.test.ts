/** Holds `poll_oneoff` as the host answers it for the engine: by its change log alone. */

import { describe, expect, test } from "vitest";
import { Ready } from "../../host/backend/backend.js";
import { clock, createCaller, event, failed, fd, type Change } from "./scripted-caller.js";
import { Errno, FD_PRIORITY, FD_READ, FD_WRITE } from "./wasi-bytes.js";

const { READ, WRITE, PRIORITY } = Ready;
const BOTH = READ | WRITE;
/** Who keeps a log hears of urgent data wherever it reads. */
const URGENT_TOO = READ | PRIORITY;

describe("a caller with a change log", () => {
  const timeout = clock(0xffff_ffff_ffff_ffffn, 20_500_000n);

  test("has only its changes read, and its first clock", () => {
    const { call, pollSet, timesTaken } = createCaller({
      log: [
        [7, READ, 1, 3],
        [8, BOTH, 2, 5],
      ],
    });
    pollSet.findings.push([
      { fd: 7, bits: READ },
      { fd: 8, bits: BOTH },
    ]);
    const unread = fd(99, 77, 0n);
    expect(call(timeout, unread, unread, unread)).toEqual([
      event(0x3_0000_0001n, FD_READ),
      event(0x5_0000_0002n, FD_READ),
      event(0x5_0000_0002n, FD_WRITE),
    ]);
    expect(pollSet.takeUpdates()).toEqual([
      [7, URGENT_TOO],
      [8, BOTH | PRIORITY],
    ]);
    expect(call(timeout)).toEqual([]);
    expect([pollSet.updates, pollSet.waits, timesTaken()]).toEqual([[], [20.5, 20.5], 1]);
  });

  test("reports out-of-band data after everything else of the descriptor", () => {
    const { call, pollSet } = createCaller({ log: [[7, BOTH, 1, 3]] });
    pollSet.findings.push([{ fd: 7, bits: PRIORITY | BOTH }]);
    const types = [FD_READ, FD_WRITE, FD_PRIORITY];
    expect(call(timeout, timeout, timeout)).toEqual(types.map((type) => event(0x3_0000_0001n, type)));
  });

  test("applies changes in their order, and a descriptor's events are its last owner's", () => {
    const { call, pollSet } = createCaller({
      log: [
        [7, 0, 1, 3],
        [9, READ, 4, 1],
        [7, READ, 2, 5],
      ],
    });
    pollSet.findings.push([{ fd: 7, bits: READ }]);
    expect(call(timeout, timeout, timeout)).toEqual([event(0x5_0000_0002n, FD_READ)]);
    expect(pollSet.updates).toEqual([
      [7, 0],
      [9, URGENT_TOO],
      [7, URGENT_TOO],
    ]);
  });

  test("reports a descriptor that cannot be watched once", () => {
    const { call, poller, pollSet } = createCaller({ log: [[7, BOTH, 1, 3]] });
    pollSet.refused.set(7, -9);
    const types = [FD_READ, FD_WRITE];
    expect(call(timeout, timeout, timeout)).toEqual(types.map((type) => failed(0x3_0000_0001n, type, Errno.BADF)));
    expect([pollSet.waits, poller.isImmediate]).toEqual([[0], false]);
    expect(call(timeout)).toEqual([]);
  });

  test("may apply its changes before it waits elsewhere; a failure among them makes the call immediate", () => {
    const { call, poller, pollSet, timesTaken, writeLog } = createCaller({
      log: [
        [7, READ, 1, 3],
        [8, READ, 2, 5],
      ],
    });
    pollSet.refused.set(8, -9);
    writeLog();
    expect(poller.isImmediate).toBe(false);
    poller.synchronize();
    expect([poller.isImmediate, timesTaken(), pollSet.takeUpdates()]).toEqual([
      true,
      1,
      [
        [7, URGENT_TOO],
        [8, URGENT_TOO],
      ],
    ]);
    expect(call(timeout, timeout, timeout)).toEqual([failed(0x5_0000_0002n, FD_READ, Errno.BADF)]);
    expect([poller.isImmediate, pollSet.updates]).toEqual([false, []]);
  });

  test("reports no failure whose channel is gone before the report", () => {
    const log: Change[] = [
      [7, BOTH, 1, 3],
      [8, READ, 2, 5],
    ];
    const { call, poller, pollSet, writeLog } = createCaller({ log });
    pollSet.refused.set(7, -9).set(8, -9);
    writeLog();
    poller.synchronize();
    log.push([7, 0, 1, 3]);
    expect(call(timeout, timeout)).toEqual([failed(0x5_0000_0002n, FD_READ, Errno.BADF)]);
  });

  test("is immediate while the poll set has what is always ready", () => {
    const { poller, pollSet } = createCaller({ log: [] });
    pollSet.alwaysReady = true;
    expect(poller.isImmediate).toBe(true);
  });
});
