/** Channels that come and go by the thousand: who is in the map, in which order, and that nothing of the others is left. */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ChannelMap } from "wasyncore";
import type { Channel, Registration } from "../../host/loop/channel.js";
import { Interest, State } from "../../host/loop/engine.js";
import { Scheduler } from "../../host/loop/scheduler.js";
import { createScriptedBackend } from "../engine/scripted-backend.js";

/** A map by what was added to it, and the Map that says what is in it. */
class Table {
  readonly scheduler = new Scheduler(new ChannelMap(), createScriptedBackend().backend);
  readonly expected = new Map<number, Channel>();
  readonly #registrations = new Map<Channel, Registration>();

  add(fd: number, sampled: boolean): void {
    const channel = { sampleInterest: () => Interest.READ } as Channel;
    const registering = { fd, state: State.OPEN, interest: Interest.READ, sampled, stream: true };
    this.#registrations.set(channel, this.scheduler.add(channel, registering));
    this.expected.delete(fd);
    this.expected.set(fd, channel);
  }

  /** Removes every one that was ever on this descriptor: those that have left it already must not matter. */
  remove(fd: number): void {
    const channel = this.expected.get(fd);
    if (channel === undefined) return;
    this.#registrations.get(channel)?.remove();
    this.expected.delete(fd);
  }

  /** Of a channel that is in the map no more, whoever has its slot and its descriptor now. */
  useStale(): void {
    const members = new Set(this.expected.values());
    for (const [channel, registration] of this.#registrations) {
      if (members.has(channel)) continue;
      registration.setInterest(Interest.NONE);
      registration.setState(State.IDLE);
      registration.endInput();
      registration.remove();
    }
  }

  turn(): void {
    this.scheduler.prepare(0, false);
    this.scheduler.run(0, false);
  }

  check(): void {
    const { members, engine } = this.scheduler;
    const found = [...members.entries()];
    expect(found.map(([slot]) => members.fdAt(slot))).toEqual([...this.expected.keys()]);
    const expected = [...this.expected.values()];
    // Not toEqual, which would compare channels by their content.
    expect(found.every(([, channel], i) => channel === expected[i])).toBe(true);
    expect([members.size, engine.channelCount()]).toEqual([this.expected.size, this.expected.size]);
    for (const [slot] of found) expect(engine.channelRegistered(slot)).toBe(Interest.READ);
  }
}

test("whatever comes, goes, and takes over a descriptor, the map has what a Map by descriptor would have", () => {
  const fds = fc.integer({ min: 3, max: 40 });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ add: fds, sampled: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ remove: fds }) },
    { weight: 1, arbitrary: fc.constantFrom("stale" as const, "turn" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const table = new Table();
      for (const each of steps) {
        if (each === "stale") table.useStale();
        else if (each === "turn") table.turn();
        else if ("add" in each) table.add(each.add, each.sampled);
        else table.remove(each.remove);
      }
      table.turn();
      table.check();
      expect(table.scheduler.isIdle).toBe(table.expected.size === 0);
    }),
    { numRuns: 200 },
  );
});

test("thousands that come and go, and come again, take no more slots than were in use at once", () => {
  const table = new Table();
  const COUNT = 3000;
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < COUNT; i++) table.add(10 + ((i * 7919) % COUNT), i % 3 === 0);
    table.turn();
    table.check();
    for (let i = 0; i < COUNT; i++) if ((i + round) % 11 !== 0) table.remove(10 + i);
    table.useStale();
    table.turn();
    table.check();
  }
  const slots = [...table.scheduler.members.entries()].map(([slot]) => slot);
  expect(Math.max(...slots)).toBeLessThan(2 * COUNT);
  for (const fd of [...table.expected.keys()]) table.remove(fd);
  table.turn();
  table.check();
  expect(table.scheduler.sampled).toBe(0);
});

test("an iteration leaves out what is removed meanwhile, and goes on to what is added", () => {
  const table = new Table();
  for (let fd = 3; fd < 8; fd++) table.add(fd, false);
  const { members } = table.scheduler;
  const seen: number[] = [];
  for (const [slot] of members.entries()) {
    const fd = members.fdAt(slot);
    seen.push(fd);
    if (fd === 3) {
      table.remove(4);
      table.remove(3);
      table.add(20, false);
    }
    // Its slot, or its descriptor, is given out again: it is another channel, which comes last.
    if (fd === 5) table.add(6, false);
    if (fd === 20) table.add(21, false);
  }
  expect(seen).toEqual([3, 5, 7, 20, 6, 21]);
});
