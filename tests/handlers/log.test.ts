/** The log: where lines go, and that a host can take them. */

import { afterEach, describe, expect, test, vi } from "vitest";
import { Dispatcher, type LogEntry, setLogSink } from "wasyncore";
import { captureLog } from "../support/log.js";
import { MODES, newMap, run } from "../support/runs.js";
import { bytes, connectedPair } from "../support/sockets.js";

afterEach(() => {
  vi.restoreAllMocks();
});

test("a sink takes what log and logInfo log", () => {
  const log = captureLog();
  const write = vi.spyOn(process.stdout, "write");
  const dispatcher = new Dispatcher(undefined, newMap());
  dispatcher.log("hello");
  dispatcher.logInfo("bad", "error");
  dispatcher.logInfo("left out", "warning");
  expect(log).toEqual([
    { type: "log", message: "hello", stream: "stderr", text: "log: hello" },
    { type: "error", message: "bad", stream: "stdout", text: "error: bad" },
  ]);
  expect(write).not.toHaveBeenCalled();
});

test("a sink is put back by what setLogSink returns, and without one the standard streams are", () => {
  const [outer, inner]: [LogEntry[], LogEntry[]] = [[], []];
  const restoreAll = setLogSink((entry) => void outer.push(entry));
  const restore = setLogSink((entry) => void inner.push(entry));
  const dispatcher = new Dispatcher(undefined, newMap());
  dispatcher.log("one");
  restore();
  dispatcher.log("two");
  const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  setLogSink();
  dispatcher.log("three");
  restoreAll();
  expect([inner, outer].map((entries) => entries.map(({ message }) => message))).toEqual([["one"], ["two"]]);
  expect(write.mock.calls).toEqual([["log: three\n"]]);
});

test("a sink must be a function", () => {
  expect(() => setLogSink(5 as never)).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }));
});

describe.each([
  [
    "throws",
    () => {
      throw new Error("full disk");
    },
  ],
  [
    "rejects",
    async () => {
      throw new Error("full disk");
    },
  ],
])("a sink that %s", (_, sink) => {
  test.each(MODES)("breaks no loop, and the line goes to the standard stream: $name", async (mode) => {
    const restore = setLogSink(sink);
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    try {
      const map = newMap();
      const [near, far] = connectedPair();
      const dispatcher = new (class extends Dispatcher {
        override handleRead(): void {
          throw new Error("boom");
        }
      })(near, map);
      far.send(bytes("x"));
      await run(mode, map);
      await Promise.resolve();
      expect(dispatcher.fd).toBe(-1);
      expect(write.mock.calls).toEqual([
        [expect.stringMatching(/^error: uncaptured exception, closing channel .*boom/)],
      ]);
    } finally {
      restore();
    }
  });
});

test.each(MODES)("what was thrown may be anything: $name", async (mode) => {
  const things: unknown[] = [undefined, null, Object.create(null), Symbol("s"), { toString: 5 }];
  const odd = new Error("odd");
  Object.defineProperty(odd, "stack", { value: 5 });
  Object.defineProperty(odd, "message", {
    get() {
      throw new Error("no message");
    },
  });
  for (const thing of [...things, odd]) {
    const log = captureLog();
    const map = newMap();
    const [near, far] = connectedPair();
    const dispatcher = new (class extends Dispatcher {
      override handleRead(): void {
        throw thing;
      }
    })(near, map);
    far.send(bytes("x"));
    await run(mode, map);
    expect([dispatcher.fd, log.length]).toEqual([-1, 1]);
  }
});

test("an error is one line, with its code", () => {
  const log = captureLog();
  const dispatcher = new Dispatcher(connectedPair()[0], newMap());
  dispatcher.handleError(Object.assign(new Error("first:\n  second\n"), { code: "ERR_SSL_HTTP_REQUEST" }));
  const [entry] = log;
  expect(entry?.message).toContain("(Error [ERR_SSL_HTTP_REQUEST]: first: second [");
  expect(entry?.text).not.toContain("\n");
});
