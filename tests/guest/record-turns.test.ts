/** Holds that a guest that is driven turn by turn replays to the last byte of its memory, in a browser too. */

import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { once } from "node:events";
import { createContext, runInContext } from "node:vm";
import * as esbuild from "esbuild";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { defaultBackend, driveGuest, runGuest, Socket } from "wasyncore";
import {
  type RecordedEnd,
  type ReplayOptions,
  type ReplayOutcome,
  replayGuest,
} from "../../host/guest/record/replay.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { RecordingWriter } from "../../host/record/writer.js";
import { BUILD_TIMEOUT_MS, buildGuest, TRACING_REACTOR } from "../assembly/programs.js";
import { ROOT } from "../support/processes.js";
import { temporary } from "./command.js";
import { wat } from "./modules.js";

const CLIENTS = 20;

let module: Uint8Array;
let recording: Uint8Array;

beforeAll(async () => {
  module = await buildGuest(TRACING_REACTOR, "--reactor");
}, BUILD_TIMEOUT_MS);

function listening(): { readonly socket: Socket; readonly port: number } {
  const socket = Socket.create();
  socket.bind({ host: "127.0.0.1", port: 0 });
  socket.listen(CLIENTS);
  return { socket, port: socket.localAddress("inet").port };
}

/** Sends each text when the one before has come back. */
async function talk(port: number, ...texts: readonly string[]): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  for (const text of texts) {
    socket.write(text);
    const [echoed] = (await once(socket, "data")) as [Buffer];
    expect(echoed.toString()).toBe(text);
  }
  socket.end();
  await once(socket, "close");
}

interface Recorded {
  readonly bytes: Uint8Array;
  readonly end: RecordedEnd;
}

/** Drives the guest while clients talk to it, until its host ends it or it throws. */
async function recorded(how: "abort" | "throw"): Promise<Recorded> {
  const path = join(temporary(), "run.wrec");
  const { socket, port } = listening();
  const abort = new AbortController();
  const { signal } = abort;
  const driven = driveGuest(module, { listeners: [socket], record: { path, hashes: true }, signal });
  for (let i = 0; i < CLIENTS; i += 2) {
    await Promise.all([i, i + 1].map((each) => talk(port, `first of ${each}`, `second of ${each}`)));
  }
  if (how === "abort") abort.abort();
  else connect(port, "127.0.0.1").end("throw");
  const end = await driven.then(
    (code): RecordedEnd => (how === "abort" ? { kind: "stopped" } : { kind: "exit", code }),
    ({ message }: Error): RecordedEnd => ({ kind: "trap", message }),
  );
  return { bytes: Uint8Array.from(readFileSync(path)), end };
}

const replay = (bytes: Uint8Array, options?: ReplayOptions): ReplayOutcome =>
  replayGuest(new RecordingReader(sourceOf(bytes)), module, options);

/** The same recording, with one byte of a record changed and checks that match. */
function rewritten(kind: number, nth: number, at: number): Uint8Array {
  const reader = new RecordingReader(sourceOf(recording));
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => void chunks.push(chunk.slice()), reader.header);
  let seen = 0;
  while (reader.next()) {
    const body = reader.fields.rest().slice();
    if (reader.kind === kind && ++seen === nth) body[at] = (body[at] ?? 0) ^ 1;
    writer.add(reader.kind, body);
  }
  writer.end();
  return Buffer.concat(chunks);
}

describe("a guest that takes turns", () => {
  test("replays to where its host has ended it, with the same memory in each turn", async () => {
    const { bytes, end } = await recorded("abort");
    recording = bytes;
    const hashes: string[] = [];
    const outcome = replay(recording, { onTurn: (_turn, hash) => void hashes.push(hash) });
    expect(outcome).toMatchObject({ kind: "same", end });
    expect(hashes).toHaveLength(outcome.turns);
    expect(new Set(hashes).size).toBeGreaterThan(CLIENTS);
  });

  test("replays to its own end", async () => {
    const { bytes, end } = await recorded("throw");
    expect(end.kind).not.toBe("stopped");
    expect(replay(bytes)).toMatchObject({ kind: "same", end });
  });

  test("ends before a turn", () => {
    expect(replay(recording, { until: 5 })).toMatchObject({ kind: "until", turns: 5 });
  });

  test("whose memory is another: the turn is named", () => {
    expect(replay(rewritten(3, 7, 0))).toMatchObject({
      kind: "different",
      difference: { name: "memory", turn: 7, expected: expect.stringMatching(/^memory with the hash [0-9a-f]{16}$/) },
    });
  });

  test("that an export answers otherwise is told", () => {
    expect(replay(rewritten(2, 3, 0))).toMatchObject({
      kind: "different",
      difference: { name: "", expected: expect.stringMatching(/^(?:turn|pending) returns \d+$/) },
    });
  });
});

describe("in an engine without Node", () => {
  test("the same recording replays, hash by hash", async () => {
    const { outputFiles, warnings } = await esbuild.build({
      entryPoints: [join(ROOT, "host/guest/record/index.ts")],
      bundle: true,
      write: false,
      format: "iife",
      globalName: "replaying",
      platform: "browser",
      logLevel: "silent",
    });
    expect(warnings).toEqual([]);
    // What browsers have beyond the language, and nothing else.
    const context = createContext({ TextDecoder, TextEncoder, recording, module });
    runInContext(outputFiles[0]?.text ?? "", context);
    const text = runInContext(
      `{
        const hashes = [];
        const reader = new replaying.RecordingReader(replaying.sourceOf(recording));
        const outcome = replaying.replayGuest(reader, module, { onTurn: (turn, hash) => hashes.push(hash) });
        JSON.stringify({ outcome, hashes, version: replaying.guestDetails(reader.header).version });
      }`,
      context,
    ) as string;
    const hashes: string[] = [];
    const outcome = replay(recording, { onTurn: (_turn, hash) => void hashes.push(hash) });
    expect(JSON.parse(text)).toEqual({ outcome, hashes, version: 2 });
    expect(runInContext("typeof process + typeof Buffer + typeof require", context)).toBe(
      "undefinedundefinedundefined",
    );
  });
});

test("what its descriptors are is asked for where it is recorded, and not otherwise", () => {
  const named = vi.spyOn(defaultBackend(), "localAddress");
  onTestFinished(() => named.mockRestore());
  const empty = wat(`(module (memory (export "memory") 1) (func (export "_start")))`);
  const run = (record?: string): number => {
    const { socket } = listening();
    named.mockClear();
    runGuest(empty, { listeners: [socket], ...(record !== undefined && { record }) });
    return named.mock.calls.length;
  };
  expect(run()).toBe(0);
  expect(run(join(temporary(), "run.wrec"))).toBe(1);
});

test.each([
  [null, "options.record"],
  [5, "options.record"],
  [{}, "options.record.path"],
  [{ path: "/nowhere/run.wrec", hashes: "yes" }, "options.record.hashes"],
])("what is no recording to make is refused: %j", (record, name) => {
  const empty = wat(`(module (memory (export "memory") 1) (func (export "_start")))`);
  expect(() => runGuest(empty, { record: record as unknown as string })).toThrow(
    expect.objectContaining({ name: "TypeError", message: expect.stringContaining(`"${name}"`) as string }) as Error,
  );
});
