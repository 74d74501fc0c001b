/** What a view shows of recordings of guests, and that a damaged one is refused or shown. */

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import type { GuestCalls } from "../../host/guest/instance.js";
import { compareGuests, type Comparison } from "../../host/guest/record/compare.js";
import { GUEST_VERSION } from "../../host/guest/record/format.js";
import { GuestRecorder, type RecorderOptions } from "../../host/guest/record/recorder.js";
import { SIGNATURES } from "../../host/guest/signatures.js";
import { planRecord } from "../../host/record/options.js";
import type { RecordOptions } from "../../host/record/index.js";
import { RecordingError, RecordingKind } from "../../host/record/format.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { RecordingWriter } from "../../host/record/writer.js";
import { replayGuest } from "../../host/guest/record/replay.js";
import { anomaliesOf, firstDifference } from "../../host/view/anomalies.js";
import { EVENT_KINDS, type Timeline } from "../../host/view/timeline.js";
import { BUILD_TIMEOUT_MS, buildGuest, TRACING_REACTOR } from "../assembly/programs.js";
import { client, exchange, runModule, temporary } from "../guest/command.js";
import { generator } from "../guest/fuzz.js";
import { assemblyScript } from "../guest/modules.js";
import { GUEST } from "../guest/run-guest.js";
import { recordedGuest, recordedRun, timelineIn } from "./support.js";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const CHANGES = 1000;

let reactor: Uint8Array;
let command: Uint8Array;
beforeAll(async () => {
  [reactor, command] = await Promise.all([buildGuest(TRACING_REACTOR, "--reactor"), assemblyScript(GUEST)]);
}, BUILD_TIMEOUT_MS);

const driven = (texts: readonly string[], options?: RecordOptions): Promise<Uint8Array> =>
  recordedGuest(reactor, texts, options);

/** What a command leaves, started with these parameters. */
async function commanded(...parameters: string[]): Promise<Uint8Array> {
  const run = runModule(command, "--record", "run.wrec", ...parameters);
  run.child.stdin.end();
  await run.ended;
  return Uint8Array.from(readFileSync(join(run.directory, "run.wrec")));
}

interface Shown {
  readonly kind: string | undefined;
  readonly text: string | undefined;
  readonly bytes: number | undefined;
  readonly content: string;
}

/** The events of a lane, in order. */
function eventsOf({ events, texts, contents }: Timeline, lane: number): Shown[] {
  return [...events.lane.entries()]
    .filter(([, of]) => of === lane)
    .map(([index]) => {
      const at = events.contentAt[index] ?? 0;
      const content = Buffer.from(contents.subarray(at, at + (events.contentLength[index] ?? 0))).toString();
      return {
        kind: EVENT_KINDS[events.kind[index] ?? 0],
        text: texts[events.text[index] ?? 0],
        bytes: events.bytes[index],
        content,
      };
    });
}

const kindsOf = (timeline: Timeline, lane: number): (string | undefined)[] =>
  eventsOf(timeline, lane).map(({ kind }) => kind);

const laneNamed = ({ lanes }: Timeline, name: string | RegExp): number =>
  lanes.findIndex((lane) => (typeof name === "string" ? lane.name === name : name.test(lane.name)));

