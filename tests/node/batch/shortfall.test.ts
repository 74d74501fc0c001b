/**
 * A deferred send that the kernel refuses: nothing that was taken is lost in silence. The operating system is
 * brought to it as another process would that shares the connection: behind the backend's back.
 */

import { once } from "node:events";
import { createServer, type AddressInfo, type Socket as NetSocket } from "node:net";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type ChannelMap, Dispatcher, Socket } from "wasyncore";
import { loadLibc } from "../../../host/node/libc.js";
import { drain, expectReplies, receiveBehind, served, waitForEnd } from "../../support/batches.js";
import { ROOT, startScript } from "../../support/processes.js";
import { bytes, owned, pattern, text } from "../../support/sockets.js";

const SHUT_WR = 1;
const MSG_NOSIGNAL = 0x4000;

/** Sends back what it reads; then does what the test says. */
class Echo extends Dispatcher {
  afterwards: (() => void) | undefined;
  readonly errors: unknown[] = [];
  closes = 0;
  override handleRead(): void {
    const data = this.recv(8192);
    if (data.length > 0) this.send(data);
    this.afterwards?.();
  }
  override handleError(error: unknown): void {
    this.errors.push(error);
  }
  override handleClose(): void {
    this.closes++;
    this.close();
  }
}

/** Fills the send buffer of a connection. @returns how many bytes it took */
function fill(socket: Socket): number {
  const libc = loadLibc();
  const filler = new Uint8Array(65536).fill(0x23);
  let total = 0;
  while (true) {
    const sent = libc.send(socket.fd, filler, filler.length, MSG_NOSIGNAL);
    if (sent <= 0) return total;
    total += sent;
  }
}

/**
 * Three connections of which the first has put "last" off, and had no room for it when the turn was over, because of
 * filler. `afterFiller` runs turns until all has arrived, and gives what came after it.
 */
function pending() {
  const made = served(3, (socket: Socket, map: ChannelMap) => new Echo(socket, map));
  const [handler] = made.handlers;
  const [peer] = made.peers;
  if (handler === undefined || peer === undefined) throw new Error("no handler");
  // Otherwise the kernel keeps small pieces back until the peer has acknowledged those before them.
  handler.socket.setOption("TCP_NODELAY", true);
  let filled = 0;
  handler.afterwards = () => {
    handler.afterwards = undefined;
    filled = fill(handler.socket);
  };
  made.tell("last", "other", "third");
  made.turn();
  const afterFiller = (): string => {
    let received = drain(peer);
    for (let rounds = 0; rounds < 1000 && received.length < filled + 4; rounds++) {
      made.turn();
      received = Buffer.concat([received, drain(peer)]);
    }
    return text(received.subarray(filled));
  };
  return { ...made, handler, peer, filled, afterFiller };
}

describe("a connection that had no room after all", () => {
  test("is sent the rest when it has, before anything else, and its handler need not know", () => {
    const { handler, peer, peers, afterFiller } = pending();
    expect(handler.send(bytes("too early"))).toBe(0);
    expect(handler.errors).toEqual([]);
    expect(afterFiller()).toBe("last");
    expect(handler.send(bytes("now"))).toBe(3);
    expectReplies([peer], ["now"]);
    expectReplies(peers.slice(1), ["other", "third"]);
  });

  test("is sent the rest although its channel has left the map", () => {
    const { handler, afterFiller } = pending();
    handler.delChannel();
    expect(afterFiller()).toBe("last");
  });

  test("is half-closed after the rest", () => {
    const { handler, peer, turn, afterFiller } = pending();
    handler.socket.shutdown("write");
    expect(afterFiller()).toBe("last");
    turn();
    waitForEnd(peer);
  });

  test("cannot be handed over, and is closed when the rest is sent", () => {
    const { handler, peer, turn, filled } = pending();
    expect(() => handler.socket.detach()).toThrow(expect.objectContaining({ code: "EBUSY", syscall: "detach" }));
    const { fd } = handler;
    handler.close();
    // Its number is free for the program.
    expect(owned(Socket.create()).fd).toBe(fd);
    let received = drain(peer);
    for (let rounds = 0; rounds < 1000 && received.length < filled + 4; rounds++) {
      turn();
      received = Buffer.concat([received, drain(peer)]);
    }
    expect(text(received.subarray(filled))).toBe("last");
    waitForEnd(peer);
  });

  test("is closed when the rest is sent where nothing polls", async () => {
    const { handler, peer, filled } = pending();
    handler.close();
    let received = drain(peer);
    await vi.waitFor(() => {
      received = Buffer.concat([received, drain(peer)]);
      expect(received).toHaveLength(filled + 4);
    });
    waitForEnd(peer);
  });

  test("refuses to send after a half-close that has to wait", () => {
    const { handler } = pending();
    handler.socket.shutdown("write");
    expect(() => handler.socket.send(bytes("x"))).toThrow(expect.objectContaining({ code: "EPIPE" }));
  });
});

