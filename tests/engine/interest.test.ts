/** Holds what the engine asks, and what it has watched: interest pulled and pushed, by the state of a channel. */

import { describe, expect, test } from "vitest";
import { EngineHarness, Interest, READ_WRITE, State, readable, writable } from "./harness.js";

describe("pulled interest", () => {
  test("a sampled channel is sampled once every turn, in channel order; any other never", () => {
    const harness = new EngineHarness();
    harness.add("a", { sampled: true });
    harness.add("pushed");
    harness.add("b", { sampled: true });
    for (let turn = 0; turn < 3; turn++) {
      harness.turn();
      expect(harness.sampled).toEqual(["a", "b"]);
    }
    expect(harness.statistics().sampled).toBe(6);
  });

  test("its answer holds for this very turn", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { sampled: true, interest: Interest.NONE });
    harness.turn();
    expect(harness.watched()).toEqual([]);
    a.wants = READ_WRITE;
    harness.turn();
    expect(harness.watched()).toEqual(["read a", "write a"]);
    a.wants = Interest.WRITE;
    expect(harness.turn([readable(a), writable(a)])).toEqual(["write a"]);
    expect(harness.watched()).toEqual(["write a"]);
  });

  test("a sampled channel that is added while others are sampled waits for the next turn", () => {
    const harness = new EngineHarness();
    harness.add("a", { sampled: true });
    harness.add("b", { sampled: true });
    let added = 0;
    harness.when("ask a", () => harness.add(`new ${++added}`, { sampled: true }));
    harness.when("ask b", () => harness.add(`new ${++added}`, { sampled: true }));
    harness.turn();
    expect(harness.sampled).toEqual(["a", "b"]);
    expect(harness.watched()).toEqual(["read a", "read b"]);
    harness.turn();
    expect(harness.sampled).toEqual(["a", "b", "new 1", "new 2"]);
  });

  test("the last sampled channel that adds another and removes itself does not have it sampled", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { sampled: true });
    harness.when("ask a", () => {
      harness.remove(a);
      harness.add("b", { sampled: true });
    });
    harness.turn();
    expect(harness.sampled).toEqual(["a"]);
    harness.turn();
    expect(harness.sampled).toEqual(["b"]);
  });

  test("while asking, a channel may remove itself, those before it and those after it", () => {
    const harness = new EngineHarness();
    const [a, b, c, d] = ["a", "b", "c", "d", "e"].map((name) => harness.add(name, { sampled: true }));
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error("no channels");
    harness.when("ask b", () => [a, b, c, d].forEach((each) => harness.remove(each)));
    harness.turn();
    expect(harness.sampled).toEqual(["a", "b", "e"]);
    expect(harness.watched()).toEqual(["read e"]);
    harness.turn();
    expect(harness.sampled).toEqual(["e"]);
  });

  test("the answer of a channel that removes itself while sampled is not registered for its successor", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { sampled: true, fd: 7, interest: READ_WRITE });
    harness.when("ask a", () => {
      harness.remove(a);
      harness.add("b", { fd: 7, interest: Interest.READ });
    });
    harness.turn();
    expect(harness.watched()).toEqual(["read b"]);
  });
});

describe("pushed interest", () => {
  test("is watched from the poll that follows, until it is taken back", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { interest: Interest.NONE });
    harness.turn();
    expect(harness.watched()).toEqual([]);
    harness.setInterest(a, READ_WRITE);
    expect(harness.engine.channelRegistered(a.slot)).toBe(READ_WRITE);
    harness.turn();
    expect(harness.watched()).toEqual(["read a", "write a"]);
    harness.setInterest(a, Interest.NONE);
    harness.turn();
    expect(harness.watched()).toEqual([]);
  });

  test("bits that are no interest are not looked at", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { interest: 0xfc });
    harness.setInterest(a, ~Interest.READ);
    harness.turn();
    expect(harness.watched()).toEqual(["write a"]);
  });
});

describe("by the state of a channel", () => {
  test.each([
    ["idle", State.IDLE, READ_WRITE, []],
    ["connecting, wanting nothing", State.CONNECTING, Interest.NONE, ["write a"]],
    ["connecting, wanting to read", State.CONNECTING, Interest.READ, ["read a", "write a"]],
    ["open, wanting to read", State.OPEN, Interest.READ, ["read a"]],
    ["open, wanting to write", State.OPEN, Interest.WRITE, ["write a"]],
    ["open, wanting both", State.OPEN, READ_WRITE, ["read a", "write a"]],
    ["open, wanting nothing", State.OPEN, Interest.NONE, []],
    ["accepting, wanting both", State.ACCEPTING, READ_WRITE, ["read a"]],
    ["accepting, wanting to write", State.ACCEPTING, Interest.WRITE, []],
  ])("%s", (_name, state, interest, watched) => {
    for (const sampled of [false, true]) {
      const harness = new EngineHarness();
      harness.add("a", { state, interest, sampled });
      harness.turn();
      expect(harness.watched()).toEqual(watched);
    }
  });

  test("write interest that was there for the connection alone ends with it", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.CONNECTING });
    expect(harness.turn([writable(a)])).toEqual(["connect a"]);
    harness.turn();
    expect(harness.watched()).toEqual(["read a"]);
  });
});

describe("input that has ended", () => {
  test("is watched no more, whatever the handler says or answers", () => {
    const harness = new EngineHarness();
    const pushed = harness.add("pushed", { interest: READ_WRITE });
    const sampled = harness.add("sampled", { interest: READ_WRITE, sampled: true });
    harness.turn();
    harness.endInput(pushed);
    harness.endInput(sampled);
    harness.setInterest(pushed, READ_WRITE);
    harness.turn();
    expect(harness.watched()).toEqual(["write pushed", "write sampled"]);
  });

  test("is not delivered when it ends within the turn", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    const b = harness.add("b", { interest: READ_WRITE });
    harness.when("read a", () => harness.endInput(b));
    expect(harness.turn([readable(a), readable(b), writable(b)])).toEqual(["read a", "write b"]);
  });

  test("says nothing of the next channel in the slot", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    harness.endInput(a);
    harness.remove(a);
    harness.turn();
    expect(harness.add("b").slot).toBe(a.slot);
    harness.turn();
    expect(harness.watched()).toEqual(["read b"]);
  });
});
