/** recvInto: what it gives the program, what it does at the end of input, and what it takes as its target. */

import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { type ChannelMap, Dispatcher, DispatcherWithSend, FileDispatcher, FileWrapper, type Socket } from "wasyncore";
import { Quiet } from "../support/handlers.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, connectedPair, owned, pattern, pipe, text } from "../support/sockets.js";

/** Receives into one buffer, and keeps copies. */
class Into extends Quiet {
  readonly events: string[] = [];
  readonly received: Buffer[] = [];
  readonly target: Uint8Array;

  constructor(socket: Socket, map: ChannelMap, target: Uint8Array) {
    super(socket, map);
    this.target = target;
  }

  override handleRead(): void {
    const length = this.recvInto(this.target);
    this.events.push(String(length));
    this.received.push(Buffer.from(this.target.subarray(0, length)));
  }

  override handleClose(): void {
    this.events.push("close");
    this.close();
  }
}

class EchoInto extends DispatcherWithSend {
  static readonly buffer = new Uint8Array(16_384);

  override handleRead(): void {
    this.send(EchoInto.buffer.subarray(0, this.recvInto(EchoInto.buffer)));
  }
}

/** Detaches `memory`, as a transfer to another thread does. */
function detach(memory: ArrayBufferLike): void {
  structuredClone(memory, { transfer: [memory as ArrayBuffer] });
}

describe.each(MODES)("$name", (mode) => {
  test("fills the target, and says how much", async () => {
    const map = newMap();
    const [near, far] = connectedPair("IPv4");
    const handler = new Into(near, map, new Uint8Array(4));
    far.send(bytes("abcdef"));
    await run(mode, map, () => Buffer.concat(handler.received).length === 6);
    expect(handler.events).toEqual(["4", "2"]);
    expect(handler.received.map(text)).toEqual(["abcd", "ef"]);
    // Beyond the two bytes is what was there.
    expect(text(handler.target)).toBe("efcd");
    expect([near.bytesIn, far.bytesOut]).toEqual([6, 6]);
  });

  test("at the end of input gives 0, after which the channel is closed", async () => {
    const map = newMap();
    const [near, far] = connectedPair("IPv4");
    const handler = new Into(near, map, new Uint8Array(8));
    far.send(bytes("last"));
    far.close();
    await run(mode, map);
    expect(handler.events).toEqual(["4", "close", "0"]);
  });

  test("of a connection that was reset gives 0, after which the channel is closed", async () => {
    const map = newMap();
    const [near, far] = connectedPair("IPv4");
    const handler = new Into(near, map, new Uint8Array(8));
    far.setOption("SO_LINGER", 0);
    far.close();
    await run(mode, map);
    expect(handler.events.filter((event) => event === "close")).toEqual(["close"]);
    expect(handler.received.every((data) => data.length === 0)).toBe(true);
  });

  test("into no bytes is not the end of input", async () => {
    const map = newMap();
    const [near, far] = connectedPair("IPv4");
    const handler = new Into(near, map, new Uint8Array(0));
    far.send(bytes("x"));
    await turns(mode, map, 3);
    expect(new Set(handler.events)).toEqual(new Set(["0"]));
    expect(handler.connected).toBe(true);
  });

  test("echoes through one buffer, of several connections", async () => {
    const map = newMap();
    const pairs = Array.from({ length: 6 }, () => connectedPair("IPv4"));
    for (const [near] of pairs) new EchoInto(near, map);
    const received = pairs.map(() => [] as Buffer[]);
    const sizes = [1, 64, 65, 1000, 5000, 40_000];
    const sent = sizes.map((size) => pattern(size));
    for (const [index, [, far]] of pairs.entries()) far.send(sent[index] ?? bytes(""));
    await run(mode, map, () => {
      for (const [index, [, far]] of pairs.entries()) {
        const target = new Uint8Array(65_536);
        let length = 0;
        try {
          length = far.recvInto(target);
        } catch (error) {
          expect(error).toMatchObject({ code: "EAGAIN" });
        }
        received[index]?.push(Buffer.from(target.subarray(0, length)));
      }
      return received.every((parts, index) => Buffer.concat(parts).length === sizes[index]);
    });
    expect(received.map((parts, index) => Buffer.concat(parts).equals(sent[index] ?? bytes("")))).toEqual(
      sizes.map(() => true),
    );
  });

  test("reads a pipe to its end", async () => {
    const map = newMap();
    const { readEnd, writeEnd } = pipe();
    const events: string[] = [];
    class Reader extends FileDispatcher {
      override handleRead(): void {
        const target = new Uint8Array(100);
        events.push(text(target.subarray(0, this.recvInto(target))));
      }
      override handleClose(): void {
        events.push("close");
        this.close();
      }
    }
    new Reader(readEnd.fd, map);
    const writer = new FileWrapper(writeEnd.fd);
    writer.write(bytes("through a pipe"));
    writer.close();
    writeEnd.close();
    await run(mode, map);
    expect(events).toEqual(["through a pipe", "close", ""]);
  });
});

