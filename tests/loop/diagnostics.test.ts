/** What the loop publishes of itself: diagnostics_channel, and slow callbacks. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { describe, expect, onTestFinished, test } from "vitest";
import { ChannelMap, type DiagnosticMessages, loop, OSError, type Socket } from "wasyncore";
import { connected, Recorder, Server } from "../support/handlers.js";
import { captureLog } from "../support/log.js";
import { start as startProcess, requireBuild } from "../support/processes.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, connectedPair } from "../support/sockets.js";

type Name = keyof DiagnosticMessages;

/** Subscribes until the test ends. */
function collect<N extends Name>(name: N, act?: (message: DiagnosticMessages[N]) => void): DiagnosticMessages[N][] {
  const messages: DiagnosticMessages[N][] = [];
  const listen = (message: unknown): void => {
    messages.push(message as DiagnosticMessages[N]);
    act?.(message as DiagnosticMessages[N]);
  };
  subscribe(name, listen);
  onTestFinished(() => void unsubscribe(name, listen));
  return messages;
}

describe.each(MODES)("$name", (mode) => {
  test("the life of channels is published", async () => {
    const map = newMap();
    const names = ["wasyncore:accept", "wasyncore:connect", "wasyncore:close"] as const;
    const [accepts, connects, closes] = [collect(names[0]), collect(names[1]), collect(names[2])];
    const server = new Server(map);
    const { address } = server;
    const client = connected(map, address);
    await run(mode, map, () => server.accepted.length > 0 && client.connected);
    client.send(bytes("hello"));
    await run(mode, map, () => server.accepted[0]?.text === "hello");
    const { fd } = client;
    client.close();
    client.close();
    await run(mode, map, () => server.accepted[0]?.closes === 1);
    expect(accepts).toHaveLength(1);
    expect(accepts[0]).toMatchObject({ listener: server, socket: { type: "stream" } });
    expect(connects).toEqual([{ channel: client, address }]);
    expect(closes).toHaveLength(2);
    expect(closes[0]).toMatchObject({ channel: client, fd, remote: address, bytesIn: 0, bytesOut: 5 });
    expect(closes[1]).toMatchObject({ channel: server.accepted[0], local: address, bytesIn: 5 });
  });

  test("errors, events, timers, polls and turns are published, with their map", async () => {
    const map = newMap();
    const [ours, theirs] = connectedPair();
    const failure = new Error("refused to read");
    class Failing extends Recorder {
      override handleRead(): void {
        throw failure;
      }
    }
    const channel = new Failing(ours, map);
    theirs.send(bytes("x"));
    const [errors, events] = [collect("wasyncore:error"), collect("wasyncore:event")];
    const [timers, polls, ended] = [collect("wasyncore:timer"), collect("wasyncore:poll"), collect("wasyncore:turn")];
    map.callLater(0, function tick() {});
    await turns(mode, map, 1);
    expect(errors).toEqual([{ channel, error: failure }]);
    const durationMs = expect.any(Number);
    expect(events).toEqual([{ map, channel, callback: "handleRead", durationMs }]);
    expect(timers).toEqual([{ map, name: "tick", durationMs }]);
    expect(polls).toEqual([{ map, durationMs }]);
    expect(ended).toEqual([{ map, ready: 1, callbacks: 2, durationMs }]);
  });

  test("subscribers may close the channels that they get", async () => {
    const map = newMap();
    collect("wasyncore:accept", ({ socket }) => (socket as Socket).close());
    collect("wasyncore:connect", ({ channel }) => channel.close());
    const closes = collect("wasyncore:close", ({ channel }) => channel.close());
    collect("wasyncore:turn", () => map.size < 3 && server.close());
    const log = captureLog();
    const server = new Server(map);
    const client = connected(map, server.address);
    await run(mode, map, () => map.size === 0);
    expect([client.fd, client.closes, client.errors]).toEqual([-1, 0, []]);
    expect(closes.map(({ channel }) => channel)).toEqual(expect.arrayContaining([client, server]));
    expect(log.filter(({ type }) => type !== "error")).toEqual([]);
  });

  test("a subscriber that closes a channel whose callback failed keeps handleError from being called", async () => {
    const map = newMap();
    const [ours, theirs] = connectedPair();
    class Failing extends Recorder {
      override handleRead(): void {
        throw new OSError("EIO", { syscall: "read" });
      }
    }
    const channel = new Failing(ours, map);
    theirs.send(bytes("x"));
    collect("wasyncore:error", ({ channel }) => channel.close());
    const log = captureLog();
    await run(mode, map, () => channel.fd < 0);
    expect(channel.errors).toEqual([]);
    expect(log).toEqual([expect.objectContaining({ type: "error", message: expect.stringContaining("EIO") })]);
  });

  test("slow callbacks and turns are logged, once warnSlowMs is set", async () => {
    const map = newMap();
    const log = captureLog();
    function busy(): void {
      const endMs = performance.now() + 8;
      while (performance.now() < endMs);
    }
    map.callLater(0, busy);
    await turns(mode, map, 1);
    expect(log).toEqual([]);
    map.warnSlowMs = 4;
    const [ours, theirs] = connectedPair();
    class Slow extends Recorder {
      override handleRead(): void {
        super.handleRead();
        busy();
      }
    }
    const slow = new Slow(ours, map);
    theirs.send(bytes("x"));
    map.callLater(0, busy);
    await turns(mode, map, 1);
    const texts = log.map(({ text }) => text);
    expect(texts).toHaveLength(2);
    expect(texts[0]).toMatch(/^warning: handleRead of <Slow connected.*> took \d+\.\d ms \(warnSlowMs is 4\)$/);
    expect(texts[1]).toMatch(/^warning: timer busy took /);
    map.warnSlowMs = 10;
    map.callLater(0, busy);
    map.callLater(0, busy);
    await turns(mode, map, 1);
    // Under load a callback alone may take more than 10 ms; then it is that which is logged.
    expect(log.at(-1)?.text).toMatch(/^warning: (a turn with 2 callbacks|timer busy) took /);
    expect(slow.text).toBe("x");
  });
});