describe("a guest that takes turns", () => {
  test("has a lane for each descriptor, with its peer, its bytes and its events, and turns that take time", async () => {
    const timeline = timelineIn(await driven(["first", "second"]));
    const { lanes, events, turns } = timeline;
    expect(lanes[0]).toMatchObject({ fd: undefined, name: "server.wasm" });
    expect(lanes[1]).toMatchObject({ fd: 3, name: expect.stringMatching(/^listening 127\.0\.0\.1:\d+$/) as string });
    expect(kindsOf(timeline, 1)).toEqual(["open", "accept", "accept"]);
    const accepted = lanes.filter(({ name }) => /^from 127\.0\.0\.1:\d+$/.test(name));
    expect(accepted.map(({ bytesIn, bytesOut }) => [bytesIn, bytesOut])).toEqual([
      [5, 5],
      [6, 6],
    ]);
    const connection = laneNamed(timeline, /^from/);
    expect(eventsOf(timeline, connection)).toMatchObject([
      { kind: "open" },
      { kind: "read", bytes: 5, content: "first" },
      { kind: "write", bytes: 5, content: "" },
      { kind: "end of input" },
      { kind: "note", text: "shutdown: write" },
      { kind: "close" },
    ]);
    expect(lanes[connection]?.closedUs).toBeGreaterThanOrEqual(lanes[connection]?.openedUs ?? Infinity);
    expect(laneNamed(timeline, "stdout")).toBeGreaterThan(0);
    expect(kindsOf(timeline, 0)).toEqual(["note"]);
    expect([...events.atUs]).toEqual([...events.atUs].toSorted((one, other) => one - other));
    expect(turns.beganUs.length).toBeGreaterThan(4);
    expect(turns.tookUs.every((tookUs) => tookUs > 0)).toBe(true);
    expect(Math.max(...turns.ready)).toBeGreaterThan(0);
    expect(timeline.incomplete).toBe("");
    expect(anomaliesOf(timeline).filter(({ what }) => !what.startsWith("turn"))).toEqual([]);
  });

  test("is shown with what it has sent, where that was recorded, and replays from it", async () => {
    const recording = await driven(["first"], { sent: true });
    const timeline = timelineIn(recording);
    expect(eventsOf(timeline, laneNamed(timeline, /^from/))[2]).toMatchObject({ kind: "write", content: "first" });
    expect(replayGuest(new RecordingReader(sourceOf(recording)), reactor)).toMatchObject({ kind: "same" });
  });

  test.each([
    ["without contents", { payloads: false }, ["", ""]],
    ["with contents that are blanked", { redact: ["s3cret"], sent: true }, ["a ****** b", "a ****** b"]],
  ])("is shown %s, and cannot be replayed", async (_, options, contents) => {
    const recording = await driven(["a s3cret b"], options);
    expect(Buffer.from(recording).includes("s3cret")).toBe(false);
    const timeline = timelineIn(recording);
    const [, read, write] = eventsOf(timeline, laneNamed(timeline, /^from/));
    expect([read, write]).toMatchObject([
      { kind: "read", bytes: 10, content: contents[0] },
      { kind: "write", bytes: 10, content: contents[1] },
    ]);
    expect(() => replayGuest(new RecordingReader(sourceOf(recording)), reactor)).toThrow(RecordingError);
  });

  test.each([
    ["contents", {}],
    ["contents that were left out", { payloads: false }],
  ])("differs from another run in its %s", async (_, options) => {
    const one = timelineIn(await driven(["first", "second"], options));
    expect(firstDifference(one, timelineIn(await driven(["first", "second"], options)))).toBe(-1);
    const index = firstDifference(one, timelineIn(await driven(["first", "sekond"], options)));
    expect(EVENT_KINDS[one.events.kind[index] ?? 0]).toBe("read");
  });
});

const RECORDED: readonly (readonly [string, RecordOptions])[] = [
  ["with what was received", {}],
  ["with all contents", { sent: true }],
  ["without contents", { payloads: false }],
  ["with nothing to blank", { redact: ["hunter2"] }],
  ["with all contents, and nothing to blank", { sent: true, redact: ["hunter2"] }],
];
const PAIRS = RECORDED.flatMap(([name, options]) =>
  RECORDED.map(([other, otherOptions]) => [name, other, options, otherOptions] as const),
);

/** What is compared of a guest's recordings, by a view and as text. */
function comparison(one: Uint8Array, other: Uint8Array): Comparison["kind"] {
  const outcome = compareGuests(new RecordingReader(sourceOf(one)), new RecordingReader(sourceOf(other))).kind;
  expect(firstDifference(timelineIn(one), timelineIn(other)) < 0 ? "same" : "different").toBe(outcome);
  return outcome;
}

const FUNCTIONS = Object.keys(SIGNATURES);

type Answers = Readonly<Record<string, (...parameters: number[]) => number>>;

