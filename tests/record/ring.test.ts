/** The flight recorder keeps the last stretch, and writes it when something fails. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Backend, ChannelMap, Dispatcher, loop, loopSync, setLogSink, Socket } from "wasyncore";
import { createNodeBackend } from "../../host/node/backend.js";
import { Kind, NAMES } from "../../host/record/calls.js";
import { Flag } from "../../host/record/format.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { readValue } from "../../host/record/values.js";
import { recordRing, replay, type RingOptions } from "../../host/record/index.js";
import { describeBackend } from "../backend/contract.js";

describeBackend("in a flight recorder", recordRing(createNodeBackend(), { bytes: "256KiB" }).backend);

function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, "ring.wrec");
}

function flown(options: RingOptions) {
  const recorder = recordRing(createNodeBackend(), options);
  onTestFinished(() => recorder.end());
  return recorder;
}

/** The names of the calls in a recording, and the snapshot at its beginning. */
function read(path: string) {
  const reader = new RecordingReader(sourceOf(readFileSync(path)));
  const calls: string[] = [];
  let snapshot: unknown;
  const received: string[] = [];
  while (reader.next()) {
    if (reader.kind === Kind.OPEN) snapshot = readValue(reader.fields);
    const name = NAMES.get(reader.kind);
    if (name === undefined) continue;
    calls.push(name);
    if (reader.kind !== Kind.RECEIVE) continue;
    reader.fields.varint();
    reader.fields.varint();
    reader.fields.signed();
    received.push(String(Buffer.from(reader.fields.rest())).slice(0, 10));
  }
  return { header: reader.header, ending: reader.ending, calls, snapshot, received };
}

/** Sends and receives messages of 1,000 bytes, each with its number. */
function talk(backend: Backend, pair: readonly [Socket, Socket], first: number, last: number): void {
  const [near, far] = pair;
  const map = new ChannelMap({ backend });
  map.callLater(1e7, () => undefined);
  for (let i = first; i <= last; i++) {
    near.send(Buffer.from(String(i).padEnd(1000, ".")));
    if (i % 10 === 0) loopSync({ map, count: 1, timeoutMs: 0 });
    far.recv(2000);
  }
  map[Symbol.dispose]();
}

test("the last stretch is kept, with a snapshot of what was open at its beginning", () => {
  const path = temporary();
  const recorder = flown({ bytes: "256KiB" });
  const { backend } = recorder;
  const gone = Socket.pair("stream", backend);
  for (const each of gone) each.close();
  const pair = Socket.pair("stream", backend);
  const fds = pair.map((each) => each.fd);
  talk(backend, pair, 1, 50);
  recorder.write(path);
  const all = read(path);
  expect(all.calls.filter((name) => name === "socketPair")).toHaveLength(2);
  expect(all.snapshot).toEqual([]);

  talk(backend, pair, 51, 3000);
  expect(recorder.bytes).toBeLessThan(300_000);
  recorder.write(path);
  const { header, ending, calls, snapshot, received } = read(path);
  expect(header.flags).toBe(Flag.STRETCH | Flag.TURN_TIMES);
  expect(header.monotonicNs).toBeGreaterThan(all.header.monotonicNs);
  expect(ending).toBe("whole");
  expect(calls).not.toContain("socketPair");
  expect(snapshot).toEqual(fds.map((fd) => ({ fd, by: "socketPair" })));
  const numbers = received.map((text) => Number.parseInt(text, 10));
  expect(numbers.at(-1)).toBe(3000);
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => 3001 - numbers.length + index));
  expect(numbers.length).toBeGreaterThan(150);
  expect(() => replay(path)).toThrow("begins in the middle");
  for (const each of pair) each.close();
});

class Failing extends Dispatcher {
  override handleRead(): void {
    this.recv(10);
    throw new Error("as planned");
  }
  override handleError(): void {
    this.close();
  }
}

test("it is written when a handleError is reached", async () => {
  const lines: string[] = [];
  onTestFinished(setLogSink(({ message }) => void lines.push(message)));
  const path = temporary();
  const { backend } = flown({ path });
  const map = new ChannelMap({ backend });
  const [near, far] = Socket.pair("stream", backend);
  new Failing(near, map);
  far.send(Buffer.from("x"));
  expect(existsSync(path)).toBe(false);
  await loop({ map });
  expect(read(path).received).toEqual(["x"]);
  expect(lines).toEqual([expect.stringContaining("a callback has failed")]);
  far.close();
});

test("it is written at a signal", async () => {
  onTestFinished(setLogSink(() => undefined));
  const path = temporary();
  const { backend } = flown({ path, signal: "SIGUSR2" });
  const [near, far] = Socket.pair("stream", backend);
  process.kill(process.pid, "SIGUSR2");
  await expect.poll(() => existsSync(path) && read(path).calls).toContain("socketPair");
  near.close();
  far.close();
});

test("wrong options are refused", () => {
  const backend = createNodeBackend();
  for (const bytes of ["64 potatoes", 1000, "5GiB", Number.NaN, ""]) {
    expect(() => recordRing(backend, { bytes })).toThrow(RangeError);
  }
  expect(() => recordRing(backend, { signal: "SIGUSR2" })).toThrow("options.path");
  expect(() => recordRing(backend, { byte: 1 } as RingOptions)).toThrow('did you mean "bytes"');
});
