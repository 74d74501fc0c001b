/** Holds how a listener that is out of descriptors pauses: it neither spins nor closes, and goes on by itself. */

import { expect, test } from "vitest";
import { EngineHarness, Interest, Pause, State, Verdict, readable, type ScriptedChannel } from "./harness.js";

/** A listener that has paused in its last turn. */
function paused(harness: EngineHarness, name = "listener"): ScriptedChannel {
  const listener = harness.add(name, { state: State.ACCEPTING });
  harness.when(`accept ${name}`, () => harness.pause(listener));
  harness.turn([readable(listener)]);
  return listener;
}

test("a paused listener is not watched, and stays in the map", () => {
  const harness = new EngineHarness();
  paused(harness);
  harness.turn();
  expect(harness.watched()).toEqual([]);
  expect(harness.engine.channelCount()).toBe(1);
});

test("it goes on a second later, and the wait until then is bounded", () => {
  const harness = new EngineHarness();
  paused(harness);
  harness.nowMs += 400;
  harness.turn();
  expect(harness.waitMs).toBe(600);
  harness.nowMs += 599;
  harness.turn();
  expect([harness.waitMs, harness.watched()]).toEqual([1, []]);
  harness.nowMs += 1;
  harness.turn();
  expect(harness.watched()).toEqual(["read listener"]);
  expect(harness.waitMs).toBeGreaterThan(1e9);
});

test("it goes on in time in a turn that delivers what a stopped one has left", () => {
  const harness = new EngineHarness();
  const listener = harness.add("listener", { state: State.ACCEPTING });
  const reader = harness.add("reader");
  harness.pause(listener);
  harness.nowMs += 999;
  harness.answer("read reader", Verdict.STOP);
  harness.turn([readable(reader), readable(harness.add("other"))]);
  expect(harness.watched()).toEqual(["read other", "read reader"]);
  harness.nowMs += 1;
  expect(harness.turn()).toEqual(["read other"]);
  expect([harness.waitMs, harness.watched()]).toEqual([0, ["read listener", "read other", "read reader"]]);
});

test("the caller's timeout and a timer bound the wait further", () => {
  const harness = new EngineHarness();
  paused(harness);
  harness.turn([], { timeoutMs: 300 });
  expect(harness.waitMs).toBe(300);
  harness.startTimer("t", 200);
  harness.turn();
  expect(harness.waitMs).toBe(200);
});

test("it goes on in the next turn after any channel has left the map", () => {
  const harness = new EngineHarness();
  const other = harness.add("other");
  paused(harness);
  harness.remove(other);
  harness.turn();
  expect(harness.watched()).toEqual(["read listener"]);
  expect(harness.waitMs).toBeGreaterThan(1e9);
});

test("a channel that left before the pause is no reason to go on", () => {
  const harness = new EngineHarness();
  harness.remove(harness.add("other"));
  paused(harness);
  harness.turn();
  expect(harness.watched()).toEqual([]);
});

test("several go on together, a second after the last was paused", () => {
  const harness = new EngineHarness();
  paused(harness, "a");
  harness.nowMs += 700;
  paused(harness, "b");
  harness.nowMs += 300;
  harness.turn();
  expect([harness.watched(), harness.waitMs]).toEqual([[], 700]);
  harness.nowMs += 700;
  harness.turn();
  expect(harness.watched()).toEqual(["read a", "read b"]);
});

test("pausing a paused listener again puts the end off and counts once", () => {
  const harness = new EngineHarness();
  const listener = paused(harness);
  harness.nowMs += 900;
  harness.pause(listener);
  harness.turn();
  expect(harness.waitMs).toBe(1000);
  expect(harness.statistics().pauses).toBe(1);
});

test("interest that it says meanwhile holds once it goes on", () => {
  const harness = new EngineHarness();
  const listener = paused(harness);
  harness.setInterest(listener, Interest.NONE);
  harness.nowMs += 1000;
  harness.turn();
  expect(harness.watched()).toEqual([]);
  harness.setInterest(listener, Interest.READ);
  harness.turn();
  expect(harness.watched()).toEqual(["read listener"]);
});

test("a listener that is removed while paused leaves no pause to its successor in the slot", () => {
  const harness = new EngineHarness();
  const listener = paused(harness);
  harness.remove(listener);
  harness.turn();
  const successor = harness.add("successor", { state: State.ACCEPTING });
  expect(successor.slot).toBe(listener.slot);
  harness.turn();
  expect(harness.watched()).toEqual(["read successor"]);
});

test.each([State.IDLE, State.CONNECTING, State.OPEN])("a channel in state %i cannot be paused", (state) => {
  const harness = new EngineHarness();
  const channel = harness.add("channel", { state });
  harness.turn();
  const watched = harness.watched();
  expect(harness.pause(channel)).toBe(Pause.NONE);
  harness.turn();
  expect(harness.watched()).toEqual(watched);
  expect(harness.statistics().pauses).toBe(0);
  harness.setState(channel, State.ACCEPTING);
  harness.turn();
  expect([harness.watched(), harness.waitMs]).toEqual([["read channel"], 0x7fffffff]);
});

test("a pause is news once a second, however often channels leave, and whichever listener it is", () => {
  const harness = new EngineHarness();
  const listeners = ["a", "b"].map((name) => harness.add(name, { state: State.ACCEPTING }));
  const pauseAll = (): number[] => listeners.map((listener) => harness.pause(listener));
  expect(pauseAll()).toEqual([Pause.NEWS, Pause.AGAIN]);
  for (let ms = 100; ms < 1000; ms += 100) {
    harness.nowMs += 100;
    harness.remove(harness.add("another"));
    harness.turn();
    expect(harness.watched()).toEqual(["read a", "read b"]);
    expect(pauseAll()).toEqual([Pause.AGAIN, Pause.AGAIN]);
  }
  harness.nowMs += 100;
  expect(pauseAll()).toEqual([Pause.NEWS, Pause.AGAIN]);
});

test("of several paused listeners any may leave, and the others resume", () => {
  for (const leaving of [0, 1, 2]) {
    const harness = new EngineHarness();
    const listeners = ["a", "b", "c"].map((name) => harness.add(name, { state: State.ACCEPTING }));
    for (const listener of listeners) expect(harness.pause(listener)).not.toBe(Pause.NONE);
    harness.turn();
    expect(harness.watched()).toEqual([]);
    const [gone] = listeners.splice(leaving, 1);
    if (gone !== undefined) harness.remove(gone);
    const heir = harness.add("heir", { state: State.ACCEPTING });
    harness.turn();
    expect(harness.watched()).toEqual([...listeners, heir].map(({ name }) => `read ${name}`).toSorted());
    for (const listener of listeners) expect(harness.pause(listener)).not.toBe(Pause.NONE);
    harness.turn();
    expect(harness.watched()).toEqual(["read heir"]);
  }
});
