/** Holds every number that the host writes down for a layout of the engine's against the engine's own sources. */

import { describe, expect, test } from "vitest";
import { COUNTERS, Interest, Kind, State, Verdict } from "../../host/loop/engine.js";
import { ERRNO_BADF, ERRNO_SUCCESS, wasiErrno, wasiErrorCode } from "../../host/wasi/errno.js";
import {
  CLOCK_ABSTIME,
  Change,
  ClockId,
  EVENT_HANGUP,
  Event,
  EventType,
  Subscription,
} from "../../host/wasi/layout.js";
import { globalsOf, readModule } from "./wasm.js";

const probe = globalsOf(readModule("layout-probe.wasm"));

/** What the engine's sources say of `prefix`, under the names of `constants`. */
function probed(prefix: string, constants: Readonly<Record<string, number>>): Record<string, number | undefined> {
  return Object.fromEntries(Object.keys(constants).map((name) => [name, probe.get(`${prefix}_${name.toLowerCase()}`)]));
}

describe("the host's constants are the engine's", () => {
  test.each([
    ["subscription", Subscription],
    ["event", Event],
    ["change", Change],
    ["interest", Interest],
    ["state", State],
    ["kind", Kind],
    ["verdict", Verdict],
    ["eventtype", EventType],
    ["event", { HANGUP: EVENT_HANGUP }],
    ["clockid", { MONOTONIC: ClockId.MONOTONIC }],
    ["errno", { SUCCESS: ERRNO_SUCCESS, BADF: ERRNO_BADF, INTR: wasiErrno("EINTR") }],
  ] as const)("%s %o", (prefix, constants) => {
    expect(constants).toEqual(probed(prefix, constants));
  });

  test("no state, kind or verdict of the engine's is unknown to the host", () => {
    const known = [
      ...Object.keys(State).map((name) => `state_${name}`),
      ...Object.keys(Kind).map((name) => `kind_${name}`),
      ...Object.keys(Verdict).map((name) => `verdict_${name}`),
    ].map((name) => name.toLowerCase());
    expect([...probe.keys()].filter((name) => /^(state|kind|verdict)_/.test(name)).toSorted()).toEqual(
      known.toSorted(),
    );
  });

  test("COUNTERS names the engine's counters in the order of memory, and all of them", () => {
    expect(COUNTERS.map((name) => probe.get(`statistics_${name}`))).toEqual(COUNTERS.map((_, index) => 8 * index));
    expect(probe.get("statistics_size")).toBe(8 * COUNTERS.length);
  });
});

describe("the layouts are those of WASI preview 1", () => {
  test("subscription", () => {
    expect(Subscription).toEqual({
      SIZE: 48,
      USERDATA: 0,
      TAG: 8,
      FD: 16,
      CLOCK: 16,
      TIMEOUT: 24,
      PRECISION: 32,
      FLAGS: 40,
    });
  });

  test("event", () => {
    expect(Event).toEqual({ SIZE: 32, USERDATA: 0, ERROR: 8, TYPE: 10, NBYTES: 16, FLAGS: 24 });
    expect({ EVENT_HANGUP, CLOCK_ABSTIME, ...ClockId }).toEqual({
      EVENT_HANGUP: 1,
      CLOCK_ABSTIME: 1,
      REALTIME: 0,
      MONOTONIC: 1,
    });
  });

  test("errno: the names are in the order of their numbers, from first to last", () => {
    const numbers = {
      "2BIG": 1,
      AGAIN: 6,
      BADF: 8,
      CONNREFUSED: 14,
      CONNRESET: 15,
      INTR: 27,
      INVAL: 28,
      IO: 29,
      NOTSOCK: 57,
      PIPE: 64,
      TIMEDOUT: 73,
      NOTCAPABLE: 76,
    };
    for (const [name, number] of Object.entries(numbers)) {
      expect([name, wasiErrno(`E${name}`), wasiErrorCode(number)]).toEqual([name, number, `E${name}`]);
    }
  });

  test("errno: a code that WASI has no number for is EIO, and a second name of one it has is that one", () => {
    expect([wasiErrno("EWOULDBLOCK"), wasiErrno("EOPNOTSUPP"), wasiErrno("ESHUTDOWN")]).toEqual([6, 58, 29]);
    expect(wasiErrorCode(77)).toBe("E77");
  });
});
