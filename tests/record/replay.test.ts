/** A recording is a test: of what does what it did, of what was cut off, of what was changed, and of what was left out. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import {
  type Backend,
  ChannelMap,
  closeAll,
  DispatcherWithSend,
  loop,
  loopSync,
  OSError,
  setLogSink,
  Socket,
} from "wasyncore";
import { createNodeBackend } from "../../host/node/backend.js";
import {
  record,
  type RecordOptions,
  type Recorder,
  RecordingError,
  ReplayDifference,
  replay,
  replayTest,
} from "../../host/record/index.js";
import { Kind } from "../../host/record/calls.js";
import { RecordingReader, sourceOf } from "../../host/record/reader.js";
import { RecordingWriter } from "../../host/record/writer.js";
import { SimWorld } from "../../host/sim/index.js";
import { descriptorsOf } from "../support/descriptors.js";

class Echo extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(100);
    if (data.length > 0) this.send(data);
  }

  override handleClose(): void {
    this.close();
  }
}

class Client extends DispatcherWithSend {
  readonly #lines: string[];

  constructor(socket: Socket, map: ChannelMap, lines: readonly string[]) {
    super(socket, map);
    this.#lines = [...lines];
    this.#next();
  }

  override handleRead(): void {
    if (this.recv(100).length > 0) this.#next();
  }

  #next(): void {
    const line = this.#lines.shift();
    if (line === undefined) this.close();
    else this.send(Buffer.from(line));
  }
}

const LINES = ["one", "two", "PASS hunter2", "four"];
const KEPT: unknown[] = [];

/** Two ends of a connection in one map, and a timer. */
function conversation(lines: readonly string[], isBlocking = false) {
  return async (backend: Backend): Promise<void> => {
    const map = new ChannelMap({ backend });
    const [near, far] = Socket.pair("stream", backend);
    KEPT.push(near, far);
    new Echo(near, map);
    new Client(far, map, lines);
    map.callLater(5, () => undefined);
    try {
      if (isBlocking) loopSync({ map });
      else await loop({ map });
    } finally {
      if (map.size === 0) map[Symbol.dispose]();
    }
  };
}

async function recorded(
  program: (backend: Backend) => Promise<void>,
  options?: RecordOptions,
  backend = createNodeBackend(),
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const recorder = record(backend, (chunk) => chunks.push(chunk.slice()), options);
  await program(recorder.backend);
  recorder.end();
  expect(recorder.failure).toBeUndefined();
  return Buffer.concat(chunks);
}

function quiet(): void {
  onTestFinished(setLogSink(() => undefined));
}

test.each([false, true])("what does what it did replays without a difference (blocking: %s)", async (isBlocking) => {
  const bytes = await recorded(conversation(LINES, isBlocking));
  expect(await replayTest(bytes, conversation(LINES, isBlocking))).toMatch(/^replayed \d+ turns, \d+ calls, 44 bytes/);
});

test.each([false, true])("the first difference is found where it is (blocking: %s)", async (isBlocking) => {
  quiet();
  const bytes = await recorded(conversation(LINES, isBlocking), { sent: true });
  const changed = replayTest(bytes, conversation(["one", "two!", ...LINES.slice(2)], isBlocking));
  const difference = await changed.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(difference).toBeInstanceOf(ReplayDifference);
  expect(difference).toMatchObject({
    code: "ERR_REPLAY_DIFFERENCE",
    call: "send",
    expected: expect.stringContaining('"two"'),
    found: expect.stringContaining('"two!"'),
  });
  await expect(replayTest(bytes, conversation(LINES.slice(0, 3), isBlocking))).rejects.toThrow(ReplayDifference);
  await expect(replayTest(bytes, conversation([...LINES, "five"], isBlocking))).rejects.toThrow(ReplayDifference);
  await expect(replayTest(bytes, () => undefined)).rejects.toThrow("the program has ended");
});

