/** spawn: child processes as channels, and that none of them, and no descriptor, is left. Linux alone has /proc. */

import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import {
  AsyncChat,
  Dispatcher,
  DispatcherWithSend,
  events,
  FileDispatcher,
  FileWrapper,
  spawn,
  toDuplex,
} from "wasyncore";
import { openedFromNow } from "../../support/descriptors.js";
import { newMap } from "../../support/runs.js";
import { connectedPair, listener, pipe } from "../../support/sockets.js";
import { all, randomBytes, runningMap, sha256 } from "../../support/streams.js";

/** A program in JavaScript: there is no other that every system has. */
function program(source: string): [string, string[]] {
  return [process.execPath, ["--eval", source]];
}

const CAT = program("process.stdin.pipe(process.stdout)");

test("megabytes through a child, and nothing is left", async () => {
  const map = runningMap();
  const opened = openedFromNow();
  const data = randomBytes(4_000_000);
  const child = spawn(...CAT, { map });
  const stdin = toDuplex(child.stdin, { readable: false });
  const [received] = await Promise.all([all(child.stdout), pipeline(Readable.from([data]), stdin)]);
  expect(sha256(received)).toBe(sha256(data));
  expect(await child.exited).toEqual({ code: 0, signal: null });
  child.stdout.close();
  expect([map.size, opened()]).toEqual([0, []]);
});

test("a conversation by lines, and the exit code", async () => {
  const map = runningMap();
  const source = `
    const lines = require("node:readline").createInterface({ input: process.stdin });
    lines.on("line", (line) => console.log(line.toUpperCase()));
    lines.on("close", () => process.exit(3));`;
  const child = spawn(...program(source), { map });
  child.stdout.setTerminator("\n");
  child.stdin.push("one\n");
  const found: string[] = [];
  for await (const line of child.stdout) {
    found.push(String(line));
    if (found.length === 1) child.stdin.push("two\n");
    else child.stdin.closeWhenDone();
  }
  expect(found).toEqual(["ONE", "TWO"]);
  expect(await child.exited).toEqual({ code: 3, signal: null });
  child.stdout.close();
});

test("channels of a class of one's own, and standard error", async () => {
  const map = runningMap();
  const errors: string[] = [];
  class Lines extends AsyncChat {
    override collectIncomingData(data: Uint8Array): void {
      this._collectIncomingData(data);
    }
    override foundTerminator(): void {
      errors.push(Buffer.from(this._getData()).toString());
    }
  }
  const stderr = new Lines(undefined, map);
  stderr.setTerminator("\n");
  const child = spawn(...program('console.error("an error"); console.error("another")'), {
    map,
    stderr,
    stdin: "ignore",
    stdout: "ignore",
  });
  await stderr.closed;
  expect(errors).toEqual(["an error", "another"]);
  expect(await child.exited).toMatchObject({ code: 0 });
  for (const name of ["stdin", "stdout", "stderr"] as const) {
    expect(() => child[name]).toThrow(expect.objectContaining({ code: "ERR_NO_CHANNEL" }));
  }
});

test("a child that exits at once, or closes its input, closes the channel that is written", async () => {
  const map = runningMap();
  for (const source of ["process.exit(0)", "require('node:fs').closeSync(0); setTimeout(() => {}, 1e6)"]) {
    const child = spawn(...program(source), { map, stdout: "ignore" });
    child.stdin.push(randomBytes(1_000_000));
    await child.stdin.closed;
    child.kill();
    await child.exited;
  }
  expect(map.size).toBe(0);
});

test("a child that ends closes the channel to its input, with nothing pending: no loop is kept going by it", async () => {
  const map = runningMap();
  const child = spawn(...program(""), { map, stdout: "ignore" });
  const stream = toDuplex(child.stdin, { readable: false });
  // An error would reject it.
  const closed = once(stream, "close");
  await child.exited;
  expect([map.size, child.stdin.fd]).toEqual([0, -1]);
  await closed;
});

test("await using ends a child that does not end by itself", async () => {
  const map = runningMap();
  const opened = openedFromNow();
  let exited: Promise<unknown>;
  {
    await using child = spawn(...program("process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6)"), { map });
    exited = child.exited;
    expect(child.pid).toBeGreaterThan(0);
  }
  expect(await exited).toEqual({ code: null, signal: "SIGKILL" });
  expect([map.size, opened()]).toEqual([0, []]);
});

test("kill, and a signal that is aborted", async () => {
  const map = runningMap();
  const waiting = program("setInterval(() => {}, 1e6)");
  const killed = spawn(...waiting, { map, stdout: "ignore", stdin: "ignore" });
  killed.kill();
  expect(await killed.exited).toEqual({ code: null, signal: "SIGTERM" });
  expect(killed.kill()).toBe(false);
  const ending = new AbortController();
  const aborted = spawn(...waiting, { map, stdin: "ignore", signal: ending.signal });
  ending.abort();
  expect(await aborted.exited).toEqual({ code: null, signal: "SIGTERM" });
  expect(String(await all(aborted.stdout))).toBe("");
  aborted.stdout.close();
});

