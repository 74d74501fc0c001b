/** Holds that a replay leaves the same bytes in a guest's memory as the calls that were recorded, whatever they are. */

import { expect, test } from "vitest";
import type { Preview1 } from "../../host/guest/preview1.js";
import { GUEST_VERSION } from "../../host/guest/record/format.js";
import { GuestRecorder } from "../../host/guest/record/recorder.js";
import { Replayer } from "../../host/guest/record/replayer.js";
import { SIGNATURES } from "../../host/guest/signatures.js";
import { RecordingKind } from "../../host/record/format.js";
import { RecordingReader, type RecordingSource } from "../../host/record/reader.js";
import { RecordingWriter } from "../../host/record/writer.js";
import { type Answering, fuzz } from "./fuzz.js";

const CALLS = 600;
const FUNCTIONS = Object.keys(SIGNATURES);

/** A recording that is read while it is written. */
class Growing implements RecordingSource {
  /** Larger than what it holds: a copy for each chunk would take half of the time of the test. */
  #bytes = new Uint8Array(0);
  size = 0;

  add(chunk: Uint8Array): void {
    const size = this.size + chunk.length;
    if (size > this.#bytes.length) {
      const bytes = new Uint8Array(2 * size);
      bytes.set(this.#bytes.subarray(0, this.size));
      this.#bytes = bytes;
    }
    this.#bytes.set(chunk, this.size);
    this.size = size;
  }

  read(at: number, length: number): Uint8Array {
    return this.#bytes.subarray(Math.min(at, this.size), Math.min(at + length, this.size));
  }

  close(): void {
    this.#bytes = new Uint8Array(0);
    this.size = 0;
  }
}

type Call = (...parameters: (number | bigint)[]) => unknown;

/** Makes each call on a recorder, replays it on a copy of the memory as it was before, and compares the two. */
function replaying(preview1: Preview1, replayed: Map<string, number>): Answering {
  const source = new Growing();
  const header = {
    kind: RecordingKind.GUEST,
    realtimeNs: 0n,
    monotonicNs: 0n,
    details: { version: GUEST_VERSION, module: "", name: "", functions: FUNCTIONS },
  };
  const writer = new RecordingWriter((chunk) => source.add(chunk), header, 0x1000);
  const recorder = new GuestRecorder(preview1, FUNCTIONS, writer);
  const replayer = new Replayer(new RecordingReader(source), FUNCTIONS, {});
  let memory = new Uint8Array(0);
  let copy = new Uint8Array(0);
  const between =
    (name: string, call: Call): Call =>
    (...parameters) => {
      copy.set(memory);
      const answer = call(...parameters);
      writer.flush();
      let found: unknown;
      try {
        found = replayer.imports[name]?.(...parameters);
      } catch (error) {
        throw new Error(JSON.stringify(replayer.stopped), { cause: error });
      }
      expect(`${name}: ${String(found)}`).toBe(`${name}: ${String(answer)}`);
      const at = Buffer.compare(copy, memory) === 0 ? -1 : memory.findIndex((byte, i) => byte !== copy[i]);
      expect(`${name}(${parameters.join(", ")}) differs at ${at}`).toBe(
        `${name}(${parameters.join(", ")}) differs at -1`,
      );
      if (answer === 0) replayed.set(name, (replayed.get(name) ?? 0) + 1);
      return answer;
    };
  return {
    imports: Object.fromEntries(
      Object.entries(recorder.imports).map(([name, call]) => [name, between(name, call as Call)]),
    ),
    attach({ buffer }) {
      memory = new Uint8Array(buffer);
      copy = new Uint8Array(buffer.byteLength);
      recorder.attach({ buffer });
      replayer.attach({ buffer: copy.buffer });
    },
  };
}

test.each([2, 20_261_127])("600 calls at random, seed %i", { timeout: 60_000 }, (seed) => {
  const replayed = new Map<string, number>();
  const { faults } = fuzz(seed, CALLS, (preview1) => replaying(preview1, replayed));
  expect(faults.slice(0, 2)).toEqual([]);
  // Not only failures are replayed.
  expect(replayed.size).toBeGreaterThan(10);
});
