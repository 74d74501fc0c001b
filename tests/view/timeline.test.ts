/** What a view shows of a recording, what it calls an anomaly, and how a timeline travels into a page. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { defaultBackend, Socket } from "../../host/index.js";
import { record, type RecordOptions, recordRing } from "../../host/record/index.js";
import { anomaliesOf, firstDifference } from "../../host/view/anomalies.js";
import { pack, unpack } from "../../host/view/packing.js";
import { EVENT_KINDS, type Timeline, TimelineBuilder } from "../../host/view/timeline.js";
import { temporary } from "../guest/command.js";
import { recordedRun, timelineIn } from "./support.js";

/** The kinds of a lane's events, in order. */
function kindsOf({ events }: Timeline, lane: number): string[] {
  return [...events.kind].filter((_, index) => events.lane[index] === lane).map((kind) => EVENT_KINDS[kind] ?? "");
}

test("a recording becomes a lane for each descriptor, with its events, bytes and contents", async () => {
  const timeline = timelineIn(await recordedRun("hello", 3));
  const names = timeline.lanes.map(({ name }) => name);
  expect(names).toHaveLength(7);
  expect(names[0]).toMatch(/^listening 127\.0\.0\.1:\d+$/);
  expect(names.filter((name) => /^to 127\.0\.0\.1:\d+$/.test(name))).toHaveLength(3);
  expect(names.filter((name) => /^from 127\.0\.0\.1:\d+$/.test(name))).toHaveLength(3);
  const accepted = names.findIndex((name) => name.startsWith("from"));
  expect(kindsOf(timeline, accepted)).toEqual(["open", "read", "write", "end of input", "close"]);
  expect(kindsOf(timeline, 0)).toEqual(["open", "accept", "accept", "accept", "close"]);
  for (const { fd, openedUs, closedUs, bytesIn, bytesOut } of timeline.lanes.slice(1)) {
    expect({ fd, bytesIn, bytesOut }).toEqual({ fd, bytesIn: 5, bytesOut: 5 });
    expect(closedUs).toBeGreaterThanOrEqual(openedUs);
  }
  const { events, contents, turns } = timeline;
  const read = events.kind.indexOf(EVENT_KINDS.indexOf("read"));
  const at = events.contentAt[read] ?? 0;
  expect(Buffer.from(contents.subarray(at, at + (events.contentLength[read] ?? 0))).toString()).toBe("hello");
  expect([...events.atUs]).toEqual([...events.atUs].toSorted((one, other) => one - other));
  expect(turns.beganUs.length).toBeGreaterThan(1);
  expect(anomaliesOf(timeline).filter(({ what }) => !what.startsWith("turn"))).toEqual([]);
});

test("a recording that was cut off is shown up to there, and says so", async () => {
  const whole = await recordedRun("hello", 3);
  expect(timelineIn(whole).incomplete).toBe("");
  const cut = timelineIn(whole.subarray(0, -1));
  expect(cut.incomplete).toBe("the recording was cut off");
  expect(cut.events.kind.length).toBeGreaterThan(0);
});

test("two runs differ from their first other event on, whatever their ports and times", async () => {
  const [one, same, other] = [
    timelineIn(await recordedRun("hello", 1)),
    timelineIn(await recordedRun("hello", 1)),
    timelineIn(await recordedRun("hallo", 1)),
  ];
  expect(firstDifference(one, same)).toBe(-1);
  const index = firstDifference(one, other);
  expect(EVENT_KINDS[one.events.kind[index] ?? 0]).toBe("write");
});

test.each([
  ["contents that are not kept", { sent: false }, "hello", "hallo"],
  ["payloads that are not kept", { payloads: false }, "hello", "hallo"],
  ["contents behind the part that is shown", { sent: true }, `${"x".repeat(3000)}hello`, `${"x".repeat(3000)}hallo`],
])("two runs differ in %s", async (_, options, greeting, otherGreeting) => {
  const one = timelineIn(await recordedRun(greeting, 1, options));
  expect(firstDifference(one, timelineIn(await recordedRun(greeting, 1, options)))).toBe(-1);
  const index = firstDifference(one, timelineIn(await recordedRun(otherGreeting, 1, options)));
  expect(EVENT_KINDS[one.events.kind[index] ?? 0]).toBe("write");
});

test.each([
  ["sent contents", { sent: true }, { sent: false }],
  ["any contents", { sent: true }, { payloads: false }],
])("two runs do not differ where one alone has %s", async (_, options, otherOptions) => {
  const one = timelineIn(await recordedRun("hello", 2, options));
  const other = timelineIn(await recordedRun("hello", 2, otherOptions));
  expect([firstDifference(one, other), firstDifference(other, one)]).toEqual([-1, -1]);
  const another = timelineIn(await recordedRun("hallo", 2, otherOptions));
  expect(EVENT_KINDS[one.events.kind[firstDifference(one, another)] ?? 0]).toBe("write");
});

