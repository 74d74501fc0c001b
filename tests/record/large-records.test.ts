/** A record for which there is no room ends the recording, and does not hurt the program; what a long one took is given back. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Backend, setLogSink } from "wasyncore";
import { createNodeBackend } from "../../host/node/backend.js";
import { Kind } from "../../host/record/calls.js";
import { BLOCK_HEAD_BYTES, BLOCK_MAX, CHECK_BYTES, RecordingKind } from "../../host/record/format.js";
import { record, recordRing } from "../../host/record/index.js";
import { Journal } from "../../host/record/journal.js";
import { planRecord } from "../../host/record/options.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { ValueBuffer } from "../../host/record/values.js";
import { RecordingWriter } from "../../host/record/writer.js";

const HEADER = { kind: RecordingKind.BACKEND, realtimeNs: 0n, monotonicNs: 0n, details: {} };
const BLOCK = 1024;
const MOST = 4096;

function started() {
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => chunks.push(chunk.slice()), HEADER, BLOCK, MOST);
  const journal = new Journal(writer, planRecord({ sent: true }), 0);
  const kinds = (): { kinds: number[]; ending: string | undefined } => {
    const reader = new RecordingReader(sourceOf(Buffer.concat(chunks)));
    const found: number[] = [];
    while (reader.next()) found.push(reader.kind);
    return { kinds: found, ending: reader.ending };
  };
  return { writer, journal, kinds };
}

const LONG = new Uint8Array(3 * MOST);

test.each<[string, (journal: Journal) => void]>([
  ["received", (journal) => journal.received(Kind.RECEIVE, 3, LONG.length, LONG.length, LONG)],
  ["sent", (journal) => journal.sent(Kind.SEND, 3, LONG, LONG.length)],
  ["sent in pieces", (journal) => journal.sentAll(3, [LONG, LONG], LONG.length)],
  ["an argument", (journal) => journal.call({ kind: 40 }, [3, LONG], 0, new Uint8Array(0))],
  ["a text", (journal) => journal.outside(Kind.FILE, 0, "writeFileSync", ["a", "x".repeat(3 * MOST)], [], undefined)],
  [
    "many values",
    (journal) =>
      journal.note(
        Kind.SIGNAL,
        Array.from({ length: 3 * MOST }, () => 1.5),
      ),
  ],
])("%s: what is longer than a record may be ends the recording", (_, record) => {
  const { writer, journal, kinds } = started();
  journal.closed(3, 0);
  record(journal);
  expect(String(writer.failure?.error)).toMatch(/too long/);
  expect(writer.isOver).toBe(true);
  // The program goes on.
  journal.closed(4, 0);
  journal.call({ kind: 40 }, [3], 0, new Uint8Array(0));
  writer.end();
  const { kinds: found, ending } = kinds();
  expect(found).toEqual([Kind.CLOSE]);
  expect(ending).toBe("cut off");
});

/** Says that it has received more than a recording takes, and fills nothing. */
const flooded: Backend = { ...createNodeBackend(), recv: (_fd, _target, length = 0) => length };

test("a recording that ends so is reported at once, and once", () => {
  const messages: string[] = [];
  onTestFinished(setLogSink(({ message }) => void messages.push(message)));
  const recorder = record(flooded, () => undefined);
  recorder.backend.recv(3, new Uint8Array(1), 1);
  expect(messages).toEqual([]);
  recorder.backend.recv(3, new Uint8Array(1), BLOCK_MAX);
  expect(messages).toEqual([
    expect.stringMatching(/^the recording is incomplete, .*: a record of \d+ bytes is too long$/),
  ]);
  recorder.backend.recv(3, new Uint8Array(1), BLOCK_MAX);
  recorder.end();
  expect(messages).toHaveLength(1);
});

test("a flight recorder leaves it out, and goes on", () => {
  const path = join(mkdtempSync(join(tmpdir(), "wasyncore-")), "ring.wrec");
  onTestFinished(() => rmSync(dirname(path), { recursive: true }));
  const messages: string[] = [];
  onTestFinished(setLogSink(({ message }) => void messages.push(message)));
  const recorder = recordRing(flooded, { bytes: "256KiB" });
  onTestFinished(() => recorder.end());
  for (const length of [1, BLOCK_MAX, 2, BLOCK_MAX, BLOCK_MAX, 3]) recorder.backend.recv(3, new Uint8Array(4), length);
  recorder.write(path);
  const reader = new RecordingReader(sourceOf(readFileSync(path)));
  const { fields } = reader;
  const asked: number[] = [];
  while (reader.next()) {
    if (reader.kind !== Kind.RECV) continue;
    expect(fields.varint()).toBe(3);
    asked.push(fields.varint());
    expect(fields.signed()).toBe(asked.at(-1));
    expect(fields.left).toBe(asked.at(-1));
  }
  expect(asked).toEqual([1, 2, 3]);
  expect(reader.ending).toBe("whole");
  expect(messages).toEqual([]);
});

test("a record of the most bytes is written", () => {
  const { writer, kinds } = started();
  writer.add(9, new Uint8Array(MOST - 6));
  expect(writer.failure).toBeUndefined();
  writer.add(9, new Uint8Array(MOST - 5));
  expect(writer.failure).toBeDefined();
  expect(kinds().kinds).toEqual([9]);
});

test("the buffer of a record that is much longer than a block is given back", () => {
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => chunks.push(chunk.slice()), HEADER, BLOCK);
  const usual = writer.held.length;
  writer.add(9, new Uint8Array(100 * BLOCK));
  expect(writer.held.length).toBeGreaterThan(100 * BLOCK);
  writer.flush();
  expect(writer.held.length).toBe(usual);
  writer.add(9, new Uint8Array(2 * BLOCK));
  writer.flush();
  expect(writer.held.length).toBe(2 * BLOCK + 6 + BLOCK_HEAD_BYTES + CHECK_BYTES);
  writer.end();
  const reader = new RecordingReader(sourceOf(Buffer.concat(chunks)));
  const lengths: number[] = [];
  while (reader.next()) lengths.push(reader.fields.left);
  expect(lengths).toEqual([100 * BLOCK, 2 * BLOCK]);
});

test("so is that of its values", () => {
  const values = new ValueBuffer();
  values.put(new Uint8Array(3_000_000), (data) => data);
  expect(values.contents.buffer.byteLength).toBeGreaterThan(3_000_000);
  values.clear();
  expect(values.contents.buffer.byteLength).toBe(1024);
});
