/** Holds an alarm to its times: it rings no earlier than asked for, and not again and again. */

import { describe, expect, onTestFinished, test, vi } from "vitest";
import { POLLIN } from "../../host/node/readiness.js";
import { loadLibc } from "../../host/node/libc.js";
import { Alarm } from "../../host/node/waiting/alarm.js";
import { PATIENCE_MS } from "../backend/support.js";
import { leaveOut, missingLinux } from "../support/missing.js";

const missing = leaveOut("The tests of timerfd(2)", missingLinux());

describe.skipIf(missing !== "")("an alarm", () => {
  function open() {
    const libc = loadLibc();
    const { linux } = libc;
    if (linux === undefined) throw new Error("not Linux");
    const alarm = Alarm.open(libc, linux);
    if (alarm === undefined) throw new Error("no descriptor is left");
    onTestFinished(() => alarm.close());
    const descriptor = new Int32Array([alarm.fd, POLLIN]);
    const settings = vi.spyOn(linux, "timerfd_settime");
    onTestFinished(() => settings.mockRestore());
    return {
      alarm,
      settings,
      isReadable: (timeoutMs = 0) => libc.poll(descriptor, 1, timeoutMs) === 1,
      /** CLOCK_MONOTONIC in milliseconds. */
      nowMs: () => Number(process.hrtime.bigint() / 1_000_000n),
    };
  }

  test("rings at its time, until it is silenced", () => {
    const { alarm, isReadable, nowMs } = open();
    const atMs = nowMs() + 5;
    alarm.ringBy(atMs);
    expect(isReadable(PATIENCE_MS)).toBe(true);
    expect(nowMs()).toBeGreaterThanOrEqual(atMs);
    expect(isReadable()).toBe(true);
    alarm.silence();
    expect(isReadable()).toBe(false);
  });

  test("does not ring unless it is set", () => {
    const { alarm, isReadable } = open();
    alarm.ringBy(Infinity);
    expect(isReadable(5)).toBe(false);
  });

  test("is set anew for an earlier time alone", () => {
    const { alarm, settings, isReadable, nowMs } = open();
    const startMs = nowMs();
    alarm.ringBy(startMs + 2 * PATIENCE_MS);
    for (const laterMs of [2, 3, 4]) alarm.ringBy(startMs + laterMs * PATIENCE_MS);
    alarm.ringBy(Infinity);
    expect(settings).toHaveBeenCalledTimes(1);
    alarm.ringBy(startMs + 1);
    expect(settings).toHaveBeenCalledTimes(2);
    expect(isReadable(PATIENCE_MS)).toBe(true);
  });

  test("that is asked once more for a time that is over rings a millisecond later, and rings again for a later one", () => {
    const { alarm, isReadable, nowMs } = open();
    const firstMs = nowMs();
    alarm.ringBy(firstMs);
    expect(isReadable(PATIENCE_MS)).toBe(true);
    for (let count = 1; count <= 5; count++) {
      alarm.silence();
      alarm.ringBy(firstMs);
      expect(isReadable(PATIENCE_MS)).toBe(true);
      expect(nowMs()).toBeGreaterThanOrEqual(firstMs + count);
    }
    alarm.silence();
    const laterMs = nowMs() + 5;
    alarm.ringBy(laterMs);
    expect(isReadable(PATIENCE_MS)).toBe(true);
    expect(nowMs()).toBeGreaterThanOrEqual(laterMs);
  });
});