/** Two sockets for datagrams that are connected, and one that is not: all receive an empty datagram, and one a byte. */
function recordedDatagrams(options: RecordOptions): Timeline {
  const chunks: Uint8Array[] = [];
  const recorder = record(defaultBackend(), (chunk) => chunks.push(chunk.slice()), options);
  const { backend } = recorder;
  const pair = backend.socketPair("dgram") as [number, number];
  const alone = backend.socket("IPv4", "dgram");
  onTestFinished(() => [...pair, alone].forEach((fd) => defaultBackend().close(fd)));
  backend.bind(alone, { host: "127.0.0.1", port: 0 });
  const at = backend.localAddress(alone) as { host: string; port: number };
  for (const data of [new Uint8Array(0), Uint8Array.of(7)]) {
    backend.send(pair[0], data);
    expect(backend.receive(pair[1], 100)).toEqual(data);
    backend.sendTo(alone, data, at);
    expect(backend.receiveFrom(alone, 100)).toMatchObject({ data });
  }
  recorder.end();
  return timelineIn(Buffer.concat(chunks));
}

test("an empty datagram is no end of input, and the same without contents", () => {
  const timeline = recordedDatagrams({ sent: true });
  expect([kindsOf(timeline, 1), kindsOf(timeline, 2)]).toEqual([
    ["open", "read", "read"],
    ["open", "write", "read", "write", "read"],
  ]);
  expect([...timeline.events.bytes]).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
  expect(firstDifference(timeline, recordedDatagrams({ payloads: false }))).toBe(-1);
});

test("descriptors that were open when a flight recorder's stretch begins have their names", () => {
  const recorder = recordRing(defaultBackend(), { bytes: "256KiB" });
  onTestFinished(() => recorder.end());
  const listener = Socket.create({}, recorder.backend);
  onTestFinished(() => listener.close());
  listener.bind({ host: "127.0.0.1", port: 0 });
  listener.listen(1);
  const { port } = listener.localAddress("inet");
  // Until the block in which it was opened is not kept any more.
  const data = new Uint8Array(1000);
  const [one, other] = Socket.pair("stream", recorder.backend);
  onTestFinished(() => (one.close(), other.close()));
  for (let sent = 0; sent < 600; sent++) {
    one.send(data);
    other.recv(1000);
  }
  const path = join(temporary(), "ring.wrec");
  recorder.write(path);
  const { lanes } = timelineIn(Uint8Array.from(readFileSync(path)));
  expect(lanes.map(({ fd, name }) => [fd, name])).toEqual([
    [listener.fd, `listening 127.0.0.1:${port}`],
    [one.fd, "socketPair"],
    [other.fd, "socketPair"],
  ]);
});

function built(): TimelineBuilder {
  const builder = new TimelineBuilder("made", 0);
  builder.open(5, 0, "one");
  builder.open(6, 0, "other");
  return builder;
}

test("long turns, errors, stalls and what stays open are anomalies, in order of time", () => {
  const builder = built();
  builder.beginTurn(0);
  builder.add({ lane: 0, atUs: 10, kind: "read", bytes: 1 });
  builder.endTurn(20);
  builder.beginTurn(100);
  builder.add({ lane: 1, atUs: 200, kind: "error", text: "ECONNRESET" });
  builder.endTurn(50_000);
  builder.add({ lane: 1, atUs: 60_000, kind: "blocked" });
  builder.add({ lane: 1, atUs: 70_000, kind: "blocked" });
  builder.add({ lane: 1, atUs: 260_000, kind: "write", bytes: 1 });
  builder.add({ lane: 1, atUs: 270_000, kind: "close" });
  expect(anomaliesOf(builder.timeline())).toEqual([
    { atUs: 10, lane: 0, what: "nothing more happens, and it stays open" },
    { atUs: 100, lane: undefined, what: "turn 1 took 49.9 ms" },
    { atUs: 200, lane: 1, what: "ECONNRESET" },
    { atUs: 60_000, lane: 1, what: "output waits for the peer for 200 ms" },
  ]);
});

test("output that waits when the run ends is a stall, and so is what a close ends", () => {
  const builder = built();
  builder.add({ lane: 0, atUs: 0, kind: "blocked" });
  builder.add({ lane: 1, atUs: 0, kind: "blocked" });
  builder.add({ lane: 1, atUs: 150_000, kind: "close" });
  builder.add({ lane: 0, atUs: 300_000, kind: "note" });
  expect(anomaliesOf(builder.timeline()).map(({ lane, what }) => [lane, what])).toEqual([
    [1, "output waits for the peer for 150 ms"],
    [0, "output waits for the peer for 300 ms"],
  ]);
});

test("what was packed is unpacked as it was", async () => {
  const timeline = timelineIn(await recordedRun("hello äöü </script>", 20));
  const packed = pack(timeline);
  const unpacked = unpack(packed);
  expect(unpacked).toEqual({
    ...timeline,
    lanes: timeline.lanes.map((lane) => JSON.parse(JSON.stringify(lane)) as unknown),
    incomplete: "",
  });
});

test("contents are bounded, for each event and in all", () => {
  const builder = built();
  for (let index = 0; index < 10_000; index++) {
    builder.add({ lane: 0, atUs: index, kind: "read", bytes: 5000, content: new Uint8Array(5000) });
  }
  const { events, contents } = builder.timeline();
  expect(events.contentLength[0]).toBe(1024);
  expect(contents.length).toBe(8 * 2 ** 20);
  expect(events.contentLength.at(-1)).toBe(0);
});
