/** Recordings that somebody has made up are refused by the replay of a program: by name, with status 2, whatever the program catches. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { CALLS, Kind } from "../../host/record/calls.js";
import { RecordingError, type RecordingHeader, RecordingKind } from "../../host/record/format.js";
import { hashOf } from "../../host/record/hash.js";
import { record, replay, replayTest } from "../../host/record/index.js";
import { type Backend, ChannelMap, loop } from "wasyncore";
import { createNodeBackend } from "../../host/node/backend.js";
import { Fields, RecordingReader, sourceOf } from "../../host/record/reader.js";
import { Dates } from "../../host/record/replay/dates.js";
import { Player } from "../../host/record/replay/player.js";
import { requireBuild, ROOT } from "../support/processes.js";
import { headerOf, type Made, recordsOf, valuesOf, written } from "./made.js";
import { command, directory, replayed } from "./outside-support.js";

/** Each test starts several processes. */
vi.setConfig({ testTimeout: 60_000 });

beforeAll(() => requireBuild("dist/record/hooks.js"));

const HEADER: RecordingHeader = {
  kind: RecordingKind.BACKEND,
  realtimeNs: 0n,
  monotonicNs: 0n,
  details: { platform: process.platform, outside: [1, 2, 3] },
};

/** Runs a program once, then replays what `change` makes of its recording. */
async function replayOf(source: string, change: (records: Made[]) => readonly Made[], more: readonly string[] = []) {
  const at = directory();
  const [program, path] = [join(at, "program.mjs"), join(at, "run.wrec")];
  writeFileSync(program, `import ${JSON.stringify(`${ROOT}dist/index.js`)};\n${source}`);
  await command(process.execPath, [program], { env: { ...process.env, WASYNCORE_RECORD: path } });
  const bytes = readFileSync(path);
  writeFileSync(path, written(headerOf(bytes), change(recordsOf(bytes))));
  const ending = await replayed(path, [program], more);
  return { ...ending, path };
}

/** Catches what it can, and ends as if nothing were wrong. */
const CATCHES = `
const attempt = (call) => { try { call(); } catch {} };
process.on("uncaughtException", () => undefined);
`;

test.each([
  ["without its fields", Uint8Array.of(1)],
  ["with more fields than it has", Uint8Array.of(1, 2, 3)],
  ["at no call", Uint8Array.of(0, 2)],
])("a date %s", async (_, body) => {
  const { code, stderr, path } = await replayOf(`${CATCHES}attempt(() => Date.now());`, (records) => {
    expect(records.some(({ kind }) => kind === Kind.DATE)).toBe(true);
    return records.map((each) => (each.kind === Kind.DATE ? { ...each, body } : each));
  });
  expect(stderr).toContain(`wasyncore: cannot replay ${path} further: damaged: `);
  expect(code).toBe(2);
});

const READ = `import fs from "node:fs";
${CATCHES}attempt(() => fs.writeFileSync(new URL("made", import.meta.url), "x"));
attempt(() => fs.statSync(new URL("made", import.meta.url)));
`;

test.each([
  ["numbers that are none", [{ $: "Stats", numbers: { atimeMs: { valueOf: 1, toString: 1 } } }]],
  ["an entry without a name", [{ $: "entry", name: 1, at: "/", type: 1 }]],
  ["an open file without a number", [{ $: "handle", fd: "3" }]],
  ["an open directory without a path", [{ $: "directory", path: 3 }]],
])("a result of node:fs with %s", async (_, outcome) => {
  const { code, stderr } = await replayOf(READ, (records) =>
    records.map((each) => {
      if (each.kind !== Kind.FILE || !Buffer.from(each.body).includes("statSync")) return each;
      const end = Buffer.from(each.body).lastIndexOf("made") + "made".length;
      return { kind: each.kind, body: Buffer.concat([each.body.subarray(0, end), valuesOf(outcome, undefined)]) };
    }),
  );
  expect(stderr).toMatch(/^wasyncore: cannot replay .* further: damaged: /);
  expect(code).toBe(2);
});

