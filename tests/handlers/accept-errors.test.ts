/** Connections that are reset before they are accepted, and errors while one is set up: they are never the listener's. */

import { describe, expect, test } from "vitest";
import {
  AsyncChat,
  BlockingIOError,
  type ChannelMap,
  createNodeBackend,
  type Dispatcher,
  DispatcherWithSend,
  ExitNow,
  OSError,
  Socket,
  type SocketAddress,
} from "wasyncore";
import { Recorder } from "../support/handlers.js";
import { captureLog } from "../support/log.js";
import { MODES, newMap, run, turns } from "../support/runs.js";
import { bytes, connectingTo, listener, owned, reset } from "../support/sockets.js";
import { Listening } from "../support/listening.js";

const POLLERS = ["epoll", "poll"].filter((poller) => poller === "poll" || process.platform === "linux") as (
  "epoll" | "poll"
)[];

const boom = new Error("boom");

/** A client that connects and resets before anybody accepts it. */
function resetClient(address: SocketAddress): void {
  const client = Socket.create();
  client.connect(address);
  reset(client);
}

/** Accepts by asyncore's oldest way. */
class OldListening extends Listening {
  override handleAccept(): void | Promise<void> {
    const pair = this.accept();
    if (pair !== undefined) return this.onAccepted(...pair) as void | Promise<void>;
  }
}

class Pushing extends AsyncChat {
  readonly told: string[] = [];

  constructor(socket: Socket, map: ChannelMap) {
    super(socket, map);
    this.push("welcome\r\n");
    this.closeWhenDone();
  }
  override collectIncomingData(): void {}
  override handleError(error: unknown): void {
    this.told.push(`error ${String(error)}`);
    super.handleError(error);
  }
  override handleClose(): void {
    this.told.push("close");
    super.handleClose();
  }
  override logInfo(): void {}
}

