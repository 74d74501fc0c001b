/** Recordings of programs that somebody has made up: what reads them refuses them by a RecordingError, or shows what is there. */

import { beforeAll, describe, expect, test } from "vitest";
import { CALLS, Kind, NAMES } from "../../host/record/calls.js";
import { RecordingError, type RecordingHeader } from "../../host/record/format.js";
import { replay } from "../../host/record/index.js";
import { readPeers } from "../../host/record/peers.js";
import { Fields, RecordingReader, sourceOf } from "../../host/record/reader.js";
import { recordText } from "../../host/record/replay/describe.js";
import { readValue, Thrown, ValueBuffer } from "../../host/record/values.js";
import { RecordingWriter } from "../../host/record/writer.js";
import { SimWorld } from "../../host/sim/index.js";
import { generator } from "../guest/fuzz.js";
import { recordedRun, timelineIn } from "../view/support.js";

const CHANGES = Number(process.env["WASYNCORE_TEST_CHANGES"] ?? 300);
const SEED = Number(process.env["WASYNCORE_TEST_SEED"] ?? 15);

let recordings: Uint8Array[];
beforeAll(async () => {
  const made = [{ sent: true }, {}, { payloads: false }].map((options) => recordedRun("hello", 2, options));
  // A slice of a Buffer is the Buffer's.
  recordings = (await Promise.all(made)).map((each) => Uint8Array.from(each));
});

type Write = (writer: RecordingWriter) => void;

function written(header: RecordingHeader, write: Write): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => void chunks.push(chunk.slice()), header);
  write(writer);
  writer.end();
  return Buffer.concat(chunks);
}

const headerOf = (bytes: Uint8Array): Required<RecordingHeader> => new RecordingReader(sourceOf(bytes)).header;

/** Everything that reads a recording of a program without the program. */
const READERS: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  "a view": timelineIn,
  "a text"(bytes) {
    const { flags, details } = headerOf(bytes);
    const reader = new RecordingReader(sourceOf(bytes));
    while (reader.next()) recordText(reader.kind, reader.fields.rest(), flags, details.sent === true);
  },
  "the peers in it": (bytes) => readPeers(new RecordingReader(sourceOf(bytes))),
  "a world"(bytes) {
    const world = new SimWorld({ seed: 1 });
    const { host } = world.from(bytes);
    const { backend } = host;
    const listener = backend.socket("IPv4", "stream");
    backend.bind(listener, { host: "0.0.0.0", port: 8 });
    backend.listen(listener, 10);
    const datagrams = backend.socket("IPv4", "dgram");
    backend.bind(datagrams, { host: "0.0.0.0", port: 9 });
    world.runSync({ untilMs: 1000, turns: 100 });
  },
};

/** @returns what came of it: "shown", or "refused" */
function readBy(read: (bytes: Uint8Array) => unknown, bytes: Uint8Array): string {
  try {
    read(bytes);
    return "shown";
  } catch (error) {
    if (!(error instanceof RecordingError)) throw error;
    expect(error.code).toBe("ERR_RECORDING");
    return "refused";
  }
}

/** An object that has no text and is no number, and what else a call does not take. */
const VALUES: readonly unknown[] = [
  { toString: 1, valueOf: 2 },
  undefined,
  -1,
  2 ** 50,
  Number.NaN,
  10n ** 30n,
  "\u001b[2J\u009b",
  new Uint8Array(3),
  [],
  [[{ toString: 1 }]],
  { fd: 4, address: { host: "nowhere", port: -1 }, data: 1, length: 2 ** 40 },
  { host: "10.0.0.1", port: 2 ** 40 },
  { path: "\u001b[2J" },
  new Thrown({ message: "\u001b[2J" }),
];

