/** Holds what readiness means to a channel by its state: hang-ups, connecting, errors, out-of-band data. */

import { describe, expect, test } from "vitest";
import { EngineHarness, Errno, Interest, READ_WRITE, State, Verdict, readable, urgent, writable } from "./harness.js";

const BY_CHANNEL = { byChannel: true };
const ORDERS = [
  ["all reads first", { byChannel: false }],
  ["channel by channel", BY_CHANNEL],
] as const;

describe("a hang-up never discards data", () => {
  test("by kind a hang-up is an end of input to be read, and no event of its own", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { interest: READ_WRITE });
    expect(harness.turn([readable(a, { hangup: true, nbytes: 5 })])).toEqual(["read a"]);
    expect(harness.turn([readable(a, { hangup: true, nbytes: 0 }), writable(a, { hangup: true, nbytes: 0 })])).toEqual([
      "read a",
      "write a",
    ]);
  });

  test("by channel the channel is closed once nothing is left to read, after its last read and write", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { interest: READ_WRITE });
    expect(harness.turn([readable(a, { hangup: true, nbytes: 5 })], BY_CHANNEL)).toEqual(["read a"]);
    expect(harness.turn([readable(a, { hangup: true, nbytes: 1 })], BY_CHANNEL)).toEqual(["read a"]);
    const allRead = { hangup: true, nbytes: 0 };
    expect(harness.turn([readable(a, allRead), writable(a, allRead)], BY_CHANNEL)).toEqual([
      "read a",
      "write a",
      "close a",
    ]);
  });

  test.each([
    ["read first", [readable, writable]],
    ["write first", [writable, readable]],
  ])("a write event that knows of no data does not speak for the read event that does (%s)", (_name, makers) => {
    const harness = new EngineHarness();
    const a = harness.add("a", { interest: READ_WRITE });
    const found = makers.map((make) => make(a, { hangup: true, nbytes: make === readable ? 5 : 0 }));
    expect(harness.turn(found, BY_CHANNEL)).toEqual(["read a", "write a"]);
  });

  test("a stopped turn keeps the hang-up for after the data", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    const b = harness.add("b");
    harness.answer("read a", Verdict.STOP);
    harness.turn([readable(a), readable(b, { hangup: true, nbytes: 0 })], BY_CHANNEL);
    expect(harness.turn([], BY_CHANNEL)).toEqual(["read b", "close b"]);
  });

  test("a channel whose last read removes it is not closed again", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    harness.when("read a", () => harness.remove(a));
    expect(harness.turn([readable(a, { hangup: true, nbytes: 0 })], BY_CHANNEL)).toEqual(["read a"]);
  });

  test("a stopped turn keeps that data was left only until the next poll", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    harness.answer("read a", Verdict.STOP);
    expect(harness.turn([readable(a, { hangup: true, nbytes: 5 })], BY_CHANNEL)).toEqual(["read a"]);
    harness.answer("read a", Verdict.GO_ON);
    expect(harness.turn([readable(a, { hangup: true, nbytes: 0 })], BY_CHANNEL)).toEqual(["read a", "close a"]);
  });

  test("a hang-up with data left that a stopped turn keeps is no end where the next poll does not say so", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    const b = harness.add("b");
    harness.answer("read a", Verdict.STOP);
    harness.turn([readable(a), readable(b, { hangup: true, nbytes: 5 })], BY_CHANNEL);
    expect(harness.turn([], BY_CHANNEL)).toEqual(["read b"]);
    expect(harness.turn([readable(b, { hangup: true, nbytes: 0 })], BY_CHANNEL)).toEqual(["read b", "close b"]);
  });

  test.each(ORDERS)("zero bytes without a hang-up close nothing (%s)", (_name, options) => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    expect(harness.turn([readable(a, { nbytes: 0 })], options)).toEqual(["read a"]);
  });
});

describe("connecting", () => {
  test.each(ORDERS)("ready without an error is connected, and what else is ready follows (%s)", (_name, options) => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.CONNECTING, interest: READ_WRITE });
    expect(harness.turn([readable(a), writable(a)], options)).toEqual(["connect a", "read a", "write a"]);
    expect(harness.turn([writable(a)], options)).toEqual(["write a"]);
    expect(harness.statistics().connects).toBe(1);
  });

  test.each(ORDERS)("only what the handler wants follows (%s)", (_name, options) => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.CONNECTING, interest: READ_WRITE });
    harness.when("connect a", () => harness.setInterest(a, Interest.NONE));
    expect(harness.turn([readable(a), writable(a)], options)).toEqual(["connect a"]);
  });

  test.each(ORDERS)("refused: the error is delivered once, at once, and the channel is idle (%s)", (_name, options) => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.CONNECTING, interest: READ_WRITE });
    const refused = { error: Errno.CONNREFUSED, hangup: true, nbytes: 0 };
    expect(harness.turn([readable(a, refused), writable(a, refused)], options)).toEqual([
      `error a ${Errno.CONNREFUSED}`,
    ]);
    expect(harness.turn([], options)).toEqual([]);
    expect(harness.watched()).toEqual([]);
    expect(harness.takeError(a)).toBe(0);
    expect(harness.statistics()).toMatchObject({ connects: 0, errors: 1 });
  });

  test("a channel may connect again after it was refused", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.CONNECTING });
    harness.when(`error a ${Errno.CONNREFUSED}`, () => harness.setState(a, State.CONNECTING));
    harness.turn([writable(a, { error: Errno.CONNREFUSED })]);
    expect(harness.turn([writable(a)])).toEqual(["connect a"]);
  });

  test("FAILED in the connect handler skips the rest, channel by channel", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.CONNECTING, interest: READ_WRITE });
    harness.answer("connect a", Verdict.FAILED);
    expect(harness.turn([readable(a), writable(a)], BY_CHANNEL)).toEqual(["connect a"]);
  });
});

