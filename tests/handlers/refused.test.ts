/** What is open after a channel could not be opened: nothing that the library made, and all that the program gave. */

import { once } from "node:events";
import { type Duplex, PassThrough } from "node:stream";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  type ChannelMap,
  Dispatcher,
  FileDispatcher,
  fromDuplex,
  LoopError,
  Socket,
  type SocketAddress,
  toDuplex,
} from "wasyncore";
import { FileWrapper } from "../../host/net/file-wrapper.js";
import { registrarOf } from "../../host/loop/channel-map.js";
import { Quiet, Recorder } from "../support/handlers.js";
import { mapWith, outcomeOf, soon } from "../support/opening.js";
import { MODES, newMap, run } from "../support/runs.js";
import { connectedPair, listener, pipe } from "../support/sockets.js";

const noMemory = expect.objectContaining({ name: "LoopError", code: "ERR_ENGINE_MEMORY" });
const snakeCase = expect.objectContaining({ name: "TypeError", code: "ERR_SNAKE_CASE" });
const wrongType = expect.objectContaining({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });

afterEach(() => void vi.restoreAllMocks());

class Misnamed extends Dispatcher {
  handle_read(): void {}
}

/** From now on, the map's engine has no memory for one more channel. */
function refuseChannels(map: ChannelMap): ChannelMap {
  vi.spyOn(registrarOf(map), "add").mockImplementation(outOfMemory);
  return map;
}

/** The same for one more timer. */
function refuseTimers(map: ChannelMap): ChannelMap {
  vi.spyOn(map, "callLater").mockImplementation(outOfMemory);
  return map;
}

function outOfMemory(): never {
  throw new LoopError("ERR_ENGINE_MEMORY", "the engine has no memory");
}

/** The sockets that the library makes while `call` runs. */
function socketsMadeBy(call: () => void): Socket[] {
  const made = vi.spyOn(Socket, "create");
  call();
  const sockets = made.mock.results.map(({ value }) => value as Socket);
  made.mockRestore();
  expect(sockets).not.toEqual([]);
  return sockets;
}

/** The descriptors of files that are closed while `call` runs. */
function filesClosedBy(call: () => void): number {
  const closed = vi.spyOn(FileWrapper.prototype, "close");
  call();
  const count = closed.mock.contexts.length;
  closed.mockRestore();
  return count;
}

describe("a channel that is refused", () => {
  test("closes the socket that createSocket made", () => {
    const misnamed = new Misnamed(undefined, newMap());
    const full = new Dispatcher(undefined, refuseChannels(newMap()));
    const sockets = socketsMadeBy(() => {
      expect(() => misnamed.createSocket()).toThrow(snakeCase);
      expect(() => full.createSocket()).toThrow(noMemory);
    });
    expect(sockets.map(({ closed }) => closed)).toEqual([true, true]);
    expect([misnamed.fd, full.fd]).toEqual([-1, -1]);
  });

  test("closes the duplicate that setFile made, and leaves the program's descriptor open", () => {
    const { readEnd } = pipe();
    const full = refuseChannels(newMap());
    const closed = filesClosedBy(() => {
      expect(() => new Misnamed(undefined, newMap()).setFile(readEnd.fd)).toThrow(snakeCase);
      expect(() => new FileDispatcher(readEnd.fd, full)).toThrow(noMemory);
    });
    expect(closed).toBe(2);
    expect(new FileWrapper(readEnd.fd).closed).toBe(false);
  });

  test("closes the socket that connect made, and that of the connect before", async () => {
    const map = newMap();
    const [, address] = listener();
    const channel = new Quiet(undefined, map);
    void channel.connect(address);
    const former = channel.socket;
    refuseChannels(map);
    const outcome = outcomeOf(channel.opened);
    const sockets = socketsMadeBy(() => expect(() => channel.connect(address)).toThrow(noMemory));
    expect([former, ...sockets].map(({ closed }) => closed)).toEqual([true, true]);
    await soon();
    expect(outcome.settled).toMatchObject({ code: "ECONNABORTED" });
    expect([channel.connecting, channel.fd, map.size]).toEqual([false, -1, 0]);
    vi.restoreAllMocks();
    void channel.connect(address);
    expect(channel.fd).toBeGreaterThan(0);
  });

  test("leaves a socket of the program open", () => {
    const [near] = connectedPair();
    expect(() => new Misnamed(near, newMap())).toThrow(snakeCase);
    expect(() => new Dispatcher(near, refuseChannels(newMap()))).toThrow(noMemory);
    expect(near.closed).toBe(false);
  });

  test("whose class took the socket over before it threw is closed", () => {
    const map = newMap();
    class Late extends Dispatcher {
      override setSocket(socket: Socket): void {
        super.setSocket(socket);
        throw new Error("too late");
      }
    }
    const late = new Late(undefined, map);
    const [socket] = socketsMadeBy(() => expect(() => late.createSocket()).toThrow("too late"));
    expect([socket?.closed, late.fd, map.size]).toEqual([true, -1, 0]);
  });
});

