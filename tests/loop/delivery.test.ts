/** What is delivered, and in which order: nothing is lost to a hang-up, and the two orders are those of asyncore. */

import { describe, expect, test } from "vitest";
import { Dispatcher, DispatcherWithSend, FileDispatcher, type Socket, type ChannelMap } from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, connectedPair, FAMILIES, pattern, pipe, text } from "../support/sockets.js";

const LENGTH = 100_000;
const READ_SIZES = [65536, 1000];

/** Sends all it has, and hangs up. */
class Sender extends DispatcherWithSend {
  constructor(socket: Socket, map: ChannelMap, data: Uint8Array) {
    super(socket, map);
    this.send(data);
    this.#hangUpWhenSent();
  }

  override handleWrite(): void {
    super.handleWrite();
    this.#hangUpWhenSent();
  }

  #hangUpWhenSent(): void {
    if (this.outBufferLength === 0) this.close();
  }
}

/** The same, into a pipe. */
class PipeWriter extends FileDispatcher {
  rest: Uint8Array = new Uint8Array(0);

  override readable(): boolean {
    return false;
  }

  override handleWrite(): void {
    this.rest = this.rest.subarray(this.send(this.rest));
    if (this.rest.length === 0) this.close();
  }
}

class PipeReader extends FileDispatcher {
  readonly received: Buffer[] = [];
  closes = 0;
  readSize = 65536;

  override handleRead(): void {
    this.received.push(Buffer.from(this.recv(this.readSize)));
  }

  override handleClose(): void {
    this.closes += 1;
    this.close();
  }
}