/** A guest that opens a socket for datagrams, sends `text` in two pieces, and receives it after an empty datagram. */
function datagrams(text: string, { payloads, sent, redact = [] }: RecordOptions, parameters = 8): Uint8Array {
  const memory = new Uint8Array(0x1_0000);
  let view = new DataView(memory.buffer);
  const [IOVECS, ADDRESS, RESULT, LENGTH, FLAGS] = [64, 96, 104, 108, 112];
  let received = -1;
  const answers: Answers = {
    sock_open: () => (view.setUint32(RESULT, 5, true), 0),
    sock_send_to: () => (view.setUint32(LENGTH, text.length, true), 0),
    sock_recv_from() {
      received += 1;
      memory.set(Buffer.from(text).subarray(0, received * text.length), 1024);
      view.setUint32(LENGTH, received * text.length, true);
      return 0;
    },
    args_get(addresses = 0, strings = 0) {
      view.setUint32(addresses, strings, true);
      memory.set(Buffer.from(`${text}\0`), strings);
      return 0;
    },
    args_sizes_get(count = 0, bytes = 0) {
      view.setUint32(count, 1, true);
      view.setUint32(bytes, text.length + 1, true);
      return 0;
    },
  };
  const calls: GuestCalls = {
    imports: answers,
    exit: undefined,
    attach: ({ buffer }) => void (view = new DataView(buffer)),
  };
  const chunks: Uint8Array[] = [];
  const plan = planRecord({ payloads, sent, redact });
  const details = { version: GUEST_VERSION, module: "", name: "", functions: FUNCTIONS, opened: [], sent: plan.sent };
  const header = { kind: RecordingKind.GUEST, flags: plan.flags, realtimeNs: 0n, monotonicNs: 0n, details };
  const writer = new RecordingWriter((chunk) => void chunks.push(chunk.slice()), header);
  const options: RecorderOptions = { payloads: plan.payloads, sent: plan.sent, blank: plan.blank };
  const recorder = new GuestRecorder(calls, FUNCTIONS, writer, options);
  recorder.attach({ buffer: memory.buffer });
  const imports = recorder.imports as Answers;
  imports["args_get"]?.(2048, 2064);
  imports["sock_open"]?.(1, 1, RESULT);
  memory.set(Buffer.from(text), 512);
  view.setUint32(ADDRESS, 128, true);
  view.setUint32(ADDRESS + 4, 4, true);
  for (const [place, value] of [512, 2, 514, text.length - 2].entries())
    view.setUint32(IOVECS + 4 * place, value, true);
  imports["sock_send_to"]?.(5, IOVECS, 2, ADDRESS, 53, 0, LENGTH);
  view.setUint32(IOVECS, 1024, true);
  view.setUint32(IOVECS + 4, 100, true);
  const results = parameters === 8 ? [RESULT, LENGTH, FLAGS] : [LENGTH, FLAGS];
  for (let i = 0; i < 2; i++) imports["sock_recv_from"]?.(5, IOVECS, 1, ADDRESS, 0, ...results);
  recorder.exited(0);
  return Buffer.concat(chunks);
}

describe("two recordings of guests compare whatever each has of contents", () => {
  test.each(PAIRS)("%s and %s", (_, __, options, otherOptions) => {
    const one = datagrams("some text", options);
    expect(comparison(one, datagrams("some text", otherOptions))).toBe("same");
    expect(comparison(one, datagrams("some test", otherOptions))).toBe("different");
  });

  test("of a guest with connections", async () => {
    const [one, other] = [await driven(["first"], { sent: true }), await driven(["first"], { payloads: false })];
    expect(firstDifference(timelineIn(one), timelineIn(other))).toBe(-1);
  });
});

test.each([
  ["kept", 8, {}],
  ["left out", 8, { payloads: false }],
  ["kept, by the first signature", 7, {}],
  ["left out, by the first signature", 7, { payloads: false }],
])("an empty datagram is no end of input, and no damage, where contents are %s", (_, parameters, options) => {
  const timeline = timelineIn(datagrams("some text", options, parameters));
  expect(eventsOf(timeline, laneNamed(timeline, "socket"))).toMatchObject([
    { kind: "open" },
    { kind: "write", bytes: 9 },
    { kind: "read", bytes: 0 },
    { kind: "read", bytes: 9 },
  ]);
});

describe("a command", () => {
  test("that waits in its calls: the time of each wait is that of the event that ends it", async () => {
    const run = runModule(command, "--record", "run.wrec", "--listen", "127.0.0.1:0", "--", "echo");
    const connection = await client(await run.port());
    await run.stdout(/accepted/);
    expect((await exchange(connection, "some bytes")).toString()).toBe("some bytes");
    await run.ended;
    const timeline = timelineIn(Uint8Array.from(readFileSync(join(run.directory, "run.wrec"))));
    const lane = laneNamed(timeline, /^from/);
    expect(kindsOf(timeline, lane)).toEqual(["open", "read", "write", "end of input", "close"]);
    const times = [...timeline.events.atUs];
    expect(times[0]).toBe(0);
    expect(times.at(-1)).toBeGreaterThan(0);
    expect(eventsOf(timeline, laneNamed(timeline, "stdout"))[0]).toMatchObject({ kind: "write", bytes: 14 });
  });

  test("that polls has a turn", async () => {
    const timeline = timelineIn(await commanded("--", "wait", "0"));
    expect([...timeline.turns.ready]).toEqual([1]);
  });

  test.each([
    ["exits with status 0", ["exit", "0"], "note", "exits with status 0", 0],
    ["exits with status 7", ["exit", "7"], "error", "exits with status 7", 1],
    ["traps", ["trap"], "error", "unreachable", 1],
  ])("that %s", async (_, parameters, kind, text, anomalies) => {
    const timeline = timelineIn(await commanded("--", ...parameters));
    expect(eventsOf(timeline, 0)).toMatchObject([{ kind, text }]);
    expect(anomaliesOf(timeline).map(({ what }) => what)).toEqual(anomalies === 0 ? [] : [text]);
  });

  test("that fails in a call", async () => {
    const timeline = timelineIn(await commanded("--", "echo"));
    // It asks for descriptors until there are no more.
    expect(timeline.lanes.map(({ fd }) => fd)).toEqual([undefined]);
  });
});

