/** AsyncChat's output on sockets, under both loops: it arrives, it ends in order, and waiting costs nothing. */

import { describe, expect, test } from "vitest";
import { AsyncChat } from "wasyncore";
import { Chat, lineChat } from "../../support/chats.js";
import { Recorder } from "../../support/handlers.js";
import { MODES, newMap, run, turns } from "../../support/runs.js";
import { bytes, connectedPair, FAMILIES, listener, pattern, reset, text } from "../../support/sockets.js";

describe.each(MODES)("$name", (mode) => {
  test("whoever heeds the water marks bounds what waits", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const piece = pattern(1024);
    let most = 0;
    let left = 10_000;
    class Pushing extends Chat {
      override handleDrain(): void {
        while (left > 0) {
          left -= 1;
          const more = this.push(piece);
          most = Math.max(most, this.outBufferLength);
          if (!more) return;
        }
        this.closeWhenDone();
      }
    }
    const chat = new Pushing(near, map);
    const reader = new Recorder(far, map, 4096);
    chat.handleDrain();
    await run(mode, map);
    expect(reader.received.reduce((sum, each) => sum + each.length, 0)).toBe(10_240_000);
    expect(most).toBeLessThanOrEqual(chat.highWaterMark + piece.length);
  });

  test.each(FAMILIES)("half a megabyte in 5,000 pushes arrives in order at a slow reader: %s", async (family) => {
    const map = newMap();
    const [near, far] = connectedPair(family);
    near.setOption("SO_SNDBUF", 4096);
    const chat = lineChat(near, map);
    const data = pattern(500_000);
    for (let at = 0; at < data.length; at += 100) chat.push(data.subarray(at, at + 100));
    chat.closeWhenDone();
    const reader = new Recorder(far, map, 3000);
    await run(mode, map);
    expect(Buffer.concat(reader.received).equals(data)).toBe(true);
    expect(chat.told).toEqual(["close"]);
  });

  test("what is pushed before the connection is made, and in handleConnect, is sent when it is", async () => {
    const map = newMap();
    const [server, address] = listener();
    class Greeting extends Chat {
      override handleConnect(): void {
        this.push("two ");
      }
    }
    const chat = new Greeting(undefined, map);
    chat.push("one ");
    chat.createSocket();
    chat.connect(address);
    chat.push("and ");
    await run(mode, map, () => chat.connected && chat.outBufferLength === 0);
    const [accepted] = server.accept() ?? [];
    if (accepted === undefined) throw new Error("nothing to accept");
    const reader = new Recorder(accepted, map);
    chat.closeWhenDone();
    await run(mode, map);
    expect(reader.text).toBe("one and two ");
  });

  test("a channel that has nothing to send is not sampled, and costs no turn", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    const before = map.stats();
    await turns(mode, map, 5);
    const after = map.stats();
    expect([after.sampled - before.sampled, after.writes - before.writes]).toEqual([0, 0]);
    chat.push("x");
    await turns(mode, map, 5);
    expect(map.stats().writes - before.writes).toBe(0);
  });

  test("one that overrides writable is sampled, and sees what asynchat says", async () => {
    const map = newMap();
    const said: boolean[] = [];
    class Asked extends Chat {
      override writable(): boolean {
        said.push(super.writable());
        return super.writable();
      }
    }
    const [near, far] = connectedPair();
    const chat = new Asked(near, map);
    await turns(mode, map, 1);
    near.setOption("SO_SNDBUF", 4096);
    while (chat.push(pattern(8192)));
    await turns(mode, map, 1);
    expect(said).toEqual([false, true]);
    far.close();
  });

  test("closeWhenDone closes with nothing to send, but not inside the call", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    chat.closeWhenDone();
    expect(chat.told).toEqual([]);
    await run(mode, map);
    expect(chat.told).toEqual(["close"]);
  });

  test("a reset with megabytes waiting is one handleClose", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    for (let index = 0; index < 100; index++) chat.push(new Uint8Array(100_000));
    reset(far);
    await run(mode, map);
    expect(chat.told).toEqual(["close"]);
    expect(chat.outBufferLength).toBe(0);
  });

  test("a closed channel can be given a new socket, and starts anew", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    far.send(bytes("half a line"));
    await run(mode, map, () => chat.told.length > 0);
    chat.pauseReading();
    chat.endWriting();
    chat.close();
    const [again, peer] = connectedPair();
    chat.setSocket(again);
    chat.discardBuffers();
    expect(chat.push("hello\n")).toBe(true);
    peer.send(bytes("line\n"));
    await run(mode, map, () => chat.messages.length > 0);
    expect(chat.messages).toEqual(["line"]);
    expect(text(peer.recv(100))).toBe("hello\n");
  });
});

test("AsyncChat takes a socket in its constructor, into the map it is given", () => {
  const map = newMap();
  const [near] = connectedPair();
  const chat = new AsyncChat(near, map);
  expect([chat.connected, map.get(near.fd) === chat]).toEqual([true, true]);
});
