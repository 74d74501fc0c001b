/** Dispatcher by itself: its methods, its attributes and what its callbacks do when nobody overrides them. */

import { afterEach, describe, expect, test, vi } from "vitest";
import { compactTraceback, Dispatcher, FileDispatcher, type Socket, type SocketAddress, socketMap } from "wasyncore";
import { Quiet, Recorder } from "../support/handlers.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import {
  anyAddress,
  bytes,
  connectedPair,
  connectingTo,
  FAMILIES,
  listener,
  owned,
  pipe,
  text,
} from "../support/sockets.js";

afterEach(() => {
  vi.restoreAllMocks();
});

/** Says all it has to say. */
class Talkative extends Quiet {
  override ignoreLogTypes = new Set<string>();
}

describe("a new dispatcher", () => {
  test("is in no state, has no socket, and is not in the map", () => {
    const map = newMap();
    const dispatcher = new Dispatcher(undefined, map);
    expect(dispatcher).toMatchObject({
      debug: false,
      connected: false,
      connecting: false,
      accepting: false,
      closing: false,
      addr: undefined,
      fd: -1,
      map,
    });
    expect(dispatcher.ignoreLogTypes).toEqual(new Set(["warning"]));
    expect(map.size).toBe(0);
  });

  test("shares its ignored types of message with all others, so that they cannot be changed but replaced", () => {
    const dispatcher = new Dispatcher(undefined, newMap());
    const shared = dispatcher.ignoreLogTypes as Set<string>;
    const refused = expect.objectContaining({ name: "TypeError", code: "ERR_SHARED_SET" });
    expect(() => shared.add("info")).toThrow(refused);
    expect(() => shared.delete("warning")).toThrow(refused);
    expect(() => shared.clear()).toThrow(refused);
    dispatcher.ignoreLogTypes = new Set(["info"]);
    expect([...new Dispatcher(undefined, newMap()).ignoreLogTypes]).toEqual(["warning"]);
  });

  test("belongs to the default map unless it is given another", () => {
    const dispatcher = owned(new Dispatcher());
    expect(dispatcher.map).toBe(socketMap);
    dispatcher.createSocket();
    expect(socketMap.get(dispatcher.fd)).toBe(dispatcher);
  });

  test("wants to read, and to write where handleWrite is overridden", () => {
    class Writer extends Dispatcher {
      override handleWrite(): void {}
    }
    const wants = [Dispatcher, Writer].map((kind) => {
      const dispatcher = new kind(undefined, newMap());
      dispatcher.createSocket();
      return [dispatcher.readable(), dispatcher.writable()];
    });
    expect(wants).toEqual([
      [true, false],
      [true, true],
    ]);
  });

  test("has no socket to give: EBADF", () => {
    expect(() => new Dispatcher(undefined, newMap()).socket).toThrow(expect.objectContaining({ code: "EBADF" }));
  });

  test("on a file has no socket to give: ENOTSOCK", () => {
    const dispatcher = owned(new FileDispatcher(pipe().readEnd.fd, newMap()));
    expect(() => dispatcher.socket).toThrow(expect.objectContaining({ code: "ENOTSOCK" }));
  });
});

describe("createSocket", () => {
  test.each(FAMILIES.flatMap((family) => (["stream", "dgram"] as const).map((type) => ({ family, type }))))(
    "makes a $type socket of $family and comes into the map",
    ({ family, type }) => {
      const map = newMap();
      const dispatcher = new Dispatcher(undefined, map);
      dispatcher.createSocket({ family, type });
      expect(dispatcher.socket).toMatchObject({ family, type });
      expect(map.get(dispatcher.fd)).toBe(dispatcher);
    },
  );

  test("makes an IPv4 stream by default", () => {
    const dispatcher = new Dispatcher(undefined, newMap());
    dispatcher.createSocket();
    expect(dispatcher.socket).toMatchObject({ family: "IPv4", type: "stream" });
  });
});

