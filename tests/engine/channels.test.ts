/** Holds how the engine names channels: by slot and generation, level-triggered, silent once they are closed. */

import { describe, expect, test } from "vitest";
import { EngineHarness, Errno, Interest, READ_WRITE, State, readable, urgent, writable } from "./harness.js";

const ORDERS = [
  ["all reads first", { byChannel: false }],
  ["channel by channel", { byChannel: true }],
] as const;

describe("level-triggered", () => {
  test("a channel is notified again in each turn that finds it ready, and not in between", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    expect(harness.turn([readable(a)])).toEqual(["read a"]);
    expect(harness.turn()).toEqual([]);
    expect(harness.turn([readable(a)])).toEqual(["read a"]);
  });

  test("it stays subscribed without a word from its handler", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { interest: READ_WRITE });
    harness.turn([readable(a), writable(a)]);
    harness.turn();
    expect(harness.watched()).toEqual(["read a", "write a"]);
  });

  test("readiness that nobody wants any more is no event", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    const b = harness.add("b", { interest: READ_WRITE });
    harness.when("read a", () => harness.setInterest(b, Interest.WRITE));
    expect(harness.turn([readable(a), readable(b), writable(b)])).toEqual(["read a", "write b"]);
  });

  test("a listener that loses its interest or its state during the turn is not notified", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    const b = harness.add("b", { state: State.ACCEPTING });
    const c = harness.add("c", { state: State.ACCEPTING });
    const d = harness.add("d", { state: State.ACCEPTING });
    harness.when("read a", () => {
      harness.setInterest(b, Interest.NONE);
      harness.setState(c, State.IDLE);
      harness.pause(d);
    });
    expect(harness.turn([readable(a), readable(b), readable(c), readable(d)])).toEqual(["read a"]);
  });
});

describe("slot and generation", () => {
  test("an event for a channel that is gone is dropped, and counted", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    harness.remove(a);
    expect(harness.turn([readable(a), writable(a), urgent(a)])).toEqual([]);
    expect(harness.statistics()).toMatchObject({ events: 3, dropped: 3 });
  });

  test("an event for an earlier owner of a slot and of a descriptor is dropped", () => {
    const harness = new EngineHarness();
    const before = harness.add("before", { fd: 7 });
    harness.remove(before);
    harness.turn();
    const after = harness.add("after", { fd: 7 });
    expect(after.slot).toBe(before.slot);
    expect(harness.turn([readable(before)])).toEqual([]);
    expect(harness.turn([readable(after)])).toEqual(["read after"]);
  });

  test("an event for a slot that never was is dropped", () => {
    const harness = new EngineHarness();
    expect(
      harness.turn([
        readable({ name: "", slot: 5000, generation: 1 }),
        readable({ name: "", slot: -1, generation: 1 }),
      ]),
    ).toEqual([]);
    expect(harness.statistics().dropped).toBe(2);
  });

  test.each(ORDERS)(
    "a descriptor that changes hands within the turn: its readiness was not the new owner's (%s)",
    (_name, options) => {
      const harness = new EngineHarness();
      const a = harness.add("a");
      const old = harness.add("old", { fd: 7, interest: READ_WRITE });
      harness.when("read a", () => {
        harness.remove(old);
        harness.add("new", { fd: 7, interest: READ_WRITE });
      });
      expect(harness.turn([readable(a), readable(old), writable(old), urgent(old)], options)).toEqual(["read a"]);
      harness.turn();
      expect(harness.watched()).toEqual(["read a", "read new", "write new"]);
    },
  );

  test("a slot freed in a turn is given out again only after it", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    const taken: number[] = [];
    harness.when("read a", () => {
      harness.remove(a);
      for (const name of ["b", "c"]) taken.push(harness.add(name).slot);
    });
    harness.turn([readable(a)]);
    expect(taken).not.toContain(a.slot);
    harness.turn();
    expect(harness.add("d").slot).toBe(a.slot);
  });

  test("calls with the name of a channel that is gone change nothing", () => {
    const harness = new EngineHarness();
    const gone = harness.add("gone", { fd: 7 });
    harness.remove(gone);
    harness.turn();
    const heir = harness.add("heir", { fd: 7, state: State.ACCEPTING });
    expect(heir.slot).toBe(gone.slot);

    harness.setInterest(gone, Interest.NONE);
    harness.setState(gone, State.IDLE);
    harness.endInput(gone);
    harness.pause(gone);
    expect(harness.remove(gone)).toBe(false);
    expect(harness.takeError(gone)).toBe(0);
    expect(harness.engine.channelCount()).toBe(1);
    harness.turn();
    expect(harness.watched()).toEqual(["read heir"]);
  });
});

