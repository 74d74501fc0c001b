/** Arguments that look like what is expected, and are not: each is a typed error with a code, and never the engine's own. */

import { Socket as NetSocket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  AsyncChat,
  type Backend,
  BlockingIOError,
  ChannelMap,
  createNodeBackend,
  Dispatcher,
  DispatcherWithSend,
  driveGuest,
  exception,
  findPrefixAtEnd,
  pipe,
  read,
  readwrite,
  runGuest,
  FileWrapper,
  GuestError,
  GuestTrap,
  type LogEntry,
  LoopError,
  OSError,
  setLogSink,
  Socket,
  write,
} from "wasyncore";
import { newMap } from "../support/runs.js";
import { bytes, connectedPair, owned } from "../support/sockets.js";

const wrongType = expect.objectContaining({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
const unknownOption = expect.objectContaining({ name: "TypeError", code: "ERR_UNKNOWN_OPTION" });

/** A view whose memory belongs to nobody any more. */
function detached(): Uint8Array {
  const view = new Uint8Array(8);
  structuredClone(view.buffer, { transfer: [view.buffer] });
  return view;
}

const noBytes: [string, () => unknown][] = [
  ["a detached view", detached],
  ["an object that inherits from Uint8Array", () => Object.create(Uint8Array.prototype)],
  ["a proxy", () => new Proxy(new Uint8Array(4), {})],
  ["an ArrayBuffer", () => new ArrayBuffer(4)],
  ["another kind of view", () => new Uint16Array(4)],
];

describe.each(noBytes)("%s is not sent", (_what, made) => {
  const data = (): Uint8Array => made() as Uint8Array;
  const address = { host: "127.0.0.1", port: 9 };

  test.each<[string, (socket: Socket, value: Uint8Array) => unknown]>([
    ["Socket.send", (socket, value) => socket.send(value)],
    ["Socket.sendSome", (socket, value) => socket.sendSome(value)],
    ["Socket.sendSomeOf", (socket, value) => socket.sendSomeOf([bytes("x"), value])],
    ["Socket.sendOutOfBand", (socket, value) => socket.sendOutOfBand(value)],
    ["Socket.sendTo", (socket, value) => socket.sendTo(value, address)],
    ["Dispatcher.send", (socket, value) => new Dispatcher(socket, newMap()).send(value)],
    ["DispatcherWithSend.send", (socket, value) => new DispatcherWithSend(socket, newMap()).send(value)],
    ["AsyncChat.push", (socket, value) => new AsyncChat(socket, newMap()).push(value)],
    ["AsyncChat.setTerminator", (socket, value) => new AsyncChat(socket, newMap()).setTerminator(value)],
  ])("%s", (_name, use) => {
    const [socket, peer] = connectedPair();
    expect(() => use(socket, data())).toThrow(wrongType);
    expect(() => peer.recv(1)).toThrow(expect.objectContaining({ code: "EAGAIN" }));
  });

  test("findPrefixAtEnd", () => {
    expect(() => findPrefixAtEnd(data(), bytes("a"))).toThrow(wrongType);
    expect(() => findPrefixAtEnd(bytes("a"), data())).toThrow(wrongType);
  });
});

test("an empty view of memory is bytes", () => {
  const [near] = connectedPair();
  expect(near.sendSome(new Uint8Array(0))).toBe(0);
  expect(near.sendSome(new Uint8Array(8).subarray(3, 3))).toBe(0);
});

test("findPrefixAtEnd reads bytes, whatever the object says of itself", () => {
  class Lying extends Uint8Array {
    override get length(): number {
      return 1000;
    }
  }
  expect(findPrefixAtEnd(new Lying(bytes("ab\r")), bytes("\r\n"))).toBe(1);
  expect(findPrefixAtEnd(bytes("ab\r"), new Lying(bytes("\r\n")))).toBe(1);
});

describe("backends", () => {
  test.each<[string, (value: Backend) => unknown]>([
    ["pipe", (value) => pipe(value)],
    ["Socket.create", (value) => Socket.create({}, value)],
    ["Socket.pair", (value) => Socket.pair("stream", value)],
    ["Socket.fromDescriptor", (value) => Socket.fromDescriptor(0, value)],
    ["FileWrapper", (value) => new FileWrapper(0, value)],
    ["ChannelMap", (value) => new ChannelMap({ backend: value })],
  ])("%s takes nothing else", (_name, call) => {
    for (const value of ["x", 1, null, {}, { socket: 1 }]) expect(() => call(value as never)).toThrow(wrongType);
  });

  test("options of ChannelMap and createNodeBackend are objects, and known", () => {
    expect(() => new ChannelMap(null as never)).toThrow(wrongType);
    expect(() => new ChannelMap({ backnd: 1 } as never)).toThrow(unknownOption);
    expect(() => createNodeBackend(null as never)).toThrow(wrongType);
    expect(() => createNodeBackend({ batchmin: 4 } as never)).toThrow(unknownOption);
  });
});

test.each<[string, (channel: never) => void]>([
  ["read", read],
  ["write", write],
  ["exception", exception],
  ["readwrite", (channel) => readwrite(channel, 1)],
])("%s takes nothing but a channel", (_name, call) => {
  for (const value of [{}, null, 5, "x", { fd: 1 }]) expect(() => call(value as never)).toThrow(wrongType);
});

describe("guests", () => {
  const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

  test.each([null, 5, "x", { listeners: 5 }, { listeners: [null] }, { listeners: [{ socket: {} }] }])(
    "options cannot be %j",
    async (options) => {
      expect(() => runGuest(empty, options as never)).toThrow(wrongType);
      await expect(driveGuest(empty, options as never)).rejects.toThrow(wrongType);
    },
  );

  test("the sockets among the listeners are closed, whatever the others are", () => {
    const [near, far] = connectedPair();
    const listeners = [near, { socket: far, name: 5 }, null];
    expect(() => runGuest(empty, { listeners } as never)).toThrow(wrongType);
    expect([near.closed, far.closed]).toEqual([true, true]);
  });
});

describe("messages show the way out", () => {
  function dispatcher(): Dispatcher {
    return new Dispatcher(connectedPair()[0], newMap());
  }

  test.each([
    ["an address in asyncore's form", () => dispatcher().bind(["127.0.0.1", 80] as never), "{ host, port }"],
    ["text for bytes", () => dispatcher().send("text" as never), "Buffer.from(text)"],
    ["a socket of Node's", () => new Dispatcher(new NetSocket() as never), "a Socket of this package"],
    ["options in asyncore's form", () => dispatcher().createSocket(2 as never), "family, type"],
    [
      "a channel that is closed",
      () => {
        const channel = dispatcher();
        channel.close();
        channel.recv(1);
      },
      "it is closed",
    ],
    ["an option of another family", () => owned(Socket.create()).setOption("IPV6_V6ONLY", true), "IPV6_V6ONLY"],
  ])("%s", (_, call, hint) => {
    expect(call).toThrow(expect.objectContaining({ message: expect.stringContaining(hint) as string }));
  });
});
/** Values of which no text can be made, or that are of no use as one. */
const noText: [string, () => unknown][] = [
  ["a symbol", () => Symbol("x")],
  ["an object without a text", () => Object.create(null)],
  [
    "an object whose text fails",
    () => ({
      toString: () => {
        throw new Error("no text");
      },
    }),
  ],
];

describe.each(noText)("%s", (_what, made) => {
  const value = made() as never;

  test("is logged, whatever it is", () => {
    const entries: LogEntry[] = [];
    onTestFinished(setLogSink((entry) => void entries.push(entry)));
    const channel = new Dispatcher(undefined, newMap());
    channel.log(value);
    channel.logInfo(value, "info");
    channel.logInfo("a message", value);
    const text = expect.stringMatching(/^(\?|Symbol\(x\))$/);
    expect(entries).toEqual([
      expect.objectContaining({ type: "log", message: text }),
      expect.objectContaining({ type: "info", message: text }),
      expect.objectContaining({ type: text, message: "a message" }),
    ]);
  });

  test.each<[string, () => unknown]>([
    ["a code of OSError", () => new OSError(value, { syscall: "read" })],
    ["a code of BlockingIOError", () => new BlockingIOError(value, { syscall: "read" })],
    ["a call of OSError", () => new OSError("EIO", { syscall: value })],
    ["an address of OSError", () => new OSError("EIO", { syscall: "read", address: value })],
    ["a port of OSError", () => new OSError("EIO", { syscall: "read", address: "::1", port: value })],
    ["a path of OSError", () => new OSError("EIO", { syscall: "read", path: value })],
    ["a hint of OSError", () => new OSError("EIO", { syscall: "read", hint: value })],
    ["a code of LoopError", () => new LoopError(value, "x")],
    ["a message of LoopError", () => new LoopError("ERR_ENGINE", value)],
    ["a code of GuestError", () => new GuestError(value, "x")],
    ["a message of GuestError", () => new GuestError("ERR_GUEST_FORMAT", value)],
    ["a message of GuestTrap", () => new GuestTrap(value, [], {})],
    ["a part of a message", () => new AsyncChat(undefined, newMap())._collectIncomingData(value)],
  ])("is not %s", (_name, use) => {
    expect(use).toThrow(wrongType);
  });

  test("is no address family", () => {
    const channel = new Dispatcher(undefined, newMap());
    const connect = (): unknown => channel.connect({ host: "127.0.0.1", port: 9 }, { family: value });
    expect(connect).toThrow(expect.objectContaining({ name: "RangeError", code: "ERR_OUT_OF_RANGE" }));
  });
});

test("an error needs details", () => {
  for (const details of [null, undefined, 5]) expect(() => new OSError("EIO", details as never)).toThrow(wrongType);
});
