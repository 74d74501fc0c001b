/** Methods that a program assigns to a channel, as programs in Python do, count as those that a class overrides. */

import { describe, expect, test } from "vitest";
import { AsyncChat, type ChannelMap, Dispatcher, DispatcherWithSend, type Socket } from "wasyncore";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, connectedPair } from "../support/sockets.js";

class Reader extends Dispatcher {
  reads = 0;

  override handleRead(): void {
    this.recv(1);
    this.reads += 1;
    this.onRead?.();
  }

  onRead: (() => void) | undefined;
}

class Counter extends AsyncChat {
  collected = 0;

  override collectIncomingData(data: Uint8Array): void {
    this.collected += data.length;
  }
}

describe.each(MODES)("under $name", (mode) => {
  test.each([
    ["a method is assigned", (channel: Dispatcher) => void (channel.writable = () => false)],
    ["it joins the map anew", (channel: Dispatcher) => channel.addChannel()],
  ])("a channel that stays open after the end of its input, where %s, is not read for ever", async (_, change) => {
    const map = newMap();
    const [near, far] = connectedPair();
    const reader = new Reader(near, map);
    let ends = 0;
    reader.handleEof = () => {
      ends += 1;
      change(reader);
    };
    far.shutdown("write");
    await run(mode, map, () => ends > 0);
    await turns(mode, map, 5);
    expect(reader.reads).toBeLessThanOrEqual(2);
    expect([ends, map.size]).toEqual([1, 1]);
  });

  test("readable, by a callback: the rest is not read", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const reader = new Reader(near, map);
    reader.onRead = () => {
      reader.readable = () => false;
    };
    far.send(bytes("three"));
    await run(mode, map, () => reader.reads > 0);
    await turns(mode, map, 3);
    expect(reader.reads).toBe(1);
    expect(map.snapshot()[0]?.interest).toEqual({ read: false, write: false });
  });

  test("handleWrite and writable, after it has joined: output is written, then no more", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const writer = new Dispatcher(near, map);
    let left = 3;
    writer.handleWrite = () => {
      left -= 1;
    };
    writer.writable = () => left > 0;
    await run(mode, map, () => left === 0);
    await turns(mode, map, 3);
    expect(left).toBe(0);
  });

  test.each([
    ["DispatcherWithSend", (socket: Socket, map: ChannelMap) => new DispatcherWithSend(socket, map)],
    ["AsyncChat", (socket: Socket, map: ChannelMap) => new AsyncChat(socket, map)],
  ])("writable of a %s", async (_, make) => {
    const map = newMap();
    const [near] = connectedPair();
    const channel = make(near, map);
    let asked = 0;
    channel.writable = () => {
      asked += 1;
      return false;
    };
    await turns(mode, map, 3);
    expect(asked).toBeGreaterThan(2);
  });

  test("readable of an AsyncChat", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = new Counter(near, map);
    let open = false;
    chat.readable = () => open;
    far.send(bytes("later"));
    await turns(mode, map, 3);
    expect(chat.collected).toBe(0);
    open = true;
    await run(mode, map, () => chat.collected === 5);
  });
});

test("what is assigned before it joins or after it has left counts when it joins, and changes no map", () => {
  const map = newMap();
  const [near] = connectedPair();
  const channel = new Dispatcher(undefined, map);
  channel.writable = () => true;
  channel.handleWrite = () => {};
  expect(map.size).toBe(0);
  channel.setSocket(near);
  expect(channel.writable()).toBe(true);
  channel.delChannel();
  channel.readable = () => false;
  expect(map.size).toBe(0);
  channel.close();
});

test("super.readable and super.writable are the library's, and a class that is given a method has its own", () => {
  class Plain extends Dispatcher {}
  class Sampled extends Dispatcher {
    override readable(): boolean {
      return super.readable();
    }
  }
  expect(new Sampled(undefined, newMap()).readable()).toBe(true);
  Plain.prototype.readable = () => false;
  expect(new Plain(undefined, newMap()).readable()).toBe(false);
  expect(new Dispatcher(undefined, newMap()).readable()).toBe(true);
});