test("a program that is not there rejects exited; its channels end; no descriptor is left", async () => {
  const map = runningMap();
  const opened = openedFromNow();
  const child = spawn("/nowhere/at/all", [], { map });
  // At once: loopSync would wait for them for ever.
  expect(map.size).toBe(0);
  await expect(child.exited).rejects.toMatchObject({ code: "ENOENT" });
  expect([child.pid, String(await all(child.stdout))]).toEqual([undefined, ""]);
  await child[Symbol.asyncDispose]();
  expect([map.size, opened()]).toEqual([0, []]);
});

test("no process is left behind", async () => {
  const map = runningMap();
  const children = Array.from({ length: 8 }, () => spawn(...program(""), { map, stdin: "ignore", stdout: "ignore" }));
  await Promise.all(children.map((child) => child.exited));
  for (const { pid = 0 } of children) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

test("arguments are checked before anything is made", () => {
  const map = newMap();
  const taken = new FileDispatcher(0, map);
  const opened = openedFromNow();
  const bad = (options: object): void => void spawn(process.execPath, [], { map, ...options });
  expect(() => bad({ stdio: "pipe" })).toThrow(expect.objectContaining({ code: "ERR_UNKNOWN_OPTION" }));
  expect(() => bad({ stdin: "pip" })).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }));
  expect(() => bad({ stdin: taken })).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }));
  expect(() => bad({ stdin: -1 })).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
  expect([map.size, opened()]).toEqual([1, []]);
});

test.each<[string, unknown, object]>([
  ["a parameter that is a symbol", [Symbol("x")], {}],
  ["a parameter that is a number", ["x", 5], {}],
  ["a parameter that is no text", [{ toString: () => ({}) }], {}],
  ["a uid that is a bigint", [], { uid: 10n }],
  ["a gid that is a symbol", [], { gid: Symbol("x") }],
  ["an env that is a string", [], { env: "A=1" }],
  ["an env with a symbol", [], { env: { A: Symbol("x") } }],
])("%s is a typed error", (_what, parameters, options) => {
  const map = newMap();
  const opened = openedFromNow();
  expect(() => spawn(process.execPath, parameters as never, { map, ...options })).toThrow(
    expect.objectContaining({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" }),
  );
  expect([map.size, opened()]).toEqual([0, []]);
});

test("setFile gives every class a descriptor of any kind: a send queue on a pipe", async () => {
  const map = runningMap();
  const data = randomBytes(2_000_000);
  const queue = new DispatcherWithSend(undefined, map);
  const source = new Dispatcher(undefined, map);
  const child = spawn(...CAT, { map, stdin: queue, stdout: source });
  expect(queue.send(data)).toBe(data.length);
  const received: Buffer[] = [];
  for await (const chunk of source) {
    received.push(chunk);
    if (queue.fd >= 0 && queue.outBufferLength === 0) queue.close();
  }
  expect(sha256(Buffer.concat(received))).toBe(sha256(data));
  expect(await child.exited).toMatchObject({ code: 0 });
  source.close();
});

test("a child has its standard streams of this process, and none of its sockets, pipes and files", async () => {
  const map = runningMap();
  const [listening] = listener();
  const [near, far] = connectedPair();
  const channel = new Dispatcher(near, map);
  const file = new FileWrapper(pipe().readEnd.fd);
  const child = spawn(...program("console.log('started'); process.stdin.resume()"), { map, stderr: "ignore" });
  await once(events(child.stdout), "data");
  const own = linksOf("self");
  const opened = [listening, near, far, file, child.stdin, child.stdout].map(({ fd }) => own.get(fd) ?? "");
  for (const link of opened) expect(link).toMatch(/^(socket|pipe):/);
  const beyondStandard = [...linksOf(child.pid)].filter(([fd]) => fd > 2);
  expect(beyondStandard.filter(([, link]) => opened.includes(link))).toEqual([]);
  channel.close();
  file.close();
  child.stdin.close();
  expect(await child.exited).toMatchObject({ code: 0 });
  child.stdout.close();
});

/** What each descriptor of a process leads to: "socket:[inode]", "pipe:[inode]", a path. */
function linksOf(pid: number | "self" | undefined): Map<number, string> {
  const directory = `/proc/${pid}/fd`;
  const links = new Map<number, string>();
  for (const fd of readdirSync(directory)) {
    try {
      links.set(Number(fd), readlinkSync(`${directory}/${fd}`));
    } catch {
      // Closed meanwhile: the directory itself was one of them.
    }
  }
  return links;
}