test("a connection with a small send buffer has nothing deferred that could not fit", () => {
  const { handlers, peers, tell, turn } = served(3, (socket: Socket, map: ChannelMap) => new Echo(socket, map));
  const [handler] = handlers;
  const [peer] = peers;
  if (handler === undefined || peer === undefined) throw new Error("no handler");
  handler.socket.setOption("SO_SNDBUF", 1);
  const message = pattern(1500);
  for (let rounds = 0; rounds < 4; rounds++) {
    let seen = "";
    handler.afterwards = () => {
      seen = receiveBehind(peer.fd, message.length);
    };
    tell(message, "two", "three");
    turn();
    expect(seen).toBe(text(message));
    for (const each of peers) drain(each);
  }
});

test("a connection that takes nothing any more when its deferred send is made reports that", () => {
  const { handlers, tell, turn } = served(3, (socket: Socket, map: ChannelMap) => new Echo(socket, map));
  for (const handler of handlers) {
    handler.afterwards = () => {
      handler.afterwards = undefined;
      loadLibc().shutdown(handler.socket.fd, SHUT_WR);
    };
  }
  tell("one", "two", "three");
  turn();
  expect(handlers.map(({ closes }) => closes)).toEqual([0, 0, 0]);
  turn();
  expect(handlers.map(({ closes }) => closes)).toEqual([1, 1, 1]);
});

/** In a callback with a deferred send, and after its turn. */
const ENDINGS = [
  [
    "deferred, where a callback ends the process",
    "if (this === clients[1]) process.exit(0);",
    'console.error("still there");',
    2,
  ],
  [
    "pending, and there is room when the process ends",
    "if (this === clients[0]) while (libc.send(this.fd, filler, filler.length, 0) > 0);",
    // No call of the backend, which would send it: POLLOUT is 4.
    'writeSync(1, "owing\\n"); libc.poll(Int32Array.of(clients[0].fd, 4), 1, 10_000);',
    3,
  ],
] as const;

test.each(ENDINGS)("what is %s, is sent", async (_name, inCallback, afterTurn, count) => {
  const connections: NetSocket[] = [];
  const received: string[] = [];
  const closes: Promise<unknown>[] = [];
  let isPausing = true;
  const server = createServer((connection) => {
    const index = connections.push(connection) - 1;
    received.push("");
    closes.push(new Promise((resolve) => connection.on("close", resolve)));
    connection.on("error", () => undefined);
    connection.on("data", (data) => (received[index] += data.toString()));
    connection.on("data", () => connection.write("."));
    // Reads on when the last turn is over: until then what fills the connection stays in it.
    connection.on("data", () => (isPausing && received[index] === "------" ? connection.pause() : undefined));
  });
  server.listen(0, "127.0.0.1");
  onTestFinished(() => {
    for (const connection of connections) connection.destroy();
    server.close();
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const running = startScript(`
    import { ChannelMap, createNodeBackend, Dispatcher, loopSync, Ready, Socket } from "wasyncore";
    import { writeSync } from "node:fs";
    import { loadLibc } from ${JSON.stringify(`${ROOT}build/host/node/libc.js`)};
    const libc = loadLibc();
    const filler = new Uint8Array(65536).fill(0x23);
    const backend = createNodeBackend({ batchMin: 2 });
    const map = new ChannelMap({ backend });
    let isLast = false;
    class Client extends Dispatcher {
      handleRead() {
        this.recv(100);
        if (!isLast) return;
        this.send(Buffer.from("last words"));
        ${inCallback}
      }
    }
    const clients = [0, 1, 2].map(() => {
      const client = new Client(undefined, map);
      client.createSocket();
      client.connect({ host: "127.0.0.1", port: ${port} });
      return client;
    });
    while (clients.some((client) => !client.connected)) loopSync({ map, count: 1 });
    for (let round = 0; round < 6; round++) {
      isLast = round === 5;
      for (const client of clients) client.send(Buffer.from("-"));
      // Until all are ready, so that they are served in one turn.
      for (const client of clients) {
        const set = backend.createPollSet();
        set.update(client.fd, Ready.READ);
        while (set.wait(10_000) === 0);
        set.close();
      }
      loopSync({ map, count: 1 });
    }
    ${afterTurn}`);
  await Promise.race([running.line(/^owing$/).catch(() => undefined), running.ended]);
  isPausing = false;
  for (const connection of connections) connection.resume();
  const { code, stderr } = await running.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  await Promise.all(closes);
  const said = received.map((each) => each.replaceAll("#", "")).toSorted();
  expect(said).toEqual([...Array(3 - count).fill("------"), ...Array(count).fill("------last words")]);
});
