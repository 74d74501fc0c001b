/** Holds the order in which a turn delivers, what a verdict changes in it, and its fairness. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  EngineHarness,
  READ_WRITE,
  State,
  Verdict,
  readable,
  urgent,
  writable,
  type ScriptedChannel,
} from "./harness.js";
import type { WasiEvent } from "./wasi-bytes.js";

const BY_CHANNEL = { byChannel: true };
const ORDERS = [
  ["all reads first", { byChannel: false }],
  ["channel by channel", BY_CHANNEL],
] as const;

function everything(channel: ScriptedChannel): WasiEvent[] {
  return [urgent(channel), writable(channel), readable(channel)];
}

function three(): {
  harness: EngineHarness;
  a: ScriptedChannel;
  b: ScriptedChannel;
  c: ScriptedChannel;
  all: WasiEvent[];
} {
  const harness = new EngineHarness();
  const [a, b, c] = [0, 1, 2].map((at) => harness.add("abc".charAt(at), { interest: READ_WRITE }));
  if (a === undefined || b === undefined || c === undefined) throw new Error("no channels");
  return { harness, a, b, c, all: [...everything(c), ...everything(a), ...everything(b)] };
}

describe("order", () => {
  test("by kind: all reads, then all writes, then all exceptional events", () => {
    const { harness, all } = three();
    expect(harness.turn(all)).toEqual([
      ...["read a", "read b", "read c"],
      ...["write a", "write b", "write c"],
      ...["exceptional a", "exceptional b", "exceptional c"],
    ]);
  });

  test("by channel: read, write, exceptional, close of each before the next", () => {
    const { harness, a, all } = three();
    const gone = { hangup: true, nbytes: 0 };
    expect(harness.turn([...all, readable(a, gone)], BY_CHANNEL)).toEqual([
      ...["read a", "write a", "exceptional a", "close a"],
      ...["read b", "write b", "exceptional b"],
      ...["read c", "write c", "exceptional c"],
    ]);
  });

  test("channel order is the order of addition, however slots are given out and events come in", () => {
    const cases = fc.record({
      removed: fc.array(fc.boolean(), { minLength: 1, maxLength: 120 }),
      ready: fc.array(fc.record({ which: fc.nat(200), read: fc.boolean() }), { maxLength: 250 }),
      byChannel: fc.boolean(),
    });
    fc.assert(
      fc.property(cases, ({ removed, ready, byChannel }) => {
        const harness = new EngineHarness();
        const first = removed.map((_, at) => harness.add(`first${at}`, { interest: READ_WRITE }));
        first.filter((_, at) => removed[at]).forEach((each) => harness.remove(each));
        harness.turn();
        const second = removed.filter(Boolean).map((_, at) => harness.add(`second${at}`, { interest: READ_WRITE }));
        const inOrder = [...first.filter((_, at) => !removed[at]), ...second];

        const reads = new Set<ScriptedChannel>();
        const writes = new Set<ScriptedChannel>();
        const events = ready.flatMap(({ which, read }) => {
          const channel = inOrder[which % inOrder.length];
          if (channel === undefined) return [];
          (read ? reads : writes).add(channel);
          return [read ? readable(channel) : writable(channel)];
        });
        const told = (channels: ScriptedChannel[], direction: string, ready: Set<ScriptedChannel>): string[] =>
          channels.filter((channel) => ready.has(channel)).map(({ name }) => `${direction} ${name}`);
        const expected = byChannel
          ? inOrder.flatMap((channel) => [...told([channel], "read", reads), ...told([channel], "write", writes)])
          : [...told(inOrder, "read", reads), ...told(inOrder, "write", writes)];
        expect(harness.turn(events, { byChannel })).toEqual(expected);
        expect(harness.result).toBe(new Set([...reads, ...writes]).size);
      }),
      { numRuns: 200 },
    );
  });

  test.each(ORDERS)("timers fire after everything else (%s)", (_name, options) => {
    const { harness, all } = three();
    harness.startTimer("t", 0);
    const trace = harness.turn(all, options);
    expect(trace).toHaveLength(10);
    expect(trace.at(-1)).toBe("timer t");
  });

  test.each(ORDERS)("a channel that is added within the turn is not in it (%s)", (_name, options) => {
    const { harness, a } = three();
    harness.when("read a", () => harness.add("new"));
    expect(harness.turn([readable(a)], options)).toEqual(["read a"]);
    expect(harness.result).toBe(1);
  });
});

describe("fairness", () => {
  test.each(ORDERS)("one callback a kind a channel a turn, however many events tell of it (%s)", (_name, options) => {
    const { harness, a } = three();
    expect(harness.turn([...everything(a), ...everything(a)], options)).toEqual(["read a", "write a", "exceptional a"]);
  });

  test("a listener accepts until there is none", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.ACCEPTING });
    let waiting = 3;
    harness.answer("accept a", () => (waiting-- > 0 ? Verdict.AGAIN : Verdict.GO_ON));
    expect(harness.turn([readable(a)])).toEqual(Array.from({ length: 4 }, () => "accept a"));
  });

  test("a listener with no end of connections accepts 64 a turn, and the others get theirs", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.ACCEPTING });
    const b = harness.add("b");
    harness.answer("accept a", Verdict.AGAIN);
    expect(harness.turn([readable(a), readable(b)])).toEqual([
      ...Array.from({ length: 64 }, () => "accept a"),
      "read b",
    ]);
    expect(harness.turn([readable(a)])).toHaveLength(64);
  });

  test.each([
    ["pauses", (harness: EngineHarness, a: ScriptedChannel) => harness.pause(a)],
    ["wants no more", (harness: EngineHarness, a: ScriptedChannel) => harness.setInterest(a, 0)],
    ["is no listener any more", (harness: EngineHarness, a: ScriptedChannel) => harness.setState(a, State.IDLE)],
  ])("a listener that %s while it accepts stops at once", (_name, stop) => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.ACCEPTING });
    harness.answer("accept a", Verdict.AGAIN);
    harness.when("accept a", () => stop(harness, a));
    expect(harness.turn([readable(a)])).toEqual(["accept a"]);
  });
});

describe("STOP", () => {
  test("ends the turn; what was not delivered comes in the next one, by kind, with no wait before it", () => {
    const { harness, all } = three();
    harness.answer("read b", Verdict.STOP);
    expect(harness.turn(all)).toEqual(["read a", "read b"]);
    expect(harness.turn()).toEqual([
      "read c",
      ...["write a", "write b", "write c"],
      ...["exceptional a", "exceptional b", "exceptional c"],
    ]);
    expect([harness.waitMs, harness.poll.timeoutNs]).toEqual([0, 1n]);
    expect(harness.turn()).toEqual([]);
    expect(harness.waitMs).toBeGreaterThan(1e9);
  });

  test("the same, channel by channel", () => {
    const { harness, b, all } = three();
    harness.answer("write b", Verdict.STOP);
    const last = readable(b, { hangup: true, nbytes: 0 });
    expect(harness.turn([...all, last], BY_CHANNEL)).toEqual([
      "read a",
      "write a",
      "exceptional a",
      "read b",
      "write b",
    ]);
    expect(harness.turn([], BY_CHANNEL)).toEqual(["exceptional b", "close b", "read c", "write c", "exceptional c"]);
  });

  test("what is left over is delivered with what is new, each once and in channel order", () => {
    const { harness, a, b, c } = three();
    harness.answer("read a", Verdict.STOP);
    expect(harness.turn([readable(a), readable(b), readable(c)])).toEqual(["read a"]);
    harness.answer("read a", Verdict.GO_ON);
    expect(harness.turn([readable(c), writable(b), readable(a)])).toEqual(["read a", "read b", "read c", "write b"]);
    expect(harness.result).toBe(3);
  });

  test("what is left over for a channel that closes meanwhile is dropped", () => {
    const { harness, a, b } = three();
    harness.answer("read a", Verdict.STOP);
    harness.turn([readable(a), readable(b)]);
    harness.remove(b);
    expect(harness.turn()).toEqual([]);
    expect(harness.waitMs).toBeGreaterThan(0);
  });

  test("what is left over outlives polls that fail or are interrupted", () => {
    const { harness, a, b } = three();
    harness.answer("read a", Verdict.STOP);
    harness.turn([readable(a), readable(b)]);
    expect(harness.turn(27)).toEqual([]);
    expect(harness.turn(8)).toEqual([]);
    expect(harness.turn()).toEqual(["read b"]);
  });

  test.each(ORDERS)("while it accepts, connects or hears of an error (%s)", (_name, options) => {
    const harness = new EngineHarness();
    const listener = harness.add("listener", { state: State.ACCEPTING });
    const connecting = harness.add("connecting", { state: State.CONNECTING, interest: READ_WRITE });
    const datagram = harness.add("datagram", { stream: false, interest: 0 });
    harness.answer("accept listener", Verdict.AGAIN | Verdict.STOP);
    harness.answer("connect connecting", Verdict.STOP);
    harness.answer("error datagram 29", Verdict.STOP);
    const found = [readable(listener), writable(connecting), writable(datagram, { error: 29 })];
    expect(harness.turn(found, options)).toEqual(["accept listener"]);
    expect(harness.turn([], options)).toEqual(["connect connecting"]);
    expect(harness.turn([], options)).toEqual(["error datagram 29"]);
    expect(harness.turn([], options)).toEqual([]);
  });
});

describe("FAILED", () => {
  test("skips the rest of its own channel, channel by channel", () => {
    const { harness, a, all } = three();
    harness.answer("read a", Verdict.FAILED);
    harness.answer("write b", Verdict.FAILED);
    const gone = readable(a, { hangup: true, nbytes: 0 });
    const trace = ["read a", "read b", "write b", "read c", "write c", "exceptional c"];
    expect(harness.turn([...all, gone], BY_CHANNEL)).toEqual(trace);
    expect(harness.turn([], BY_CHANNEL)).toEqual([]);
  });

  test("changes nothing by kind: as under select(2), a channel's other events come all the same", () => {
    const { harness, a } = three();
    harness.answer("read a", Verdict.FAILED);
    expect(harness.turn(everything(a))).toEqual(["read a", "write a", "exceptional a"]);
  });

  test("ends accepting for this turn, and the others go on", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.ACCEPTING });
    const b = harness.add("b");
    harness.answer("accept a", Verdict.AGAIN | Verdict.FAILED);
    expect(harness.turn([readable(a), readable(b)])).toEqual(["accept a", "read b"]);
  });
});
