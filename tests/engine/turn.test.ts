/** Holds engine.wasm as a module, and what a turn costs: its imports and size, its memory, what it touches. */

import { describe, expect, test } from "vitest";
import { EngineHarness, Interest, READ_WRITE, State, Verdict, readable, urgent, writable } from "./harness.js";
import { importsOf, readModule } from "./wasm.js";

describe("engine.wasm", () => {
  test("imports two calls of WASI, two of its host, and the assertion's way out", () => {
    expect(importsOf(readModule("engine.wasm")).toSorted()).toEqual([
      "env.abort",
      "wasi_snapshot_preview1.clock_time_get",
      "wasi_snapshot_preview1.poll_oneoff",
      "wasyncore.ask",
      "wasyncore.deliver",
    ]);
  });

  test("is smaller than 16 KB", () => {
    expect(readModule("engine.wasm").byteLength).toBeLessThan(16 * 1024);
  });

  test("two engines share nothing", () => {
    const [one, other] = [new EngineHarness(), new EngineHarness()];
    one.add("a");
    one.startTimer("t", 0);
    expect([other.engine.channelCount(), other.engine.timerCount()]).toEqual([0, 0]);
    expect(other.turn()).toEqual([]);
    expect(other.poll.subscriptions).toEqual([]);
  });
});

describe("the clock subscription", () => {
  test.each([
    [0, 1n],
    [1e-9, 1n],
    [0.5, 500_000n],
    [30_000, 30_000_000_000n],
  ])("waiting %d ms is a timeout of %d ns: never 0", (timeoutMs, timeoutNs) => {
    const harness = new EngineHarness();
    harness.turn([], { timeoutMs });
    expect(harness.poll.timeoutNs).toBe(timeoutNs);
  });

  test("an endless wait is the longest that every host can count", () => {
    const harness = new EngineHarness();
    harness.turn([], { timeoutMs: Infinity });
    expect(harness.waitMs).toBe(0x7fffffff);
  });

  test.each([Infinity, 1e300, 0x80000000])(
    "a poll that is to wait %d ms waits as long as every host can count",
    (ms) => {
      const harness = new EngineHarness();
      harness.engine.turnRun(ms, 0);
      expect(harness.poll.timeoutNs).toBe(0x7fffffffn * 1_000_000n);
    },
  );

  test.each([-1, -1e300, -Infinity, Number.NaN])("a poll that is to wait %d ms does not wait", (ms) => {
    const harness = new EngineHarness();
    expect(harness.engine.turnPrepare(ms)).toBe(0);
    harness.engine.turnRun(ms, 0);
    expect(harness.poll.timeoutNs).toBe(1n);
  });

  test("comes first with any number of channels, and stays when they are gone", () => {
    const harness = new EngineHarness();
    const channels = Array.from({ length: 300 }, (_, index) => harness.add(`c${index}`, { interest: READ_WRITE }));
    harness.turn([], { timeoutMs: 5 });
    expect([harness.poll.subscriptions.length, harness.poll.timeoutNs]).toEqual([600, 5_000_000n]);
    channels.forEach((each) => harness.remove(each));
    harness.turn([], { timeoutMs: 6 });
    expect([harness.poll.subscriptions.length, harness.poll.timeoutNs]).toEqual([0, 6_000_000n]);
  });
});

describe("a turn costs what is ready, sampled or changed", () => {
  test("idle channels are neither sampled nor logged nor notified", () => {
    const harness = new EngineHarness();
    const channels = Array.from({ length: 1000 }, (_, index) => harness.add(`c${index}`));
    harness.turn();
    expect(harness.poll.changes).toHaveLength(1000);
    const before = harness.statistics();
    for (let turn = 0; turn < 10; turn++) {
      expect(harness.turn([readable(channels[turn] ?? { name: "", slot: -1, generation: 0 })])).toEqual([
        `read c${turn}`,
      ]);
      expect(harness.poll.changes).toEqual([]);
    }
    expect(harness.statistics()).toEqual({ ...before, turns: before.turns + 10, events: 10, reads: 10 });
  });

  test("a sampled channel whose answer stays the same changes nothing", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { sampled: true });
    harness.turn();
    harness.turn();
    expect(harness.poll.changes).toEqual([]);
    a.wants = READ_WRITE;
    harness.turn();
    expect(harness.poll.changes).toEqual([{ fd: a.fd, interest: READ_WRITE, slot: a.slot, generation: a.generation }]);
    expect(harness.statistics()).toMatchObject({ sampled: 3, changes: 2 });
  });

  test("saying what was said before changes nothing", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    harness.turn();
    harness.setInterest(a, Interest.READ);
    harness.setState(a, State.OPEN);
    harness.turn();
    expect(harness.poll.changes).toEqual([]);
  });
});