test.each([
  ["records after the exit of the process", (records: Made[]) => [...records, { kind: Kind.EXIT, body: valuesOf(0) }]],
  [
    "an exit status that is none",
    (records: Made[]) => [...records.slice(0, -1), { kind: Kind.EXIT, body: valuesOf("none") }],
  ],
])("%s", async (_, change) => {
  const { code, stderr } = await replayOf("Date.now();", change);
  expect(stderr).toMatch(/^wasyncore: cannot replay .* further: damaged: /);
  expect(code).toBe(2);
});

test("a program that has more dates than it asks for differs, in bounded memory", async () => {
  const dates = Array.from({ length: 60_000 }, () => ({ kind: Kind.DATE, body: Uint8Array.of(1, 2) }));
  const { code, stderr } = await replayOf("setTimeout(() => undefined, 1);", (records) => [...dates, ...records]);
  expect(stderr).toContain("expected: the program asks for the date");
  expect(code).toBe(1);
});

test("a program that asks for the date more often gets it late, and not never", () => {
  const dates = new Dates();
  const fields = new Fields();
  const keep = (...body: readonly number[]): void => {
    fields.set(Uint8Array.from(body), 0, body.length);
    dates.keep(fields);
  };
  const none = (): void => undefined;
  keep(1, 20);
  expect([dates.next(none), dates.next(none), dates.next(none), dates.next(none)]).toEqual([10, 10, 10, 10]);
  keep(2, 2);
  keep(2, 4);
  expect([dates.next(none), dates.next(none), dates.next(none), dates.next(none)]).toEqual([11, 11, 13, 13]);
  const largest = [1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f];
  keep(...largest);
  expect(() => keep(...largest)).toThrow(RecordingError);
});

test("dates that a program does not ask for are no difference, up to a bound", async () => {
  const dates = Array.from({ length: 40_000 }, () => ({ kind: Kind.DATE, body: Uint8Array.of(1, 2) }));
  const { code, stderr } = await replayOf("setTimeout(() => undefined, 1);", (records) => [...dates, ...records]);
  expect(stderr).toContain("no difference");
  expect(code).toBe(0);
});

test("a date is looked for in so many records, and not in all that are left", () => {
  const clocks = Array.from({ length: 5000 }, () => ({ kind: Kind.CLOCK, body: Uint8Array.of(2) }));
  const recording = written(HEADER, [...clocks, { kind: Kind.DATE, body: Uint8Array.of(1, 20) }]);
  const reader = new RecordingReader(sourceOf(recording));
  const player = new Player(reader);
  const begin = reader.position;
  const bytes = written(HEADER, clocks).length / clocks.length;
  for (let i = 0; i < 3; i++) expect(player.readDate()).toBe(0);
  const read = (reader.position - begin) / bytes;
  expect(read).toBeGreaterThan(500);
  expect(read).toBeLessThan(1500);
  // What was read is not lost: the program comes to it.
  let nowNs = 0;
  for (let i = 0; i < 4500; i++) nowNs = player.readClock();
  expect(player.readDate()).toBe(10);
  expect(nowNs).toBe(4500);
});

const RESULTS: readonly (readonly [keyof typeof CALLS, readonly unknown[], unknown])[] = [
  ["socket", ["IPv4", "stream"], "3"],
  ["socket", ["IPv4", "stream"], 3.5],
  ["accept", [3], { fd: -1, address: { host: "10.0.0.1", port: 1 } }],
  ["accept", [3], { fd: 4, address: { host: "10.0.0.1", port: 2 ** 40 } }],
  ["accept", [3], { fd: 4, address: 5 }],
  ["localAddress", [3], null],
  ["socketPair", ["stream"], [3]],
  ["pipe", [], [3, "4"]],
  ["readBytes", [{}, 3], "text"],
  ["receiveFrom", [3, 10], { data: "text", address: { path: "" } }],
  ["receiveDescriptors", [3, 1, 1], { data: new Uint8Array(1), descriptors: [-1], isTruncated: false }],
  ["lookupSync", ["name", 0], []],
  ["seek", [3, 0n, "start"], undefined],
  ["status", [3], { kind: "file", size: 3 }],
  ["readDirectory", [3, 0n, 10], [{ name: "text" }]],
];

