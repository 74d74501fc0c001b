/** Recordings that somebody has made up are refused by the replay of a program: by name, with status 2, whatever the program catches. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test, vi } from "vitest";
import { CALLS, Kind } from "../../host/record/calls.js";
import { RecordingError, type RecordingHeader, RecordingKind } from "../../host/record/format.js";
import { replay } from "../../host/record/index.js";
import { Fields, RecordingReader, sourceOf } from "../../host/record/reader.js";
import { Dates } from "../../host/record/replay/dates.js";
import { ValueBuffer } from "../../host/record/values.js";
import { RecordingWriter } from "../../host/record/writer.js";
import { requireBuild, ROOT } from "../support/processes.js";
import { command, directory, replayed } from "./outside-support.js";

/** Each test starts several processes. */
vi.setConfig({ testTimeout: 60_000 });

beforeAll(() => requireBuild("dist/record/hooks.js"));

interface Made {
  readonly kind: number;
  readonly body: Uint8Array;
}

function written(header: RecordingHeader, records: readonly Made[]): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => void chunks.push(chunk.slice()), header);
  for (const { kind, body } of records) writer.add(kind, body);
  writer.end();
  return Buffer.concat(chunks);
}

function recordsOf(bytes: Uint8Array): Made[] {
  const reader = new RecordingReader(sourceOf(bytes));
  const records: Made[] = [];
  while (reader.next()) records.push({ kind: reader.kind, body: reader.fields.rest().slice() });
  return records;
}

function valuesOf(...values: readonly unknown[]): Uint8Array {
  const buffer = new ValueBuffer();
  for (const value of values) buffer.put(value, (data) => data);
  return buffer.contents.slice();
}

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
  const { header } = new RecordingReader(sourceOf(bytes));
  writeFileSync(path, written(header, change(recordsOf(bytes))));
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
