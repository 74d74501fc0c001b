/** `closed` and `signal`, which say that a channel is gone, and the signal of a producer that a function makes. */

import { describe, expect, test, vi } from "vitest";
import { type AsyncChat, closeAll, Dispatcher, loop, OSError, Socket } from "wasyncore";
import { lineChat, MemoryChat } from "../support/chats.js";
import { Quiet, Recorder } from "../support/handlers.js";
import { MODES, newMap, run } from "../support/runs.js";
import { connectedPair, listener, reset } from "../support/sockets.js";

describe("closed and signal", () => {
  test("end with close, and begin anew with the next socket", async () => {
    const map = newMap();
    const dispatcher = new Quiet(undefined, map);
    dispatcher.close();
    const { closed, signal } = dispatcher;
    expect(signal.aborted).toBe(false);
    dispatcher.setSocket(connectedPair()[0]);
    expect([dispatcher.closed === closed, dispatcher.signal === signal]).toEqual([true, true]);
    let resolved = false;
    void closed.then(() => (resolved = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(resolved).toBe(false);
    dispatcher.close();
    expect(signal.aborted).toBe(true);
    expect(dispatcher.signal.aborted).toBe(true);
    await closed;
    await dispatcher.closed;
    dispatcher.setSocket(connectedPair()[0]);
    expect([dispatcher.signal === signal, dispatcher.signal.aborted, dispatcher.closed === closed]).toEqual([
      false,
      false,
      false,
    ]);
  });

  test("asked for after close, say so", async () => {
    const dispatcher = new Quiet(connectedPair()[0], newMap());
    dispatcher.close();
    expect(dispatcher.signal.aborted).toBe(true);
    await dispatcher.closed;
  });

  test("end though the operating system refuses the close", async () => {
    const map = newMap();
    const [near] = connectedPair();
    const dispatcher = new Quiet(near, map);
    const { signal } = dispatcher;
    const close = vi.spyOn(near, "close").mockImplementationOnce(() => {
      throw new OSError("EIO", { syscall: "close" });
    });
    expect(() => dispatcher.close()).toThrow(expect.objectContaining({ code: "EIO" }));
    close.mockRestore();
    expect(signal.aborted).toBe(true);
    await dispatcher.closed;
  });

  test.each(MODES)("a reset ends them: $name", async (mode) => {
    const map = newMap();
    const [near, far] = connectedPair();
    const recorder = new Recorder(near, map);
    const { signal, closed } = recorder;
    reset(far);
    await run(mode, map);
    expect(signal.aborted).toBe(true);
    await closed;
  });

  test("asynchronous work ends with its channel", async () => {
    const map = newMap();
    class Waiting extends Recorder {
      ended = false;
      override async handleConnect(): Promise<void> {
        await new Promise<void>((resolve) => this.signal.addEventListener("abort", () => resolve()));
        this.ended = true;
      }
    }
    const [, address] = listener();
    const waiting = new Waiting(undefined, map);
    waiting.createSocket();
    waiting.connect(address);
    map.callLater(5, () => waiting.close());
    await loop({ map });
    await waiting.closed;
    expect(waiting.ended).toBe(true);
  });
});

describe("a producer that a function makes", () => {
  async function* untilAborted(signal: AbortSignal, told: string[]): AsyncGenerator<string> {
    try {
      yield "first";
      await new Promise<void>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("gone")));
      });
    } finally {
      told.push("ended");
    }
  }

  test.each([
    ["the channel closes", (chat: AsyncChat) => chat.close()],
    ["the queue is discarded", (chat: AsyncChat) => chat.discardBuffers()],
  ])("ends when %s, though it waits", async (_, act) => {
    const map = newMap();
    const [near, far] = connectedPair();
    const chat = lineChat(near, map);
    const reader = new Recorder(far, map);
    const told: string[] = [];
    chat.pushWithProducer((signal) => untilAborted(signal, told));
    map.callEvery(1, () => {
      if (reader.text === "first") act(chat);
      if (told.length > 0) closeAll({ map });
    });
    await loop({ map });
    expect([reader.text, told, chat.errors]).toEqual(["first", ["ended"], []]);
  });

  test("has a signal of its own, which is not aborted when it has ended by itself", async () => {
    const map = newMap();
    const chat = new MemoryChat(map);
    const signals: AbortSignal[] = [];
    chat.pushWithProducer((signal) => {
      signals.push(signal);
      return ["one ", "two"];
    });
    chat.close();
    expect([String(chat.memory.sent), signals.map(({ aborted }) => aborted)]).toEqual(["one two", [false]]);
  });

  test("is not called for a channel that is closed", () => {
    const chat = new MemoryChat(newMap());
    chat.close();
    let calls = 0;
    chat.pushWithProducer(() => {
      calls += 1;
      return [];
    });
    expect(calls).toBe(0);
  });

  test("must be one", () => {
    const chat = new MemoryChat(newMap());
    expect(() => chat.pushWithProducer((() => 5) as never)).toThrow(
      expect.objectContaining({
        code: "ERR_INVALID_ARG_TYPE",
        message: expect.stringContaining('"producer" must be an object with more(), an iterable or'),
      }),
    );
    expect(() => chat.pushWithProducer({} as never)).toThrow(
      '"producer" must be an object with more(), an iterable or',
    );
  });
});

test("nothing is made where nobody asks: a channel costs no signal", () => {
  const map = newMap();
  const original = globalThis.AbortController;
  let made = 0;
  globalThis.AbortController = class extends original {
    constructor() {
      super();
      made += 1;
    }
  };
  try {
    const dispatcher = new Dispatcher(Socket.pair()[0], map);
    dispatcher.close();
  } finally {
    globalThis.AbortController = original;
  }
  expect(made).toBe(0);
});
