/** The container of recordings: what is written can be read, what was cut off up to there, and what was changed not at all. */

import { crc32 as crcOfZlib } from "node:zlib";
import { expect, test } from "vitest";
import { crc32, crc32OfTable } from "../../host/record/crc.js";
import { RecordingError, RecordingKind } from "../../host/record/format.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { RecordingWriter } from "../../host/record/writer.js";

const HEADER = {
  kind: RecordingKind.GUEST,
  realtimeNs: 1_700_000_000_123_456_789n,
  monotonicNs: 42n,
  details: { platform: "linux", name: "größe" },
};

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Records of many lengths, in several blocks. */
function sample(records = 60, ends = true, longest = 40_000): { bytes: Uint8Array; bodies: Uint8Array[] } {
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => chunks.push(chunk.slice()), HEADER, 1024);
  const next = random(7);
  const bodies = Array.from({ length: records }, (_, index) => {
    const body = new Uint8Array(Math.floor(next() ** 3 * (index === 20 ? longest : 300))).map(() => next() * 256);
    writer.add(index & 0xff, body);
    if (writer.isFull) writer.flush();
    return body;
  });
  if (ends) writer.end();
  return { bytes: Buffer.concat(chunks), bodies };
}

function readAll(bytes: Uint8Array) {
  const reader = new RecordingReader(sourceOf(bytes));
  const bodies: Uint8Array[] = [];
  while (reader.next()) bodies.push(new Uint8Array(reader.fields.rest()));
  return { header: reader.header, bodies, ending: reader.ending };
}

test("what is written can be read", () => {
  const { bytes, bodies } = sample();
  const read = readAll(bytes);
  expect(read.header).toEqual({ ...HEADER, flags: 0 });
  expect(read.bodies).toEqual(bodies);
  expect(read.ending).toBe("whole");
});

test("fields of every size can be read", () => {
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => chunks.push(chunk.slice()), HEADER);
  const numbers = [0, 1, 127, 128, 16_383, 16_384, 2 ** 28 - 1, 2 ** 28, 2 ** 31, 2 ** 32, 2 ** 40 + 3, 2 ** 51 - 1];
  for (const most of [127, 200, 20_000]) {
    writer.open(9, most);
    for (const value of numbers.slice(0, most === 127 ? 8 : 12)) {
      writer.varint(value);
      writer.signed(value);
      writer.signed(-value);
    }
    if (most > 127) writer.uint32(0xfedc_ba98);
    writer.close();
  }
  writer.open(1, 8);
  writer.varint(Number.MAX_SAFE_INTEGER);
  writer.close();
  writer.end();
  const reader = new RecordingReader(sourceOf(Buffer.concat(chunks)));
  const { fields } = reader;
  for (const most of [127, 200, 20_000]) {
    expect(reader.next()).toBe(true);
    for (const value of numbers.slice(0, most === 127 ? 8 : 12)) {
      expect([fields.varint(), fields.signed(), fields.signed()]).toEqual([value, value, value === 0 ? 0 : -value]);
    }
    if (most > 127) expect(fields.uint32()).toBe(0xfedc_ba98);
    expect(fields.isAtEnd).toBe(true);
    expect(() => fields.byte()).toThrow(RecordingError);
  }
  expect(reader.next()).toBe(true);
  expect(fields.varint()).toBe(Number.MAX_SAFE_INTEGER);
  expect(reader.next()).toBe(false);
});

test("a file that was cut off can be read up to its last whole block", () => {
  const { bytes, bodies } = sample(60, false, 3000);
  let most = 0;
  for (let length = 0; length < bytes.length; length++) {
    let read;
    try {
      read = readAll(bytes.subarray(0, length));
    } catch (error) {
      // Nothing can be said of a file whose header is not whole.
      expect(error).toBeInstanceOf(RecordingError);
      expect(most).toBe(0);
      continue;
    }
    expect(read.ending).toBe("cut off");
    expect(read.bodies.every((body, index) => Buffer.compare(body, bodies[index] ?? new Uint8Array(1)) === 0)).toBe(
      true,
    );
    expect(read.bodies.length).toBeGreaterThanOrEqual(most);
    most = read.bodies.length;
  }
  expect(most).toBeGreaterThan(30);
});

test("a changed byte is found, whichever it is", () => {
  const { bytes } = sample(30);
  const next = random(11);
  for (let at = 0; at < bytes.length; at++) {
    const changed = new Uint8Array(bytes);
    changed[at] = (changed[at] ?? 0) ^ (1 + Math.floor(next() * 255));
    expect(() => readAll(changed), `byte ${at}`).toThrow(RecordingError);
  }
});

test("blocks that were moved, left out, repeated or added are found", () => {
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => chunks.push(chunk.slice()), HEADER);
  for (let i = 0; i < 3; i++) {
    writer.add(i, new Uint8Array(10));
    writer.flush();
  }
  writer.end();
  const [header, first, second, third, end] = chunks;
  if (!header || !first || !second || !third || !end) throw new Error("a block is missing");
  expect(readAll(Buffer.concat(chunks)).bodies).toHaveLength(3);
  for (const parts of [
    [header, second, first, third, end],
    [header, first, third, end],
    [header, first, first, second, third, end],
    [header, first, second, third, end, end],
    [header, first, second, third, end, Uint8Array.of(0)],
  ]) {
    expect(() => readAll(Buffer.concat(parts))).toThrow(RecordingError);
  }
});

test("what is no recording is refused", () => {
  for (const bytes of [new Uint8Array(0), new Uint8Array(100), Buffer.from("#!/usr/bin/env node\n".repeat(10))]) {
    expect(() => readAll(bytes)).toThrow("no recording");
  }
});

test("a sink that throws ends the recording, and the writer goes on taking records", () => {
  let calls = 0;
  const full = Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
  const writer = new RecordingWriter(() => {
    if (++calls > 2) throw full;
  }, HEADER);
  for (let i = 0; i < 10; i++) {
    writer.add(1, new Uint8Array(3_000_000));
    writer.flush();
  }
  writer.end();
  expect(writer.failure?.error).toBe(full);
  expect(calls).toBe(3);
  expect(writer.pendingBytes).toBe(0);
});

test("the CRC is zlib's, with its table as well", () => {
  const data = new Uint8Array(1000).map((_, index) => index * 7);
  for (const [from, to] of [
    [0, 0],
    [0, 3],
    [5, 150],
    [5, 990],
  ] as const) {
    const expected = crcOfZlib(data.subarray(from, to), 99);
    expect(crc32(data, 99, from, to)).toBe(expected);
    expect(crc32OfTable(data, 99, from, to)).toBe(expected);
  }
});
