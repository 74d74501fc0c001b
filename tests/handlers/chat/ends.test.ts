/** AsyncChat's ends: half-close, end of input told apart from close, and channels that fall idle. */

import { describe, expect, test } from "vitest";
import { AsyncChat, type Backend, type ChannelMap, defaultBackend, Socket } from "wasyncore";
import { Chat, lineChat } from "../../support/chats.js";
import { Recorder } from "../../support/handlers.js";
import { captureLog } from "../../support/log.js";
import { MODES, newMap, run, turns } from "../../support/runs.js";
import { bytes, connectedPair, listener, pattern } from "../../support/sockets.js";

/** Goes on after the end of its input. */
class HalfOpen extends Chat {
  override handleEof(): void {
    this.told.push("eof");
  }
}

/** Is told when it is idle, and closes at the third time. */
class Impatient extends Chat {
  onTimeout: (() => void) | undefined;

  constructor(socket: Socket | undefined, map: ChannelMap, idleTimeoutMs: number) {
    super(socket, map);
    this.idleTimeoutMs = idleTimeoutMs;
  }

  override handleTimeout(): void {
    this.told.push("timeout");
    this.onTimeout?.();
  }
}

describe.each(MODES)("a peer that has hung up, under $name", (mode) => {
  test("loses no input that pauses hold back, however many there are", async () => {
    const map = newMap();
    // Unix sockets: closing one end hangs up the other.
    const [near, far] = Socket.pair();
    const data = pattern(1000);
    const collected: Uint8Array[] = [];
    let inputAtClose = -1;
    const length = (): number => collected.reduce((sum, piece) => sum + piece.length, 0);
    class Pausing extends AsyncChat {
      override collectIncomingData(piece: Uint8Array): void {
        collected.push(piece);
        if (collected.length > 5) return;
        this.pauseReading();
        map.callLater(0, () => this.resumeReading());
      }

      override foundTerminator(): void {
        this.setTerminator(100);
      }

      override handleClose(): void {
        inputAtClose = length();
        this.close();
      }
    }
    new Pausing(near, map).setTerminator(100);
    far.send(data);
    far.close();
    await run(mode, map);
    expect(inputAtClose).toBe(1000);
    expect(Buffer.concat(collected).equals(data)).toBe(true);
  });
});

describe.each(MODES)("half-close under $name", (mode) => {
  test("endWriting ends the peer's input after all that was queued, and reading goes on", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    const data = pattern(2_000_000);
    chat.push(data);
    chat.endWriting();
    let ended = false;
    class Peer extends Recorder {
      override handleEof(): void {
        ended = true;
        this.send(bytes("got it\n"));
        this.close();
      }
    }
    const peer = new Peer(far, map);
    await run(mode, map);
    expect(ended).toBe(true);
    expect(Buffer.concat(peer.received).equals(data)).toBe(true);
    expect(chat.told).toEqual(["data got it", "found", "close"]);
  });

  test("endWriting ends with nothing queued as well, and twice is once", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    chat.endWriting();
    chat.endWriting();
    const reader = new Recorder(far, map);
    await run(mode, map);
    expect([reader.closes, chat.told]).toEqual([1, ["close"]]);
  });

  test("after endWriting nothing can be pushed, but closeWhenDone works", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    chat.endWriting();
    const refused = expect.objectContaining({ code: "ERR_STREAM_WRITE_AFTER_END" });
    expect(() => chat.push("x")).toThrow(refused);
    expect(() => chat.pushWithProducer(["x"])).toThrow(refused);
    chat.closeWhenDone();
    await run(mode, map);
    expect(chat.told).toEqual(["close"]);
  });

  test("by default, the end of input closes, and pending output is dropped", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    far.send(bytes("last\n"));
    far.shutdown("write");
    await run(mode, map);
    expect(chat.told).toEqual(["data last", "found", "close"]);
  });

  test("one that overrides handleEof is notified once, does not spin, and may go on writing", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = new HalfOpen(near, map);
    chat.setTerminator("\n");
    far.send(bytes("last\n"));
    far.shutdown("write");
    await run(mode, map, () => chat.told.includes("eof"));
    const { events } = map.stats();
    await turns(mode, map, 5);
    expect(map.stats().events).toBe(events);
    const data = pattern(1_000_000);
    chat.push(data);
    chat.closeWhenDone();
    const reader = new Recorder(far, map);
    // The recorder is of the same map, and reads an input that is whole.
    await run(mode, map);
    expect(Buffer.concat(reader.received).equals(data)).toBe(true);
    expect(chat.told).toEqual(["data last", "found", "eof", "close"]);
  });

  test.each(["input first", "output first"])("when both halves have ended handleClose is called: %s", async (order) => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = new HalfOpen(near, map);
    const endInput = async (): Promise<void> => {
      far.shutdown("write");
      await run(mode, map, () => chat.told.includes("eof"));
    };
    const endOutput = async (): Promise<void> => {
      chat.endWriting();
      await run(mode, map, () => readable(far));
    };
    if (order === "input first") {
      await endInput();
      expect(chat.told).toEqual(["eof"]);
      await endOutput();
    } else {
      await endOutput();
      expect(chat.told).toEqual([]);
      await endInput();
    }
    expect(chat.told).toEqual(["eof", "close"]);
    expect(chat.fd).toBe(-1);
  });
});

