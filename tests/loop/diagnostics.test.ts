/** What the loop publishes of itself: diagnostics_channel, NODE_DEBUG, slow callbacks, and how objects are inspected. */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { once } from "node:events";
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  AsyncChat,
  ChannelMap,
  type DiagnosticMessages,
  Dispatcher,
  FileWrapper,
  loop,
  OSError,
  type Socket,
  type SocketAddress,
} from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { captureLog } from "../support/log.js";
import { start as startProcess, ROOT, requireBuild } from "../support/processes.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, connectedPair } from "../support/sockets.js";

type Name = keyof DiagnosticMessages;

/** Subscribes until the test ends. */
function collect<N extends Name>(name: N, act?: (message: DiagnosticMessages[N]) => void): DiagnosticMessages[N][] {
  const messages: DiagnosticMessages[N][] = [];
  const listen = (message: unknown): void => {
    messages.push(message as DiagnosticMessages[N]);
    act?.(message as DiagnosticMessages[N]);
  };
  subscribe(name, listen);
  onTestFinished(() => void unsubscribe(name, listen));
  return messages;
}

class Server extends Dispatcher {
  readonly accepted: Recorder[] = [];

  constructor(map: ChannelMap) {
    super(undefined, map);
    this.createSocket();
    this.bind({ host: "127.0.0.1", port: 0 });
    this.listen(5);
  }

  get address(): SocketAddress {
    return this.socket.localAddress();
  }

  override handleAccepted(socket: Socket): void {
    this.accepted.push(new Recorder(socket, this.map));
  }
}

function connected(map: ChannelMap, to: SocketAddress): Recorder {
  const client = new Recorder(undefined, map);
  client.createSocket();
  client.connect(to);
  return client;
}

describe.each(MODES)("$name", (mode) => {
  test("the life of channels is published", async () => {
    const map = newMap();
    const names = ["wasyncore:accept", "wasyncore:connect", "wasyncore:close"] as const;
    const [accepts, connects, closes] = [collect(names[0]), collect(names[1]), collect(names[2])];
    const server = new Server(map);
    const { address } = server;
    const client = connected(map, address);
    await run(mode, map, () => server.accepted.length > 0 && client.connected);
    client.send(bytes("hello"));
    await run(mode, map, () => server.accepted[0]?.text === "hello");
    const { fd } = client;
    client.close();
    client.close();
    await run(mode, map, () => server.accepted[0]?.closes === 1);
    expect(accepts).toHaveLength(1);
    expect(accepts[0]).toMatchObject({ listener: server, socket: { type: "stream" } });
    expect(connects).toEqual([{ channel: client, address }]);
    expect(closes).toHaveLength(2);
    expect(closes[0]).toMatchObject({ channel: client, fd, remote: address, bytesIn: 0, bytesOut: 5 });
    expect(closes[1]).toMatchObject({ channel: server.accepted[0], local: address, bytesIn: 5 });
  });

  test("errors, events, timers, polls and turns are published, with their map", async () => {
    const map = newMap();
    const [ours, theirs] = connectedPair();
    const failure = new Error("refused to read");
    class Failing extends Recorder {
      override handleRead(): void {
        throw failure;
      }
    }
    const channel = new Failing(ours, map);
    theirs.send(bytes("x"));
    const [errors, events] = [collect("wasyncore:error"), collect("wasyncore:event")];
    const [timers, polls, ended] = [collect("wasyncore:timer"), collect("wasyncore:poll"), collect("wasyncore:turn")];
    map.callLater(0, function tick() {});
    await turns(mode, map, 1);
    expect(errors).toEqual([{ channel, error: failure }]);
    const durationMs = expect.any(Number);
    expect(events).toEqual([{ map, channel, callback: "handleRead", durationMs }]);
    expect(timers).toEqual([{ map, name: "tick", durationMs }]);
    expect(polls).toEqual([{ map, durationMs }]);
    expect(ended).toEqual([{ map, ready: 1, callbacks: 2, durationMs }]);
  });

  test("subscribers may close the channels that they get", async () => {
    const map = newMap();
    collect("wasyncore:accept", ({ socket }) => (socket as Socket).close());
    collect("wasyncore:connect", ({ channel }) => channel.close());
    const closes = collect("wasyncore:close", ({ channel }) => channel.close());
    collect("wasyncore:turn", () => map.size < 3 && server.close());
    const log = captureLog();
    const server = new Server(map);
    const client = connected(map, server.address);
    await run(mode, map, () => map.size === 0);
    expect([client.fd, client.closes, client.errors]).toEqual([-1, 0, []]);
    expect(closes.map(({ channel }) => channel)).toEqual(expect.arrayContaining([client, server]));
    expect(log.filter(({ type }) => type !== "error")).toEqual([]);
  });

  test("a subscriber that closes a channel whose callback failed keeps handleError from being called", async () => {
    const map = newMap();
    const [ours, theirs] = connectedPair();
    class Failing extends Recorder {
      override handleRead(): void {
        throw new OSError("EIO", { syscall: "read" });
      }
    }
    const channel = new Failing(ours, map);
    theirs.send(bytes("x"));
    collect("wasyncore:error", ({ channel }) => channel.close());
    const log = captureLog();
    await run(mode, map, () => channel.fd < 0);
    expect(channel.errors).toEqual([]);
    expect(log).toEqual([expect.objectContaining({ type: "error", message: expect.stringContaining("EIO") })]);
  });

  test("slow callbacks and turns are logged, once warnSlowMs is set", async () => {
    const map = newMap();
    const log = captureLog();
    function busy(): void {
      const endMs = performance.now() + 8;
      while (performance.now() < endMs);
    }
    map.callLater(0, busy);
    await turns(mode, map, 1);
    expect(log).toEqual([]);
    map.warnSlowMs = 4;
    const [ours, theirs] = connectedPair();
    class Slow extends Recorder {
      override handleRead(): void {
        super.handleRead();
        busy();
      }
    }
    const slow = new Slow(ours, map);
    theirs.send(bytes("x"));
    map.callLater(0, busy);
    await turns(mode, map, 1);
    const texts = log.map(({ text }) => text);
    expect(texts).toHaveLength(2);
    expect(texts[0]).toMatch(/^warning: handleRead of <Slow connected.*> took \d+\.\d ms \(warnSlowMs is 4\)$/);
    expect(texts[1]).toMatch(/^warning: timer busy took /);
    map.warnSlowMs = 10;
    map.callLater(0, busy);
    map.callLater(0, busy);
    await turns(mode, map, 1);
    // Under load a callback alone may take more than 10 ms; then it is that which is logged.
    expect(log.at(-1)?.text).toMatch(/^warning: (a turn with 2 callbacks|timer busy) took /);
    expect(slow.text).toBe("x");
  });
});