describe("a pending error", () => {
  test.each(ORDERS)(
    "waits for a stream that reads: it goes on to read, and finds it at the end (%s)",
    (_name, options) => {
      const harness = new EngineHarness();
      const a = harness.add("a");
      const reset = { error: Errno.CONNRESET, hangup: true, nbytes: 3 };
      expect(harness.turn([readable(a, reset)], options)).toEqual(["read a"]);
      // The operating system tells an error once; the end of input keeps coming.
      expect(harness.turn([readable(a, { hangup: true, nbytes: 1 })], options)).toEqual(["read a"]);
      expect(harness.takeError(a)).toBe(Errno.CONNRESET);
      expect(harness.takeError(a)).toBe(0);
    },
  );

  test.each(ORDERS)(
    "a stream that the host cannot watch is notified at once: there is no end of input to wait for (%s)",
    (_name, options) => {
      const harness = new EngineHarness();
      const a = harness.add("a", { stream: true });
      expect(harness.turn([readable(a, { error: Errno.NOMEM })], options)).toEqual([
        "read a",
        `error a ${Errno.NOMEM}`,
      ]);
    },
  );

  test.each(ORDERS)("is delivered at once to a stream that does not read (%s)", (_name, options) => {
    const harness = new EngineHarness();
    const a = harness.add("a", { interest: Interest.WRITE });
    expect(harness.turn([writable(a, { error: Errno.CONNRESET })], options)).toEqual([
      "write a",
      `error a ${Errno.CONNRESET}`,
    ]);
    expect(harness.takeError(a)).toBe(0);
  });

  test("is delivered at once to a stream whose input has ended", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { interest: READ_WRITE });
    harness.endInput(a);
    expect(harness.turn([writable(a, { error: Errno.CONNRESET })])).toEqual(["write a", `error a ${Errno.CONNRESET}`]);
  });

  test.each(ORDERS)("is delivered at once where the channel is no stream, after its read (%s)", (_name, options) => {
    const harness = new EngineHarness();
    const a = harness.add("a", { stream: false });
    expect(harness.turn([readable(a, { error: Errno.CONNREFUSED })], options)).toEqual([
      "read a",
      `error a ${Errno.CONNREFUSED}`,
    ]);
    expect(harness.turn([readable(a)], options)).toEqual(["read a"]);
  });

  test.each(ORDERS)("is delivered at once to a listener, which accepts nothing in that turn (%s)", (_name, options) => {
    const harness = new EngineHarness();
    const a = harness.add("a", { state: State.ACCEPTING });
    expect(harness.turn([readable(a, { error: Errno.IO })], options)).toEqual([`error a ${Errno.IO}`]);
  });

  test("is delivered once where both directions report it", () => {
    const harness = new EngineHarness();
    const a = harness.add("a", { stream: false, interest: READ_WRITE });
    const reset = { error: Errno.CONNRESET };
    expect(harness.turn([readable(a, reset), writable(a, reset)])).toEqual([
      "read a",
      "write a",
      `error a ${Errno.CONNRESET}`,
    ]);
  });

  test("a stopped turn keeps it: the operating system will not tell it again", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    const b = harness.add("b", { interest: Interest.WRITE });
    harness.answer("read a", Verdict.STOP);
    harness.turn([readable(a), writable(b, { error: Errno.CONNRESET })]);
    expect(harness.turn()).toEqual(["write b", `error b ${Errno.CONNRESET}`]);
  });

  test("is not the next channel's in the slot", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    harness.turn([readable(a, { error: Errno.CONNRESET })]);
    harness.remove(a);
    harness.turn();
    const b = harness.add("b");
    expect(b.slot).toBe(a.slot);
    expect(harness.takeError(b)).toBe(0);
  });
});

describe("out-of-band data", () => {
  test("is an exceptional event of an open channel", () => {
    const harness = new EngineHarness();
    const a = harness.add("a");
    expect(harness.turn([urgent(a)])).toEqual(["exceptional a"]);
    expect(harness.statistics().exceptionals).toBe(1);
  });

  test("is none of a channel that is not open", () => {
    const harness = new EngineHarness();
    const found = [State.IDLE, State.CONNECTING, State.ACCEPTING].map((state) => urgent(harness.add("a", { state })));
    expect(harness.turn(found)).toEqual([]);
  });
});
