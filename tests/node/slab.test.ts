/** The memory that received data is returned in: what shares memory and what does not, and that nothing is overwritten. */

import { setFlagsFromString } from "node:v8";
import { describe, expect, test } from "vitest";
import { createNodeBackend, Dispatcher, FileWrapper, Socket } from "wasyncore";
import { loadLibc } from "../../host/node/libc.js";
import { Slab } from "../../host/node/slab.js";
import { batchingBackend, drain, served } from "../support/batches.js";
import { owned, pattern, pipe } from "../support/sockets.js";

const ROOM_BYTES = 1_048_576;
const PAGE_BYTES = 4096;
const SLAB_BYTES = ROOM_BYTES + PAGE_BYTES;
const POLLERS = ["epoll", "poll"] as const;

/** Keeps what it receives, uncopied. */
class Keeper extends Dispatcher {
  kept: Uint8Array[] = [];
  override handleRead(): void {
    this.kept.push(this.recv(8192));
  }
  override handleError(error: unknown): void {
    throw error;
  }
}

/** Unix sockets: what one sends, the other can receive at once and whole. */
function pairOf(poller: (typeof POLLERS)[number]): [near: Socket, far: Socket] {
  const [near, far] = Socket.pair("stream", createNodeBackend({ poller }));
  return [owned(near), owned(far)];
}

/** One message of `length` bytes, in one recv. */
function message(near: Socket, far: Socket, length: number, seed: number): [received: Uint8Array, sent: Buffer] {
  const sent = Buffer.from(pattern(length).map((byte) => byte ^ seed));
  expect(near.send(sent)).toBe(length);
  return [far.recv(65_536), sent];
}

describe.each(POLLERS)("received on the backend of %s", (poller) => {
  test("up to 1 KiB is memory of its own; longer data is a view of a slab", () => {
    const [near, far] = pairOf(poller);
    for (const length of [1, 64, 65, 1023]) {
      const [received] = message(near, far, length, 0);
      expect([received.length, received.buffer.byteLength, received.byteOffset]).toEqual([length, length, 0]);
    }
    const [one] = message(near, far, 1024, 0);
    const [other] = message(near, far, 5000, 0);
    expect([one.length, other.length]).toEqual([1024, 5000]);
    expect(one.buffer.byteLength).toBe(SLAB_BYTES);
    expect(other.buffer).toBe(one.buffer);
    expect(Object.getPrototypeOf(one)).toBe(Uint8Array.prototype);
  });

  test("what is kept does not change, however much is received afterwards", () => {
    const [near, far] = pairOf(poller);
    const kept: [received: Uint8Array, sent: Buffer][] = [];
    for (let round = 0; round < 400; round++) {
      kept.push(message(near, far, [100, 1024, 1025, 4000, 16_384][round % 5] ?? 0, round & 255));
    }
    expect(new Set(kept.map(([{ buffer }]) => buffer)).size).toBeGreaterThan(80);
    expect(kept.every(([received, sent]) => Buffer.from(sent).equals(received))).toBe(true);
  });

  test("a program may write to what it received without changing anything else", () => {
    const [near, far] = pairOf(poller);
    const [one, sentOne] = message(near, far, 2000, 1);
    const [two] = message(near, far, 2000, 2);
    two.fill(0);
    const [three, sentThree] = message(near, far, 2000, 3);
    expect(sentOne.equals(one)).toBe(true);
    expect(sentThree.equals(three)).toBe(true);
  });

  test("a view of a slab, and parts of it, are sent from where they are", () => {
    const [near, far] = pairOf(poller);
    const [received, sent] = message(near, far, 20_000, 7);
    for (const [from, to] of [
      [0, 20_000],
      [1, 19_999],
      [10, 74],
      [10, 75],
      [19_000, 20_000],
    ] as const) {
      far.send(received.subarray(from, to));
      expect(drain(near, to - from).equals(sent.subarray(from, to))).toBe(true);
    }
  });

  test("reads longer than a slab has room for return what they would return alone", () => {
    const [near, far] = pairOf(poller);
    const sent = pattern(200_000);
    near.setOption("SO_SNDBUF", 400_000);
    far.setOption("SO_RCVBUF", 400_000);
    for (const maxBytes of [65_536, 262_144, 262_145, 3_000_000]) {
      let rest: Uint8Array = sent;
      const parts: Uint8Array[] = [];
      let length = 0;
      while (length < sent.length) {
        rest = rest.subarray(near.sendSome(rest));
        try {
          const part = far.recv(maxBytes);
          parts.push(part);
          length += part.length;
        } catch (error) {
          expect(error).toMatchObject({ code: "EAGAIN" });
        }
      }
      expect(Buffer.concat(parts).equals(sent)).toBe(true);
    }
  });

  test("a pipe's data is returned in the same way", () => {
    const { readEnd, writeEnd } = pipe();
    const backend = createNodeBackend({ poller });
    const [reader, writer] = [
      owned(new FileWrapper(readEnd.fd, backend)),
      owned(new FileWrapper(writeEnd.fd, backend)),
    ];
    const sent = pattern(3000);
    writer.write(sent);
    const received = reader.read(5000);
    expect(Buffer.from(sent).equals(received)).toBe(true);
    expect(received.buffer.byteLength).toBe(SLAB_BYTES);
  });
});

