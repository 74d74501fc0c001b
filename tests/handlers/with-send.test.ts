/** DispatcherWithSend: what it takes arrives, in order, however slowly it is read. */

import { describe, expect, test } from "vitest";
import { DispatcherWithSend } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, connectedPair, FAMILIES, pattern, reset, text } from "../support/sockets.js";

class Sender extends DispatcherWithSend {
  readonly errors: unknown[] = [];
  closes = 0;

  override handleRead(): void {
    this.recv(1);
  }

  override handleError(error: unknown): void {
    this.errors.push(error);
  }

  override handleClose(): void {
    this.closes += 1;
  }
}

/** Sends until the socket takes no more. @returns what was sent */
function fill(sender: DispatcherWithSend): number {
  let sent = 0;
  while (sender.outBufferLength === 0) sent += sender.send(new Uint8Array(65536));
  return sent;
}

describe.each(MODES)("$name", (mode) => {
  test.each(FAMILIES)("half a megabyte in 5,000 pieces arrives in order at a slow reader: %s", async (family) => {
    const map = newMap();
    const [near, far] = connectedPair(family);
    near.setOption("SO_SNDBUF", 4096);
    const sender = new Sender(near, map);
    const data = pattern(500_000);
    for (let at = 0; at < data.length; at += 100) {
      expect(sender.send(data.subarray(at, at + 100))).toBe(100);
    }
    expect(sender.outBufferLength).toBeGreaterThan(0);
    const reader = new Recorder(far, map, 3000);
    let received = 0;
    await run(mode, map, () => {
      received = reader.received.reduce((sum, piece) => sum + piece.length, 0);
      return received === data.length;
    });
    expect(Buffer.concat(reader.received).equals(data)).toBe(true);
    expect(sender.outBufferLength).toBe(0);
    expect(map.snapshot()[0]?.interest).toEqual({ read: true, write: false });
  });

  test("what waits when the peer is gone is dropped, handleClose comes once, and the loop does not spin", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const sender = new Sender(near, map);
    fill(sender);
    reset(far);
    await run(mode, map, () => sender.closes > 0);
    const before = map.stats();
    await turns(mode, map, 5);
    expect([sender.closes, sender.errors, sender.outBufferLength]).toEqual([1, [], 0]);
    expect(map.stats().events).toBe(before.events);
  });

  test("what is sent to a peer that is gone is dropped as well", async () => {
    const map = newMap();
    const [near, far] = connectedPair("unix");
    const sender = new Sender(near, map);
    far.close();
    expect(sender.send(bytes("nobody hears"))).toBe(12);
    expect([sender.closes, sender.outBufferLength]).toEqual([1, 0]);
    await turns(mode, map, 2);
    expect(sender.closes).toBe(1);
  });
});

test("what has to wait is copied: the caller may use its buffer again, a Buffer included", () => {
  const [near, far] = connectedPair("unix");
  const sender = new Sender(near, newMap());
  fill(sender);
  const buffer = Buffer.from("word");
  sender.send(buffer);
  buffer.fill("x");
  const pieces: Buffer[] = [];
  while (sender.outBufferLength > 0) {
    for (let length = -1; length !== 0;) {
      const data = drain(far);
      length = data.length;
      pieces.push(Buffer.from(data));
    }
    sender.initiateSend();
  }
  pieces.push(Buffer.from(drain(far)));
  expect(text(Buffer.concat(pieces).subarray(-4))).toBe("word");
});

test("close drops what waits, and send after it is EBADF", () => {
  const sender = new Sender(connectedPair()[0], newMap());
  fill(sender);
  sender.close();
  expect(sender.outBufferLength).toBe(0);
  expect(() => sender.send(bytes("x"))).toThrow(expect.objectContaining({ code: "EBADF" }));
  expect(sender.outBufferLength).toBe(0);
});

/** All that is there now. */
function drain(socket: { recv(maxBytes: number): Uint8Array }): Uint8Array {
  try {
    return socket.recv(1 << 20);
  } catch {
    return new Uint8Array(0);
  }
}
