/** CPython's test_asyncore: HelperFunctionTests and DispatcherTests, under their names. docs/conformance.md lists them. */

import { basename } from "node:path";
import { constants } from "node:os";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type ChannelMap,
  closeAll,
  compactTraceback,
  defaultBackend,
  Dispatcher,
  exception,
  ExitNow,
  OSError,
  read,
  Ready,
  readwrite,
  Socket,
  socketMap,
  write,
} from "wasyncore";
import { newMap } from "../support/runs.js";
import { owned } from "../support/sockets.js";
import { linesWritten } from "./support.js";

const EVENTS = ["handleReadEvent", "handleWriteEvent", "handleExptEvent", "handleCloseEvent"] as const;
type Event = (typeof EVENTS)[number];

/** Calls `act` in every event, and says which came. */
class Told extends Dispatcher {
  readonly told: (Event | "handleError")[] = [];
  readonly errors: unknown[] = [];
  readonly #act: () => void;

  constructor(act: () => void = () => {}, map: ChannelMap = newMap()) {
    super(undefined, map);
    this.#act = act;
  }

  override handleReadEvent(): void {
    this.told.push("handleReadEvent");
    this.#act();
  }

  override handleWriteEvent(): void {
    this.told.push("handleWriteEvent");
    this.#act();
  }

  override handleExptEvent(): void {
    this.told.push("handleExptEvent");
    this.#act();
  }

  override handleCloseEvent(): void {
    this.told.push("handleCloseEvent");
    this.#act();
  }

  override handleError(error: unknown): void {
    this.told.push("handleError");
    this.errors.push(error);
  }
}

/** CPython's exitingdummy. */
function exiting(): Told {
  return new Told(throwing(new ExitNow()));
}

function throwing(error: Error): () => never {
  return () => {
    throw error;
  };
}

describe("HelperFunctionTests", () => {
  test.each([
    { call: read, event: "handleReadEvent" },
    { call: write, event: "handleWriteEvent" },
    { call: exception, event: "handleExptEvent" },
  ] as const)("testReadwriteexc: $event throws, and only ExitNow leaves", ({ call, event }) => {
    expect(() => call(exiting())).toThrow(ExitNow);
    for (const error of [new Error("spam"), gone()]) {
      const crashing = new Told(throwing(error));
      call(crashing);
      expect(crashing.told).toEqual([event, "handleError"]);
      expect(crashing.errors).toEqual([error]);
    }
  });

  test.each([
    { flag: "READ", event: "handleReadEvent" },
    { flag: "PRIORITY", event: "handleExptEvent" },
    { flag: "WRITE", event: "handleWriteEvent" },
    { flag: "ERROR", event: "handleCloseEvent" },
    { flag: "HANGUP", event: "handleCloseEvent" },
  ] as const)("testReadwrite: $flag is $event, and only ExitNow leaves", ({ flag, event }) => {
    const told = new Told();
    readwrite(told, Ready[flag]);
    expect(told.told).toEqual([event]);
    expect(() => readwrite(exiting(), Ready[flag])).toThrow(ExitNow);
    const error = new Error("spam");
    const crashing = new Told(throwing(error));
    readwrite(crashing, Ready[flag]);
    expect(crashing.told).toEqual([event, "handleError"]);
    expect(crashing.errors).toEqual([error]);
  });

  test("testReadwrite: beyond CPython's, several flags are delivered in order", () => {
    const told = new Told();
    readwrite(told, Ready.PRIORITY | Ready.READ | Ready.WRITE);
    readwrite(told, Ready.ERROR | Ready.PRIORITY | Ready.WRITE);
    expect(told.told).toEqual([
      "handleReadEvent",
      "handleWriteEvent",
      "handleExptEvent",
      "handleWriteEvent",
      "handleExptEvent",
      "handleCloseEvent",
    ]);
  });

  test("testReadwrite: beyond CPython's, a hang-up does not close while there is something to read", () => {
    const told = new Told();
    readwrite(told, Ready.READ | Ready.HANGUP);
    expect(told.told).toEqual(["handleReadEvent"]);
  });

  test("testReadwrite: beyond CPython's, an error that means the peer is gone closes", () => {
    let thrown = 0;
    const told = new Told(() => {
      thrown += 1;
      if (thrown === 1) throw gone();
    });
    readwrite(told, Ready.READ | Ready.WRITE);
    expect(told.told).toEqual(["handleReadEvent", "handleCloseEvent"]);
  });

  test("testReadwrite: beyond CPython's, there is no callback after close", () => {
    for (const [flags, event] of [
      [Ready.READ | Ready.WRITE | Ready.PRIORITY, "handleReadEvent"],
      [Ready.WRITE | Ready.PRIORITY | Ready.HANGUP, "handleWriteEvent"],
      [Ready.PRIORITY | Ready.ERROR, "handleExptEvent"],
    ] as const) {
      const [near, far] = Socket.pair();
      owned(far);
      const told: Told = new Told(() => told.close());
      told.setSocket(near);
      readwrite(told, flags);
      expect(told.told).toEqual([event]);
    }
  });

  test.each([
    { name: "testCloseall: closes everything in a given map", given: true },
    { name: "testCloseallDefault: closes everything in socketMap", given: false },
  ])("$name", ({ given }) => {
    const map = given ? newMap() : socketMap;
    onTestFinished(() => closeAll({ map, ignoreAll: true }));
    const sockets = Array.from({ length: 5 }, () => Socket.pair()).flat();
    const channels = sockets.map((socket) => new Dispatcher(socket, map));
    expect(map.size).toBe(10);
    expect(sockets.map((socket) => socket.closed)).toEqual(sockets.map(() => false));
    if (given) closeAll({ map });
    else closeAll();
    expect(map.size).toBe(0);
    expect(sockets.map((socket) => socket.closed)).toEqual(sockets.map(() => true));
    expect(channels.map((channel) => channel.fd)).toEqual(channels.map(() => -1));
  });

  test("testCompactTraceback: says what was thrown, and where", () => {
    const { file, function: name, line, type, message, info } = compactTraceback(spam());
    expect([basename(file), name]).toEqual(["asyncore-functions.test.ts", "spam"]);
    expect([type, message]).toEqual(["RangeError", "I don't like spam!"]);
    expect(info.endsWith(`[${file}|${name}|${line}]`)).toBe(true);
  });
});