describe("connect without memory for its time limit", () => {
  test.each<[string, SocketAddress | undefined]>([
    ["an address", undefined],
    ["a host name", { host: "localhost", port: 9 }],
  ])("to %s is over", async (_what, given) => {
    const map = refuseTimers(newMap());
    const channel = new Quiet(undefined, map);
    const address = given ?? listener()[1];
    const outcome = outcomeOf(channel.opened);
    expect(() => channel.connect(address, { connectTimeoutMs: 1000 })).toThrow(noMemory);
    await soon();
    expect(outcome.settled).toMatchObject({ code: "ERR_ENGINE_MEMORY" });
    expect(channel.connecting).toBe(false);
    expect(map.snapshot()).toMatchObject([{ state: "idle" }]);
  });
});

describe.each(MODES)("$name: a host name with two addresses, without memory for", (mode) => {
  test.each<[string, (map: ChannelMap) => void]>([
    ["an attempt", (map) => refuseChannels(map)],
    ["the time between two attempts", (map) => refuseTimers(map)],
  ])("%s: the connect fails, and nothing is left", async (_what, refuse) => {
    const map = mapWith("127.0.0.1", "127.0.0.2");
    const { port } = listener()[1];
    const channel = new Recorder(undefined, map);
    const outcome = outcomeOf(channel.connect({ host: "server.test", port: port ?? 0 }));
    const former = channel.socket;
    refuse(map);
    const made = vi.spyOn(Socket, "create");
    await run(mode, map);
    const sockets = made.mock.results.map(({ value }) => value as Socket);
    await soon();
    expect(outcome.settled).toMatchObject({ code: "ERR_ENGINE_MEMORY" });
    expect(channel.errors).toEqual([outcome.settled]);
    expect([former, ...sockets].map(({ closed }) => closed)).toEqual([true, true]);
    expect([channel.connecting, channel.closes, map.size]).toEqual([false, 1, 0]);
  });
});

describe("toDuplex", () => {
  test.each<[string, object]>([
    ["readableHighWaterMark", { readableHighWaterMark: "x" }],
    ["writableHighWaterMark", { writableHighWaterMark: -1 }],
    ["signal", { signal: 5 }],
  ])("leaves the socket, the channel and the map alone if it refuses %s", (_name, options) => {
    const map = newMap();
    const [near, far] = connectedPair();
    const coded = expect.objectContaining({ code: expect.stringMatching(/^ERR_/) });
    expect(() => toDuplex(near, { ...options, map } as never)).toThrow(coded);
    expect([near.closed, map.size]).toEqual([false, 0]);
    const channel = new Dispatcher(far, map);
    expect(() => toDuplex(channel, options as never)).toThrow(coded);
    // Its input has not been claimed.
    toDuplex(channel).destroy();
    toDuplex(near, { map }).destroy();
  });

  test("with a signal that is aborted already closes the channel, and fails with its reason", async () => {
    const [near] = connectedPair();
    const channel = new Dispatcher(near, newMap());
    const stream = toDuplex(channel, { signal: AbortSignal.abort() });
    const [error] = await once(stream, "error");
    expect(error).toMatchObject({ name: "AbortError" });
    expect([channel.fd, stream.destroyed]).toEqual([-1, true]);
  });
});

describe("fromDuplex", () => {
  /** Both ends of the pairs that are made while `call` runs. */
  function pairsMadeBy(call: () => void): Socket[] {
    const made = vi.spyOn(Socket, "pair");
    call();
    const sockets = made.mock.results.flatMap(({ value }) => value as [Socket, Socket]);
    made.mockRestore();
    expect(sockets).toHaveLength(2);
    return sockets;
  }

  test("closes its pair of sockets if the map has no memory", () => {
    const stream = new PassThrough();
    const map = refuseChannels(newMap());
    const pair = pairsMadeBy(() => expect(() => fromDuplex(stream, { map })).toThrow(noMemory));
    expect(pair.map(({ closed }) => closed)).toEqual([true, true]);
    expect(stream.destroyed).toBe(false);
  });

  test("closes its pair of sockets if the stream is none after all", () => {
    const map = newMap();
    const methods = { read() {}, pipe() {}, write() {}, end() {}, destroy() {} };
    const pair = pairsMadeBy(() => {
      expect(() => fromDuplex(methods as unknown as Duplex, { map })).toThrow(wrongType);
    });
    expect([...pair.map(({ closed }) => closed), map.size]).toEqual([true, true, 0]);
  });
});
