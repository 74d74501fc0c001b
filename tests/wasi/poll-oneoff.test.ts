/** Holds `poll_oneoff` as the host answers it for any WASI module: by its array of subscriptions. */

import { describe, expect, test } from "vitest";
import { Ready } from "../../host/backend/backend.js";
import {
  clock,
  COUNT_AT,
  createCaller,
  event,
  EVENTS_AT,
  failed,
  fd,
  PAGE,
  SUBSCRIPTIONS_AT,
} from "../engine/scripted-caller.js";
import {
  CLOCK,
  Errno,
  EVENT_SIZE,
  FD_PRIORITY,
  FD_READ,
  FD_WRITE,
  MONOTONIC,
  readEvents,
  REALTIME,
  SUBSCRIPTION_SIZE,
  writeSubscription,
} from "../engine/wasi-bytes.js";

const { READ, WRITE, PRIORITY, HANGUP, ERROR } = Ready;
const BOTH = READ | WRITE;
const HIGH = 0x8000_0001_0000_0000n;

describe("descriptors of a subscription array", () => {
  test("each direction of a descriptor has an event and a userdata of its own", () => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push([{ fd: 7, bits: BOTH }], [{ fd: 7, bits: WRITE }]);
    const array = [fd(7, FD_WRITE, HIGH + 1n), fd(7, FD_READ, HIGH + 2n)];
    expect(call(...array)).toEqual([event(HIGH + 2n, FD_READ), event(HIGH + 1n, FD_WRITE)]);
    expect(pollSet.takeUpdates()).toEqual([[7, BOTH]]);
    expect(call(...array)).toEqual([event(HIGH + 1n, FD_WRITE)]);
  });

  test("the poll set is changed only where the subscriptions differ from the call before", () => {
    const { call, pollSet } = createCaller();
    const timeout = clock(0n, 1n);
    call(timeout, fd(7, FD_READ, 1n), fd(8, FD_READ, 2n));
    expect(pollSet.takeUpdates()).toEqual([
      [7, READ],
      [8, READ],
    ]);
    call(timeout, fd(8, FD_READ, 2n), fd(7, FD_READ, 1n));
    expect(pollSet.takeUpdates()).toEqual([]);
    call(timeout, fd(7, FD_READ, 1n), fd(7, FD_WRITE, 3n), fd(9, FD_WRITE, 4n));
    expect(pollSet.takeUpdates().toSorted()).toEqual([
      [7, BOTH],
      [8, 0],
      [9, WRITE],
    ]);
    call(timeout);
    expect(pollSet.takeUpdates().toSorted()).toEqual([
      [7, 0],
      [9, 0],
    ]);
    call(timeout);
    expect(pollSet.takeUpdates()).toEqual([]);
  });

  test("another userdata for the same descriptor needs no word to the poll set", () => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push([{ fd: 7, bits: READ }], [{ fd: 7, bits: READ }]);
    expect(call(fd(7, FD_READ, 1n))).toEqual([event(1n, FD_READ)]);
    pollSet.takeUpdates();
    expect(call(fd(7, FD_READ, 2n))).toEqual([event(2n, FD_READ)]);
    expect(pollSet.updates).toEqual([]);
  });

  test("a descriptor that the module has closed is watched anew when its number comes back", () => {
    const { call, poller, pollSet } = createCaller();
    const array = [clock(0n, 1n), fd(7, FD_READ, 1n)];
    call(...array);
    poller.forget(7);
    poller.forget(99);
    expect(pollSet.takeUpdates()).toEqual([
      [7, READ],
      [7, 0],
    ]);
    call(...array);
    expect(pollSet.takeUpdates()).toEqual([[7, READ]]);
  });

  test("a large descriptor is as good as a small one, up to the largest that a process can have", () => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push([
      { fd: 0xfffff, bits: READ },
      { fd: 3, bits: READ },
    ]);
    expect(call(fd(3, FD_READ, 3n), fd(0xfffff, FD_READ, 5n))).toEqual([event(5n, FD_READ), event(3n, FD_READ)]);
  });

  test.each([0x100000, 0x7fffffff, 0x80000000, 0xffffffff])(
    "descriptor %i is none: an event says EBADF, at once",
    (id) => {
      const { call, pollSet } = createCaller();
      expect(call(fd(id, FD_WRITE, HIGH + 5n), clock(6n, 1_000_000_000n))).toEqual([
        failed(HIGH + 5n, FD_WRITE, Errno.BADF),
      ]);
      expect([pollSet.updates, pollSet.waits]).toEqual([[], [0]]);
    },
  );

  test("out-of-band data is no event of WASI's", () => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push([{ fd: 7, bits: READ | PRIORITY }]);
    expect(call(fd(7, FD_READ, 1n))).toEqual([event(1n, FD_READ)]);
  });
});

