/** Accepting: many in one turn, and what happens when the process is out of descriptors. */

import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import { type ChannelMap, createNodeBackend, Socket, type SocketAddress } from "wasyncore";
import { Quiet } from "../support/handlers.js";
import { startScript } from "../support/processes.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { connectingTo, FAMILIES, listener, owned } from "../support/sockets.js";

class Server extends Quiet {
  readonly accepted: SocketAddress[] = [];

  override handleAccepted(socket: Socket, address: SocketAddress): void {
    owned(socket);
    this.accepted.push(address);
  }
}

describe.each(MODES)("$name", (mode) => {
  test.each(FAMILIES)("all that wait are accepted in one turn, in the order in which they came: %s", async (family) => {
    const map = newMap();
    const [socket, address] = listener(family);
    const server = new Server(socket, map);
    const clients = Array.from({ length: 20 }, () => connectingTo(address, family));
    await turns(mode, map, 1);
    expect(server.accepted).toEqual(clients.map((client) => client.localAddress()));
  });

  test("a turn takes 64 at the most, so that others have theirs", async () => {
    const map = newMap();
    const [socket, address] = listener("unix");
    const server = new Server(socket, map);
    for (let i = 0; i < 100; i++) connectingTo(address, "unix");
    await turns(mode, map, 1);
    expect(server.accepted).toHaveLength(64);
    await turns(mode, map, 1);
    expect(server.accepted).toHaveLength(100);
  });

  test("a server that limits its connections by readable accepts no more than these", async () => {
    const map = newMap();
    const [socket, address] = listener();
    class Limited extends Server {
      override readable(): boolean {
        return this.accepted.length < 2;
      }
    }
    const server = new Limited(socket, map);
    const clients = Array.from({ length: 5 }, () => connectingTo(address));
    await turns(mode, map, 3);
    expect(server.accepted).toHaveLength(2);
    server.accepted.pop();
    await turns(mode, map, 3);
    expect(server.accepted).toHaveLength(2);
    expect(clients).toHaveLength(5);
  });

  test("a handleAccept of one's own is called as often as one waits, a turn each", async () => {
    class Own extends Server {
      override handleAccept(): void {
        const accepted = this.accept();
        if (accepted !== undefined) this.handleAccepted(...accepted);
      }
    }
    const map = newMap();
    const [socket, address] = listener();
    const server = new Own(socket, map);
    for (let i = 0; i < 3; i++) connectingTo(address);
    await turns(mode, map, 2);
    expect(server.accepted).toHaveLength(2);
    await turns(mode, map, 1);
    expect(server.accepted).toHaveLength(3);
  });

  test("a server that closes itself when it has accepted one accepts no more", async () => {
    class Once extends Server {
      override handleAccepted(socket: Socket, address: SocketAddress): void {
        super.handleAccepted(socket, address);
        this.close();
      }
    }
    const map = newMap();
    const [socket, address] = listener();
    const server = new Once(socket, map);
    for (let i = 0; i < 3; i++) connectingTo(address);
    await run(mode, map);
    expect(server.accepted).toHaveLength(1);
  });

  test("a connection that is gone before it is accepted is no error: the next one is accepted", async () => {
    const backend = createNodeBackend();
    let aborted = 0;
    const map = newMap({
      ...backend,
      accept(fd) {
        if (aborted > 0) return backend.accept(fd);
        aborted += 1;
        return -constants.errno.ECONNABORTED;
      },
    });
    const [socket, address] = listenerOf(map);
    const server = new Server(socket, map);
    connectingTo(address);
    await run(mode, map, () => server.accepted.length > 0);
    expect([aborted, server.accepted.length, server.logged]).toEqual([1, 1, []]);
  });

  test("out of descriptors, a listener says so once, however many connections close meanwhile", async () => {
    const backend = createNodeBackend();
    let nowNs = 0;
    let refused = 0;
    const map = newMap({
      ...backend,
      clock: { ...backend.clock, monotonicNs: () => nowNs },
      accept() {
        refused += 1;
        return -constants.errno.EMFILE;
      },
    });
    const [socket, address] = listenerOf(map);
    const server = new Server(socket, map);
    connectingTo(address);
    for (let i = 0; i < 20; i++) {
      await turns(mode, map, 2);
      new Quiet(owned(Socket.create({}, backend)), map).close();
    }
    expect(refused).toBe(20);
    expect(server.logged).toHaveLength(1);
    nowNs += 1e9;
    await turns(mode, map, 2);
    expect([refused, server.logged.length]).toEqual([21, 2]);
  });

  test.each(["a channel closes", "time goes by"])(
    "out of descriptors, a listener says so, keeps still, and goes on when %s",
    async (reason) => {
      const script = startScript(OUT_OF_DESCRIPTORS, String(mode.blocking), String(mode.usePoll), reason);
      const { code, stdout, stderr } = await script.ended;
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const told = JSON.parse(stdout) as {
        logged: string[];
        turns: number;
        acceptedBefore: number;
        accepted: number;
        listening: boolean;
      };
      expect(told.logged[0]).toMatch(/^error: <Server listening 127\.0\.0\.1:0> cannot accept \(EMFILE\): paused/);
      expect(told).toMatchObject({ acceptedBefore: 0, accepted: 1, listening: true });
      expect(told.turns).toBeLessThan(20);
    },
  );
});