/** A clock that goes when a test says so. */
class ManualClock {
  ms = 0;
  readonly backend: Backend = {
    ...defaultBackend(),
    clock: { monotonicNs: () => this.ms * 1e6, realtimeNs: () => 0n, threadCpuNs: () => 0n, turnTaker: undefined },
  };
}

/** Has its peer ended? */
function readable(socket: Socket): boolean {
  try {
    return socket.recv(1).length === 0;
  } catch {
    return false;
  }
}

describe.each(MODES)("idle under $name", (mode) => {
  test("by default, an idle channel is closed, and that is logged", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = lineChat(near, map);
    chat.idleTimeoutMs = 5;
    await run(mode, map);
    expect(chat.told).toEqual(["close"]);
    expect(chat.logged).toEqual([
      expect.stringMatching(/^error: <Chat connected .*> was idle for 5 ms, closing channel$/),
    ]);
    expect(map.stats().timersNow).toBe(0);
  });

  test("handleTimeout that does not close comes again after the same time", async () => {
    const clock = new ManualClock();
    const map = newMap(clock.backend);
    const [near] = connectedPair();
    const chat = new Impatient(near, map, 100);
    const told: number[] = [];
    for (clock.ms = 0; clock.ms <= 350; clock.ms += 10) {
      await turns(mode, map, 1);
      told.push(chat.told.length);
    }
    expect(told.indexOf(1)).toBe(10);
    expect(told.indexOf(2)).toBe(20);
    expect(told.indexOf(3)).toBe(30);
  });

  test("what handleTimeout throws goes to handleError, or after close to the log, and does not leave the loop", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const log = captureLog();
    const chat = new Impatient(near, map, 1);
    chat.onTimeout = () => {
      if (chat.errors.length > 0) chat.close();
      throw new Error(`timeout ${chat.errors.length}`);
    };
    await run(mode, map);
    expect(chat.told).toEqual(["timeout", "error timeout 0", "timeout"]);
    expect(log.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^error: uncaptured exception on closed channel .*timeout 1/),
    ]);
  });

  test("receiving and sending put it off, and move no timer", async () => {
    const clock = new ManualClock();
    const map = newMap(clock.backend);
    const [near, far] = connectedPair();
    const chat = new Impatient(near, map, 100);
    for (let round = 0; round < 50; round++) {
      clock.ms += 12;
      chat.push("x");
      await turns(mode, map, 1);
    }
    for (let round = 0; round < 50; round++) {
      clock.ms += 12;
      far.send(bytes("y"));
      await run(mode, map, () => chat.told.length > round);
    }
    expect(chat.told.every((each) => each === "data y")).toBe(true);
    // 1200 ms: one at the end of each 100, or a little later.
    expect(map.stats().timers).toBeLessThanOrEqual(12);
    clock.ms += 99;
    await turns(mode, map, 2);
    expect(chat.told).not.toContain("timeout");
    clock.ms += 1;
    await turns(mode, map, 2);
    expect(chat.told.at(-1)).toBe("timeout");
  });

  test("close, and leaving the map, end it; coming back begins it anew", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const chat = new Impatient(near, map, 1000);
    expect(map.stats().timersNow).toBe(1);
    chat.delChannel();
    expect(map.stats().timersNow).toBe(0);
    chat.addChannel();
    expect(map.stats().timersNow).toBe(1);
    chat.idleTimeoutMs = 0;
    expect(map.stats().timersNow).toBe(0);
    chat.idleTimeoutMs = Infinity;
    expect(map.stats().timersNow).toBe(0);
    chat.idleTimeoutMs = 10;
    chat.close();
    expect(map.stats().timersNow).toBe(0);
    await run(mode, map);
    expect(chat.told).toEqual([]);
  });

  test("it limits how long connecting may take", async () => {
    const map = newMap();
    const [, address] = listener("IPv4", 0);
    const chat = new Impatient(undefined, map, 5);
    chat.onTimeout = () => chat.close();
    chat.createSocket();
    // Not under way at all is as good as under way for ever.
    chat.addr = address;
    await run(mode, map);
    expect(chat.told).toEqual(["timeout"]);
  });
});

test.each([-1, NaN])("an idle time of %d is a RangeError", (timeoutMs) => {
  const chat = new AsyncChat(undefined, newMap());
  expect(() => (chat.idleTimeoutMs = timeoutMs)).toThrow(RangeError);
  expect(chat.idleTimeoutMs).toBe(0);
});