describe.each(["the constructor", "setSocket"])("%s", (way) => {
  function take(socket: Socket): Recorder {
    const map = newMap();
    const recorder = new Recorder(way === "setSocket" ? undefined : socket, map);
    if (way === "setSocket") recorder.setSocket(socket);
    return recorder;
  }

  test.each(MODES)("takes a connected socket over, and reads from it: $name", async (mode) => {
    const [near, far] = connectedPair();
    const recorder = take(near);
    expect(recorder).toMatchObject({ connected: true, accepting: false, addr: far.localAddress() });
    far.send(bytes("hello"));
    await run(mode, recorder.map, () => recorder.text === "hello");
  });

  test.each(MODES)("takes a listening socket over, and accepts from it: $name", async (mode) => {
    const [socket, address] = listener();
    const recorder = take(socket);
    const accepted = vi.spyOn(recorder, "handleAccepted");
    expect(recorder).toMatchObject({ connected: false, accepting: true, addr: address });
    connectingTo(address);
    await run(mode, recorder.map, () => accepted.mock.calls.length === 1);
  });
});

describe.each(MODES)("addChannel and delChannel: $name", (mode) => {
  test("leave the map and come back, with the socket open all the time", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const recorder = new Recorder(near, map);
    far.send(bytes("hello"));
    recorder.delChannel();
    expect([map.size, recorder.fd, near.closed]).toEqual([0, near.fd, false]);
    await turns(mode, map, 2);
    expect(recorder.received).toEqual([]);
    recorder.addChannel();
    expect(map.get(near.fd)).toBe(recorder);
    await run(mode, map, () => recorder.text === "hello");
  });
});

test("setReuseAddr sets SO_REUSEADDR", () => {
  const dispatcher = new Dispatcher(undefined, newMap());
  dispatcher.createSocket();
  expect(dispatcher.socket.getOption("SO_REUSEADDR")).toBe(0);
  dispatcher.setReuseAddr();
  expect(dispatcher.socket.getOption("SO_REUSEADDR")).toBe(1);
});

test.each(FAMILIES)("bind and listen set addr and accepting: %s", (family) => {
  const dispatcher = new Dispatcher(undefined, newMap());
  dispatcher.createSocket({ family });
  const address = anyAddress(family);
  dispatcher.bind(address);
  expect(dispatcher).toMatchObject({ addr: address, accepting: false });
  dispatcher.listen(5);
  expect(dispatcher.accepting).toBe(true);
  expect(dispatcher.socket.getOption("SO_ACCEPTCONN")).toBe(1);
});

test("accept gives the socket and the peer's address, and undefined when nobody waits", () => {
  const [socket, address] = listener();
  const dispatcher = new Dispatcher(socket, newMap());
  expect(dispatcher.accept()).toBeUndefined();
  const peer = connectingTo(address);
  const [accepted, from] = dispatcher.accept() ?? [];
  expect(from).toEqual(peer.localAddress());
  accepted?.close();
});

test("send and recv move bytes, and send is 0 when nothing more can be taken", () => {
  const [near, far] = connectedPair();
  const dispatcher = new Dispatcher(near, newMap());
  expect(dispatcher.send(bytes("hello"))).toBe(5);
  expect(text(far.recv(3))).toBe("hel");
  far.send(bytes("back"));
  expect(text(dispatcher.recv(100))).toBe("back");
  const block = new Uint8Array(65536);
  let taken = 0;
  for (let sent = -1; sent !== 0; taken += sent) sent = dispatcher.send(block);
  expect(taken).toBeGreaterThan(0);
});

test("close leaves the map, closes the socket, clears the state, and may be called again", () => {
  const map = newMap();
  const [near] = connectedPair();
  const dispatcher = new Dispatcher(near, map);
  dispatcher.close();
  dispatcher.close();
  expect(map.size).toBe(0);
  expect(near.closed).toBe(true);
  expect(dispatcher).toMatchObject({ connected: false, connecting: false, accepting: false, fd: -1 });
});