/** A listening socket that goes by the map's backend. */
function listenerOf(map: ChannelMap): [Socket, SocketAddress] {
  const dispatcher = new Quiet(undefined, map);
  dispatcher.createSocket();
  dispatcher.bind({ host: "127.0.0.1", port: 0 });
  dispatcher.listen(5);
  return [owned(dispatcher.socket), dispatcher.socket.localAddress()];
}

/**
 * Takes every descriptor that the process may have, lets a client connect, watches for a while how the loop bears it,
 * gives descriptors back, and waits until the client is accepted.
 */
const OUT_OF_DESCRIPTORS = `
  import { execFileSync } from "node:child_process";
  import { ChannelMap, closeAll, defaultBackend, Dispatcher, loop, loopSync, Socket } from "wasyncore";

  const [blocking, usePoll, reason] = process.argv.slice(-3);
  const map = new ChannelMap();
  const run = async (options) => {
    const all = { map, usePoll: usePoll === "true", ...options };
    if (blocking === "true") loopSync(all);
    else await loop(all);
  };

  class Server extends Dispatcher {
    logged = [];
    accepted = 0;
    constructor() {
      super(undefined, map);
      this.createSocket();
      this.bind({ host: "127.0.0.1", port: 0 });
      this.listen(5);
    }
    logInfo(message, type) { this.logged.push(type + ": " + message); }
    handleAccepted(socket) { this.accepted += 1; socket.close(); stop.abort(); }
  }
  const server = new Server();
  // Kept: the end that nothing holds is closed when it is collected.
  const bystander = new Dispatcher((globalThis.pair = Socket.pair())[0], map);
  const client = Socket.create();
  let stop = new AbortController();
  // What is loaded on first use has its descriptors before there are none.
  await run({ count: 1, timeoutMs: 0 });

  execFileSync("prlimit", ["--pid", String(process.pid), "--nofile=64:"]);
  const backend = defaultBackend();
  const taken = [];
  for (let fd = backend.duplicate(0); fd >= 0; fd = backend.duplicate(0)) taken.push(fd);
  client.connect(server.socket.localAddress());

  map.callLater(300, () => stop.abort());
  const before = map.stats().turns;
  await run({ signal: stop.signal });
  const turns = map.stats().turns - before;
  const acceptedBefore = server.accepted;

  for (const fd of taken) backend.close(fd);
  if (reason === "a channel closes") bystander.close();
  stop = new AbortController();
  await run({ signal: stop.signal });
  console.log(JSON.stringify({
    logged: server.logged, turns, acceptedBefore, accepted: server.accepted, listening: map.get(server.fd) === server,
  }));
  client.close();
  closeAll({ map });
`;