test.each(RESULTS)("%s: a result that it cannot have is refused", (name, args, result) => {
  const failures: unknown[] = [];
  const recording = written(HEADER, [{ kind: CALLS[name].kind, body: valuesOf(args, result) }]);
  const { backend } = replay(recording, { failed: (error) => failures.push(error) });
  const call = backend[name] as unknown as (...args: readonly unknown[]) => unknown;
  expect(() => call(...args)).toThrow(RecordingError);
  expect(failures).toHaveLength(1);
});

/** Where a recording's records begin. */
function placesOf(bytes: Uint8Array): number[] {
  const reader = new RecordingReader(sourceOf(bytes));
  const places: number[] = [];
  while (reader.next()) places.push(reader.position);
  return places;
}

/** The RecordingError of a call, which the replay reports as well. */
function refusal(recording: Uint8Array, call: (backend: Backend) => unknown): string {
  const failures: unknown[] = [];
  const { backend } = replay(recording, { failed: (error) => failures.push(error) });
  expect(() => call(backend)).toThrow(RecordingError);
  const [failure] = failures;
  expect(failures).toHaveLength(1);
  expect(failure).toBeInstanceOf(RecordingError);
  return (failure as RecordingError).message;
}

test("a refusal says where the record is", () => {
  const closes = [3, 4].map((fd) => ({ kind: Kind.CLOSE, body: Uint8Array.of(fd, 0) }));
  const both = written(HEADER, [...closes, { kind: Kind.CLOSE, body: Uint8Array.of(5, 0, 0) }]);
  const [, , third] = placesOf(both);
  const message = refusal(both, ({ close }) => [3, 4, 5].map(close));
  expect(message).toBe(`damaged: a record has more fields than it should, in the record at byte ${third}`);

  // One that comes early, between turns.
  const damaged = { kind: Kind.CLOSE, body: Uint8Array.of(4) };
  const early = written(HEADER, [...closes.slice(0, 1), { kind: Kind.CLOSE, body: Uint8Array.of(5, 0) }, damaged]);
  expect(refusal(early, ({ close }) => close(4))).toContain(`in the record at byte ${placesOf(early)[2]}`);

  const ahead = written(HEADER, [
    { kind: Kind.CLOCK, body: Uint8Array.of(2) },
    { kind: Kind.DATE, body: Uint8Array.of(0, 2) },
  ]);
  const player = new Player(new RecordingReader(sourceOf(ahead)));
  expect(() => player.readDate()).toThrow(`in the record at byte ${placesOf(ahead)[1]}`);
});

test("what cannot be read as a record says where that is, once", () => {
  const late = { kind: 0, body: Uint8Array.of(1) };
  const bytes = written(HEADER, [...[3, 4].map((fd) => ({ kind: Kind.CLOSE, body: Uint8Array.of(fd, 0) })), late]);
  const place = placesOf(bytes)[2];
  expect(refusal(bytes, ({ close }) => [3, 4].map(close))).toBe(`damaged: a record of kind 0 at byte ${place}`);
});

test("a damaged record is refused where the program differs as well", () => {
  const recording = written(HEADER, [{ kind: CALLS.listen.kind, body: valuesOf([3, 5]) }]);
  expect(refusal(recording, ({ close }) => close(3))).toContain("damaged: a record is shorter than its fields");
});

const FULL = new Uint8Array(4);
test.each<[string, Made, (backend: Backend) => unknown]>([
  ["receives into a buffer", moved("peek", [3, 4], 5), ({ peek }) => peek(3, FULL.slice())],
  [
    "receives a datagram",
    moved("recvFrom", [3, 4], { length: 5, address: { path: "" } }),
    ({ recvFrom }) => recvFrom(3, FULL.slice()),
  ],
  [
    "sends a datagram",
    { kind: CALLS.sendTo.kind, body: valuesOf([3, FULL, { path: "a" }], 5) },
    ({ sendTo }) => sendTo(3, FULL, { path: "a" }),
  ],
  [
    "sends",
    { kind: Kind.SEND, body: Uint8Array.of(3, 10, 4, ...new Uint8Array(new Uint32Array([hashOf(FULL)]).buffer)) },
    ({ send }) => send(3, FULL),
  ],
])("a call that %s moves no more than it was given", (_, record, call) => {
  expect(refusal(written(HEADER, [record]), call)).toContain("damaged: ");
});