function spam(): Error {
  return new RangeError("I don't like spam!");
}

function gone(): OSError {
  return new OSError("EPIPE", { errno: -constants.errno.EPIPE, syscall: "write" });
}

describe("DispatcherTests", () => {
  test("testBasic: is readable, and writable where somebody hears of it", () => {
    const dispatcher = new Dispatcher();
    expect([dispatcher.readable(), dispatcher.writable()]).toEqual([true, false]);
    class Writing extends Dispatcher {
      override handleWrite(): void {}
    }
    const writing = new Writing(undefined, newMap());
    writing.createSocket();
    expect([writing.readable(), writing.writable()]).toEqual([true, true]);
  });

  test("testRepr: toString names the class", () => {
    expect(String(new Dispatcher())).toBe("<Dispatcher>");
  });

  test("testLog: writes to standard error", () => {
    const dispatcher = new Dispatcher();
    const lines = linesWritten(process.stderr, () => {
      dispatcher.log("Lovely spam! Wonderful spam!");
      dispatcher.log("I don't like spam!");
    });
    expect(lines).toEqual(["log: Lovely spam! Wonderful spam!", "log: I don't like spam!"]);
  });

  test("testLogInfo: writes to standard output, with the type in front", () => {
    const dispatcher = new Dispatcher();
    const lines = linesWritten(process.stdout, () => {
      dispatcher.logInfo("Have you got anything without spam?", "EGGS");
      dispatcher.logInfo("Why can't she have egg bacon spam and sausage?");
      dispatcher.logInfo("THAT'S got spam in it!", "SPAM");
    });
    expect(lines).toEqual([
      "EGGS: Have you got anything without spam?",
      "info: Why can't she have egg bacon spam and sausage?",
      "SPAM: THAT'S got spam in it!",
    ]);
  });

  test("testUnhandled: a callback that is not overridden says so", () => {
    const dispatcher = new Dispatcher();
    dispatcher.ignoreLogTypes = new Set();
    const lines = linesWritten(process.stdout, () => {
      dispatcher.handleExpt();
      dispatcher.handleRead();
      dispatcher.handleWrite();
      dispatcher.handleConnect();
    });
    expect(lines).toEqual([
      "warning: unhandled incoming priority event",
      "warning: unhandled read event",
      "warning: unhandled write event",
      "warning: unhandled connect event",
    ]);
  });

  test("testStrerror: every errno has a name, known or not", () => {
    const { errorCode } = defaultBackend();
    expect(errorCode(-constants.errno.EPERM)).toBe("EPERM");
    expect(errorCode(-9999)).toBe("E9999");
  });
});
