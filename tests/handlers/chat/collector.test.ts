/** The bytes that a chat collects: whole, in memory of their own, and little of it, whatever pieces they came in. */

import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Collector } from "../../../host/handlers/chat/collector.js";

test("gives what was added, in order, and nothing twice", () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), { maxLength: 5 }),
      (messages) => {
        const collector = new Collector();
        for (const pieces of messages) {
          for (const piece of pieces) collector.add(piece);
          expect(Buffer.from(collector.take()).equals(Buffer.concat(pieces))).toBe(true);
        }
        expect(collector.take()).toEqual(new Uint8Array(0));
      },
    ),
  );
});

test.each([1, 2, 7, 64, 1000, 65_536, 100_000])("holds about what was added, in pieces of %s bytes", (length) => {
  const collector = new Collector();
  const piece = new Uint8Array(length).fill(5);
  let surplus = 0;
  for (let added = length; added <= 300_000; added += length) {
    collector.add(piece);
    surplus = Math.max(surplus, collector.capacity - 2 * added);
  }
  expect(surplus).toBeLessThanOrEqual(64);
  const data = collector.take();
  expect(data).toHaveLength(Math.floor(300_000 / length) * length);
  expect(data.every((byte) => byte === 5)).toBe(true);
  expect(collector.capacity).toBe(0);
});

test("keeps no view of what it was given, and gives bytes that nothing else changes", () => {
  const collector = new Collector();
  const read = new Uint8Array(65_536);
  collector.add(read.subarray(100, 103));
  expect(collector.capacity).toBe(3);
  read.fill(1);
  const first = collector.take();
  expect([...first]).toEqual([0, 0, 0]);
  expect(first.buffer.byteLength).toBe(3);
  collector.add(read.subarray(0, 3));
  expect([...first]).toEqual([0, 0, 0]);
  collector.add(read.subarray(0, 1));
  const second = collector.take();
  expect(second.buffer.byteLength).toBe(4);
});

test("is empty when it is cleared", () => {
  const collector = new Collector();
  collector.add(new Uint8Array(1000));
  collector.clear();
  expect([collector.capacity, collector.take().length]).toEqual([0, 0]);
});
