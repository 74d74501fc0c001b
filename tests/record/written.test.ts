/** When a recording is written: while the program waits in a loop that blocks, too. */

import { expect, test } from "vitest";
import { type Backend, ChannelMap, loopSync, Socket } from "wasyncore";
import { createNodeBackend } from "../../host/node/backend.js";
import { record } from "../../host/record/index.js";
import { waitingBy } from "../support/backends.js";

/** A backend on which time passes in waits alone, and at once. `waits` is what they were given. */
function hasty(waits: number[], signalAfterMs = Infinity): Backend {
  const inner = createNodeBackend();
  let nowNs = 1e9;
  let interruptMs = signalAfterMs;
  const clock = { ...inner.clock, monotonicNs: () => nowNs, turnNs: undefined };
  return waitingBy({ ...inner, clock }, (set, timeoutMs) => {
    const count = set.wait(0);
    if (count !== 0) return count;
    waits.push(timeoutMs);
    nowNs += Math.min(timeoutMs, interruptMs) * 1e6;
    interruptMs = Infinity;
    return 0;
  });
}

function waiting(backend: Backend, timerMs: number): { written: string[]; loop: () => void } {
  const events: string[] = [];
  const recorder = record(backend, () => events.push("written"));
  const map = new ChannelMap({ backend: recorder.backend });
  const [near, far] = Socket.pair("stream", recorder.backend);
  events.length = 0;
  map.callLater(timerMs, () => {
    events.push("timer");
    near.close();
    far.close();
  });
  return {
    written: events,
    loop: () => {
      loopSync({ map });
      recorder.end();
      map[Symbol.dispose]();
    },
  };
}

test("what was recorded before a long wait is written during it", () => {
  const waits: number[] = [];
  const { written, loop } = waiting(hasty(waits), 20_000);
  loop();
  expect(written.slice(0, 2)).toEqual(["written", "timer"]);
  expect(waits[0]).toBeLessThanOrEqual(500);
  expect((waits[0] ?? 0) + (waits[1] ?? 0)).toBe(20_000);
});

test("a signal ends a long wait of a program that is recorded as it ends any", () => {
  const waits: number[] = [];
  const { loop } = waiting(hasty(waits, 100), 60_000);
  loop();
  expect(waits[0]).toBeLessThanOrEqual(500);
  // Another turn, with the loop's own 30 seconds, and not the rest of the wait.
  expect((waits[1] ?? 0) + (waits[2] ?? 0)).toBe(30_000);
});
