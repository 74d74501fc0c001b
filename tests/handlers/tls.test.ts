/** What the handler classes promise holds over TLS as well, and what is TLS's own. */

import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { type ChannelMap, Dispatcher, DispatcherWithSend, ExitNow, loop, type Socket, wrapTls } from "wasyncore";
import { eventually, openedFromNow } from "../support/descriptors.js";
import { newMap, run } from "../support/runs.js";
import { connectedPair, owned, pattern } from "../support/sockets.js";
import {
  CA,
  chatClient,
  chatServer,
  clientOptions,
  Listener,
  nodeClient,
  nodeServer,
  rawClient,
  serverOptions,
  TLS_MODES,
  TlsChat,
  TlsRecorder,
  useTransport,
} from "../support/tls.js";

/** Two chats that are connected: the server's side and the client's. */
function chatPair(map: ChannelMap): [server: TlsChat, client: TlsChat] {
  const [near, far] = connectedPair();
  return [new TlsChat(wrapTls(near, serverOptions), map), new TlsChat(wrapTls(far, clientOptions), map)];
}

/** Reads in pieces of a size, and counts. */
class Reader extends Dispatcher {
  readonly pieces: Uint8Array[] = [];
  length = 0;
  ended = false;
  readonly #size: number;

  constructor(socket: Socket, map: ChannelMap, size: number) {
    super(socket, map);
    this.#size = size;
  }

  override handleRead(): void {
    const data = this.recv(this.#size);
    this.pieces.push(data);
    this.length += data.length;
  }

  override handleEof(): void {
    this.ended = true;
    this.close();
  }
}

class Sender extends DispatcherWithSend {
  override handleRead(): void {
    this.recv(1);
  }
}

describe.each(TLS_MODES)("$name", (mode) => {
  useTransport(mode);

  test("AsyncChat: what a constructor pushes comes first, then messages in order, whatever their pieces", async () => {
    const map = newMap();
    const [server, client] = chatPair(map);
    server.push("welcome\n");
    for (const piece of ["on", "e\ntw", "o\nthree\n"]) client.push(piece);
    await run(mode, map, () => server.messages.length === 3 && client.messages.length === 1);
    expect([server.messages, client.messages]).toEqual([["one", "two", "three"], ["welcome"]]);
    expect([server.told[0], client.told[0]]).toEqual(["secure", "secure"]);
  });

  test("AsyncChat: 3 MB to a slow reader, with water marks, and an orderly end of it", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    near.setOption("SO_SNDBUF", 16_384);
    const sender = new TlsChat(wrapTls(near, serverOptions), map);
    const reader = new Reader(wrapTls(far, clientOptions), map, 5000);
    const data = pattern(3_000_000);
    expect(sender.push(data)).toBe(false);
    sender.closeWhenDone();
    await run(mode, map, () => reader.ended);
    expect(Buffer.concat(reader.pieces).equals(data)).toBe(true);
    expect([sender.drains, reader.tlsTruncated]).toEqual([1, false]);
  });

  test("AsyncChat: producers, a half-close, and an answer after it", async () => {
    const map = newMap();
    const [server, client] = chatPair(map);
    server.handleEof = () => {
      server.told.push("eof");
      server.push("bye\n");
      server.closeWhenDone();
    };
    client.pushWithProducer(["a", "b\n"].map((each) => Buffer.from(each)));
    client.endWriting();
    await run(mode, map, () => client.fd < 0);
    expect(server.told).toEqual(["secure", "data ab", "found", "eof", "close"]);
    expect(client.told).toEqual(["secure", "data bye", "found", "close"]);
    expect([client.tlsTruncated, server.tlsTruncated]).toEqual([false, false]);
  });

  test("a connect that chooses among the addresses of a name takes TLS along, and so does the next connect", async () => {
    const map = newMap();
    const [listener, chats] = chatServer(map);
    const client = new TlsChat(undefined, map);
    for (const round of [1, 2]) {
      client.connect({ host: "localhost", port: listener.port });
      wrapTls(client, { ca: CA });
      client.push(`message ${round}\n`);
      await run(mode, map, () => chats[round - 1]?.messages.length === 1);
      expect([chats[round - 1]?.messages, client.secured, client.errors]).toEqual([[`message ${round}`], round, []]);
      expect(client.tls?.authorized).toBe(true);
      client.close();
    }
  });

  test("AsyncChat: an idle connection times out, and a handshake counts as idle time", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    owned(far);
    const server = new TlsChat(wrapTls(near, serverOptions), map);
    server.idleTimeoutMs = 30;
    await run(mode, map, () => server.fd < 0);
    expect(server.told).toEqual(["close"]);
  });