test("warnSlowMs outlives the disposal of its map, and takes milliseconds alone", () => {
  const map = new ChannelMap();
  expect(map.warnSlowMs).toBe(Infinity);
  map.warnSlowMs = 5;
  map[Symbol.dispose]();
  expect(map.warnSlowMs).toBe(5);
  for (const value of [-1, Number.NaN, "5"]) {
    expect(() => (map.warnSlowMs = value as number)).toThrow(/"warnSlowMs" must be/);
  }
});

test("what a subscriber throws is an uncaught exception, and the loop goes on", async () => {
  requireBuild("dist/index.js");
  const script = `
    import { subscribe } from "node:diagnostics_channel";
    import { ChannelMap, loop } from "wasyncore";
    let caught = 0;
    process.on("uncaughtException", ({ message }) => message === "subscriber" && caught++);
    subscribe("wasyncore:timer", () => { throw new Error("subscriber"); });
    const map = new ChannelMap();
    const fired = [];
    for (const name of ["one", "two"]) map.callLater(0, () => fired.push(name));
    await loop({ map });
    await new Promise(setImmediate);
    console.log(fired.join(), caught);`;
  const ended = await startProcess(process.execPath, ["--input-type=module", "--eval", script]).ended;
  expect(ended).toMatchObject({ code: 0, stdout: "one,two 2\n", stderr: "" });
});