describe.each(MODES)("$name", (mode) => {
  describe.each(POLLERS)("over %s", (poller) => {
    test("a connection that was reset before it is accepted is a connection, and closes once", async () => {
      const map = newMap(createNodeBackend({ poller }));
      const [socket, address] = listener("IPv4", 128, createNodeBackend({ poller }));
      const server = new Listening(socket, map);
      const handlers: Recorder[] = [];
      const peers: unknown[] = [];
      server.onAccepted = (accepted, peer) => {
        peers.push(accepted.remoteAddress(), peer);
        handlers.push(new Recorder(accepted, map));
        expect(handlers[0]).toMatchObject({ connected: true, addr: peer });
      };
      resetClient(address);
      await run(mode, map, () => handlers.some(({ closes }) => closes > 0));
      expect(peers[0]).toEqual(peers[1]);
      expect(handlers.map(({ fd, closes, errors }) => [fd, closes, errors])).toEqual([[-1, 1, []]]);
      expect([server.errors, server.accepting, map.size]).toEqual([[], true, 1]);
    });

    test.each([
      ["AsyncChat with output and an end", (near: Socket, map: ChannelMap) => new Pushing(near, map)],
      [
        "DispatcherWithSend with output",
        (near: Socket, map: ChannelMap) => {
          const handler = new (class extends DispatcherWithSend {
            override handleRead(): void {
              this.recv(100);
            }
            override logInfo(): void {}
          })(near, map);
          handler.send(bytes("welcome"));
          return handler;
        },
      ],
    ])("%s on one ends as well: nothing spins, nothing leaks", async (_, make) => {
      const map = newMap(createNodeBackend({ poller }));
      const [socket, address] = listener("IPv4", 128, createNodeBackend({ poller }));
      const server = new Listening(socket, map);
      const handlers: Dispatcher[] = [];
      server.onAccepted = (accepted) => void handlers.push(make(accepted, map));
      for (let i = 0; i < 20; i++) resetClient(address);
      await run(mode, map, () => handlers.length === 20 && map.size === 1);
      expect(handlers.every(({ fd }) => fd === -1)).toBe(true);
      const { events } = map.stats();
      await turns(mode, map, 5);
      expect(map.stats().events).toBe(events);
      expect(server.errors).toEqual([]);
    });
  });

  test("hundreds of clients that reset at once leave nothing behind, and the listener still accepts", async () => {
    const map = newMap();
    const [socket, address] = listener();
    const server = new Listening(socket, map);
    let accepted = 0;
    server.onAccepted = (near) => {
      accepted += 1;
      return new Pushing(near, map);
    };
    for (let round = 0; round < 10; round++) {
      for (let i = 0; i < 30; i++) resetClient(address);
      const wanted = (round + 1) * 30;
      await run(mode, map, () => accepted === wanted && map.size === 1);
    }
    const client = new Recorder(connectingTo(address), newMap());
    client.delChannel();
    await run(mode, map, () => accepted === 301 && map.size === 1);
    expect(Buffer.from(client.socket.recv(100)).toString()).toBe("welcome\r\n");
  });

  describe.each([
    ["the default handleAccept", Listening],
    ["a handleAccept of one's own", OldListening],
  ])("%s", (_, kind) => {
    function listening(map: ChannelMap): { server: Listening; address: SocketAddress } {
      const [socket, address] = listener();
      return { server: new kind(socket, map), address };
    }

    /** Waits until the listener has taken one more. */
    async function acceptsAnother(server: Listening, address: SocketAddress): Promise<void> {
      let taken = 0;
      server.onAccepted = (socket) => {
        taken += 1;
        owned(socket);
      };
      connectingTo(address);
      await run(mode, server.map, () => taken === 1);
      expect([server.errors, server.accepting]).toEqual([[], true]);
    }

    test.each([
      ["an error", boom],
      ["a BlockingIOError", new BlockingIOError("EAGAIN", { syscall: "recv" })],
    ])("%s before a channel has taken the connection over closes the connection, and is logged", async (_, error) => {
      const map = newMap();
      const { server, address } = listening(map);
      const taken: Socket[] = [];
      server.onAccepted = (socket) => {
        taken.push(socket);
        throw error;
      };
      connectingTo(address);
      await run(mode, map, () => taken.length === 1);
      expect(taken[0]?.closed).toBe(true);
      expect(server.logged).toEqual([
        expect.stringMatching(/^error: uncaptured exception on a new connection, closing it \(/),
      ]);
      await acceptsAnother(server, address);
    });

    test("an error after a channel has taken it over goes to that channel, which closes", async () => {
      const map = newMap();
      const { server, address } = listening(map);
      const handlers: Recorder[] = [];
      server.onAccepted = (socket) => {
        handlers.push(new Recorder(socket, map));
        throw boom;
      };
      connectingTo(address);
      await run(mode, map, () => handlers.length === 1);
      expect(handlers.map(({ errors, closes, fd }) => [errors, closes, fd])).toEqual([[[boom], 1, -1]]);
      expect(server.logged).toEqual([]);
      await acceptsAnother(server, address);
    });

    test("so it is for a channel of another map", async () => {
      const [map, other] = [newMap(), newMap()];
      const { server, address } = listening(map);
      const handlers: Recorder[] = [];
      server.onAccepted = (socket) => {
        handlers.push(new Recorder(socket, other));
        throw boom;
      };
      connectingTo(address);
      await run(mode, map, () => handlers.length === 1);
      expect([handlers[0]?.errors, handlers[0]?.fd, other.size]).toEqual([[boom], -1, 0]);
      await acceptsAnother(server, address);
    });

    test("an error of a constructor, after it has taken the socket over, does too", async () => {
      class Broken extends Recorder {
        constructor(socket: Socket, map: ChannelMap) {
          super(socket, map);
          throw boom;
        }
      }
      const map = newMap();
      const { server, address } = listening(map);
      server.onAccepted = (socket) => new Broken(socket, map);
      let logged = 0;
      connectingTo(address);
      await run(mode, map, () => (logged += 1) > 2);
      expect(map.size).toBe(1);
      await acceptsAnother(server, address);
    });

    test("an error after that channel has closed is logged", async () => {
      const map = newMap();
      const log = captureLog();
      const { server, address } = listening(map);
      const handlers: Recorder[] = [];
      server.onAccepted = (socket) => {
        const handler = new Recorder(socket, map);
        handlers.push(handler);
        handler.close();
        throw boom;
      };
      connectingTo(address);
      await run(mode, map, () => handlers.length === 1);
      expect([handlers[0]?.errors, handlers[0]?.closes]).toEqual([[], 0]);
      expect(log.map(({ text }) => text)).toEqual([expect.stringContaining("uncaptured exception on closed channel")]);
      await acceptsAnother(server, address);
    });

    test("what that channel's handleError throws leaves the loop, and not the listener", async () => {
      const map = newMap();
      const { server, address } = listening(map);
      const worse = new OSError("EPIPE", { syscall: "write" });
      class Worse extends Recorder {
        override handleError(): void {
          this.close();
          throw worse;
        }
      }
      server.onAccepted = (socket) => {
        new Worse(socket, map);
        throw boom;
      };
      connectingTo(address);
      await expect(run(mode, map)).rejects.toBe(worse);
      await acceptsAnother(server, address);
    });

    test("ExitNow leaves the loop, with the connection open", async () => {
      const map = newMap();
      const { server, address } = listening(map);
      const taken: Socket[] = [];
      server.onAccepted = (socket) => {
        taken.push(owned(socket));
        throw new ExitNow();
      };
      connectingTo(address);
      await expect(run(mode, map)).rejects.toBeInstanceOf(ExitNow);
      expect(taken[0]?.closed).toBe(false);
      await acceptsAnother(server, address);
    });

    test("a logInfo that throws ends no listener either", async () => {
      const map = newMap();
      const log = captureLog();
      const { server, address } = listening(map);
      let accepted = 0;
      server.logInfo = () => {
        throw new Error("no log");
      };
      server.onAccepted = () => {
        accepted += 1;
        throw boom;
      };
      connectingTo(address);
      await run(mode, map, () => accepted === 1);
      expect(log).toHaveLength(1);
      await acceptsAnother(server, address);
    });
  });
});
