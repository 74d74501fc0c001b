/** A recorded backend passes the contract of the seam, over the operating system and in a simulated world. */

import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { type Recorder, record } from "../../host/record/index.js";
import { createNodeBackend } from "../../host/node/backend.js";
import { SimWorld } from "../../host/sim/index.js";
import { afterAll, expect } from "vitest";
import { describeBackend } from "../backend/contract.js";
import { simulatedSystem } from "../sim/support.js";

const chunks = new Map<Recorder, Uint8Array[]>();

function recorded(...[backend, options]: [Parameters<typeof record>[0], Parameters<typeof record>[2]?]) {
  const all: Uint8Array[] = [];
  const recorder = record(backend, (chunk) => all.push(chunk.slice()), options);
  chunks.set(recorder, all);
  return recorder.backend;
}

describeBackend("recorded over epoll", recorded(createNodeBackend({ poller: "epoll" })));
describeBackend(
  "recorded over poll, without payloads",
  recorded(createNodeBackend({ poller: "poll" }), { payloads: false }),
);
describeBackend(
  "recorded over epoll, in batches from the first read on, with what is sent",
  recorded(createNodeBackend({ batchMin: 1, batchAfterReads: 0 }), { sent: true, redact: ["never"] }),
);
const world = new SimWorld({ start: new Date("2030-01-01") });
const host = world.host("10.0.0.1");
describeBackend("recorded on a simulated host", recorded(host.backend), simulatedSystem(world, host));

afterAll(() => {
  for (const [recorder, all] of chunks) {
    recorder.end();
    const reader = new RecordingReader(sourceOf(Buffer.concat(all)));
    let records = 0;
    while (reader.next()) records += 1;
    expect(recorder.failure).toBeUndefined();
    expect(reader.ending).toBe("whole");
    expect(records).toBeGreaterThan(500);
  }
});
