/**
 * Recordings that were changed at random, behind checks that match: a replay of one ends in time, by what it says, in bounded
 * memory, and not by an error that neither the recording nor the program has.
 */

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import {
  type Backend,
  ChannelMap,
  Dispatcher,
  DispatcherWithSend,
  loop,
  loopSync,
  OSError,
  setLogSink,
  type Socket,
} from "wasyncore";
import { createNodeBackend } from "../../host/node/backend.js";
import { record, RecordingError, ReplayDifference, replayTest } from "../../host/record/index.js";
import { generator } from "../guest/fuzz.js";
import { requireBuild, ROOT, Running } from "../support/processes.js";
import { headerOf, recordsOf } from "./made.js";
import { MADE_UP, mutated } from "./mutations.js";
import { command, directory } from "./outside-support.js";

const CHANGES = Number(process.env["WASYNCORE_TEST_CHANGES"] ?? 150);
const SEED = Number(process.env["WASYNCORE_TEST_SEED"] ?? 1);
/** Processes cost more. */
const PROCESSES = Math.ceil(CHANGES / 15);
/** From so many changes on, each way to end comes up. */
const CHANGES_MANY = 100;

/** Far less than a replay's patience would be by default. */
const PATIENCE_MS = 20;
const DEADLINE_MS = 30_000;
/** Over what the replay of the recording itself takes. */
const MEMORY_MORE_KIB = 100_000;

beforeAll(() => requireBuild("dist/record/hooks.js"));

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
  left = 3;
  override handleConnect(): void {
    this.send(Buffer.from("hello"));
  }
  override handleRead(): void {
    if (this.recv(100).length === 0) return;
    this.left -= 1;
    if (this.left === 0) this.close();
    else this.send(Buffer.from(`again ${this.left}`));
  }
}

class Server extends Dispatcher {
  override handleAccepted(socket: Socket): void {
    new Echo(socket, this.map);
    this.close();
  }
}

class Datagrams extends Dispatcher {
  override handleRead(): void {
    this.socket.recvFrom(100);
    this.close();
  }
}

/** A server, its client, datagrams, a name and timers, in one map that ends by itself. */
async function conversation(backend: Backend, isBlocking: boolean): Promise<void> {
  const map = new ChannelMap({ backend });
  try {
    const server = new Server(undefined, map);
    server.createSocket();
    server.setReuseAddr();
    server.bind({ host: "127.0.0.1", port: 0 });
    server.listen(5);
    const client = new Client(undefined, map);
    client.createSocket();
    client.connect(server.socket.localAddress());
    const datagrams = new Datagrams(undefined, map);
    datagrams.createSocket({ type: "dgram" });
    datagrams.bind({ host: "127.0.0.1", port: 0 });
    datagrams.socket.sendTo(Buffer.from("to itself"), datagrams.socket.localAddress());
    let ticks = 0;
    const ticking = map.callEvery(1, () => {
      ticks += 1;
      if (ticks === 4) ticking.cancel();
    });
    if (isBlocking) return loopSync({ map });
    const found = backend.lookup("127.0.0.1", 4);
    await Promise.all([loop({ map }), found]);
  } finally {
    for (const channel of map.values()) channel.close();
    map[Symbol.dispose]();
  }
}

