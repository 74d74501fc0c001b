/** Callbacks that return promises: a rejection is handled as a throw is. */

import { describe, expect, test } from "vitest";
import { BlockingIOError, type ChannelMap, ExitNow, OSError, read, type Socket } from "wasyncore";
import { lineChat, MemoryChat } from "../support/chats.js";
import { Quiet, Recorder } from "../support/handlers.js";
import { captureLog } from "../support/log.js";
import { MODES, newMap, run, start, turns } from "../support/runs.js";
import { bytes, connectedPair, connectingTo, listener } from "../support/sockets.js";

const HOSTED = MODES.filter((mode) => !mode.blocking);
const boom = new Error("boom");

/** Every callback that may be asynchronous, and how it comes to be called. */
const PROVOKED = ["handleRead", "handleWrite", "handleExpt", "handleConnect", "handleClose", "handleEof"] as const;
type Provoked = (typeof PROVOKED)[number];

/** Rejects in one of its callbacks, with what a test says. */
class Rejecting extends Quiet {
  readonly errors: unknown[] = [];
  closes = 0;
  calls = 0;
  readonly #where: Provoked;
  readonly #reason: unknown;
  before: () => void = () => undefined;

  constructor(where: Provoked, reason: unknown, map: ChannelMap) {
    super(undefined, map);
    this.#where = where;
    this.#reason = reason;
  }

  async #maybe(where: Provoked): Promise<void> {
    if (where !== this.#where) return;
    this.calls += 1;
    await Promise.resolve();
    this.before();
    throw this.#reason;
  }

  override writable(): boolean {
    return this.#where === "handleWrite" && this.calls === 0;
  }
  override async handleRead(): Promise<void> {
    this.recv(100);
    await this.#maybe("handleRead");
  }
  override async handleWrite(): Promise<void> {
    await this.#maybe("handleWrite");
  }
  override async handleExpt(): Promise<void> {
    this.socket.recvOutOfBand();
    await this.#maybe("handleExpt");
  }
  override async handleConnect(): Promise<void> {
    await this.#maybe("handleConnect");
  }
  override async handleEof(): Promise<void> {
    if (this.#where !== "handleEof") this.handleCloseEvent();
    await this.#maybe("handleEof");
  }
  override async handleClose(): Promise<void> {
    this.closes += 1;
    if (this.#where !== "handleClose") this.close();
    await this.#maybe("handleClose");
  }
  override handleError(error: unknown): void {
    this.errors.push(error);
    super.handleError(error);
  }
}

/** Makes a handler whose callback `where` rejects with `reason`. */
function rejecting(where: Provoked, reason: unknown, map: ChannelMap): Rejecting {
  const handler = new Rejecting(where, reason, map);
  if (where === "handleConnect") {
    const [, address] = listener();
    handler.createSocket();
    handler.connect(address);
    return handler;
  }
  const [near, far] = connectedPair();
  handler.setSocket(near);
  if (where === "handleRead") far.send(bytes("x"));
  if (where === "handleExpt") far.sendOutOfBand(bytes("!"));
  if (where === "handleEof" || where === "handleClose") far.close();
  return handler;
}

describe.each(HOSTED)("$name", (mode) => {
  test.each(PROVOKED)("what %s rejects with goes to handleError, which closes", async (where) => {
    const map = newMap();
    const handler = rejecting(where, boom, map);
    await run(mode, map);
    expect([handler.errors, handler.fd, handler.closes, handler.calls]).toEqual([[boom], -1, 1, 1]);
  });

  test.each(PROVOKED)("what %s rejects with after close is logged", async (where) => {
    const map = newMap();
    const log = captureLog();
    const handler = rejecting(where, boom, map);
    handler.before = () => handler.close();
    await run(mode, map);
    await handler.closed;
    await Promise.resolve();
    expect(handler.errors).toEqual([]);
    expect(log.map(({ text }) => text)).toEqual([
      expect.stringMatching(/^error: uncaptured exception on closed channel <Rejecting.*boom/),
    ]);
  });

  test.each(PROVOKED)("ExitNow that %s rejects with leaves the loop, closed or not", async (where) => {
    for (const closes of [false, true]) {
      const map = newMap();
      const exit = new ExitNow();
      const handler = rejecting(where, exit, map);
      if (closes) handler.before = () => handler.close();
      map.callEvery(1000, () => undefined);
      await expect(run(mode, map)).rejects.toBe(exit);
      expect(handler.errors).toEqual([]);
    }
  });

  test.each(PROVOKED)("a BlockingIOError that %s rejects with is no error", async (where) => {
    const map = newMap();
    const handler = rejecting(where, new BlockingIOError("EAGAIN", { syscall: "recv" }), map);
    await run(mode, map, () => handler.calls > 0);
    await turns(mode, map, 3);
    expect([handler.errors, handler.fd > 0]).toEqual([[], true]);
  });

  test("an error that means the peer is gone is an error by kind, and a close channel by channel", async () => {
    const map = newMap();
    const gone = new OSError("EPIPE", { syscall: "write" });
    const handler = rejecting("handleRead", gone, map);
    await run(mode, map);
    expect([handler.errors, handler.closes]).toEqual([mode.usePoll ? [] : [gone], 1]);
  });

  test("what a rejection was about is the life that it came from, not the next one", async () => {
    const map = newMap();
    const log = captureLog();
    const [[near, far], [nextNear]] = [connectedPair(), connectedPair()];
    class Reborn extends Recorder {
      override async handleRead(): Promise<void> {
        super.handleRead();
        await Promise.resolve();
        this.close();
        this.setSocket(nextNear);
        throw boom;
      }
    }
    const reborn = new Reborn(near, map);
    far.send(bytes("x"));
    await run(mode, map, () => log.length > 0);
    expect([reborn.errors, reborn.fd, log.length]).toEqual([[], nextNear.fd, 1]);
  });

  test("what an asynchronous handleError rejects with leaves the loop", async () => {
    const map = newMap();
    const worse = new Error("worse");
    class Failing extends Quiet {
      override handleRead(): void {
        throw boom;
      }
      override async handleError(): Promise<void> {
        this.close();
        await Promise.resolve();
        throw worse;
      }
    }
    const [near, far] = connectedPair();
    new Failing(near, map);
    map.callEvery(1000, () => undefined);
    far.send(bytes("x"));
    await expect(run(mode, map)).rejects.toBe(worse);
  });

  test.each(["callLater", "callEvery"] as const)(
    "what the callback of %s rejects with leaves the loop",
    async (call) => {
      const map = newMap();
      map[call](1, async () => {
        await Promise.resolve();
        throw boom;
      });
      map.callLater(5000, () => undefined);
      await expect(run(mode, map)).rejects.toBe(boom);
      map.cancelTimers();
    },
  );

  test("of two errors that leave the loop at once, one does, and the other is logged", async () => {
    const map = newMap();
    const log = captureLog();
    const [first, second] = [new Error("first"), new Error("second")];
    map.callLater(0, async () => {
      throw first;
    });
    map.callLater(0, async () => {
      throw second;
    });
    map.callLater(5000, () => undefined);
    await expect(run(mode, map)).rejects.toBe(first);
    expect(log.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^another error is leaving the loop already \(Error: second/),
    ]);
  });

  test.each([
    ["collectIncomingData", "data"],
    ["foundTerminator", "data\n"],
    ["handleLineTooLong", "a long line"],
  ] as const)("what AsyncChat's %s rejects with goes to handleError", async (where, sent) => {
    const map = newMap();
    const chat = new MemoryChat(map);
    chat.setTerminator("\n");
    chat.maxLineLength = 5;
    chat[where] = async () => {
      await Promise.resolve();
      throw boom;
    };
    chat.feed(sent);
    await Promise.resolve();
    map.callLater(0, () => undefined);
    await turns(mode, map, 2);
    expect(chat.errors).toEqual([boom]);
  });

  test.each(["handleTimeout", "handleDrain"] as const)("what %s rejects with goes to handleError", async (where) => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    chat[where] = async () => {
      await Promise.resolve();
      throw boom;
    };
    if (where === "handleTimeout") {
      chat.idleTimeoutMs = 1;
    } else {
      new Recorder(far, map);
      while (chat.push(new Uint8Array(65_536)));
    }
    await run(mode, map, () => chat.errors.length > 0);
    expect(chat.errors[0]).toBe(boom);
  });

  test("a layer that overrides an event is followed as well", async () => {
    class Layer extends Recorder {
      override async handleReadEvent(): Promise<void> {
        this.recv(10);
        await Promise.resolve();
        throw boom;
      }
    }
    const map = newMap();
    const [near, far] = connectedPair();
    const layer = new Layer(near, map);
    far.send(bytes("x"));
    await run(mode, map);
    expect([layer.errors, layer.closes]).toEqual([[boom], 1]);
  });

  test("a callback that returns something else is not followed", async () => {
    class Returning extends Recorder {
      override handleRead(): void {
        super.handleRead();
        return 5 as unknown as void;
      }
    }
    const map = newMap();
    const [near, far] = connectedPair();
    const returning = new Returning(near, map);
    far.send(bytes("x"));
    await run(mode, map, () => returning.text === "x");
    expect(returning.errors).toEqual([]);
  });
});