describe("a descriptor that cannot be watched", () => {
  test("has an error event in each direction, at once, and the others are served beside it", () => {
    const { call, pollSet } = createCaller();
    pollSet.refused.set(7, -9);
    pollSet.findings.push([{ fd: 8, bits: READ }]);
    expect(call(fd(7, FD_READ, 1n), fd(8, FD_READ, 2n), fd(7, FD_WRITE, 3n), clock(4n, 9n))).toEqual([
      failed(1n, FD_READ, Errno.BADF),
      failed(3n, FD_WRITE, Errno.BADF),
      event(2n, FD_READ),
    ]);
    expect(pollSet.waits).toEqual([0]);
  });

  test("is tried anew in the next call", () => {
    const { call, pollSet } = createCaller();
    pollSet.refused.set(7, -9);
    call(fd(7, FD_READ, 1n));
    expect(call(fd(7, FD_READ, 1n))).toEqual([failed(1n, FD_READ, Errno.BADF)]);
    pollSet.refused.clear();
    pollSet.takeUpdates();
    pollSet.findings.push([{ fd: 7, bits: READ }]);
    expect(call(fd(7, FD_READ, 1n))).toEqual([event(1n, FD_READ)]);
    expect(pollSet.updates).toEqual([[7, READ]]);
  });

  test("has an event with the reason, in WASI's number", () => {
    const { call, pollSet } = createCaller();
    pollSet.refused.set(7, -28).set(8, -77);
    expect(call(fd(7, FD_READ, 1n), fd(8, FD_READ, 2n))).toEqual([
      failed(1n, FD_READ, 51),
      failed(2n, FD_READ, Errno.IO),
    ]);
  });
});

