/** Lines that plugins write: how they are cut, what is dropped of a flood, and how they come. */

import { beforeAll, describe, expect, test } from "vitest";
import { Control } from "../../host/plugin/control.js";
import { LinePost, type PostedLines } from "../../host/plugin/line-post.js";
import { createHostLines, HostLinesShare, limitHostLines } from "../../host/plugin/host-lines.js";
import { LineSplitter } from "../../host/plugin/lines.js";
import { Account, type PolicyEvent } from "../../host/plugin/policy/account.js";
import { parsePolicy } from "../../host/plugin/policy/schema.js";
import { PluginHost } from "wasyncore/plugin";
import { buildGuest } from "../assembly/programs.js";
import { ask, createHost, portOf, WAYS } from "./support.js";

const UNLIMITED = { linesPerSecond: Infinity, lineBytesPerSecond: Infinity };

function splitter(limits: object = {}, all = createHostLines(UNLIMITED), time = { ms: 0 }) {
  const events: PolicyEvent[] = [];
  const lines: string[] = [];
  const account = new Account({
    plugin: "p",
    limits: parsePolicy({ limits }).limits,
    onEvent: (event) => events.push(event),
    nowMs: () => time.ms,
  });
  const share = new HostLinesShare(all, () => time.ms);
  const made = new LineSplitter(account, share, (more) => void lines.push(...more));
  return { lines, events, time, account, made, write: (text: string) => made.push(Buffer.from(text)) };
}

describe("what is written becomes lines", () => {
  test("whatever the calls were, with a rest at the end", () => {
    const { lines, made, write } = splitter();
    for (const text of ["a", "b\n\nc", "", "d\ne"]) write(text);
    expect(lines).toEqual(["ab", "", "cd"]);
    made.end();
    made.end();
    expect(lines).toEqual(["ab", "", "cd", "e"]);
  });

  test("characters that a call divides stay whole, and so do those where a long line is cut", () => {
    const { lines, made } = splitter();
    const text = `${"x".repeat(8190)}${"🦊".repeat(5000)}`;
    for (const byte of Buffer.from(`${text}\nü\n`)) made.push(Uint8Array.of(byte));
    expect(lines.at(-1)).toBe("ü");
    expect(lines.slice(0, -1).join("")).toBe(text);
    expect(lines.slice(0, -1).map((line) => Buffer.byteLength(line))).toEqual([8190, 8192, 8192, 3616]);
  });

  test("bytes that are no text are replaced, and none is lost", () => {
    const { lines, made } = splitter();
    made.push(Buffer.alloc(20_000, 0xbf));
    made.end();
    expect(lines.map((line) => line.length)).toEqual([8192, 8192, 3616]);
  });
});

describe("lines above the limits are dropped and counted", () => {
  test("by their number", () => {
    const { lines, events, time, account, write } = splitter({ linesPerSecond: 100 });
    write("one\n".repeat(1000));
    expect(lines).toHaveLength(25);
    for (let call = 0; call < 1000; call++) write("one\n");
    expect(lines).toHaveLength(25);
    expect(events).toEqual([{ plugin: "p", limit: "linesPerSecond", value: 100, count: 975 }]);
    time.ms = 1000;
    write("one\n".repeat(100));
    expect(lines).toHaveLength(50);
    expect(events[1]).toEqual({ plugin: "p", limit: "linesPerSecond", value: 100, count: 1075 });
    expect(account.snapshot().refused).toEqual({ linesPerSecond: 2050 });
  });

  test("by their bytes: one that is begun is whole, and paid for afterwards", () => {
    const { lines, events, time, write } = splitter({ lineBytesPerSecond: 4000 });
    write(`${"x".repeat(5000)}\n`.repeat(3));
    write("short\n");
    expect(lines.map((line) => line.length)).toEqual([5000]);
    expect(events).toEqual([{ plugin: "p", limit: "lineBytesPerSecond", value: 4000, count: 2 }]);
    time.ms = 1500;
    write("short\n");
    expect(lines.at(-1)).toBe("short");
  });

  test("a line without an end is dropped in pieces", () => {
    const { lines, account, write } = splitter({ linesPerSecond: 4 });
    for (let call = 0; call < 100; call++) write("x".repeat(10_000));
    expect(lines).toHaveLength(1);
    expect(account.snapshot().refused).toEqual({ linesPerSecond: 121 });
  });
});