describe("no callback after close", () => {
  test.each(ORDERS)("a channel that is removed by its own callback hears nothing more (%s)", (_name, options) => {
    const harness = new EngineHarness();
    const a = harness.add("a", { interest: READ_WRITE });
    harness.when("read a", () => harness.remove(a));
    const all = [readable(a, { hangup: true, nbytes: 0 }), writable(a, { hangup: true, nbytes: 0 }), urgent(a)];
    expect(harness.turn(all, options)).toEqual(["read a"]);
  });

  test.each(ORDERS)("one that another's callback removes hears nothing at all (%s)", (_name, options) => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    const b = harness.add("b", { interest: READ_WRITE });
    const listener = harness.add("listener", { state: State.ACCEPTING });
    const connecting = harness.add("connecting", { state: State.CONNECTING });
    harness.when("read a", () => [b, listener, connecting].forEach((each) => harness.remove(each)));
    const found = [readable(a), readable(b), writable(b), urgent(b), readable(listener), writable(connecting)];
    expect(harness.turn([...found, readable(b, { error: Errno.IO })], options)).toEqual(["read a"]);
  });

  test("a channel that is removed in its CONNECT callback is not notified of READ or WRITE", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.CONNECTING, interest: READ_WRITE });
    harness.when("connect a", () => harness.remove(a));
    expect(harness.turn([readable(a), writable(a)])).toEqual(["connect a"]);
  });

  test("a listener that is removed while it accepts accepts no more", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.ACCEPTING });
    harness.answer("accept a", 2);
    harness.when("accept a", () => harness.remove(a));
    expect(harness.turn([readable(a)])).toEqual(["accept a"]);
  });
});

describe("one bad descriptor hurts its own channel only", () => {
  test.each(ORDERS)(
    "its channel is closed, whatever its state, and notified of nothing else (%s)",
    (_name, options) => {
      const harness = new EngineHarness();
      const bad = { error: Errno.BADF, nbytes: 0 };
      const good = harness.add("good");
      const open = harness.add("open", { interest: READ_WRITE });
      const listener = harness.add("listener", { state: State.ACCEPTING });
      const connecting = harness.add("connecting", { state: State.CONNECTING });
      const datagram = harness.add("datagram", { stream: false });
      const found = [
        readable(open, bad),
        writable(open, bad),
        readable(listener, bad),
        writable(connecting, bad),
        readable(datagram, bad),
      ];
      expect(harness.turn([...found, readable(good)], options).toSorted()).toEqual([
        "close connecting",
        "close datagram",
        "close listener",
        "close open",
        "read good",
      ]);
      expect(harness.result).toBe(5);
    },
  );

  test("a poll that fails as a whole tells its errno, and touches no channel", () => {
    const harness = new EngineHarness();
    harness.add("a");
    expect(harness.turn(Errno.BADF)).toEqual([]);
    expect(harness.result).toBe(-Errno.BADF);
    harness.turn();
    expect(harness.watched()).toEqual(["read a"]);
  });

  test("a poll that a signal interrupts found nothing, and is no failure", () => {
    const harness = new EngineHarness();
    harness.add("a");
    harness.turn(Errno.INTR);
    expect(harness.result).toBe(0);
  });
});

test.each([-2147483648, -1, 1, 16, 100_000, 2147483647])(
  "slot %i, which was never given out, has generation 0",
  (slot) => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    harness.turn();
    expect(a.slot).toBe(0);
    const { engine } = harness;
    expect([engine.channelGeneration(slot), engine.channelRegistered(slot)]).toEqual([0, 0]);
    const timer = harness.startTimer("t", 0);
    expect([timer.slot, engine.timerGeneration(slot)]).toEqual([0, 0]);
  },
);