describe("clocks of a subscription array", () => {
  test("the nearest bounds the wait, and only those that are due have an event", () => {
    const { call, pollSet } = createCaller();
    expect(call(clock(1n, 30_000_000n), clock(HIGH + 2n, 20_000_000n), clock(3n, 20_000_000n))).toEqual([
      failed(HIGH + 2n, CLOCK, 0),
      failed(3n, CLOCK, 0),
    ]);
    expect(pollSet.waits).toEqual([20]);
  });

  test("none has an event when a descriptor is ready first", () => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push([{ fd: 7, bits: READ }]);
    expect(call(clock(1n, 20_000_000n), fd(7, FD_READ, 2n))).toEqual([event(2n, FD_READ)]);
  });

  test("without one the wait has no end", () => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push([{ fd: 7, bits: READ }]);
    call(fd(7, FD_READ, 2n));
    expect(pollSet.waits).toEqual([Infinity]);
  });

  test.each([
    ["monotonic, absolute", MONOTONIC, true, 5_040_000_000n],
    ["realtime, relative", REALTIME, false, 40_000_000n],
    ["realtime, absolute", REALTIME, true, 1_700_000_005_040_000_000n],
  ])("%s", (_name, id, absolute, timeoutNs) => {
    const { call, pollSet } = createCaller();
    expect(call(clock(1n, timeoutNs, { id, absolute }))).toEqual([failed(1n, CLOCK, 0)]);
    expect(pollSet.waits).toEqual([40]);
  });

  test.each([
    ["relative, of no time", MONOTONIC, false, 0n],
    ["monotonic, past", MONOTONIC, true, 4_000_000_000n],
    ["realtime, past", REALTIME, true, 1n],
  ])("%s: due at once", (_name, id, absolute, timeoutNs) => {
    const { call, pollSet } = createCaller();
    expect(call(clock(1n, timeoutNs, { id, absolute }))).toEqual([failed(1n, CLOCK, 0)]);
    expect(pollSet.waits).toEqual([0]);
  });

  test("a clock that is not known has an event that says EINVAL, at once", () => {
    const { call, pollSet } = createCaller();
    expect(call(clock(1n, 1_000n, { id: 4 }), clock(2n, 1_000_000_000n))).toEqual([failed(1n, CLOCK, Errno.INVAL)]);
    expect(pollSet.waits).toEqual([0]);
  });

  test.each([2, 3])("clock %i, of CPU time, has an event that says ENOTSUP, at once", (id) => {
    const { call, pollSet } = createCaller();
    expect(call(clock(1n, 1_000n, { id }), clock(2n, 1_000_000_000n))).toEqual([failed(1n, CLOCK, Errno.NOTSUP)]);
    expect(pollSet.waits).toEqual([0]);
  });

  test("the largest timeout does not overflow", () => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push([{ fd: 7, bits: READ }]);
    call(clock(1n, 0xffff_ffff_ffff_ffffn), fd(7, FD_READ, 2n));
    expect(pollSet.waits[0]).toBeGreaterThan(1e12);
  });

  test("a wait that ends early, as by a signal, goes on: there is an event in every answer", () => {
    const { call, clock: time, pollSet } = createCaller();
    pollSet.findings.push([], []);
    const startNs = time.nowNs;
    expect(call(clock(1n, 20_000_000n))).toEqual([failed(1n, CLOCK, 0)]);
    expect([pollSet.waits, time.nowNs - startNs]).toEqual([[20, 20, 20], 20_000_000]);
  });
});

describe("what makes no sense", () => {
  test.each([FD_PRIORITY, 4, 255])("a subscription with tag %i has an event that says EINVAL, at once", (tag) => {
    const { call, pollSet } = createCaller();
    expect(call(fd(7, tag, HIGH + 1n), clock(2n, 1_000_000_000n))).toEqual([failed(HIGH + 1n, tag, Errno.INVAL)]);
    expect([pollSet.updates, pollSet.waits]).toEqual([[], [0]]);
  });

  test("no subscriptions at all: EINVAL", () => {
    const { call, pollSet } = createCaller();
    expect(call()).toBe(Errno.INVAL);
    expect(pollSet.waits).toEqual([]);
  });

  test.each([
    ["subscriptions", PAGE - SUBSCRIPTION_SIZE + 1, EVENTS_AT, 1, COUNT_AT],
    ["the second subscription", PAGE - SUBSCRIPTION_SIZE, EVENTS_AT, 2, COUNT_AT],
    ["subscriptions, at a negative address", -8, EVENTS_AT, 1, COUNT_AT],
    ["events", SUBSCRIPTIONS_AT, PAGE - EVENT_SIZE + 8, 1, COUNT_AT],
    ["events, at a negative address", SUBSCRIPTIONS_AT, -32, 1, COUNT_AT],
    ["the count", SUBSCRIPTIONS_AT, EVENTS_AT, 1, PAGE - 3],
    ["the count, at a negative address", SUBSCRIPTIONS_AT, EVENTS_AT, 1, -4],
    ["more subscriptions than any memory holds", SUBSCRIPTIONS_AT, EVENTS_AT, -1, COUNT_AT],
  ])("beyond the memory: %s: EFAULT, and nothing is done", (_name, subscriptionsAt, eventsAt, count, countAt) => {
    const { poller, pollSet } = createCaller();
    expect(poller.call(subscriptionsAt, eventsAt, count, countAt)).toBe(Errno.FAULT);
    expect([pollSet.updates, pollSet.waits]).toEqual([[], []]);
  });

  test("what just fits is good", () => {
    const { memory, poller } = createCaller();
    writeSubscription(memory.buffer, PAGE - SUBSCRIPTION_SIZE, clock(1n, 1n));
    expect(poller.call(PAGE - SUBSCRIPTION_SIZE, PAGE - SUBSCRIPTION_SIZE - EVENT_SIZE, 1, PAGE - 4)).toBe(
      Errno.SUCCESS,
    );
    expect(readEvents(memory.buffer, PAGE - SUBSCRIPTION_SIZE - EVENT_SIZE, 1)).toEqual([failed(1n, CLOCK, 0)]);
  });

  test("a wait that fails is the call's errno, and the next call is served", () => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push(-104, [{ fd: 7, bits: READ }]);
    expect(call(fd(7, FD_READ, 1n))).toBe(Errno.CONNRESET);
    expect(call(fd(7, FD_READ, 1n))).toEqual([event(1n, FD_READ)]);
  });
});