/** Fails where it does not end in time. */
async function inTime<T>(ending: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("it does not end")), DEADLINE_MS);
  });
  try {
    return await Promise.race([ending, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @returns how the replay ended, in a word */
async function endOf(bytes: Uint8Array, isBlocking: boolean): Promise<string> {
  let failed: unknown;
  const options = { patienceMs: PATIENCE_MS, failed: (error: unknown) => (failed = error) };
  try {
    await inTime(replayTest(bytes, (backend) => conversation(backend, isBlocking), options));
    expect(failed).toBeUndefined();
    return "same";
  } catch (error) {
    if (error instanceof RecordingError) return "refused";
    if (error instanceof ReplayDifference) return "different";
    // What the recording says that a call has thrown, or returned: the program does not catch it.
    if (error instanceof OSError || String(error).includes(MADE_UP)) return "failed";
    throw error;
  }
}

test.each([false, true])(
  `replays of ${CHANGES} changed recordings end (blocking: %s)`,
  { timeout: 60_000 + 100 * CHANGES },
  async (isBlocking) => {
    onTestFinished(setLogSink(() => undefined));
    const chunks: Uint8Array[] = [];
    const recorder = record(createNodeBackend(), (chunk) => chunks.push(chunk.slice()));
    await conversation(recorder.backend, isBlocking);
    recorder.end();
    const recording = Buffer.concat(chunks);
    expect(await endOf(recording, isBlocking)).toBe("same");
    const [header, records] = [headerOf(recording), recordsOf(recording)];
    const ends: Record<string, number> = {};
    for (let seed = SEED; seed < SEED + CHANGES; seed++) {
      const bytes = mutated(header, records, generator(seed));
      try {
        const end = await endOf(bytes, isBlocking);
        ends[end] = (ends[end] ?? 0) + 1;
      } catch (error) {
        throw new Error(`WASYNCORE_TEST_SEED=${seed} WASYNCORE_TEST_CHANGES=1: ${String(error)}`, { cause: error });
      }
    }
    if (CHANGES < CHANGES_MANY) return;
    for (const end of ["same", "refused", "different"]) expect(ends[end]).toBeGreaterThan(CHANGES / 50);
  },
);

/** Uses all that is recorded of Node, in a directory that is its argument, and ends by itself. */
const PROGRAM = `
import { ChannelMap, DispatcherWithSend, loop, Socket } from ${JSON.stringify(`${ROOT}dist/index.js`)};
import fs, { promises } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
const at = process.argv[2];
const started = new Date();
const map = new ChannelMap();
const [near, far] = Socket.pair();
class End extends DispatcherWithSend {
  left = 4;
  handleRead() {
    const { length } = this.recv(1000);
    this.left -= 1;
    if (length > 0 && this.left > 0) this.send(Buffer.from(String(Math.random())));
    else if (this.left <= 0) this.close();
  }
  handleClose() {
    this.close();
  }
}
new End(near, map);
new End(far, map).send(Buffer.from(String(started.getTime())));
const signals = [];
process.on("SIGUSR2", (name) => signals.push(name));
process.kill(process.pid, "SIGUSR2");
const interval = setInterval(() => Date.now(), 1);
const cleared = setTimeout(() => undefined, 5);
clearTimeout(+cleared);
setImmediate(() => Date.now());
async function files() {
  fs.mkdirSync(at);
  fs.writeFileSync(at + "/a", "x".repeat(3000));
  for (let i = 0; i < 3; i++) {
    const handle = await promises.open(at + "/a", "r+");
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(2000), 0, 2000, 0);
    await handle.write(buffer.subarray(0, bytesRead));
    await handle.close();
  }
  for await (const entry of await promises.opendir(at)) await promises.stat(at + "/" + entry.name);
  const directory = fs.opendirSync(at);
  while (directory.readSync() !== null);
  directory.closeSync();
  const streamed = fs.createReadStream(at + "/a", { highWaterMark: 1024 });
  for await (const chunk of streamed) await sleep(0);
  await new Promise((resolve) => fs.stat(at, { bigint: true }, resolve));
  await promises.rm(at + "/absent").catch(() => undefined);
  await promises.readdir(at, { withFileTypes: true });
  fs.readFileSync(at + "/a", "utf8");
  fs.statfsSync(at);
  const blob = await fs.openAsBlob(at + "/a");
  const stopped = new AbortController();
  const watching = fs.watch(at, { signal: stopped.signal });
  const changed = new Promise((resolve) => watching.once("change", resolve));
  fs.appendFileSync(at + "/a", "more");
  await changed;
  stopped.abort();
}
await Promise.all([files(), loop({ map })]);
clearInterval(interval);
`;

/** Its peak is written when it exits. */
const MEASURED = `data:text/javascript,const leave = process.reallyExit; process.reallyExit = (code) => {
  process._rawDebug("peak " + process.resourceUsage().maxRSS); leave.call(process, code); };`;

interface ReplayEnd {
  readonly word: string;
  readonly peakKiB: number;
}

async function endOfProcess(path: string, program: readonly string[]): Promise<ReplayEnd> {
  const env = { ...process.env, WASYNCORE_REPLAY: JSON.stringify({ path, patienceMs: 100 }) };
  const running = new Running(process.execPath, ["--import", MEASURED, ...program], ROOT, { env });
  const { code, signal, stderr } = await inTime(running.ended);
  running.child.kill("SIGKILL");
  const [, peak] = /peak (\d+)\n$/.exec(stderr) ?? [];
  const peakKiB = Number(peak);
  const text = stderr.replace(/peak \d+\n$/, "");
  if (signal !== null) throw new Error(`ended by ${signal}: ${stderr}`);
  if (code === 0 && /^wasyncore: replayed .*: no difference\n$/.test(text)) return { word: "same", peakKiB };
  if (code === 1 && text.startsWith("wasyncore: difference in turn ")) return { word: "different", peakKiB };
  if (code === 2 && text.startsWith(`wasyncore: cannot replay ${path}`)) return { word: "refused", peakKiB };
  throw new Error(`status ${code}: ${stderr}`);
}

test(
  `replays of ${PROCESSES} changed recordings of a program end`,
  { timeout: 60_000 + 2000 * PROCESSES },
  async () => {
    const at = directory();
    const [program, path] = [join(at, "program.mjs"), join(at, "run.wrec")];
    writeFileSync(program, PROGRAM);
    const args = [program, join(at, "files")];
    await command(process.execPath, args, { env: { ...process.env, WASYNCORE_RECORD: path } });
    const recording = readFileSync(path);
    const usual = await endOfProcess(path, args);
    expect(usual.word).toBe("same");
    const [header, records] = [headerOf(recording), recordsOf(recording)];
    const seeds = Array.from({ length: PROCESSES }, (_, index) => SEED + index);
    const failures: unknown[] = [];
    const run = async (): Promise<void> => {
      for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
        const changed = join(at, `${seed}.wrec`);
        writeFileSync(changed, mutated(header, records, generator(seed)));
        try {
          const { peakKiB } = await endOfProcess(changed, args);
          expect(peakKiB).toBeLessThan(usual.peakKiB + MEMORY_MORE_KIB);
          rmSync(changed);
        } catch (error) {
          failures.push(`WASYNCORE_TEST_SEED=${seed} WASYNCORE_TEST_CHANGES=1: ${String(error)}`);
        }
      }
    };
    await Promise.all([run(), run()]);
    expect(failures).toEqual([]);
  },
);