describe.each(Object.entries(READERS))("%s", (name, read) => {
  test("takes any value in the place of any other", () => {
    const [recording] = recordings as [Uint8Array];
    const values = new ValueBuffer();
    const kinds = [...NAMES.keys(), ...Object.values(Kind)];
    for (const value of VALUES) {
      for (const [first, second] of [
        [value, value],
        [3, value],
        ["IPv4", "dgram"],
      ]) {
        const bytes = written(headerOf(recording), (writer) => {
          for (const kind of new Set(kinds)) {
            if (kind < Kind.SET || (kind >= Kind.RECEIVE && kind <= Kind.CLOSE) || kind === Kind.TICK) continue;
            values.clear();
            const isCall = NAMES.has(kind);
            for (const each of isCall ? [[first, second, value], value, value] : [first, second, value, value, value])
              values.put(each, (data) => data);
            writer.add(kind, values.contents);
          }
        });
        expect(readBy(read, bytes)).toMatch(/^(?:shown|refused)$/);
      }
    }
  });

  test(`refuses a changed byte, or shows it: ${CHANGES} changes`, { timeout: 120_000 + 100 * CHANGES }, () => {
    const below = generator(SEED);
    const found = new Set<string>();
    for (let i = 0; i < CHANGES; i++) {
      const recording = recordings[below(recordings.length)] as Uint8Array;
      const changed = new Set([below(60), below(60), below(200)]);
      const reader = new RecordingReader(sourceOf(recording));
      const bytes = written(reader.header, (writer) => {
        for (let record = 0; reader.next(); record++) {
          const body = reader.fields.rest().slice();
          if (!changed.has(record) || body.length === 0) {
            writer.add(reader.kind, body);
            continue;
          }
          const at = below(body.length);
          body[at] = [0, 1, 0x7f, 0x80, 0xff, below(256), (body[at] ?? 0) ^ (1 << below(8))][below(7)] ?? 0;
          const kind = below(5) === 0 ? below(104) : reader.kind;
          writer.add(kind, below(5) === 0 ? body.subarray(0, below(body.length)) : body);
        }
      });
      found.add(readBy(read, bytes));
    }
    // A text of a record says that it is damaged.
    expect([...found].toSorted()).toEqual(name === "a text" ? ["shown"] : ["refused", "shown"]);
  });
});

test("a file that is damaged is refused wherever that is", () => {
  const [recording, other] = recordings as [Uint8Array, Uint8Array];
  const below = generator(SEED);
  for (let at = 0; at < recording.length; at++) {
    const bytes = recording.slice();
    bytes[at] = (bytes[at] ?? 0) ^ (1 + below(255));
    expect(readBy(timelineIn, bytes), `byte ${at}`).toBe("refused");
  }
  expect(readBy(timelineIn, Buffer.concat([recording, other]))).toBe("refused");
  expect(readBy(timelineIn, Buffer.concat([recording.subarray(0, -17), other]))).toBe("refused");
  for (let length = 0; length < recording.length; length++) {
    const bytes = recording.subarray(0, length);
    if (readBy(timelineIn, bytes) === "shown") expect(timelineIn(bytes).incomplete).not.toBe("");
  }
});

test("no record has a control character as text", () => {
  const [recording] = recordings as [Uint8Array];
  const values = new ValueBuffer();
  const text = "\u001b[2J\u009b2J\u0085\u202e\n";
  for (const kind of [Kind.SIGNAL, Kind.FILE, Kind.LOOKUP, CALLS.bind.kind, CALLS.setRawOption.kind]) {
    for (const value of [text, { [text]: 1 }, [text], new Thrown({ message: text }), Buffer.from(text, "latin1")]) {
      values.clear();
      for (let i = 0; i < 5; i++) values.put(value, (data) => data);
      expect(recordText(kind, values.contents, headerOf(recording).flags, true)).not.toMatch(/\p{C}/u);
    }
  }
});

test.each([
  ["a number of too many digits", 10n ** 20_000n],
  ["values that are too deep", [[[[[[[[[[]]]]]]]]]]],
])("%s is refused", (_, value) => {
  const values = new ValueBuffer();
  values.put(value, (data) => data);
  const fields = new Fields();
  fields.set(values.contents, 0, values.contents.length);
  expect(() => readValue(fields)).toThrow(RecordingError);
});

test.each([
  ["another platform", { platform: "\u001b[2J" }],
  ["a platform that is no text", { platform: { toString: 1 } }],
  ["a seed that is none", { outside: [{ valueOf: 1 }, 2, 3] }],
])("a header with %s is refused by a replay", (_, details) => {
  const [recording] = recordings as [Uint8Array];
  const header = headerOf(recording);
  const bytes = written({ ...header, details: { ...header.details, ...details } }, () => undefined);
  let found: unknown;
  try {
    replay(bytes);
  } catch (error) {
    found = error;
  }
  expect(found).toBeInstanceOf(RecordingError);
  expect((found as Error).message).not.toMatch(/\p{C}/u);
});
