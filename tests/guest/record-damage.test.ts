/** Holds that a recording of a guest that is changed, cut off or made up is refused or differs: no crash, and no silent success. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { GuestError } from "../../host/guest/instance.js";
import { compareGuests } from "../../host/guest/record/compare.js";
import { type ReplayOptions, type ReplayOutcome, replayGuest } from "../../host/guest/record/replay.js";
import { BLOCK_HEAD_BYTES, RecordingError } from "../../host/record/format.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { RecordingWriter } from "../../host/record/writer.js";
import { client, exchange, runModule } from "./command.js";
import { generator } from "./fuzz.js";
import { assemblyScript } from "./modules.js";
import { GUEST } from "./run-guest.js";

/** More than the recording has. The usual block is a megabyte, which would be made for each change. */
const BLOCK_BYTES = 0x1_0000;
const CHANGES = Number(process.env["WASYNCORE_TEST_CHANGES"] ?? 1000);

let guest: Uint8Array;
let recording = new Uint8Array(0);

beforeAll(async () => {
  guest = await assemblyScript(GUEST);
}, 60_000);

// By the first test, whichever that is: what it starts is ended with a test.
beforeEach(async () => {
  if (recording.length === 0) recording = await recorded();
});

async function recorded(): Promise<Uint8Array<ArrayBuffer>> {
  const run = runModule(guest, "--record", "run.wrec", "--env", "A=1", "--listen", "127.0.0.1:0", "--", "echo", "b");
  const data = Buffer.from("some bytes and a few more of them");
  expect((await exchange(await client(await run.port()), data)).equals(data)).toBe(true);
  expect((await run.ended).code).toBe(0);
  return Uint8Array.from(readFileSync(join(run.directory, "run.wrec")));
}

type Result = ReplayOutcome | RecordingError | GuestError;

function replay(bytes: Uint8Array, module = guest): Result {
  try {
    return replayGuest(new RecordingReader(sourceOf(bytes)), module);
  } catch (error) {
    if (error instanceof RecordingError || error instanceof GuestError) return error;
    throw error;
  }
}

const isSame = (result: Result): boolean => !(result instanceof Error) && result.kind === "same";

/** Changed bytes, with checks that match them: what a writer with a defect would have made. */
function rewritten(change: (body: Uint8Array, record: number) => void): Uint8Array {
  const reader = new RecordingReader(sourceOf(recording));
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => void chunks.push(chunk.slice()), reader.header, BLOCK_BYTES);
  for (let record = 0; reader.next(); record++) {
    const body = reader.fields.rest().slice();
    change(body, record);
    writer.add(reader.kind, body);
  }
  writer.end();
  return Buffer.concat(chunks);
}