test("messages to the supervisor are few, and no line of them is lost unless it does not read", () => {
  const control = new Control();
  const posted: PostedLines[] = [];
  let dropped = 0;
  const post = new LinePost(
    control,
    (lines) => posted.push(lines),
    (count) => (dropped += count),
  );
  const linesIn = (): number => posted.flatMap(({ groups }) => groups.flatMap(({ lines }) => lines)).length;
  for (let line = 0; line < 3000; line++) {
    post.add(line % 2 === 0 ? "stdout" : "stderr", [String(line)]);
    post.postSoon();
  }
  post.post();
  expect(linesIn()).toBe(3000);
  expect(posted[0]).toEqual({ groups: [{ stream: "stdout", lines: ["0"] }], bytes: 66 });
  // 25 at once, those of the time that this takes, and full ones.
  expect(posted.length).toBeLessThan(500);
  for (const { bytes } of posted) control.linesSeen(bytes);
  posted.length = 0;
  for (let call = 0; call < 100; call++) post.add("stdout", ["x".repeat(30_000)]);
  post.post();
  expect(dropped).toBeGreaterThan(0);
  expect(linesIn() + dropped).toBe(100);
});

describe("plugins of one host have equal shares of what they may write together", () => {
  /** Each writes so many lines ten times a second. @returns how many of each came in the last second, of two */
  function flood(limits: object, counts: readonly number[], line: string) {
    const time = { ms: 1_000_000 };
    const all = createHostLines({ ...UNLIMITED, ...limits });
    const plugins = counts.map((count) => ({ count, ...splitter({}, all, time) }));
    for (let window = 0; window < 20; window++) {
      if (window === 10) for (const { lines } of plugins) lines.length = 0;
      for (const { write, count } of plugins) write(line.repeat(count));
      time.ms += 100;
    }
    return { plugins, came: plugins.map(({ lines }) => lines.length) };
  }

  test("by the number of lines", () => {
    const { plugins, came } = flood({ linesPerSecond: 1000 }, [500, 500, 500, 3], "one\n");
    expect(came).toEqual([250, 250, 250, 30]);
    expect(plugins[0]?.events[0]).toMatchObject({ limit: "hostLinesPerSecond", value: 1000 });
    const dropped = plugins.map(({ account }) => account.snapshot().refused.hostLinesPerSecond ?? 0);
    expect(dropped[1]).toBeGreaterThanOrEqual(4500);
    expect(dropped[3]).toBeLessThanOrEqual(30);
  });

  test("by their bytes", () => {
    const { plugins, came } = flood({ lineBytesPerSecond: 100_000 }, [500, 500], `${"x".repeat(99)}\n`);
    expect(came).toEqual([500, 500]);
    expect(plugins[0]?.events.at(-1)).toMatchObject({ limit: "hostLineBytesPerSecond", value: 100_000 });
  });

  test("and one that is alone has all of it", () => {
    expect(flood({ linesPerSecond: 1000 }, [500], "one\n").came).toEqual([1000]);
  });

  test("and one that writes rarely is heard beside others that always write", () => {
    const time = { ms: 1_000_000 };
    const all = createHostLines({ ...UNLIMITED, linesPerSecond: 1000 });
    const loud = [splitter({}, all, time), splitter({}, all, time)];
    const quiet = splitter({}, all, time);
    for (let window = 0; window < 100; window++) {
      for (const { write } of loud) write("one\n".repeat(500));
      if (window % 5 === 4) quiet.write("heard\n".repeat(3));
      time.ms += 100;
    }
    expect(quiet.lines).toHaveLength(60);
    const total = [quiet, ...loud].reduce((sum, { lines }) => sum + lines.length, 0);
    expect(total).toBeLessThanOrEqual(10_000);
    expect(total).toBeGreaterThan(9_000);
  });

  test("and what one that begins may write leaves something to the next that begins", () => {
    const time = { ms: 1_000_000 };
    const all = createHostLines({ ...UNLIMITED, linesPerSecond: 1000, lineBytesPerSecond: 100_000 });
    const came = Array.from({ length: 4 }, () => {
      const each = splitter({}, all, time);
      each.write("one\n".repeat(500));
      return each.lines.length;
    });
    expect(came).toEqual([50, 25, 13, 6]);
  });

  test("a hundred that begin at once write no more than that together", () => {
    const all = createHostLines({ ...UNLIMITED, linesPerSecond: 1000 });
    const plugins = Array.from({ length: 100 }, () => splitter({}, all));
    for (const { write } of plugins) write("one\n".repeat(1000));
    expect(plugins.reduce((sum, { lines }) => sum + lines.length, 0)).toBe(100);
  });
});

