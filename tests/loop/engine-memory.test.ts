/** What a program sees of an engine whose memory cannot grow: a typed error, and a map that goes on. */

import { expect, test } from "vitest";
import { ChannelMap } from "wasyncore";
import type { Channel } from "../../host/loop/channel.js";
import { Interest, State } from "../../host/loop/engine.js";
import { Scheduler } from "../../host/loop/scheduler.js";
import { createScriptedBackend } from "../engine/scripted-backend.js";
import { readModule, withMemoryLimit } from "../engine/wasm.js";

const REFUSED = expect.objectContaining({ name: "LoopError", code: "ERR_ENGINE_MEMORY" });

function createScheduler(): Scheduler {
  return new Scheduler(new ChannelMap(), createScriptedBackend().backend, {
    module: withMemoryLimit(readModule("engine.wasm"), 3),
  });
}

function add(scheduler: Scheduler, fd: number): Channel {
  // Nothing is ready in these tests, so that none of its methods is called.
  const channel = {} as Channel;
  const { OPEN: state } = State;
  scheduler.add(channel, { fd, state, interest: Interest.READ, sampled: false, stream: true });
  return channel;
}

/** @returns the first descriptor that was refused. */
function addUntilRefused(scheduler: Scheduler): number {
  for (let fd = 3; ; fd++) {
    try {
      add(scheduler, fd);
    } catch (error) {
      expect(error).toEqual(REFUSED);
      return fd;
    }
  }
}

test("a channel too many is an error, and whoever had its descriptor stays in the map", () => {
  const scheduler = createScheduler();
  const refused = addUntilRefused(scheduler);
  const former = scheduler.channelAt(scheduler.members.slotOf(3));
  expect(former).toBeDefined();
  expect(() => add(scheduler, 3)).toThrow(REFUSED);
  expect(scheduler.channelAt(scheduler.members.slotOf(3))).toBe(former);
  expect([scheduler.members.size, scheduler.engine.channelCount()]).toEqual([refused - 3, refused - 3]);
});

test("a turn without memory for its events is ENOMEM, and the map goes on with fewer channels", () => {
  const scheduler = createScheduler();
  addUntilRefused(scheduler);
  expect(() => {
    while (true) scheduler.startTimer(Infinity, 0, () => {});
  }).toThrow(REFUSED);
  // Room for one event each was reserved when they came.
  expect(scheduler.run(0, false)).toBe(0);
  for (const member of scheduler.members.values()) member.setInterest(Interest.READ | Interest.WRITE);
  expect(() => scheduler.run(0, false)).toThrow(expect.objectContaining({ name: "OSError", code: "ENOMEM" }));
  for (const place of [...scheduler.members.values()].slice(1)) place.remove();
  scheduler.prepare(0, false);
  expect(scheduler.run(0, false)).toBe(0);
});

test("a timer too many is an error, and the others fire", () => {
  const scheduler = createScheduler();
  let started = 0;
  let fired = 0;
  expect(() => {
    for (; ; started++) scheduler.startTimer(0, 0, () => fired++);
  }).toThrow(REFUSED);
  expect(started).toBeGreaterThan(100);
  scheduler.run(scheduler.prepare(0, false), false);
  expect([fired, scheduler.engine.timerCount()]).toEqual([started, 0]);
});