test("a recording of the first version, which has no times, is shown and replayed", async () => {
  const reader = new RecordingReader(sourceOf(await driven(["first"])));
  const chunks: Uint8Array[] = [];
  const details = { ...reader.header.details, version: 1 };
  const writer = new RecordingWriter((chunk) => void chunks.push(chunk.slice()), { ...reader.header, details });
  while (reader.next()) if (reader.kind < 5 || reader.kind > 7) writer.add(reader.kind, reader.fields.rest().slice());
  writer.end();
  const recording = Buffer.concat(chunks);
  const timeline = timelineIn(recording);
  expect(kindsOf(timeline, laneNamed(timeline, "accepted"))).toContain("read");
  expect(timeline.durationUs).toBeGreaterThan(10);
  expect(replayGuest(new RecordingReader(sourceOf(recording)), reactor)).toMatchObject({ kind: "same" });
});

describe("wasyncore view", () => {
  test("shows one or two recordings of guests, and refuses one of a guest beside one of a program", async () => {
    const cwd = temporary();
    writeFileSync(join(cwd, "guest.wrec"), await driven(["first"]));
    writeFileSync(join(cwd, "program.wrec"), await recordedRun("hello", 1));
    const view = (...args: string[]): { status: number | null; stderr: string } =>
      spawnSync(process.execPath, [MAIN, "view", ...args], { cwd, encoding: "utf8" });
    expect(view("guest.wrec")).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^guest\.html: \d+ channels, \d+ events\n$/) as string,
    });
    expect(view("guest.wrec", "guest.wrec", "-o", "two.html").status).toBe(0);
    expect(view("guest.wrec", "program.wrec")).toMatchObject({
      status: 1,
      stderr:
        "wasyncore view: guest.wrec is a recording of a guest, program.wrec of a program: they cannot be shown side by side\n",
    });
  });
});

describe("a recording of a guest", () => {
  test(`in which a byte is changed is refused: ${CHANGES} changes`, async () => {
    const recording = await commanded("--env", "A=1", "--", "tell", "some", "words");
    const below = generator(13);
    for (let i = 0; i < CHANGES; i++) {
      const bytes = recording.slice();
      const at = below(bytes.length);
      bytes[at] = ((bytes[at] ?? 0) + 1 + below(255)) & 0xff;
      expect(() => timelineIn(bytes), `byte ${at}`).toThrow(RecordingError);
    }
  });

  test(`with fields that say something else it is refused or shown: ${CHANGES} changes`, async () => {
    const recording = await driven(["first"], { sent: true });
    const below = generator(14);
    const shown = new Set<string>();
    let records = 0;
    for (const reader = new RecordingReader(sourceOf(recording)); reader.next();) records += 1;
    for (let i = 0; i < CHANGES; i++) {
      const changed = below(records);
      const reader = new RecordingReader(sourceOf(recording));
      const chunks: Uint8Array[] = [];
      const writer = new RecordingWriter((chunk) => void chunks.push(chunk.slice()), reader.header);
      for (let record = 0; reader.next(); record++) {
        const body = reader.fields.rest().slice();
        const at = below(Math.max(1, body.length));
        if (record === changed && body.length > 0) body[at] = ((body[at] ?? 0) + 1 + below(255)) & 0xff;
        writer.add(record === changed && below(4) === 0 ? below(80) : reader.kind, body);
      }
      writer.end();
      try {
        timelineIn(Buffer.concat(chunks));
        shown.add("shown");
      } catch (error) {
        expect(error).toBeInstanceOf(RecordingError);
        shown.add("refused");
      }
    }
    expect([...shown].toSorted()).toEqual(["refused", "shown"]);
  }, 60_000);
});
