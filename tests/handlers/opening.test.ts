/** A connect that is awaited, its time limit, and the addresses of a name, of which the first that answers is taken. */

import { describe, expect, onTestFinished, test } from "vitest";
import { AsyncChat, DispatcherWithSend, type Family, type OSError, Socket, type SocketAddress } from "wasyncore";
import { openedFromNow } from "../support/descriptors.js";
import { Quiet, Recorder } from "../support/handlers.js";
import { Client, mapWith, outcomeOf, soon } from "../support/opening.js";
import { MODES, newMap, run } from "../support/runs.js";
import { bytes, connectingTo, listener, owned, refusingAddress, text } from "../support/sockets.js";

/** Counts the rejections that nobody handles. */
function unhandledRejections(): unknown[] {
  const found: unknown[] = [];
  const note = (error: unknown): number => found.push(error);
  process.on("unhandledRejection", note);
  onTestFinished(() => void process.off("unhandledRejection", note));
  return found;
}

/** A listener whose queue is full: Linux drops what asks for a connection, as a firewall does. */
function silentAddress(): SocketAddress {
  const [, address] = listener("IPv4", 0);
  for (let i = 0; i < 3; i++) connectingTo(address);
  return address;
}

/** Listens at `host` with a port that the other hosts of the test have as well. */
function listenAt(host: string, port: number): Socket {
  const family: Family = host.includes(":") ? "IPv6" : "IPv4";
  const socket = owned(Socket.create({ family }));
  socket.setOption("SO_REUSEADDR", true);
  socket.bind({ host, port });
  socket.listen(16);
  return socket;
}