describe("hang-ups and errors", () => {
  test.each([0, 5])("a hang-up is reported in each direction, with the %i bytes that are left", (bytes) => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push([{ fd: 7, bits: BOTH | HANGUP, bytes }]);
    expect(call(fd(7, FD_READ, 1n), fd(7, FD_WRITE, 2n))).toEqual([
      event(1n, FD_READ, { hangup: true, nbytes: bytes }),
      event(2n, FD_WRITE, { hangup: true, nbytes: bytes }),
    ]);
  });

  test("a hang-up with an unknown number of bytes is reported as one with some", () => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push([{ fd: 7, bits: READ | HANGUP, bytes: -1 }]);
    expect(call(fd(7, FD_READ, 1n))).toEqual([event(1n, FD_READ, { hangup: true, nbytes: 1 })]);
  });

  test("a pending error is reported by WASI's number; one that was taken already is none", () => {
    const { call, pollSet } = createCaller();
    pollSet.findings.push([{ fd: 7, bits: READ | ERROR, error: -104 }], [{ fd: 7, bits: READ | ERROR }]);
    expect(call(fd(7, FD_READ, 1n))).toEqual([event(1n, FD_READ, { error: Errno.CONNRESET })]);
    expect(call(fd(7, FD_READ, 1n))).toEqual([event(1n, FD_READ)]);
  });
});

test("memory that has grown between two calls is read and written where it is now", () => {
  const { memory, poller, pollSet } = createCaller();
  writeSubscription(memory.buffer, SUBSCRIPTIONS_AT, clock(1n, 1n));
  expect(poller.call(SUBSCRIPTIONS_AT, EVENTS_AT, 1, COUNT_AT)).toBe(Errno.SUCCESS);

  // As memory.grow leaves it: detached.
  structuredClone(memory.buffer, { transfer: [memory.buffer] });
  memory.buffer = new ArrayBuffer(2 * PAGE);
  pollSet.findings.push([{ fd: 7, bits: READ }]);
  writeSubscription(memory.buffer, PAGE, fd(7, FD_READ, 2n));
  expect(poller.call(PAGE, PAGE + 4096, 1, PAGE + 8192)).toBe(Errno.SUCCESS);
  expect(new DataView(memory.buffer).getUint32(PAGE + 8192, true)).toBe(1);
  expect(readEvents(memory.buffer, PAGE + 4096, 1)).toEqual([event(2n, FD_READ)]);
});

test("closing releases the poll set", () => {
  const { poller, pollSet } = createCaller();
  poller.close();
  expect(pollSet.closed).toBe(true);
});