test("what a batch has read ahead is not overwritten by the next batch", () => {
  const kept: Uint8Array[] = [];
  const { tell, turn, peers, handlers } = served(
    4,
    (socket, map) => {
      const handler = new Keeper(socket, map);
      handler.kept = kept;
      return handler;
    },
    batchingBackend(),
  );
  kept.length = 0;
  const expected: string[] = [];
  for (let round = 0; round < 20; round++) {
    const messages = peers.map((_, index) => `${round}/${index} `.repeat(round * 15 + 1));
    tell(...messages);
    turn();
    expected.push(...messages);
  }
  expect(handlers.length).toBe(4);
  expect(kept.map((data) => Buffer.from(data).toString())).toEqual(expected);
});

describe("a slab", () => {
  test("is protected from being transferred", () => {
    const slab = new Slab(loadLibc());
    expect(slab.takes(4096)).toBe(true);
    const view = slab.received(4096);
    // An error, or a copy: that depends on the version of Node.
    try {
      structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
    } catch (error) {
      expect(error).toMatchObject({ name: "DataCloneError" });
    }
    expect(view.length).toBe(4096);
  });

  test("that has been detached nevertheless is not received into", () => {
    const slab = new Slab(loadLibc());
    expect(slab.takes(4096)).toBe(true);
    const { address } = slab;
    const view = slab.received(4096);
    const isDetached = detach(view.buffer as ArrayBuffer);
    expect(view.length).toBe(isDetached ? 0 : 4096);
    expect(slab.takes(4096)).toBe(true);
    expect(slab.address === address + 4096).toBe(!isDetached);
    expect(slab.received(4096).buffer.byteLength).toBe(SLAB_BYTES);
  });

  test("begins in the middle of a page, and has room for as much as if it began at its own begin", () => {
    const slab = new Slab(loadLibc());
    for (let slabs = 0; slabs < 20; slabs++) {
      expect(slab.takes(65_536)).toBe(true);
      expect(slab.address % PAGE_BYTES).toBe(PAGE_BYTES / 2);
      const { buffer } = slab.received(65_536);
      for (let reads = 1; reads < ROOM_BYTES / 65_536; reads++) {
        expect(slab.takes(65_536)).toBe(true);
        expect(slab.received(65_536).buffer).toBe(buffer);
      }
    }
  });

  test("gives views that do not overlap, and a new slab where a read might not fit", () => {
    const slab = new Slab(loadLibc());
    const views: Uint8Array[] = [];
    for (let i = 0; i < 100; i++) {
      const length = 1024 + ((i * 7919) % 60_000);
      expect(slab.takes(65_536)).toBe(true);
      views.push(slab.received(length));
    }
    for (const [i, view] of views.entries()) {
      expect(view.byteOffset + 65_536).toBeLessThanOrEqual(SLAB_BYTES);
      const next = views[i + 1];
      if (next?.buffer === view.buffer) expect(next.byteOffset).toBeGreaterThanOrEqual(view.byteOffset + view.length);
    }
  });
});

/** Detaches memory, whether or not it is protected. @returns false where V8 itself refuses: in Node 24 and later */
function detach(memory: ArrayBuffer): boolean {
  setFlagsFromString("--allow-natives-syntax");
  try {
    (new Function("memory", "%ArrayBufferDetach(memory)") as (memory: ArrayBuffer) => void)(memory);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError);
    return false;
  }
}
