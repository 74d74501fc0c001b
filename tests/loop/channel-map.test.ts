/** ChannelMap: a map of channels, what it shows of them, and what it counts. */

import { describe, expect, test } from "vitest";
import { ChannelMap, Dispatcher, DispatcherWithSend, socketMap } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { anyAddress, bytes, connectedPair, connectingTo, FAMILIES, listener } from "../support/sockets.js";

test("is empty, and looks so, before anything is in it", () => {
  const map = new ChannelMap();
  expect([map.size, map.has(0), map.get(0), [...map], [...map.keys()], [...map.values()], map.snapshot()]).toEqual([
    0,
    false,
    undefined,
    [],
    [],
    [],
    [],
  ]);
  map[Symbol.dispose]();
});

test("finds channels by descriptor, and lists them in the order in which they came", () => {
  const map = newMap();
  const [a, b, c] = [connectedPair(), connectedPair(), connectedPair()].map(([near]) => new Recorder(near, map));
  if (a === undefined || b === undefined || c === undefined) throw new Error("three were made");
  const order = [b, c, a];
  for (const each of order) each.addChannel();
  expect(map.size).toBe(3);
  expect([...map.values()]).toEqual(order);
  expect([...map.keys()]).toEqual(order.map(({ fd }) => fd));
  expect([...map]).toEqual(order.map((each) => [each.fd, each]));
  expect([map.has(a.fd), map.get(a.fd), map.has(100_000)]).toEqual([true, a, false]);
  c.close();
  expect([...map.values()]).toEqual([b, a]);
});

test("a channel is in the map that it was given, and in no other", () => {
  const [one, two] = [newMap(), newMap()];
  const recorder = new Recorder(connectedPair()[0], one);
  expect([one.has(recorder.fd), two.has(recorder.fd), socketMap.has(recorder.fd)]).toEqual([true, false, false]);
});

describe("snapshot", () => {
  test.each(FAMILIES)("shows state, interest, addresses and bytes: %s", async (family) => {
    const map = newMap();
    const [socket, address] = listener(family);
    const server = new Dispatcher(socket, map);
    const [near, far] = connectedPair(family);
    const connected = new Recorder(near, map);
    far.send(bytes("hello"));
    connected.send(bytes("hi"));
    await run(MODES[2] ?? { name: "", blocking: true, usePoll: false }, map, () => connected.text === "hello");
    const [shownServer, shownConnected] = map.snapshot();
    expect(shownServer).toMatchObject({
      fd: server.fd,
      state: "accepting",
      local: address,
      remote: undefined,
      interest: { read: true, write: false },
      bytesIn: 0,
      bytesOut: 0,
    });
    expect(shownConnected).toMatchObject({
      fd: near.fd,
      state: "connected",
      local: near.localAddress(),
      remote: far.localAddress(),
      interest: { read: true, write: false },
      bytesIn: 5,
      bytesOut: 2,
    });
    expect(shownConnected?.ageMs).toBeGreaterThanOrEqual(0);
  });

  test("names a channel anew when it comes into the map again, and never twice", () => {
    const map = newMap();
    const seen = new Set<string>();
    for (let i = 0; i < 10; i++) {
      const recorder = new Recorder(connectedPair()[0], map);
      seen.add(map.snapshot()[0]?.id ?? "");
      recorder.close();
    }
    expect(seen.size).toBe(10);
  });

  test("shows one that is connecting, one that is bound, and one that does nothing yet", () => {
    const map = newMap();
    const connecting = new Dispatcher(undefined, map);
    connecting.createSocket();
    const [, address] = listener();
    connecting.connect(address);
    const bound = new Dispatcher(undefined, map);
    bound.createSocket({ type: "dgram" });
    bound.bind(anyAddress("IPv4"));
    const idle = new Dispatcher(undefined, map);
    idle.createSocket();
    expect(map.snapshot().map(({ state, interest }) => [state, interest])).toEqual([
      ["connecting", { read: true, write: true }],
      ["open", { read: true, write: false }],
      ["idle", { read: false, write: false }],
    ]);
  });

  test("shows write interest as long as something waits to be sent", () => {
    const map = newMap();
    const sender = new DispatcherWithSend(connectedPair()[0], map);
    while (sender.outBufferLength === 0) sender.send(new Uint8Array(65536));
    expect(map.snapshot()[0]?.interest).toEqual({ read: true, write: true });
  });
});

describe.each(MODES)("stats: $name", (mode) => {
  test("count what was delivered", async () => {
    const map = newMap();
    class Server extends Recorder {
      override handleAccepted(socket: ConstructorParameters<typeof Recorder>[0]): void {
        new Recorder(socket, map);
      }
    }
    const [socket, address] = listener();
    const server = new Server(socket, map);
    const client = new Recorder(undefined, map);
    client.createSocket();
    client.connect(address);
    await run(mode, map, () => map.size === 3 && client.connected);
    client.send(bytes("x"));
    client.close();
    await run(mode, map, () => map.size === 1);
    map.callLater(0, () => server.close());
    await run(mode, map);
    const stats = map.stats();
    expect(stats).toMatchObject({ connects: 1, timers: 1, errors: 0, channels: 3, channelsNow: 0, timersNow: 0 });
    expect(stats.accepts).toBeGreaterThanOrEqual(1);
    expect(stats.reads).toBeGreaterThanOrEqual(2);
    expect(stats.turns).toBeGreaterThanOrEqual(3);
  });

  test("those that override nothing are not sampled", async () => {
    const map = newMap();
    for (let i = 0; i < 10; i++) new Recorder(connectedPair()[0], map);
    class Sampled extends Recorder {
      override readable(): boolean {
        return true;
      }
    }
    new Sampled(connectedPair()[0], map);
    await turns(mode, map, 5);
    expect(map.stats()).toMatchObject({ sampled: 5, events: 0 });
  });
});

test("now is a clock that does not go back", () => {
  const map = newMap();
  const first = map.now();
  expect(map.now()).toBeGreaterThanOrEqual(first);
});

test("a map can be used again after it was disposed of", async () => {
  const map = newMap();
  map.callLater(0, () => undefined);
  map[Symbol.dispose]();
  const recorder = new Recorder(connectedPair()[0], map);
  await turns(MODES[0] ?? { name: "", blocking: false, usePoll: false }, map, 1);
  expect([map.size, map.stats().turns]).toEqual([1, 1]);
  recorder.close();
});

test("the newest channel of a descriptor is the one that counts", () => {
  const map = newMap();
  const [near] = connectedPair();
  const old = new Recorder(near, map);
  const young = new Recorder(near, map);
  expect([...map.values()]).toEqual([young]);
  old.delChannel();
  expect([...map.values()]).toEqual([young]);
});

test("connecting sockets are closed with their map's channels", () => {
  const map = newMap();
  const [, address] = listener();
  const recorder = new Recorder(connectingTo(address), map);
  expect(map.size).toBe(1);
  recorder.close();
  expect(map.size).toBe(0);
});
