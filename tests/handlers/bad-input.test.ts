/** Bad input: every wrong argument is an error that names it, every closed thing EBADF. */

import { describe, expect, test } from "vitest";
import {
  type ChannelMap,
  closeAll,
  createNodeBackend,
  defaultBackend,
  Dispatcher,
  DispatcherWithSend,
  FileDispatcher,
  FileWrapper,
  loop,
  loopSync,
  poll,
  Socket,
} from "wasyncore";
import { newMap } from "../support/runs.js";
import { bytes, connectedPair, listener, owned, pipe } from "../support/sockets.js";

type Call = (value: never) => unknown;

function made(): Dispatcher {
  const dispatcher = new Dispatcher(undefined, newMap());
  dispatcher.createSocket();
  return dispatcher;
}

const noTimer = (): void => undefined;

/** Each: the argument, values of a wrong type, values out of range, and a call that is given them. */
const ARGUMENTS: readonly (readonly [name: string, what: string, types: unknown[], ranges: unknown[], call: Call])[] = [
  ["socket", "new Dispatcher", [5, {}, null, "socket"], [], (socket) => new Dispatcher(socket, newMap())],
  ["socket", "Dispatcher.setSocket", [undefined, 5, {}], [], (socket) => made().setSocket(socket)],
  ["map", "new Dispatcher", [5, {}, null, new Map()], [], (map) => new Dispatcher(undefined, map)],
  ["map", "loopSync", [5, {}, null], [], (map) => loopSync({ map })],
  ["map", "poll", [5, {}, null], [], (map) => poll({ map })],
  ["map", "closeAll", [5, {}, null], [], (map) => closeAll({ map })],
  ["usePoll", "loopSync", [1, "yes", null], [], (usePoll) => loopSync({ map: newMap(), usePoll })],
  ["signal", "loopSync", [1, "stop", null], [], (signal) => loopSync({ map: newMap(), signal })],
  ["timeoutMs", "loopSync", ["1", null], [-1, NaN, -Infinity], (timeoutMs) => loopSync({ map: newMap(), timeoutMs })],
  ["timeoutMs", "poll", ["1", null], [-1, NaN], (timeoutMs) => poll({ map: newMap(), timeoutMs })],
  ["count", "loopSync", ["1", null], [-1, 1.5, NaN], (count) => loopSync({ map: newMap(), count })],
  ["options", "createSocket", [5, "IPv4", null], [], (options) => made().createSocket(options)],
  ["family", "createSocket", [4, null], ["IPv5", "ipv4", ""], (family) => made().createSocket({ family })],
  ["type", "createSocket", [1, null], ["raw", ""], (type) => made().createSocket({ type })],
  ["family", "Socket.create", [4, null], ["IPv5"], (family) => Socket.create({ family })],
  ["type", "Socket.pair", [4, null], ["raw"], (type) => Socket.pair(type)],
  ["fd", "Socket.fromDescriptor", ["1", undefined], [-1, 1.5, 2 ** 31], (fd) => Socket.fromDescriptor(fd)],
  ["fd", "new FileWrapper", ["1", undefined], [-1, 1.5, NaN], (fd) => new FileWrapper(fd)],
  ["fd", "new FileDispatcher", ["1", undefined], [-1, 1.5, NaN], (fd) => new FileDispatcher(fd, newMap())],
  ["address", "bind", [undefined, null, 5, "host"], [], (address) => made().bind(address)],
  ["address", "connect", [undefined, null, 5, "host"], [], (address) => made().connect(address)],
  ["address.host", "bind", [5, undefined, null], [], (host) => made().bind({ host, port: 0 })],
  [
    "address.port",
    "bind",
    ["80", undefined, null],
    [70000, -1, 1.5, NaN],
    (port) => made().bind({ host: "127.0.0.1", port }),
  ],
  ["address.port", "connect", ["80", undefined], [65536, -1], (port) => made().connect({ host: "127.0.0.1", port })],
  ["address.path", "connect", [5, null, {}], [], (path) => made().connect({ path })],
  ["backlog", "listen", ["5", undefined], [-1, 1.5], (backlog) => made().listen(backlog)],
  ["maxBytes", "recv", ["5", undefined], [-1, 1.5, NaN, 2 ** 31], (maxBytes) => made().recv(maxBytes)],
  ["maxBytes", "FileWrapper.read", ["5"], [-1, NaN], (maxBytes) => owned(new FileWrapper(0)).read(maxBytes)],
  ["maxBytes", "Socket.recvFrom", ["5"], [-1], (maxBytes) => made().socket.recvFrom(maxBytes)],
  [
    "target",
    "Socket.recvInto",
    [5, [1], "text", new DataView(new ArrayBuffer(1))],
    [],
    (target) => made().socket.recvInto(target),
  ],
  ["data", "send", ["text", 5, [1], null, new Uint16Array(1)], [], (data) => made().send(data)],
  [
    "data",
    "DispatcherWithSend.send",
    ["text", undefined],
    [],
    (data) => new DispatcherWithSend(undefined, newMap()).send(data),
  ],
  ["data", "Socket.send", ["text", undefined], [], (data) => made().socket.send(data)],
  ["data", "Socket.sendTo", ["text"], [], (data) => made().socket.sendTo(data, { host: "127.0.0.1", port: 9 })],
  ["data", "Socket.sendOutOfBand", ["text"], [], (data) => made().socket.sendOutOfBand(data)],
  ["address", "Socket.sendTo", [undefined, 5], [], (address) => made().socket.sendTo(bytes("x"), address)],
  ["data", "FileWrapper.write", ["text"], [], (data) => owned(new FileWrapper(1)).write(data)],
  ["how", "Socket.shutdown", [1, undefined], ["rw", ""], (how) => made().socket.shutdown(how)],
  [
    "option",
    "Socket.getOption",
    [1, undefined],
    ["SO_NOTHING", "toString"],
    (option) => made().socket.getOption(option),
  ],
  [
    "option",
    "Socket.setOption",
    [1, undefined],
    ["SO_NOTHING", "toString"],
    (option) => made().socket.setOption(option, true),
  ],
  ["value", "Socket.setOption", ["1", undefined], [1.5], (value) => made().socket.setOption("SO_KEEPALIVE", value)],
  [
    "value",
    "Socket.setOption",
    ["1", true, undefined],
    [-2, 1.5, 2 ** 31],
    (value) => made().socket.setOption("SO_RCVBUF", value),
  ],
  ["pieces", "Socket.sendSomeOf", ["text", undefined, bytes("x")], [], (pieces) => made().socket.sendSomeOf(pieces)],
  ["piece", "Socket.sendSomeOf", ["text", 5, new Uint16Array(1)], [], (piece) => made().socket.sendSomeOf([piece])],
  ["delayMs", "callLater", ["1", undefined], [-1, NaN, Infinity], (delayMs) => newMap().callLater(delayMs, noTimer)],
  ["timeMs", "callAt", ["1", undefined], [-1, NaN, Infinity], (timeMs) => newMap().callAt(timeMs, noTimer)],
  [
    "periodMs",
    "callEvery",
    ["1", undefined],
    [0, -1, NaN, Infinity],
    (periodMs) => newMap().callEvery(periodMs, noTimer),
  ],
  [
    "callback",
    "callLater",
    [undefined, null, "f", {}, { handleTimer: 5 }],
    [],
    (callback) => newMap().callLater(1, callback),
  ],
  ["callback", "callAt", [undefined], [], (callback) => newMap().callAt(1, callback)],
  ["callback", "callEvery", [undefined], [], (callback) => newMap().callEvery(1, callback)],
  ["options.poller", "createNodeBackend", [5, null], ["kqueue"], (poller) => createNodeBackend({ poller })],
];