const SOURCE = `
import { Dispatcher, DispatcherWithSend, Socket, SocketAddress } from "wasyncore";
import { takeListener } from "wasyncore/guest";
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, vectors: usize, count: i32, result: usize): i32;

class Handler extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(100);
    if (data.length == 0) return;
    const line = String.UTF8.encode("one line\\n");
    const words = new StaticArray<u32>(3);
    words[0] = <u32>changetype<usize>(line);
    words[1] = line.byteLength;
    const at = changetype<usize>(words);
    let failed = 0;
    for (let i = 0; i < 20000; i++) failed |= fd_write(1, at, 1, at + 8);
    this.send(Uint8Array.wrap(String.UTF8.encode("errno " + failed.toString() + ", " + words[2].toString())));
  }
  override handleClose(): void { this.close(); }
}
class Server extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void { new Handler(socket); }
}
new Server(takeListener());
`;

describe.each(WAYS)("a plugin that runs %s and floods", (run) => {
  let code: Uint8Array;
  beforeAll(async () => {
    code = await buildGuest(SOURCE, "--reactor");
  }, 60_000);

  test("is not told: its writes succeed, and the host gets the number of what was dropped", async () => {
    const { host, told } = createHost();
    await host.start(code, {
      ...{ name: "noisy", run, listen: ["127.0.0.1:0"], stdio: "lines" },
      limits: { linesPerSecond: 100, cpuMsPerTurn: "unlimited" },
    });
    expect(await ask(portOf(host, "noisy"), "go")).toBe("errno 0, 9");
    expect(await told.until("limit")).toMatchObject({ plugin: "noisy", limit: "linesPerSecond", value: 100 });
    const lines = (): number => told.events.filter(({ name }) => name === "line").length;
    const dropped = (): number => host.snapshot("noisy").refused.linesPerSecond ?? 0;
    await expect.poll(() => lines() + dropped()).toBe(20_000);
    expect(lines()).toBeGreaterThanOrEqual(25);
    expect(told.events.filter(({ name }) => name === "limit").length).toBeLessThan(dropped() / 100);
  });

  test("beside another that does is held to what the host takes from both", async () => {
    const { host, told } = createHost({ linesPerSecond: 500 });
    for (const name of ["one", "two"]) {
      const limits = {
        linesPerSecond: "unlimited",
        lineBytesPerSecond: "unlimited",
        cpuMsPerTurn: "unlimited",
      } as const;
      await host.start(code, { name, run, listen: ["127.0.0.1:0"], stdio: "lines", limits });
    }
    await Promise.all(["one", "two"].map((name) => ask(portOf(host, name), "go")));
    for (const plugin of ["one", "two"]) {
      const lines = (): number =>
        told.events.filter(({ name, details }) => name === "line" && details["plugin"] === plugin).length;
      const dropped = (): number => host.snapshot(plugin).refused.hostLinesPerSecond ?? 0;
      await expect.poll(() => lines() + dropped()).toBe(20_000);
      expect(lines()).toBeGreaterThan(0);
      expect(dropped()).toBeGreaterThan(0);
    }
  });
});

test("what all plugins of a host may write is changed at any time", () => {
  const time = { ms: 1_000_000 };
  const all = createHostLines(UNLIMITED);
  const { lines, write } = splitter({}, all, time);
  write("one\n".repeat(500));
  limitHostLines(all, { linesPerSecond: 100, lineBytesPerSecond: Infinity });
  time.ms += 100;
  write("one\n".repeat(500));
  time.ms += 100;
  write("one\n".repeat(500));
  expect(lines).toHaveLength(500);
  for (let second = 0; second < 6; second++) time.ms += 1000;
  write("one\n".repeat(500));
  expect(lines).toHaveLength(505);
});

test("what all plugins of a host may write is a number of at least 1", () => {
  const host = new PluginHost();
  expect(() => host.limitLines({ linesPerSecond: 0 })).toThrow(/limits\.linesPerSecond/);
  expect(() => host.limitLines({ lines: 1 } as never)).toThrow(/unknown option "lines"/);
  expect(() => new PluginHost({ linesPerSecond: 0 })).toThrow(/options\.linesPerSecond/);
  expect(() => new PluginHost({ lineBytesPerSecond: "none" as never })).toThrow(/options\.lineBytesPerSecond/);
});