test("a recording of a simulated host is replayed without its world", async () => {
  const world = new SimWorld({ seed: 3 });
  const { backend } = world.host("10.0.0.1");
  const bytes = await recorded(
    async (wrapped) => {
      const done = conversation(LINES)(wrapped);
      await world.run({ untilMs: 1000 });
      await done;
    },
    {},
    backend,
  );
  expect(await replayTest(bytes, conversation(LINES))).toContain("44 bytes received");
});

test("what was cut off replays up to there, wherever that is", async () => {
  quiet();
  const chunks: Uint8Array[] = [];
  let recorder: Recorder | undefined;
  recorder = record(createNodeBackend(), (chunk) => chunks.push(chunk.slice()));
  const { backend } = recorder;
  const flushing: Backend = {
    ...backend,
    send(fd, data) {
      recorder?.flush();
      return backend.send(fd, data);
    },
  };
  await conversation(LINES)(flushing);
  recorder.end();
  const bytes = Buffer.concat(chunks);
  const [header] = chunks;
  expect(chunks.length).toBeGreaterThan(6);
  for (let length = 0; length < bytes.length; length++) {
    const replayed = replayTest(bytes.subarray(0, length), conversation(LINES));
    if (length < (header?.length ?? 0)) {
      await expect(replayed).rejects.toThrow(RecordingError);
    } else {
      await expect(replayed, `cut off at ${length}`).resolves.toMatch(/^replayed .*cut off there$/);
    }
  }
});

test("a changed byte is refused, or is a difference", async () => {
  quiet();
  const bytes = await recorded(conversation(LINES));
  let state = 5;
  const next = (): number => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
  let refused = 0;
  for (let i = 0; i < 1000; i++) {
    const changed = new Uint8Array(bytes);
    const at = Math.floor(next() * bytes.length);
    changed[at] = (changed[at] ?? 0) ^ (1 + Math.floor(next() * 255));
    const error: unknown = await replayTest(changed, conversation(LINES)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error instanceof RecordingError) refused += 1;
    else expect(error, `byte ${at}`).toBeInstanceOf(ReplayDifference);
  }
  expect(refused).toBe(1000);
});

test("without payloads nothing that was said is in the recording, and it cannot be replayed", async () => {
  const bytes = await recorded(conversation(LINES), { payloads: false });
  expect(Buffer.from(bytes).includes("hunter2")).toBe(false);
  expect(Buffer.from(bytes).includes("four")).toBe(false);
  expect(() => replay(bytes)).toThrow("without payloads");
});

test("what a pattern names is blanked, and the rest replays", async () => {
  for (const redact of [["hunter2"], [/(?<=PASS )\S+/]]) {
    const bytes = await recorded(conversation(LINES), { redact, sent: true });
    const text = Buffer.from(bytes).toString("latin1");
    expect(text).not.toContain("hunter2");
    expect(text).toContain("PASS *******");
    expect(text).toContain("four");
    // The secret itself is not in the recording: what the program sends is blanked by the same patterns again.
    expect(await replayTest(bytes, conversation(LINES), { redact })).toContain("44 bytes");
  }
});

test("a sink that fails ends the recording, and not the program", async () => {
  const messages: string[] = [];
  onTestFinished(setLogSink(({ message }) => void messages.push(message)));
  const chunks: Uint8Array[] = [];
  const full = new OSError("ENOSPC", { syscall: "write" });
  const recorder = record(createNodeBackend(), (chunk) => {
    if (chunks.length > 1) throw full;
    chunks.push(chunk.slice());
  });
  await conversation(LINES)(recorder.backend);
  recorder.flush();
  await conversation(LINES)(recorder.backend);
  recorder.flush();
  await conversation(LINES)(recorder.backend);
  recorder.end();
  expect(recorder.failure?.error).toBe(full);
  expect(messages).toEqual([expect.stringContaining("incomplete")]);
  expect(await replayTest(Buffer.concat(chunks), conversation(LINES))).toContain("cut off");
});