function moved(name: keyof typeof CALLS, args: readonly unknown[], result: unknown): Made {
  return { kind: CALLS[name].kind, body: valuesOf(args, result, FULL) };
}

test("a program that changes what it has received does not change the recording", () => {
  const body = Uint8Array.of(3, 4, 8, 1, 2, 3, 4);
  const recording = Buffer.from(written(HEADER, [{ kind: Kind.RECEIVE, body }]));
  const before = Uint8Array.from(recording);
  const data = replay(recording).backend.receive(3, 4);
  expect(data).toEqual(Uint8Array.of(1, 2, 3, 4));
  (data as Uint8Array).fill(0xff);
  expect(Uint8Array.from(recording)).toEqual(before);
});

test.each([
  ["a turn of an unknown form", Kind.TURN, Uint8Array.of(0, 7)],
  ["a record is shorter than its fields", Kind.WAIT, Uint8Array.of(0)],
])(
  "in a turn, %s: that ends the replay, whatever the program does with the error of its loop",
  async (why, kind, body) => {
    const program = async (backend: Backend): Promise<void> => {
      const map = new ChannelMap({ backend });
      map.callEvery(1, () => undefined);
      await loop({ map, count: 3 }).catch(() => undefined);
    };
    const chunks: Uint8Array[] = [];
    const recorder = record(createNodeBackend(), (chunk) => chunks.push(chunk.slice()));
    await program(recorder.backend);
    recorder.end();
    const records = recordsOf(Buffer.concat(chunks));
    // A wait is where the turn is to end.
    const replaced = kind === Kind.TURN ? kind : Kind.TURN_END;
    const at = records.findIndex((each) => each.kind === replaced);
    records[at] = { kind, body };
    const changed = written(headerOf(Buffer.concat(chunks)), records);
    const replaying = replayTest(changed, program, { patienceMs: 50 });
    await expect(replaying).rejects.toThrow(`damaged: ${why}, in the record at byte ${placesOf(changed)[at]}`);
  },
);

test("a loop that is fed a damaged record fails, and so does the replay", async () => {
  const recording = written(HEADER, [
    { kind: Kind.LOOKUP, body: valuesOf(1, "name", 0) },
    { kind: Kind.LOOKED_UP, body: valuesOf(1, [{ toString: 1 }]) },
  ]);
  const played = replay(recording);
  await expect(played.backend.lookup("name", 0)).rejects.toThrow(RecordingError);
  expect(() => played.rethrow()).toThrow(RecordingError);
  expect(played.isComplete).toBe(false);
});

test("a timer that is cleared by its number, as a text, or by itself does not fire in a replay", async () => {
  const source = `
const fired = [];
const timers = [1, 2, 3, 4].map((n) => setTimeout(() => fired.push(n), 60_000));
clearTimeout(+timers[0]);
clearInterval(String(+timers[1]));
timers[2].close();
setTimeout(() => { console.log(fired.join()); clearTimeout(timers[3]); }, 1);
`;
  const fire = (id: number): Made => ({ kind: Kind.TIMER, body: Uint8Array.of(id) });
  for (const id of [1, 2, 3]) {
    const { code, stderr } = await replayOf(source, (records) => [fire(id), ...records], ["--patience", "50"]);
    expect(stderr).toContain(`expected: timer or immediate ${id} of Node\n  found:    the program has not begun it`);
    expect(code).toBe(1);
  }
  const { code, stdout } = await replayOf(source, (records) => [fire(4), ...records]);
  expect([code, stdout]).toEqual([0, "4\n"]);
});