describe.each(MODES)("$name", (mode) => {
  test("connect can be awaited, and so can opened", async () => {
    const map = newMap();
    const [, address] = listener();
    const client = new Client(undefined, map);
    client.createSocket();
    const outcomes = [outcomeOf(client.connect(address)), outcomeOf(client.opened)];
    await run(mode, map, () => client.connected);
    await soon();
    expect(outcomes).toEqual([{ settled: "open" }, { settled: "open" }]);
    await client.opened;
    expect(client.connects).toBe(1);
  });

  test("a connect that fails rejects with what handleError is given, and with nothing where nobody waits", async () => {
    const unhandled = unhandledRejections();
    const map = newMap();
    const [awaited, ignored] = [new Client(undefined, map), new Client(undefined, map)];
    for (const client of [awaited, ignored]) client.createSocket();
    const outcome = outcomeOf(awaited.connect(refusingAddress()));
    void ignored.connect(refusingAddress());
    void ignored.opened;
    await run(mode, map);
    await soon();
    expect(outcome.settled).toMatchObject({ name: "OSError", code: "ECONNREFUSED", syscall: "connect" });
    expect(awaited.errors).toEqual([outcome.settled]);
    expect(awaited.errors[0]).toBe(outcome.settled);
    expect([ignored.errors.length, ignored.closes, unhandled]).toEqual([1, 1, []]);
  });

  test("a callback that returns what connect returns has not failed when that fails", async () => {
    const map = newMap();
    const client = new Client(undefined, map);
    client.createSocket();
    map.callLater(0, () => client.connect(refusingAddress()));
    await run(mode, map);
    expect(client.errors).toHaveLength(1);
  });

  test("a channel that is closed while it connects rejects with ECONNABORTED", async () => {
    const map = newMap();
    const client = new Client(undefined, map);
    client.createSocket();
    const outcome = outcomeOf(client.connect(silentAddress()));
    map.callLater(1, () => client.close());
    await run(mode, map);
    await soon();
    expect(outcome.settled).toMatchObject({ code: "ECONNABORTED", syscall: "connect" });
    expect([client.errors, client.closes]).toEqual([[], 0]);
  });

  test("connectTimeoutMs ends a connect that nobody answers: ETIMEDOUT, then a close", async () => {
    const map = newMap();
    const client = new Client(undefined, map);
    client.createSocket();
    const address = silentAddress();
    const outcome = outcomeOf(client.connect(address, { connectTimeoutMs: 20 }));
    await run(mode, map);
    await soon();
    const { host, port } = address;
    expect(client.errors).toEqual([outcome.settled]);
    expect(outcome.settled).toMatchObject({ code: "ETIMEDOUT", syscall: "connect", address: host, port });
    expect([client.closes, client.connecting, map.size]).toEqual([1, false, 0]);
  });

  test("connectTimeoutMs does nothing once the channel is connected", async () => {
    const map = newMap();
    const [, address] = listener();
    const client = new Client(undefined, map);
    client.createSocket();
    void client.connect(address, { connectTimeoutMs: 60_000 });
    await run(mode, map, () => client.connected);
    expect(map.stats().timersNow).toBe(0);
    expect(client.errors).toEqual([]);
  });

  test.each([
    ["IPv4", "127.0.0.1"],
    ["IPv6", "::1"],
  ] as const)("a channel without a socket gets one of the address's family: %s", async (family, host) => {
    const map = newMap();
    const [, address] = listener(family);
    const client = new Client(undefined, map);
    void client.connect(address);
    await run(mode, map, () => client.connected);
    expect(client.socket.family).toBe(family);
    expect(client.socket.remoteAddress().host).toBe(host);
  });

  test("the family is chosen after the look-up: a name with an IPv6 address alone", async () => {
    const map = mapWith("::1");
    const [, { port = 0 }] = listener("IPv6");
    const client = new Client(undefined, map);
    void client.connect({ host: "server.test", port });
    expect(map.snapshot()[0]).toMatchObject({ state: "resolving" });
    await run(mode, map, () => client.connected);
    expect([client.connects, client.socket.family, map.size]).toEqual([1, "IPv6", 1]);
    expect(client.addr).toEqual({ host: "server.test", port });
  });

  test("an address that refuses is passed over at once", async () => {
    const map = mapWith("127.0.0.2", "127.0.0.3", "127.0.0.4");
    const { port = 0 } = refusingAddress();
    listenAt("127.0.0.4", port);
    const client = new Client(undefined, map);
    // Longer than the test: what is passed over must have failed.
    void client.connect({ host: "server.test", port }, { attemptDelayMs: 1e9 });
    await run(mode, map, () => client.connected);
    expect(client.socket.remoteAddress()).toEqual({ host: "127.0.0.4", port });
    expect([client.connects, client.errors, map.size, map.stats().timersNow]).toEqual([1, [], 1, 0]);
  });

  test("an address that does not answer is passed over after the delay, and its socket closed", async () => {
    const silent = silentAddress();
    const { port = 0 } = silent;
    listenAt("127.0.0.5", port);
    const map = mapWith("127.0.0.1", "127.0.0.5");
    const client = new Client(undefined, map);
    void client.connect({ host: "server.test", port }, { attemptDelayMs: 10 });
    await run(mode, map, () => client.connected);
    expect(client.socket.remoteAddress()).toEqual({ host: "127.0.0.5", port });
    expect([client.connects, map.size, map.stats().timersNow]).toEqual([1, 1, 0]);
  });

  test("where every address fails, the error is the first one's, and its cause has all", async () => {
    const { port = 0 } = refusingAddress();
    const map = mapWith("127.0.0.1", "127.0.0.2");
    const client = new Client(undefined, map);
    const outcome = outcomeOf(client.connect({ host: "server.test", port }));
    await run(mode, map);
    await soon();
    const [error] = client.errors;
    expect(error).toBe(outcome.settled);
    expect(error).toMatchObject({ code: "ECONNREFUSED", address: "127.0.0.1", port });
    const { cause } = error as OSError;
    expect((cause as AggregateError).errors).toEqual([
      error,
      expect.objectContaining({ code: "ECONNREFUSED", address: "127.0.0.2" }),
    ]);
    expect([client.errors.length, client.closes, map.size]).toEqual([1, 1, 0]);
  });

  test("a name that is not there is an error, then a close, for a channel without a socket as well", async () => {
    const map = mapWith("127.0.0.1");
    const client = new Client(undefined, map);
    const outcome = outcomeOf(client.connect({ host: "nobody.test", port: 80 }));
    await run(mode, map);
    await soon();
    expect(client.errors).toEqual([outcome.settled]);
    expect([(client.errors[0] as OSError).code, client.closes, map.size]).toEqual(["ENOTFOUND", 1, 0]);
  });

  test("connectTimeoutMs and close end all attempts", async () => {
    const { port = 0 } = silentAddress();
    const map = mapWith("127.0.0.1", "127.0.0.1");
    const timedOut = new Client(undefined, map);
    const closed = new Client(undefined, map);
    const options = { attemptDelayMs: 1, connectTimeoutMs: 30 };
    void timedOut.connect({ host: "server.test", port }, options);
    void closed.connect({ host: "server.test", port }, { attemptDelayMs: 1 });
    map.callLater(15, () => closed.close());
    await run(mode, map);
    expect(timedOut.errors).toEqual([expect.objectContaining({ code: "ETIMEDOUT", address: "server.test" })]);
    expect([closed.errors, map.size, map.stats().timersNow]).toEqual([[], 0, 0]);
  });

  test("a channel without a socket of its own connects again, to another family, after a failure and after close", async () => {
    class Stubborn extends Client {
      addresses: SocketAddress[] = [];
      override handleError(error: unknown): void {
        this.errors.push(error);
        const next = this.addresses.shift();
        if (next !== undefined) void this.connect(next);
      }
    }
    const { port = 0 } = refusingAddress();
    const map = mapWith("127.0.0.1", "127.0.0.2");
    const [, six] = listener("IPv6");
    const client = new Stubborn(undefined, map);
    client.addresses = [refusingAddress(), { host: "server.test", port }, six];
    // Its epoll set is made at the first use.
    map.stats();
    const opened = openedFromNow();
    void client.connect({ host: "server.test", port });
    await run(mode, map, () => client.connected);
    expect([client.errors.length, client.connects, client.socket.family, map.size]).toEqual([3, 1, "IPv6", 1]);
    expect(opened()).toHaveLength(1);
    client.close();
    const [, four] = listener("IPv4");
    void client.connect(four);
    await run(mode, map, () => client.connected);
    expect([client.connects, client.socket.family]).toEqual([2, "IPv4"]);
  });

  test("what handleConnect throws goes to the channel; what handleError throws leaves the loop", async () => {
    class Failing extends Client {
      override handleConnect(): void {
        throw new Error("of handleConnect");
      }
      override handleError(error: unknown): void {
        this.errors.push(error);
        this.close();
        throw new Error("of handleError");
      }
    }
    const map = mapWith("127.0.0.1");
    const [, { port = 0 }] = listener();
    const client = new Failing(undefined, map);
    void client.connect({ host: "server.test", port });
    await expect(run(mode, map)).rejects.toThrow("of handleError");
    expect(client.errors).toEqual([expect.objectContaining({ message: "of handleConnect" })]);
    expect(map.size).toBe(0);
  });

  test.each([
    ["DispatcherWithSend", (map: ReturnType<typeof newMap>) => new DispatcherWithSend(undefined, map)],
    ["AsyncChat", (map: ReturnType<typeof newMap>) => new AsyncChat(undefined, map)],
  ])("output from before the connection is sent on the socket that wins: %s", async (_, make) => {
    const { port = 0 } = refusingAddress();
    const listening = listenAt("127.0.0.9", port);
    const map = mapWith("127.0.0.1", "127.0.0.9");
    const client = make(map);
    void client.connect({ host: "server.test", port });
    if (client instanceof AsyncChat) client.push("early");
    else client.send(bytes("early"));
    let recorder: Recorder | undefined;
    class Server extends Quiet {
      override handleAccepted(socket: Socket): void {
        recorder = new Recorder(socket, map);
      }
    }
    new Server(listening, map);
    await run(mode, map, () => recorder?.text === "early");
    client.close();
  });
});

test.each([
  [{ connectTimeoutMs: -1 }, "ERR_OUT_OF_RANGE"],
  [{ timeoutMs: 1 }, "ERR_UNKNOWN_OPTION"],
  [{ family: 5 }, "ERR_OUT_OF_RANGE"],
  [{ attemptDelayMs: "1" }, "ERR_INVALID_ARG_TYPE"],
])("options are checked: %j", (options, code) => {
  const client = new Client(undefined, newMap());
  const [, address] = listener();
  expect(() => client.connect(address, options as object)).toThrow(expect.objectContaining({ code }));
  expect(client.fd).toBe(-1);
});

test("what is received after the connect of a name is whole", async () => {
  const map = mapWith("127.0.0.1");
  const [socket, { port = 0 }] = listener();
  const client = new Client(undefined, map);
  void client.connect({ host: "server.test", port });
  class Server extends Quiet {
    override handleAccepted(socket: Socket): void {
      socket.send(bytes("hello"));
      socket.close();
      this.close();
    }
  }
  new Server(socket, map);
  await run(MODES[0] ?? { name: "", blocking: false, usePoll: false }, map);
  expect([client.text, text(bytes(client.text)), client.closes]).toEqual(["hello", "hello", 1]);
});
