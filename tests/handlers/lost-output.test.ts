/** What handleClose can know of output that the peer will not get, and what becomes of that output afterwards. */

import { describe, expect, test } from "vitest";
import { AsyncChat, DispatcherWithSend, Socket } from "wasyncore";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, connectedPair, reset } from "../support/sockets.js";

/** More than the buffers of any socket take. */
const PIECES = 1000;
const PIECE = new Uint8Array(30_000);

class Sender extends AsyncChat {
  readonly told: unknown[] = [];
  onClose: (() => void) | undefined;

  override collectIncomingData(): void {}

  override handleError(): void {
    this.handleCloseEvent();
  }

  override handleClose(): void {
    this.told.push({ pending: this.hasPendingOutput, bytes: this.outBufferLength });
    this.onClose?.();
  }
}

/** Gives `PIECES` pieces, and ends. */
function producer(): { more(): Uint8Array } {
  let left = PIECES;
  return { more: () => (left-- > 0 ? PIECE : new Uint8Array()) };
}

describe.each(MODES)("AsyncChat under $name", (mode) => {
  test.each(["reads", "does not read"])("a producer is cut short by a reset: one that %s", async (how) => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = new Sender(near, map);
    if (how !== "reads") chat.pauseReading();
    chat.pushWithProducer(producer());
    chat.closeWhenDone();
    expect(chat.hasPendingOutput).toBe(true);
    reset(far);
    await run(mode, map, () => chat.told.length > 0 && !chat.hasPendingOutput);
    // Of bytes there may be none: the socket has perhaps taken all that the producer has returned.
    expect(chat.told).toMatchObject([{ pending: true }]);
    // It has not closed: what was pending is dropped all the same, and nothing spins.
    expect([chat.hasPendingOutput, chat.outBufferLength, chat.writable()]).toEqual([false, 0, false]);
    const { events } = map.stats();
    await turns(mode, map, 3);
    expect([chat.told.length, map.stats().events]).toEqual([1, events]);
  });

  test("closeWhenDone, after everything has been sent: nothing is pending", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = new Sender(near, map);
    chat.onClose = () => chat.close();
    chat.push("all of it");
    chat.closeWhenDone();
    expect(chat.hasPendingOutput).toBe(true);
    await run(mode, map);
    expect(chat.told).toEqual([{ pending: false, bytes: 0 }]);
    far.close();
  });
});

test("AsyncChat: what was pushed to a peer that is gone is pending in handleClose, and dropped then", () => {
  const [near, far] = Socket.pair();
  const chat = new Sender(near, newMap());
  far.close();
  chat.push("nobody hears");
  expect(chat.told).toEqual([{ pending: true, bytes: 12 }]);
  expect([chat.hasPendingOutput, chat.outBufferLength]).toEqual([false, 0]);
});

test("AsyncChat: a producer that has not been asked is pending, and a waiting one, though no byte of them is", () => {
  const [near, far] = Socket.pair();
  const chat = new Sender(near, newMap());
  chat.pushWithProducer(new ReadableStream<Uint8Array>());
  expect([chat.hasPendingOutput, chat.outBufferLength, chat.writable()]).toEqual([true, 0, false]);
  chat.discardBuffers();
  expect(chat.hasPendingOutput).toBe(false);
  far.close();
  chat.close();
});

test.each([true, false])(
  "AsyncChat: output of the life that handleClose begins is kept, the old one's dropped; with a close before it: %j",
  (closes) => {
    const [near, far] = Socket.pair();
    const [next, peer] = Socket.pair();
    const chat = new Sender(near, newMap());
    far.close();
    chat.onClose = () => {
      chat.onClose = undefined;
      if (closes) {
        chat.close();
        expect([chat.hasPendingOutput, chat.outBufferLength]).toEqual([false, 0]);
      }
      chat.setSocket(next);
      chat.push("of the new life");
    };
    chat.pushWithProducer(["of the old one"]);
    chat.initiateSend();
    expect(String(Buffer.from(peer.recv(100)))).toBe("of the new life");
    expect(chat.told).toHaveLength(1);
    near.close();
    chat.close();
    peer.close();
  },
);

describe.each(MODES)("closeWhenDone in handleClose, under $name", (mode) => {
  test("of a connection that is lost: closes, and what was pushed before it is dropped", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = new Sender(near, map);
    chat.onClose = () => {
      chat.push("nobody gets it");
      chat.closeWhenDone();
    };
    chat.pushWithProducer(producer());
    reset(far);
    await run(mode, map, () => chat.fd < 0);
    expect([chat.told.length, map.size]).toEqual([1, 0]);
  });

  test("of a peer that has ended its half: what was pushed before it is sent", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = new Sender(near, map);
    chat.onClose = () => {
      chat.push("goodbye");
      chat.closeWhenDone();
    };
    far.shutdown("write");
    await run(mode, map, () => chat.fd < 0);
    expect([chat.told.length, map.size, String(Buffer.from(far.recv(100)))]).toEqual([1, 0, "goodbye"]);
  });
});

class Queue extends DispatcherWithSend {
  readonly told: number[] = [];
  onClose: (() => void) | undefined;

  override handleRead(): void {
    this.recv(1);
  }

  override handleClose(): void {
    this.told.push(this.outBufferLength);
    this.onClose?.();
  }
}

describe.each(MODES)("DispatcherWithSend under $name", (mode) => {
  test("what the peer did not take before its reset is counted in handleClose", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const queue = new Queue(near, map);
    while (queue.outBufferLength === 0) queue.send(new Uint8Array(65_536));
    const pending = queue.outBufferLength;
    reset(far);
    await run(mode, map, () => queue.told.length > 0);
    expect([queue.told, queue.outBufferLength]).toEqual([[pending], 0]);
  });
});

test("DispatcherWithSend: the first bytes, to a peer that is gone", () => {
  const [near, far] = Socket.pair();
  const queue = new Queue(near, newMap());
  far.close();
  queue.send(bytes("nobody"));
  expect([queue.told, queue.outBufferLength]).toEqual([[6], 0]);
  queue.close();
});

test("DispatcherWithSend: output of the life that handleClose begins is kept", () => {
  const [near, far] = Socket.pair();
  const [next, peer] = Socket.pair();
  const queue = new Queue(near, newMap());
  far.close();
  queue.onClose = () => {
    queue.close();
    queue.setSocket(next);
    queue.send(bytes("new"));
  };
  queue.send(bytes("old"));
  expect([queue.told, queue.outBufferLength]).toEqual([[3], 0]);
  expect(String(Buffer.from(peer.recv(100)))).toBe("new");
  queue.close();
  peer.close();
});