describe("NODE_DEBUG", () => {
  const script = `
    import { Dispatcher, loop, socketMap } from "wasyncore";
    class Server extends Dispatcher {
      handleAccepted(socket) { new Client(socket); this.close(); }
    }
    class Client extends Dispatcher {
      handleConnect() { this.send(new Uint8Array(3)); this.close(); }
      handleRead() { if (this.recv(10).length > 0) throw new TypeError("no"); }
    }
    const server = new Server();
    server.createSocket();
    server.bind({ host: "127.0.0.1", port: 0 });
    server.listen(1);
    const client = new Client();
    client.createSocket();
    client.connect(server.socket.localAddress());
    socketMap.callLater(0, function tick() {});
    await loop();`;

  async function lines(sections: string): Promise<string[]> {
    requireBuild("dist/index.js");
    const command = ['NODE_DEBUG="$1" exec "$0" --input-type=module --eval "$2"', process.execPath, sections, script];
    const { code, stderr } = await startProcess("sh", ["-c", ...command], ROOT).ended;
    expect(code).toBe(0);
    return stderr
      .replaceAll(/127\.0\.0\.1:\d+/g, "ADDRESS")
      .split("\n")
      .slice(0, -1);
  }

  test("wasyncore prints the life of channels", async () => {
    const printed = (await lines("wasyncore")).map((line) =>
      line.replace(/^WASYNCORE \d+: /, "").replaceAll(/fd=\d+/g, "fd=N"),
    );
    expect(printed).toEqual(
      expect.arrayContaining([
        "accept <Server listening ADDRESS> from ADDRESS fd=N",
        "connect <Client ADDRESS> fd=N",
        expect.stringMatching(/^close <Server.*> fd=N in=0 out=0$/),
        expect.stringMatching(/^close <Client.*> fd=N in=0 out=3$/),
        expect.stringMatching(/^error <Client.*> TypeError: no$/),
        expect.stringMatching(/^close <Client.*> fd=N in=3 out=0$/),
      ]),
    );
    expect(printed).toHaveLength(6);
  });

  test("prints names, addresses and messages without the control characters that they hold", async () => {
    requireBuild("dist/index.js");
    const odd = `
      import { Dispatcher, loop } from "wasyncore";
      const made = { ["A\\u001b[2J\\u0007"]: class extends Dispatcher {} }["A\\u001b[2J\\u0007"];
      Object.defineProperty(made, "name", { value: "A\\u001b[2J\\n" });
      made.prototype.handleTimer = function () {};
      const channel = new made();
      channel.createSocket();
      channel.bind({ host: "127.0.0.1", port: 0 });
      channel.listen(1);
      const other = new Dispatcher();
      other.handleConnect = () => { throw new TypeError("\\u009b31m\\r\\nFAKE"); };
      other.handleError = () => { other.close(); channel.close(); };
      other.createSocket();
      other.connect(channel.socket.localAddress());
      await loop();`;
    const command = ['NODE_DEBUG=wasyncore exec "$0" --input-type=module --eval "$1"', process.execPath, odd];
    const { code, stderr } = await startProcess("sh", ["-c", ...command], ROOT).ended;
    expect(code).toBe(0);
    const printed = stderr.split("\n").slice(0, -1);
    expect(printed.length).toBeGreaterThan(2);
    for (const line of printed) {
      expect(line).toMatch(/^WASYNCORE \d+: /);
      // oxlint-disable-next-line no-control-regex
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    }
    expect(stderr).toContain("A?[2J?");
    expect(stderr).toContain("TypeError: ?31m??FAKE");
  });

  test("its sections print turns, polls and handlers; a wildcard all of them", async () => {
    expect(await lines("wasyncore:turn")).toContainEqual(
      expect.stringMatching(/^WASYNCORE:TURN \d+: turn ready=\d+ callbacks=\d+ \d+\.\d+ ms$/),
    );
    expect(await lines("wasyncore:poll")).toContainEqual(
      expect.stringMatching(/^WASYNCORE:POLL \d+: poll \d+\.\d+ ms$/),
    );
    const handlers = await lines("wasyncore:handlers");
    expect(handlers).toContainEqual(
      expect.stringMatching(/^WASYNCORE:HANDLERS \d+: handleRead <Client.*> \d+\.\d+ ms$/),
    );
    expect(handlers).toContainEqual(expect.stringMatching(/^WASYNCORE:HANDLERS \d+: timer tick \d+\.\d+ ms$/));
    const all = (await lines("wasyncore*")).map((line) => /^([A-Z:]+) /.exec(line)?.[1]);
    expect(new Set(all)).toEqual(new Set(["WASYNCORE", "WASYNCORE:TURN", "WASYNCORE:POLL", "WASYNCORE:HANDLERS"]));
    expect(await lines("http")).toEqual([]);
  });
});