test("a program that makes no call that it made is not waited for forever", async () => {
  const bytes = await recorded(async (backend) => {
    const [one, other] = Socket.pair("stream", backend);
    await new Promise((resolve) => setImmediate(resolve));
    one.close();
    other.close();
  });
  const waiting = replayTest(
    bytes,
    async (backend) => {
      const map = new ChannelMap({ backend });
      const [one, other] = Socket.pair("stream", backend);
      KEPT.push(one, other);
      onTestFinished(() => closeAll({ map, ignoreAll: true }));
      new Echo(one, map);
      await loop({ map });
    },
    { patienceMs: 30 },
  );
  await expect(waiting).rejects.toThrow(ReplayDifference);
});

/** The same records, each in a block of its own, with one of them changed: its fields with a check that matches, or without. */
function damaged(bytes: Uint8Array, nth: number, isChecked: boolean): Uint8Array {
  const reader = new RecordingReader(sourceOf(bytes));
  const chunks: Uint8Array[] = [];
  const writer = new RecordingWriter((chunk) => chunks.push(chunk.slice()), reader.header);
  for (let record = 0, received = 0; reader.next(); record++) {
    const body = reader.fields.rest().slice();
    const isHit = reader.kind === Kind.RECEIVE && body.length > 5 && ++received === nth;
    writer.add(reader.kind, isHit && isChecked ? body.subarray(0, -1) : body);
    writer.flush();
    const chunk = chunks.at(-1);
    if (isHit && !isChecked && chunk !== undefined) chunk[chunk.length - 6] = (chunk[chunk.length - 6] ?? 0) ^ 1;
  }
  writer.end();
  return Buffer.concat(chunks);
}

test.each([true, false])(
  "damage ends the replay, whatever the program does with the error (check: %s)",
  async (isChecked) => {
    quiet();
    const bytes = damaged(await recorded(conversation(LINES)), 3, isChecked);
    const failures: unknown[] = [];
    const swallows = (backend: Backend): Promise<void> => conversation(LINES)(backend).catch(() => undefined);
    const options = { failed: (error: unknown) => failures.push(error) };
    await expect(replayTest(bytes, swallows, options)).rejects.toThrow(RecordingError);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toBeInstanceOf(RecordingError);
  },
);

test("recordings, options and programs of wrong types are refused", async () => {
  const bytes = await recorded(conversation(LINES));
  const wrong = <T>(value: unknown): T => value as T;
  for (const recording of [undefined, null, 5, {}, [1]]) expect(() => replay(wrong(recording))).toThrow(TypeError);
  const options: [unknown, string][] = [
    [null, "options"],
    [{ patience: 5 }, "patience"],
    [{ patienceMs: "5" }, "options.patienceMs"],
    [{ redact: "hunter2" }, "options.redact"],
    [{ over: true }, "options.over"],
    [{ files: {} }, "options.files"],
  ];
  for (const [each, name] of options) {
    expect(() => replay(bytes, wrong(each))).toThrow(
      expect.objectContaining({ name: "TypeError", message: expect.stringContaining(name) as string }) as Error,
    );
  }
  expect(() => replay(bytes, { patienceMs: -1 })).toThrow(RangeError);
  await expect(replayTest(bytes, wrong("program"))).rejects.toThrow(TypeError);
});

test.skipIf(process.platform !== "linux")(
  "the file of a recording is closed at its end, and where it is refused",
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "replay-"));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, "run.wrec");
    const files = (): string[] => descriptorsOf(process.pid).filter((each) => each.startsWith(directory));
    const bytes = await recorded(conversation(LINES));
    writeFileSync(path, bytes);
    await replayTest(path, conversation(LINES));
    expect(files()).toEqual([]);
    writeFileSync(path, bytes.subarray(0, 60));
    expect(() => replay(path)).toThrow(RecordingError);
    writeFileSync(path, await recorded(conversation(LINES), { payloads: false }));
    expect(() => replay(path)).toThrow(RecordingError);
    expect(files()).toEqual([]);
  },
);