test("warnSlowMs outlives the disposal of its map, and takes milliseconds alone", () => {
  const map = new ChannelMap();
  expect(map.warnSlowMs).toBe(Infinity);
  map.warnSlowMs = 5;
  map[Symbol.dispose]();
  expect(map.warnSlowMs).toBe(5);
  for (const value of [-1, Number.NaN, "5"]) {
    expect(() => (map.warnSlowMs = value as number)).toThrow(/"warnSlowMs" must be/);
  }
});

test("what a subscriber throws is an uncaught exception, and the loop goes on", async () => {
  requireBuild("dist/index.js");
  const script = `
    import { subscribe } from "node:diagnostics_channel";
    import { ChannelMap, loop } from "wasyncore";
    let caught = 0;
    process.on("uncaughtException", ({ message }) => message === "subscriber" && caught++);
    subscribe("wasyncore:timer", () => { throw new Error("subscriber"); });
    const map = new ChannelMap();
    const fired = [];
    for (const name of ["one", "two"]) map.callLater(0, () => fired.push(name));
    await loop({ map });
    await new Promise(setImmediate);
    console.log(fired.join(), caught);`;
  const ended = await startProcess(process.execPath, ["--input-type=module", "--eval", script]).ended;
  expect(ended).toMatchObject({ code: 0, stdout: "one,two 2\n", stderr: "" });
});

test("without subscribers nothing is published, however the loop runs", async () => {
  // Subscribing later must not need another loop.
  const map = newMap();
  const [ours, theirs] = connectedPair();
  const channel = new Recorder(ours, map);
  const ended = loop({ map });
  theirs.send(bytes("a"));
  await expect.poll(() => channel.text).toBe("a");
  const events = collect("wasyncore:event");
  theirs.send(bytes("b"));
  await expect.poll(() => events.length).toBe(1);
  const closed = once(channel.signal, "abort");
  channel.close();
  await closed;
  await ended;
});