test("10,000 turns of the same channels and timers do not grow the memory", () => {
  const harness = new EngineHarness();
  const steady = Array.from({ length: 50 }, (_, index) =>
    harness.add(`c${index}`, { sampled: index % 2 === 0, interest: READ_WRITE }),
  );
  harness.startTimer("ticking", 1, 1);
  const toggled = harness.add("toggled");
  let passing = harness.add("passing");
  const found = steady.flatMap((each) => [readable(each), writable(each)]);

  function turns(count: number): void {
    for (let turn = 0; turn < count; turn++) {
      harness.nowMs += 1;
      harness.setInterest(toggled, turn & READ_WRITE);
      harness.remove(passing);
      passing = harness.add("passing");
      harness.cancelTimer(harness.startTimer("cancelled", 5));
      harness.turn(found, { byChannel: turn % 2 === 0 });
    }
  }

  turns(10);
  const { byteLength } = harness.engine.memory.buffer;
  const lastSlot = passing.slot;
  turns(10_000);
  expect(harness.engine.memory.buffer.byteLength).toBe(byteLength);
  expect(passing.slot).toBeLessThanOrEqual(lastSlot + 1);
  expect(harness.statistics()).toMatchObject({
    turns: 10_010,
    reads: 500_500,
    writes: 500_500,
    timers: 10_010,
    dropped: 0,
  });
});

test("every counter counts its own", () => {
  const harness = new EngineHarness();
  const open = harness.add("open", { sampled: true, interest: READ_WRITE, stream: false });
  const listener = harness.add("listener", { state: State.ACCEPTING });
  const connecting = harness.add("connecting", { state: State.CONNECTING });
  const bad = harness.add("bad");
  const gone = harness.add("gone");
  harness.remove(gone);
  harness.startTimer("t", 0);
  let waiting = 1;
  harness.answer("accept listener", () => (waiting-- > 0 ? Verdict.AGAIN : Verdict.GO_ON));
  harness.turn([
    ...[readable(open, { error: 29 }), writable(open), urgent(open)],
    ...[readable(listener), writable(connecting), readable(bad, { error: 8 }), readable(gone)],
  ]);
  harness.pause(listener);
  expect(harness.statistics()).toEqual({
    turns: 1,
    events: 7,
    dropped: 1,
    sampled: 1,
    accepts: 2,
    connects: 1,
    reads: 1,
    writes: 1,
    exceptionals: 1,
    closes: 1,
    errors: 1,
    timers: 1,
    channels: 5,
    // Coming into the map: open, listener, connecting, bad, gone; leaving it: gone; connected; paused.
    changes: 8,
    pauses: 1,
  });
});

describe("a turn inside a turn", () => {
  const ALREADY = -7;

  test("the host can tell that the second half is under way", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    const seen: number[] = [harness.engine.isTurning()];
    harness.when("read a", () => seen.push(harness.engine.isTurning()));
    harness.turn([readable(a)]);
    seen.push(harness.engine.isTurning());
    expect(seen).toEqual([0, 1, 0]);
  });

  test.each(["ask a", "poll", "read a", "timer t"])(
    "either half is refused inside of %s, and nothing changes",
    (where) => {
      const harness = new EngineHarness();
      const a = harness.add("a", { sampled: true });
      const b = harness.add("b");
      harness.startTimer("t", 0);
      let answers: number[] = [];
      harness.when(where, () => {
        answers = [harness.engine.turnPrepare(5), harness.engine.turnRun(0, 0), harness.engine.turnRun(0, 1)];
      });
      expect(harness.turn([readable(b), readable(a)])).toEqual(["read a", "read b", "timer t"]);
      expect(answers).toEqual([ALREADY, ALREADY, ALREADY]);
      expect([harness.result, harness.statistics().turns, harness.statistics().sampled]).toEqual([2, 1, 1]);
      expect(harness.turn([readable(b)])).toEqual(["read b"]);
    },
  );
});