describe("logging", () => {
  test("log writes to standard error", () => {
    const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
    new Dispatcher(undefined, newMap()).log("hello");
    expect(write.mock.calls).toEqual([["log: hello\n"]]);
  });

  test("logInfo writes to standard output, without the types that are ignored", () => {
    const write = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    const dispatcher = new Dispatcher(undefined, newMap());
    dispatcher.logInfo("hello");
    dispatcher.logInfo("bad", "error");
    dispatcher.logInfo("odd", "warning");
    dispatcher.ignoreLogTypes = new Set(["info"]);
    dispatcher.logInfo("hello");
    dispatcher.logInfo("odd", "warning");
    expect(write.mock.calls).toEqual([["info: hello\n"], ["error: bad\n"], ["warning: odd\n"]]);
  });

  test("toString tells the class, the state and the address", () => {
    class EchoServer extends Dispatcher {}
    const server = new EchoServer(undefined, newMap());
    expect(String(server)).toBe("<EchoServer>");
    const [socket, address] = listener();
    server.setSocket(socket);
    expect(String(server)).toBe(`<EchoServer listening 127.0.0.1:${address.port}>`);
    const [near, far] = connectedPair();
    server.setSocket(near);
    expect(String(server)).toBe(`<EchoServer connected 127.0.0.1:${far.localAddress().port}>`);
  });

  test("compactTraceback tells in one line what was thrown and where", () => {
    function thrower(): never {
      throw new RangeError("too far");
    }
    let caught: unknown;
    try {
      thrower();
    } catch (error) {
      caught = error;
    }
    const told = compactTraceback(caught);
    expect(told).toMatchObject({ type: "RangeError", message: "too far", function: "thrower" });
    expect(told.file).toContain("dispatcher.test.ts");
    expect(told.info).toMatch(/\|thrower\|\d+\]$/);
    expect(compactTraceback("a string")).toMatchObject({ type: "string", message: "a string", info: "" });
  });
});

describe("a callback that nobody overrides", () => {
  test.each([
    ["handleRead", "unhandled read event"],
    ["handleWrite", "unhandled write event"],
    ["handleExpt", "unhandled incoming priority event"],
    ["handleConnect", "unhandled connect event"],
  ] as const)("%s warns", (name, message) => {
    const dispatcher = new Talkative(undefined, newMap());
    dispatcher[name]();
    expect(dispatcher.logged).toEqual([`warning: ${message}`]);
  });

  test("handleClose warns and closes", () => {
    const [near] = connectedPair();
    const dispatcher = new Talkative(near, newMap());
    dispatcher.handleClose();
    expect(dispatcher.logged).toEqual(["warning: unhandled close event"]);
    expect(near.closed).toBe(true);
  });

  test("handleAccept hands the connection to handleAccepted, which warns and closes it", () => {
    const [socket, address] = listener();
    const dispatcher = new Talkative(socket, newMap());
    const accepted = vi.spyOn(dispatcher, "handleAccepted");
    dispatcher.handleAccept();
    expect(accepted).not.toHaveBeenCalled();
    const peer = connectingTo(address);
    dispatcher.handleAccept();
    const [taken, from] = accepted.mock.calls[0] as [Socket, SocketAddress];
    expect(from).toEqual(peer.localAddress());
    expect(taken.closed).toBe(true);
    expect(dispatcher.logged).toEqual(["warning: unhandled accepted event"]);
  });

  test("handleError logs what was thrown and where, and closes through handleClose", () => {
    const [near] = connectedPair();
    const dispatcher = new Recorder(near, newMap());
    dispatcher.handleError(new TypeError("no good"));
    expect(dispatcher.logged).toHaveLength(1);
    expect(dispatcher.logged[0]).toMatch(
      /^error: uncaptured exception, closing channel <Recorder connected 127\.0\.0\.1:\d+> \(TypeError: no good \[.*\]\)$/,
    );
    expect([dispatcher.closes, near.closed]).toEqual([1, true]);
  });
});