describe.each(MODES)("$name", (mode) => {
  describe.each(READ_SIZES)("100,000 bytes and a hang-up, read in pieces of %i", (readSize) => {
    test.each(FAMILIES)("all arrive while they are being sent: %s", async (family) => {
      const map = newMap();
      const [near, far] = connectedPair(family);
      const data = pattern(LENGTH);
      const reader = new Recorder(near, map, readSize);
      new Sender(far, map, data);
      await run(mode, map);
      expect(Buffer.concat(reader.received).equals(data)).toBe(true);
      expect([reader.closes, reader.errors]).toEqual([1, []]);
    });

    test.each(FAMILIES)("all arrive when the hang-up is there before the first read: %s", async (family) => {
      const map = newMap();
      const [near, far] = connectedPair(family);
      far.setOption("SO_SNDBUF", 8 * LENGTH);
      near.setOption("SO_RCVBUF", 8 * LENGTH);
      const data = pattern(LENGTH);
      let sent = 0;
      while (sent < LENGTH) sent += far.send(data.subarray(sent, sent + 8192));
      far.close();
      const reader = new Recorder(near, map, readSize);
      await run(mode, map);
      expect(Buffer.concat(reader.received).equals(data)).toBe(true);
      expect([reader.closes, reader.errors]).toEqual([1, []]);
    });

    test("all arrive through a pipe", async () => {
      const map = newMap();
      const { readEnd, writeEnd } = pipe();
      const reader = new PipeReader(readEnd.fd, map);
      reader.readSize = readSize;
      const writer = new PipeWriter(writeEnd.fd, map);
      readEnd.close();
      writeEnd.close();
      const data = pattern(LENGTH);
      writer.rest = data;
      await run(mode, map);
      expect(Buffer.concat(reader.received).equals(data)).toBe(true);
      expect(reader.closes).toBe(1);
    });

    test("all arrive through a pipe that was closed before the first read", async () => {
      const map = newMap();
      const { readEnd, writeEnd } = pipe();
      const data = pattern(60_000);
      const filled = new FileDispatcher(writeEnd.fd, newMap());
      expect(filled.send(data)).toBe(data.length);
      filled.close();
      writeEnd.close();
      const reader = new PipeReader(readEnd.fd, map);
      reader.readSize = readSize;
      await run(mode, map);
      expect(Buffer.concat(reader.received).equals(data)).toBe(true);
      expect(reader.closes).toBe(1);
    });
  });

  test("out-of-band data is handleExpt, and does not come with the rest", async () => {
    class Urgent extends Recorder {
      readonly urgent: string[] = [];
      override handleExpt(): void {
        this.urgent.push(text(this.socket.recvOutOfBand()));
      }
    }
    const map = newMap();
    const [near, far] = connectedPair();
    const handler = new Urgent(near, map);
    far.send(bytes("before"));
    far.sendOutOfBand(bytes("!"));
    await run(mode, map, () => handler.urgent.length > 0 && handler.text.length === 6);
    far.send(bytes("after"));
    await run(mode, map, () => handler.text === "beforeafter");
    expect(handler.urgent).toEqual(["!"]);
  });

  test(`events of one turn come ${mode.usePoll ? "channel by channel" : "kind by kind"}, in channel order`, async () => {
    const map = newMap();
    const trace: string[] = [];
    class Tracer extends Dispatcher {
      readonly name: string;
      constructor(socket: Socket, name: string) {
        super(socket, map);
        this.name = name;
      }
      override handleRead(): void {
        trace.push(`${this.name} read`);
        this.recv(100);
      }
      override handleWrite(): void {
        trace.push(`${this.name} write`);
      }
      override handleExpt(): void {
        trace.push(`${this.name} expt`);
        this.socket.recvOutOfBand();
      }
    }
    const [first, second] = [connectedPair(), connectedPair()];
    const [a, b] = [new Tracer(second[0], "a"), new Tracer(first[0], "b")];
    for (const [, far] of [first, second]) {
      far.send(bytes("x"));
      far.sendOutOfBand(bytes("!"));
    }
    map.callLater(0, () => trace.push("timer"));
    await turns(mode, map, 1);
    expect(trace).toEqual(
      mode.usePoll
        ? ["a read", "a write", "a expt", "b read", "b write", "b expt", "timer"]
        : ["a read", "b read", "a write", "b write", "a expt", "b expt", "timer"],
    );
    a.close();
    b.close();
  });

  test("write interest is registered where handleWrite is overridden, and nowhere else", async () => {
    const map = newMap();
    class Writer extends Recorder {
      writes = 0;
      override handleWrite(): void {
        this.writes += 1;
      }
    }
    class Plain extends Recorder {
      override handleWrite = Dispatcher.prototype.handleWrite;
    }
    const writer = new Writer(connectedPair()[0], map);
    new Recorder(connectedPair()[0], map);
    new Plain(connectedPair()[0], map);
    new DispatcherWithSend(connectedPair()[0], map);
    await turns(mode, map, 3);
    expect(writer.writes).toBe(3);
    expect(map.snapshot().map(({ interest }) => interest)).toEqual([
      { read: true, write: true },
      { read: true, write: false },
      { read: true, write: false },
      { read: true, write: false },
    ]);
    writer.close();
    const before = map.stats().events;
    await turns(mode, map, 3);
    expect(map.stats().events).toBe(before);
  });

  test("one whose writable() is true, but which has no handleWrite, is not watched for writing", async () => {
    class Wishful extends Recorder {
      override writable(): boolean {
        return true;
      }
    }
    const map = newMap();
    new Wishful(connectedPair()[0], map);
    await turns(mode, map, 3);
    expect([map.stats().sampled, map.stats().events]).toEqual([3, 0]);
  });

  test("one that overrides readable and writable is sampled every turn, and notified as it answered", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    class Asked extends Recorder {
      wants = { read: false, write: false };
      asked = 0;
      writes = 0;
      override readable(): boolean {
        this.asked += 1;
        return this.wants.read;
      }
      override writable(): boolean {
        return this.wants.write;
      }
      override handleWrite(): void {
        this.writes += 1;
      }
    }
    const handler = new Asked(near, map);
    far.send(bytes("hello"));
    await turns(mode, map, 2);
    expect([handler.asked, handler.text, handler.writes]).toEqual([2, "", 0]);
    handler.wants = { read: true, write: false };
    await turns(mode, map, 1);
    expect([handler.text, handler.writes]).toEqual(["hello", 0]);
    handler.wants = { read: false, write: true };
    await turns(mode, map, 2);
    expect([handler.asked, handler.writes]).toEqual([5, 2]);
  });
});