/** One call a row, so that a failure tells which. */
const CASES = ARGUMENTS.flatMap(([name, what, types, ranges, call]) => [
  ...types.map((value) => ({ name, what, value, call, kind: TypeError, code: "ERR_INVALID_ARG_TYPE" })),
  ...ranges.map((value) => ({ name, what, value, call, kind: RangeError, code: "ERR_OUT_OF_RANGE" })),
]);

test.each(CASES)("$what: $name must not be $value", ({ name, value, call, kind, code }) => {
  let thrown: unknown;
  try {
    call(value as never);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(kind);
  expect(thrown).toMatchObject({ code });
  expect((thrown as Error).message).toContain(`"${name}" must be `);
});

test("loop rejects for what loopSync throws for", async () => {
  await expect(loop({ timeoutMs: -1 })).rejects.toMatchObject({ code: "ERR_OUT_OF_RANGE" });
  await expect(loop({ map: {} as ChannelMap })).rejects.toMatchObject({ code: "ERR_INVALID_ARG_TYPE" });
});

describe("what is closed", () => {
  test("a dispatcher throws EBADF for every operation, and none of them comes to the map", () => {
    const map = newMap();
    const dispatcher = new Dispatcher(connectedPair()[0], map);
    dispatcher.close();
    const address = { host: "127.0.0.1", port: 0 };
    const calls = [
      () => dispatcher.send(bytes("x")),
      () => dispatcher.recv(1),
      () => dispatcher.bind(address),
      () => dispatcher.listen(1),
      () => dispatcher.connect({ host: "127.0.0.1", port: 9 }),
      () => dispatcher.connect({ host: "localhost", port: 9 }),
      () => dispatcher.accept(),
      () => dispatcher.setReuseAddr(),
      () => dispatcher.addChannel(),
    ];
    for (const call of calls)
      expect(call, String(call)).toThrow(expect.objectContaining({ name: "OSError", code: "EBADF" }));
    expect([map.size, dispatcher.connecting]).toEqual([0, false]);
  });

  test("a dispatcher without a socket throws EBADF likewise", () => {
    const dispatcher = new Dispatcher(undefined, newMap());
    for (const call of [() => dispatcher.send(bytes("x")), () => dispatcher.recv(1), () => dispatcher.listen(1)]) {
      expect(call).toThrow(expect.objectContaining({ code: "EBADF" }));
    }
  });

  test("a socket throws EBADF for every operation", () => {
    const [near] = connectedPair();
    near.close();
    const address = { host: "127.0.0.1", port: 9 };
    const calls: readonly (readonly [syscall: string, call: () => unknown])[] = [
      ["send", () => near.send(bytes("x"))],
      ["send", () => near.sendSome(bytes("x"))],
      ["send", () => near.sendSomeOf([bytes("x")])],
      ["send", () => near.sendOutOfBand(bytes("x"))],
      ["sendto", () => near.sendTo(bytes("x"), address)],
      ["recv", () => near.recv(1)],
      ["recv", () => near.recvInto(new Uint8Array(1))],
      ["recv", () => near.recvOutOfBand()],
      ["recvfrom", () => near.recvFrom(1)],
      ["accept", () => near.accept()],
      ["bind", () => near.bind(address)],
      ["listen", () => near.listen(1)],
      ["connect", () => near.connect(address)],
      ["shutdown", () => near.shutdown("both")],
      ["getsockopt", () => near.getOption("SO_KEEPALIVE")],
      ["getsockopt", () => near.getOption("SO_LINGER")],
      ["setsockopt", () => near.setOption("SO_KEEPALIVE", true)],
      ["getsockname", () => near.localAddress()],
      ["getpeername", () => near.remoteAddress()],
    ];
    for (const [syscall, call] of calls) {
      expect(call, String(call)).toThrow(expect.objectContaining({ name: "OSError", code: "EBADF", syscall }));
    }
  });
});

describe("errors of the operating system", () => {
  test("an address in use", () => {
    const [, address] = listener();
    const dispatcher = made();
    let error: unknown;
    try {
      dispatcher.bind(address);
    } catch (thrown) {
      error = thrown;
    }
    const { host, port } = address;
    expect(error).toMatchObject({ name: "OSError", code: "EADDRINUSE", syscall: "bind", address: host, port });
    expect((error as { errno: number }).errno).toBeLessThan(0);
    expect((error as Error).message).toBe(`bind EADDRINUSE ${host}:${port}`);
  });

  test.each([
    ["a path that is too long", { path: "/".padEnd(200, "x") }, "ENAMETOOLONG"],
    ["a path with a NUL", { path: "/a\0b" }, "EINVAL"],
  ])("%s", (_, address, code) => {
    const dispatcher = new Dispatcher(undefined, newMap());
    dispatcher.createSocket({ family: "unix" });
    expect(() => dispatcher.bind(address)).toThrow(expect.objectContaining({ code, path: address.path }));
  });

  test("an address of another family than the socket's", () => {
    expect(() => made().connect({ host: "::1", port: 9 })).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^E(AFNOSUPPORT|INVAL)$/), syscall: "connect" }),
    );
  });

  test("a descriptor that is no socket", () => {
    const { readEnd } = pipe();
    expect(() => Socket.fromDescriptor(readEnd.fd)).toThrow(expect.objectContaining({ code: "ENOTSOCK" }));
    expect(defaultBackend().errorCode(-111)).toBe("ECONNREFUSED");
  });
});