describe("the target", () => {
  /** Each of the things that receive. */
  function receivers(): [name: string, receive: (target: Uint8Array) => number, give: (data: Uint8Array) => number][] {
    const [near, far] = connectedPair();
    const [dispatcher, other] = [new Dispatcher(undefined, newMap()), connectedPair()] as const;
    dispatcher.setSocket(other[0]);
    const { readEnd, writeEnd } = pipe();
    const [reader, writer] = [owned(new FileWrapper(readEnd.fd)), owned(new FileWrapper(writeEnd.fd))];
    return [
      ["Socket", (target) => near.recvInto(target), (data) => far.send(data)],
      ["Dispatcher", (target) => dispatcher.recvInto(target), (data) => other[1].send(data)],
      ["FileWrapper", (target) => reader.recvInto(target), (data) => writer.send(data)],
    ];
  }

  const names = ["Socket", "Dispatcher", "FileWrapper"];

  function receiver(name: string): { receive: (target: Uint8Array) => number; give: (data: Uint8Array) => number } {
    const found = receivers().find(([each]) => each === name);
    if (found === undefined) throw new Error(`no receiver ${name}`);
    return { receive: found[1], give: found[2] };
  }

  test.each(names)("of %s is a part of its memory, and no byte around it changes", (name) => {
    const { receive, give } = receiver(name);
    for (const length of [1, 64, 65, 5000]) {
      give(pattern(length));
      const memory = new Uint8Array(length + 20).fill(255);
      expect(receive(memory.subarray(10, 10 + length))).toBe(length);
      expect(Buffer.from(memory.subarray(10, -10)).equals(pattern(length))).toBe(true);
      expect(new Set([...memory.subarray(0, 10), ...memory.subarray(-10)])).toEqual(new Set([255]));
    }
  });

  test.each(names)("of %s may be shared memory", (name) => {
    const { receive, give } = receiver(name);
    give(pattern(3000));
    const target = new Uint8Array(new SharedArrayBuffer(4000), 100);
    expect(receive(target)).toBe(3000);
    expect(Buffer.from(target.subarray(0, 3000)).equals(pattern(3000))).toBe(true);
  });

  test.each(names)("of %s may be a Buffer, and a view that says another length is what it is", (name) => {
    const { receive, give } = receiver(name);
    give(bytes("0123456789"));
    const memory = new Uint8Array(20);
    const lying = Object.defineProperty(memory.subarray(0, 4), "length", { value: 1_000_000 });
    expect(receive(lying)).toBe(4);
    expect(receive(Buffer.from(memory.buffer, 4, 2))).toBe(2);
    expect(text(memory)).toBe(`012345${"\0".repeat(14)}`);
  });

  test.each(names)("of %s must have its memory still", (name) => {
    const { receive, give } = receiver(name);
    give(bytes("kept"));
    for (const length of [8, 100, 100_000]) {
      const target = new Uint8Array(length);
      detach(target.buffer);
      expect(() => receive(target)).toThrow(
        expect.objectContaining({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" }),
      );
    }
    // Nothing has been taken.
    const target = new Uint8Array(8);
    expect(receive(target)).toBe(4);
  });

  test.each(names)("of %s must be a Uint8Array", (name) => {
    const { receive } = receiver(name);
    const fake = Object.create(Uint8Array.prototype) as Uint8Array;
    const foreign = runInNewContext("new DataView(new ArrayBuffer(8))") as Uint8Array;
    for (const target of [fake, foreign, [1, 2], "text", undefined, null, 5, new Uint16Array(4)]) {
      expect(() => receive(target as Uint8Array)).toThrow(
        expect.objectContaining({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" }),
      );
    }
  });

  // A pipe that FileWrapper is given may block.
  test.each(["Socket", "Dispatcher"])("of %s: nothing there is EAGAIN", (name) => {
    expect(() => receiver(name).receive(new Uint8Array(4))).toThrow(
      expect.objectContaining({ name: "BlockingIOError", code: "EAGAIN" }),
    );
  });
});