describe("util.inspect", () => {
  test("shows a channel's class, state, addresses, bytes and pending output, and a user's own fields", () => {
    const map = newMap();
    class Named extends AsyncChat {
      user = "ann";
    }
    const [ours] = connectedPair();
    const chat = new Named(ours, map);
    const text = inspect(chat);
    expect(text).toMatch(/^Named \{\n {2}state: 'connected',\n {2}fd: \d+,/);
    expect(text).toContain("pendingOutput: 0");
    expect(text).toContain("user: 'ann'");
    expect(text).not.toContain("ignoreLogTypes");
    chat.close();
    expect(inspect(chat)).toContain("state: 'closed'");
    expect(inspect(new Named(undefined, map))).toContain("state: 'idle'");
  });

  test("shows a listener's address, also inside of its own callback", async () => {
    const map = newMap();
    const seen: string[] = [];
    class Inspecting extends Server {
      override handleAccepted(socket: Socket): void {
        seen.push(inspect(this), inspect(socket), inspect(this.map));
        socket.close();
        seen.push(inspect(socket));
      }
    }
    const server = new Inspecting(map);
    const { host = "", port = 0 } = server.address;
    const ended = loop({ map });
    const client = connected(newMap(), server.address);
    await expect.poll(() => seen.length).toBe(4);
    server.close();
    await ended;
    client.close();
    expect(seen[0]).toMatch(/^Inspecting \{\n {2}state: 'accepting'/);
    expect(seen[0]).toContain(`local: '${host}:${port}'`);
    expect(seen[1]).toMatch(/^Socket \{\n {2}fd: \d+,\n {2}family: 'IPv4'/);
    expect(seen[2]).toMatch(/^ChannelMap\(1\) \{\n? *timers: 0,\s+channels: \[/);
    expect(seen[3]).toContain("fd: -1");
  });

  test("shows a map as a list of its channels, by name where the depth is used up; and timers, files and wakers", () => {
    const map = newMap();
    const server = new Server(map);
    const timer = map.callEvery(10_000, function beat() {});
    expect(inspect(map, { depth: 0 })).toBe("ChannelMap(1) { timers: 1, channels: [Array] }");
    expect(inspect(map, { depth: 1 })).toBe(`ChannelMap(1) { timers: 1, channels: [ [${String(server)}] ] }`);
    expect(inspect({ a: { map } }, { depth: 0 })).toBe("{ a: [Object] }");
    expect(inspect([map], { depth: 0 })).toBe("[ [ChannelMap(1)] ]");
    expect(inspect(timer)).toBe("Timer { active: true, repeats: true, callback: 'beat' }");
    timer.cancel();
    expect(inspect(timer)).toBe("Timer { active: false, repeats: true }");
    using file = new FileWrapper(0);
    expect(inspect(file)).toBe(`FileWrapper { fd: ${file.fd}, bytesIn: 0, bytesOut: 0 }`);
    const waker = map.waker();
    expect(inspect(waker)).toBe(`Waker { fd: ${waker.fd}, referenced: true }`);
  });

  test("never throws, whatever a subclass does", () => {
    class Odd extends Dispatcher {
      override describe(): never {
        throw new Error("no");
      }
      override toString(): never {
        throw new Error("no");
      }
    }
    const odd = new Odd(undefined, newMap());
    expect([inspect(odd), inspect([odd], { depth: -1 }), inspect([odd], { depth: 0 })]).toEqual([
      "Odd {}",
      "[Array]",
      "[ [?] ]",
    ]);
    class Named extends Dispatcher {
      static override readonly name: string = Symbol("odd") as unknown as string;
    }
    expect(inspect(new Named(undefined, newMap()))).toMatch(/^Symbol\(odd\) \{/);
    const bare = new Dispatcher(undefined, newMap());
    Object.defineProperty(bare, "constructor", { value: undefined });
    expect(inspect(bare)).toMatch(/^\? \{/);
  });

  test("channels that refer to each other are shown once on a path", () => {
    class Peer extends Dispatcher {
      peer: Peer | undefined;
      other: { peer: Peer } | undefined;
    }
    const map = newMap();
    const [one, two] = [new Peer(undefined, map), new Peer(undefined, map)];
    for (const [peer, other] of [
      [one, two],
      [two, one],
    ] as const) {
      peer.peer = other;
      peer.other = { peer: other };
    }
    const text = inspect(one, { depth: 40 });
    expect(text).toContain("[Circular Peer]");
    expect(text.length).toBeLessThan(2000);
    // It is shown again afterwards.
    expect(inspect([one, one], { depth: 1 })).not.toContain("Circular");
  });
});

test("without subscribers nothing is published, however the loop runs", async () => {
  // Subscribing later must not need another loop.
  const map = newMap();
  const [ours, theirs] = connectedPair();
  const channel = new Recorder(ours, map);
  const ended = loop({ map });
  theirs.send(bytes("a"));
  await expect.poll(() => channel.text).toBe("a");
  const events = collect("wasyncore:event");
  theirs.send(bytes("b"));
  await expect.poll(() => events.length).toBe(1);
  const closed = once(channel.signal, "abort");
  channel.close();
  await closed;
  await ended;
});