describe("a recording", () => {
  test("is recorded and replayed", () => {
    expect(replay(recording)).toMatchObject({ kind: "same", end: { kind: "exit", code: 0 } });
    expect(isSame(replay(rewritten(() => undefined)))).toBe(true);
  });

  test(`in which a byte is changed is refused: ${CHANGES} changes`, () => {
    const below = generator(13);
    for (let i = 0; i < CHANGES; i++) {
      const bytes = recording.slice();
      const at = below(bytes.length);
      bytes[at] = ((bytes[at] ?? 0) + 1 + below(255)) & 0xff;
      const result = replay(bytes);
      expect(result, `byte ${at}`).toBeInstanceOf(RecordingError);
    }
  });

  test("that is cut off at any length is refused in its header, and replayed to its last block otherwise", () => {
    let calls = 0;
    for (let length = 0; length < recording.length; length++) {
      const result = replay(recording.slice(0, length));
      if (result instanceof Error) {
        expect(result).toBeInstanceOf(RecordingError);
        expect(calls).toBe(0);
        continue;
      }
      expect(result.kind).toBe("cut off");
      expect(result.calls).toBeGreaterThanOrEqual(calls);
      ({ calls } = result);
    }
    expect(calls).toBeGreaterThan(5);
  });

  test("with something behind its end, or a block twice, is refused", () => {
    expect(replay(Buffer.concat([recording, Uint8Array.of(0)]))).toBeInstanceOf(RecordingError);
    const end = recording.subarray(recording.length - BLOCK_HEAD_BYTES - 4);
    expect(replay(Buffer.concat([recording, end]))).toBeInstanceOf(RecordingError);
  });

  test("with a record that cannot be is refused, with where the record is", () => {
    const reader = new RecordingReader(sourceOf(recording));
    reader.next();
    const { position } = reader;
    const result = replay(rewritten((body, record) => void (record === 0 && body.fill(0xff))));
    expect(String(result)).toMatch(new RegExp(`^RecordingError: damaged: .*, in the record at byte ${position}$`));
  });

  test(`with fields that say something else never crashes: ${CHANGES} changes`, { timeout: 60_000 }, () => {
    const below = generator(14);
    const kinds = new Set<string>();
    for (let i = 0; i < CHANGES; i++) {
      const changedRecord = below(20);
      const result = replay(
        rewritten((body, record) => {
          if (record !== changedRecord || body.length === 0) return;
          const at = below(body.length);
          body[at] = ((body[at] ?? 0) + 1 + below(255)) & 0xff;
        }),
      );
      kinds.add(result instanceof Error ? result.name : result.kind);
      if (result instanceof RecordingError) expect(result.message).toMatch(/ at byte \d+\b/);
    }
    // What a guest has received may be anything: it is only refused where it does not fit.
    expect([...kinds]).toEqual(expect.arrayContaining(["different", "RecordingError"]));
  });

  test(`with fields that say something else is compared, or refused: ${CHANGES} changes`, { timeout: 60_000 }, () => {
    const below = generator(16);
    const kinds = new Set<string>();
    for (let i = 0; i < CHANGES; i++) {
      const changedRecord = below(20);
      const bytes = rewritten((body, record) => {
        if (record !== changedRecord || body.length === 0) return;
        const at = below(body.length);
        body[at] = [0x80, 0xff, below(256)][below(3)] ?? 0;
      });
      try {
        kinds.add(compareGuests(new RecordingReader(sourceOf(recording)), new RecordingReader(sourceOf(bytes))).kind);
      } catch (error) {
        expect(error).toBeInstanceOf(RecordingError);
        kinds.add("refused");
      }
    }
    expect([...kinds].toSorted()).toEqual(["different", "refused", "same"]);
  });

  test.each([
    ["a version that is a text", { version: "\u001b[2J" }],
    ["a version that is nothing", { version: { toString: 1 } }],
    ["a function that there is not", { functions: ["\u001b[2J"] }],
    ["functions that are none", { functions: [{ toString: 1 }] }],
  ])("with %s is refused", (_, details) => {
    const { header } = new RecordingReader(sourceOf(recording));
    const chunks: Uint8Array[] = [];
    const changed = { ...header, details: { ...header.details, ...details } };
    new RecordingWriter((chunk) => void chunks.push(chunk.slice()), changed).end();
    const result = replay(Buffer.concat(chunks));
    expect(result).toBeInstanceOf(RecordingError);
    expect((result as Error).message).not.toMatch(/\p{C}/u);
  });

  test("and a module and options of wrong types are refused", () => {
    const reader = (): RecordingReader => new RecordingReader(sourceOf(recording));
    const wrong = <T>(value: unknown): T => value as T;
    expect(() => sourceOf(wrong("run.wrec"))).toThrow(TypeError);
    expect(() => replayGuest(wrong({}), guest)).toThrow(TypeError);
    expect(() => replayGuest(reader(), wrong("app.wasm"))).toThrow(TypeError);
    for (const options of [null, { turn: 1 }, { until: "1" }, { changed: 1 }, { onTurn: 1 }])
      expect(() => replayGuest(reader(), guest, wrong<ReplayOptions>(options))).toThrow(TypeError);
    expect(() => replayGuest(reader(), guest, { until: 1.5 })).toThrow(RangeError);
  });

  test("of another module differs, or is refused", async () => {
    const other = await assemblyScript(GUEST.replace(`print("accepted on "`, `print("connected by "`));
    expect(replay(recording, other)).toMatchObject({ kind: "different" });
    expect(replay(recording, recording)).toBeInstanceOf(GuestError);
  });
});
