/**
 * What nobody closes: a descriptor is closed when its owner is garbage, whether the owner was in a map or not, and no other
 * descriptor is.
 */

import { createConnection } from "node:net";
import { describe, expect, test } from "vitest";
import { BlockingIOError, ChannelMap, Dispatcher, loopSync, Socket } from "wasyncore";
import { collectUntil } from "../support/garbage.js";
import { Listening } from "../support/listening.js";
import { newMap } from "../support/runs.js";
import { listener, owned } from "../support/sockets.js";

/** A connection of a map, by its other end. */
type Peer = Socket<"unix">;

class Server extends Dispatcher {
  override handleRead(): void {
    this.recv(100);
  }

  override handleClose(): void {
    this.close();
  }
}

/** One end, owned by the test; the other is passed to `use`. */
function peerOf(use: (socket: Socket<"unix">) => void): Peer {
  const [one, other] = Socket.pair();
  use(one);
  return owned(other);
}

/** Has the other end been closed? */
function isClosed(peer: Socket): boolean {
  try {
    return peer.recv(100).length === 0;
  } catch (error) {
    if (error instanceof BlockingIOError) return false;
    throw error;
  }
}

/** A map that is garbage when this returns, but for what `use` keeps of its first channel. @returns the peers of its channels */
function forgottenMap(use: (channel: Server) => void = () => undefined, count = 3): Peer[] {
  const map = new ChannelMap();
  const channels: Server[] = [];
  const peers: Peer[] = [];
  // No closure that refers to the map may call peerOf: the test runner keeps the calls that led to `onTestFinished`.
  while (peers.length < count) peers.push(peerOf((socket) => channels.push(new Server(socket, map))));
  const [first] = channels;
  if (first !== undefined) use(first);
  loopSync({ map, count: 2, timeoutMs: 0 });
  return peers;
}

/** When this is settled, what was garbage before it has been collected: a map that became garbage after that has been. */
async function collectAll(): Promise<void> {
  const witnesses = forgottenMap();
  await collectUntil(() => witnesses.every(isClosed));
  const later = forgottenMap();
  await collectUntil(() => later.every(isClosed));
}

describe("the channels of a map that nothing refers to", () => {
  test("are closed", async () => {
    const peers = forgottenMap();
    await expect(collectUntil(() => peers.every(isClosed))).resolves.toBeUndefined();
  });

  test("are closed when there are many", async () => {
    const peers = forgottenMap(undefined, 200);
    await expect(collectUntil(() => peers.every(isClosed))).resolves.toBeUndefined();
  });

  test("are closed although the program keeps one of their sockets that is closed", async () => {
    const kept: Socket[] = [];
    const peers = forgottenMap((channel) => {
      kept.push(channel.socket);
      channel.close();
    });
    await collectUntil(() => peers.every(isClosed));
    expect(kept.map(({ fd }) => fd)).toEqual([-1]);
  });

  test("are closed although the program keeps a socket that has left the map", async () => {
    const kept: Socket[] = [];
    const [first, ...others] = forgottenMap((channel) => {
      kept.push(channel.socket);
      channel.delChannel();
    });
    await collectUntil(() => others.every(isClosed));
    expect(first === undefined || isClosed(first)).toBe(false);
    for (const socket of kept) socket.close();
  });

  test("are not closed while the program keeps a socket of one of them", async () => {
    const kept: Socket[] = [];
    const peers = forgottenMap((channel) => kept.push(channel.socket));
    await collectAll();
    expect(peers.map(isClosed)).toEqual([false, false, false]);
    for (const socket of kept) socket.close();
  });

  test("do not have descriptors closed that have their numbers by then", async () => {
    let number = -1;
    const others: Socket[] = [];
    const peers = forgottenMap((channel) => {
      number = channel.fd;
      channel.close();
      // The lowest free number is the next one.
      others.push(...Socket.pair());
    });
    expect(others[0]?.fd).toBe(number);
    await collectUntil(() => peers.every(isClosed));
    await collectAll();
    const [one, other] = others;
    expect(one?.send(Buffer.from("open"))).toBe(4);
    expect(Buffer.from(other?.recv(100) ?? []).toString()).toBe("open");
    for (const socket of others) socket.close();
  });

  test("do not have a descriptor closed that was given away", async () => {
    let fd = -1;
    const [first, ...others] = forgottenMap((channel) => {
      fd = channel.socket.detach();
      channel.delChannel();
    });
    await collectUntil(() => others.every(isClosed));
    expect(first === undefined || isClosed(first)).toBe(false);
    Socket.fromDescriptor(fd).close();
    expect(first !== undefined && isClosed(first)).toBe(true);
  });
});

describe("while the map is in use", () => {
  test("a channel that has left it, and that nothing refers to, is closed", async () => {
    const map = newMap();
    const stays = peerOf((socket) => new Server(socket, map));
    const left = peerOf((socket) => new Server(socket, map).delChannel());
    await collectUntil(() => isClosed(left));
    expect(isClosed(stays)).toBe(false);
  });

  test("so is one that another channel has taken its descriptor from, when both are done with it", async () => {
    const map = newMap();
    const peer = peerOf((socket) => {
      new Server(socket, map);
      new Server(socket, map).delChannel();
    });
    expect(isClosed(peer)).toBe(false);
    await collectUntil(() => isClosed(peer));
  });

  test("so is a channel that has moved to another map, with that map", async () => {
    const map = newMap();
    const stays = peerOf((socket) => new Server(socket, map));
    const moved = peerOf((socket) => {
      const former = new Server(socket, map);
      new Server(socket, new ChannelMap());
      former.delChannel();
    });
    await collectUntil(() => isClosed(moved));
    expect(isClosed(stays)).toBe(false);
  });

  test("so is a socket that could not be taken over", async () => {
    const map = newMap();
    class Refusing extends Server {
      override addChannel(): void {
        super.addChannel();
        throw new Error("refused");
      }
    }
    const peer = peerOf((socket) => expect(() => new Refusing(socket, map)).toThrow("refused"));
    await collectUntil(() => isClosed(peer));
  });

  test.each([
    ["handleAccepted leaves", () => undefined],
    ["handleAccepted leaves after an await", async () => await Promise.resolve()],
  ])("so is a connection that %s alone", async (_, onAccepted) => {
    const map = newMap();
    const [socket, address] = listener();
    const listening = new Listening(socket, map);
    let count = 0;
    listening.onAccepted = (): unknown => {
      count += 1;
      return onAccepted();
    };
    let isEnded = false;
    const client = createConnection({ host: "127.0.0.1", port: address.port ?? 0 });
    owned({ close: () => client.destroy() });
    client.resume().once("end", () => (isEnded = true));
    await collectUntil(() => {
      loopSync({ map, count: 1, timeoutMs: 0 });
      return isEnded;
    });
    expect([count, listening.errors]).toEqual([1, []]);
  });

  test("a connection that its channel has is not closed", async () => {
    const map = newMap();
    const [socket, address] = listener();
    const listening = new Listening(socket, map);
    const accepted: number[] = [];
    listening.onAccepted = (connection) => accepted.push(new Server(connection, map).fd);
    const client = owned(Socket.create());
    client.connect(address);
    while (accepted.length === 0) loopSync({ map, count: 1, timeoutMs: 10 });
    await collectAll();
    expect(isClosed(client)).toBe(false);
    map.get(accepted[0] ?? -1)?.close();
    expect(isClosed(client)).toBe(true);
  });
});