  test("AsyncChat: reading that is paused does not hold the handshake up; input waits", async () => {
    const map = newMap();
    const [server, client] = chatPair(map);
    server.pauseReading();
    client.push("one\ntwo\n");
    await run(mode, map, () => server.secured + client.secured === 2);
    await loop({ map, count: 3, timeoutMs: 5 });
    expect(server.messages).toEqual([]);
    server.resumeReading();
    await run(mode, map, () => server.messages.length === 2);
    expect(server.messages).toEqual(["one", "two"]);
  });

  test("DispatcherWithSend: thousands of small sends arrive in order, and what waits is counted", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const sender = new Sender(wrapTls(near, serverOptions), map);
    const reader = new Reader(wrapTls(far, clientOptions), map, 65_536);
    const data = pattern(500_000);
    for (let at = 0; at < data.length; at += 100) expect(sender.send(data.subarray(at, at + 100))).toBe(100);
    expect(sender.outBufferLength).toBe(500_000);
    await run(mode, map, () => reader.length === data.length);
    expect(Buffer.concat(reader.pieces).equals(data)).toBe(true);
    expect(sender.outBufferLength).toBe(0);
  });

  test.each([1, 100, 65_536])("Dispatcher: reads of %i bytes give what one record has, and then wait", async (size) => {
    const map = newMap();
    const [near, far] = connectedPair();
    const reader = new Reader(wrapTls(near, serverOptions), map, size);
    const sender = new TlsChat(wrapTls(far, clientOptions), map);
    sender.push("x".repeat(300));
    await run(mode, map, () => reader.length === 300);
    const turnsBefore = reader.pieces.length;
    await loop({ map, count: 3, timeoutMs: 5 });
    expect(reader.pieces.length).toBe(turnsBefore);
    expect(reader.pieces.length).toBe(Math.ceil(300 / size));
  });

  test("Dispatcher: send takes nothing before the handshake, and handleWrite comes after it", async () => {
    const map = newMap();
    const told: unknown[] = [];
    class Client extends Dispatcher {
      rest = "request";
      override handleConnect(): void {
        told.push("connect", this.send(Buffer.from("early")));
      }
      override handleSecure(): void {
        told.push("secure");
      }
      override writable(): boolean {
        return this.rest !== "";
      }
      override handleWrite(): void {
        told.push("write");
        this.rest = this.rest.slice(this.send(Buffer.from(this.rest)));
      }
      override handleRead(): void {
        told.push(Buffer.from(this.recv(100)).toString());
      }
      override handleClose(): void {
        told.push("close");
        this.close();
      }
    }
    const port = await nodeServer((socket) => socket.on("data", (data) => socket.end(data)));
    const client = new Client(undefined, map);
    client.createSocket();
    client.connect({ host: "127.0.0.1", port });
    wrapTls(client, clientOptions);
    await run(mode, map, () => client.fd < 0);
    expect(told.filter((each) => each !== "")).toEqual(["connect", 0, "secure", "write", "request", "close"]);
  });

  test("a hang-up discards nothing that has been decrypted and not read yet", async () => {
    const map = newMap();
    const [reader, writer] = chatPair(map);
    reader.acInBufferSize = 100;
    let length = 0;
    reader.collectIncomingData = (data) => {
      length += data.length;
    };
    writer.handleEof = () => {};
    reader.endWriting();
    writer.push("x".repeat(60_000));
    writer.closeWhenDone();
    await run(mode, map, () => reader.fd < 0);
    expect([length, reader.errors]).toEqual([60_000, []]);
  });

  test("what send took before close arrives, and close_notify after it", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const server = new TlsChat(wrapTls(near, serverOptions), map);
    const client = nodeServerSide(far, map);
    server.handleSecure = () => {
      for (let i = 0; i < 20; i++) server.push(`${i},`);
      server.close();
    };
    await run(mode, map, () => client.fd < 0);
    // In one read or several.
    expect(client.told.join("").replaceAll("read ", "")).toBe(
      ["secure", ...Array.from({ length: 20 }, (_, i) => `${i},`), "eof"].join(""),
    );
    expect(client.tlsTruncated).toBe(false);
  });

  test("an error in handleSecure goes to handleError; one of its promise too; ExitNow leaves the loop", async () => {
    const map = newMap();
    const [server, client] = chatPair(map);
    server.handleSecure = () => {
      throw new Error("from the server");
    };
    client.handleSecure = async () => {
      await Promise.resolve();
      throw new Error("from the client");
    };
    await run(mode, map, () => server.errors.length + client.errors.length === 2);
    expect(String(server.errors[0])).toContain("from the server");
    expect(String(client.errors[0])).toContain("from the client");
    const [third] = chatPair(map);
    third.handleSecure = () => {
      throw new ExitNow();
    };
    await expect(loop({ map, usePoll: mode.usePoll })).rejects.toThrow(ExitNow);
  });

  test("no callback comes after close, from within any callback", async () => {
    const map = newMap();
    const [server, client] = chatPair(map);
    server.handleSecure = () => {
      server.told.push("secure");
      server.close();
    };
    client.push("more\n".repeat(1000));
    await run(mode, map, () => map.size === 0);
    expect([server.told, client.told]).toEqual([["secure"], ["secure", "close"]]);
  });

  test("connections that come and go, in every state, leave no descriptor and no timer behind", async () => {
    const map = newMap();
    const opened = openedFromNow();
    const [server, chats] = chatServer(map);
    for (let i = 0; i < 30; i++) {
      if (i % 3 === 0) {
        const raw = await rawClient(server.port);
        raw.write("garbage that is no TLS\n");
        raw.end();
      } else if (i % 3 === 1) {
        const client = chatClient(map, server.address);
        client.push("hello\n");
        client.closeWhenDone();
      } else {
        const client = chatClient(map, server.address);
        map.callLater(i, () => client.close());
      }
    }
    await run(mode, map, () => chats.length === 30 && map.stats().timersNow === 0);
    for (const chat of chats) chat.close();
    server.close();
    await run(mode, map, () => map.size === 0);
    await eventually(() => opened("socket"), []);
    expect(map.stats().timersNow).toBe(0);
  });

  test("what is sent in a listener of node:tls arrives, though the channel is closed there", async () => {
    const map = newMap();
    const got: string[] = [];
    const port = await nodeServer((socket) => {
      socket.on("data", (data) => got.push(String(data)));
      socket.on("end", () => got.push("end"));
    });
    const sender = new Sender(undefined, map);
    sender.createSocket();
    sender.connect({ host: "127.0.0.1", port });
    wrapTls(sender, { ...clientOptions, minVersion: "TLSv1.3" });
    await run(mode, map, () => sender.tls !== undefined);
    const left: number[] = [];
    sender.tls?.once("session", () => {
      for (const part of ["one ", "two ", "three"]) sender.send(Buffer.from(part));
      left.push(sender.outBufferLength);
      sender.close();
    });
    const timer = map.callEvery(1, () => {});
    await run(mode, map, () => got.at(-1) === "end");
    timer.cancel();
    expect([got.slice(0, -1).join(""), left]).toEqual(["one two three", [0]]);
  });

  test("a silent connection has no session of node:tls: one that is listening to nobody costs nothing", async () => {
    const map = newMap();
    const [server, chats] = chatServer(map);
    await rawClient(server.port);
    await run(mode, map, () => chats.length === 1);
    await loop({ map, count: 2, timeoutMs: 5 });
    expect(chats[0]?.tls).toBeUndefined();
    expect(map.snapshot().find(({ fd }) => fd === chats[0]?.fd)?.interest).toEqual({ read: true, write: false });
  });

  test("an error while an accepted connection is set up is that connection's; the listener goes on", async () => {
    const map = newMap();
    const server = new Listener(map, (socket) => {
      wrapTls(socket, serverOptions);
      throw new Error("in the middle");
    });
    const client = nodeClient(server.port);
    let isClosed = false;
    client.once("close", () => (isClosed = true));
    await run(mode, map, () => isClosed);
    expect(server.fd).toBeGreaterThanOrEqual(0);
    expect(server.logged.join("")).toContain("in the middle");
  });

  test("a plain Dispatcher talks to node:tls in both directions", async () => {
    const map = newMap();
    const channels: TlsRecorder[] = [];
    const server = new Listener(map, (socket) => channels.push(new TlsRecorder(wrapTls(socket, serverOptions), map)));
    const client = nodeClient(server.port);
    client.write("ping");
    await run(mode, map, () => channels[0]?.told.length === 2);
    expect(channels[0]?.send(Buffer.from("pong"))).toBe(4);
    const [answer] = (await once(client, "data")) as [Buffer];
    expect(answer.toString()).toBe("pong");
    client.end();
    await run(mode, map, () => channels[0]?.fd === -1);
    expect(channels[0]?.told).toEqual(["secure", "read ping", "eof"]);
  });
});

function nodeServerSide(socket: Socket, map: ChannelMap): TlsRecorder {
  return new TlsRecorder(wrapTls(socket, clientOptions), map);
}