test("what is rejected while no loop runs, and is to leave the loop, leaves the next one", async () => {
  const map = newMap();
  const exit = new ExitNow();
  const handler = rejecting("handleRead", exit, map);
  read(handler);
  await new Promise((resolve) => setImmediate(resolve));
  const [mode] = MODES;
  if (mode === undefined) throw new Error("no mode");
  await expect(turns(mode, map, 1)).rejects.toBe(exit);
  await expect(turns(mode, map, 1)).resolves.toBeUndefined();
});

test("what is rejected after loopSync goes to handleError", async () => {
  const map = newMap();
  const handler = rejecting("handleRead", boom, map);
  await start({ name: "", blocking: true, usePoll: false }, { map, count: 1 });
  expect(handler.errors).toEqual([]);
  await new Promise((resolve) => setImmediate(resolve));
  expect([handler.errors, handler.fd]).toEqual([[boom], -1]);
});

test("an asynchronous handleAccepted may take its time", async () => {
  const map = newMap();
  const [socket, address] = listener();
  const [mode] = HOSTED;
  if (mode === undefined) throw new Error("no mode");
  class Server extends Quiet {
    taken: Recorder | undefined;
    override async handleAccepted(accepted: Socket): Promise<void> {
      await new Promise((resolve) => setImmediate(resolve));
      this.taken = new Recorder(accepted, map);
    }
  }
  const server = new Server(socket, map);
  const client = connectingTo(address);
  await run(mode, map, () => server.taken !== undefined);
  client.send(bytes("hello"));
  await run(mode, map, () => server.taken?.text === "hello");
});
