/**
 * Holds the numbers that the host has from assembly/shared against what the compiler makes of the same sources, and
 * against WASI.
 */

import { execFileSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { COUNTERS } from "../../host/loop/engine.js";
import { Change, Interest, Kind, State, Statistics, Verdict } from "../../host/wasi/abi.js";
import { ERRNO_BADF, ERRNO_SUCCESS, wasiErrno, wasiErrorCode } from "../../host/wasi/errno.js";
import {
  CLOCK_ABSTIME,
  ClockId,
  Dirent,
  EVENT_HANGUP,
  Event,
  EventType,
  Fdstat,
  Filestat,
  Iovec,
  Prestat,
  Subscription,
} from "../../host/wasi/layout.js";
import { ROOT } from "../support/processes.js";
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
    ["clockid", ClockId],
    ["iovec", Iovec],
    ["fdstat", Fdstat],
    ["filestat", Filestat],
    ["dirent", Dirent],
    ["prestat", Prestat],
    ["statistics", Statistics],
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

test("the files that are made of assembly/shared are current", () => {
  const generate = ["scripts/generate.mjs", "--check"];
  expect(() => execFileSync(process.execPath, generate, { cwd: ROOT, encoding: "utf8", stdio: "pipe" })).not.toThrow();
});

describe("the layouts are those of WASI preview 1", () => {
  test("subscription", () => {
    expect(Subscription).toEqual({
      SIZE: 48,
      USERDATA: 0,
      TAG: 8,
      ID: 16,
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
      PROCESS_CPUTIME: 2,
      THREAD_CPUTIME: 3,
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
