/** Where the descriptor that node:tls writes to comes from, when there is one, and when it is closed. */

import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { type ChannelMap, createNodeBackend, wrapTls } from "wasyncore";
import { eventually, openedFromNow } from "../support/descriptors.js";
import { newMap, run, turns } from "../support/runs.js";
import { connectedPair } from "../support/sockets.js";
import {
  chatClient,
  chatServer,
  clientOptions,
  Listener,
  nodeClient,
  rawClient,
  serverOptions,
  TLS_MODES,
  TlsChat,
  type TlsMode,
  useTransport,
} from "../support/tls.js";

/** Two chats over TLS on two ends of one connection. */
function chatPair(map: ChannelMap): [TlsChat, TlsChat] {
  const [near, far] = connectedPair();
  return [new TlsChat(wrapTls(near, serverOptions), map), new TlsChat(wrapTls(far, clientOptions), map)];
}

async function securePair(mode: TlsMode, map: ChannelMap): Promise<[TlsChat, TlsChat]> {
  const [server, client] = chatPair(map);
  await run(mode, map, () => server.secured + client.secured === 2);
  return [server, client];
}

describe.each(TLS_MODES)("$name", (mode) => {
  useTransport(mode);

  test("how many descriptors a connection has, and that close leaves none", async () => {
    const map = newMap();
    const opened = openedFromNow();
    const [server, client] = await securePair(mode, map);
    expect(opened("socket")).toHaveLength(mode.isNative ? 4 : 2);
    server.close();
    await run(mode, map, () => client.fd < 0);
    await eventually(() => opened("socket"), []);
    expect([client.tlsTruncated, client.errors]).toEqual([false, []]);
  });

  test("the socket beneath can be asked, set, and closed: then the connection is over", async () => {
    const map = newMap();
    const [server, client] = await securePair(mode, map);
    server.socket.setOption("TCP_NODELAY", true);
    expect(server.socket.getOption("TCP_NODELAY")).toBe(1);
    expect(server.socket.remoteAddress()).toEqual(client.socket.localAddress());
    server.delChannel();
    server.socket.close();
    await run(mode, map, () => client.fd < 0);
    expect([client.tlsTruncated, client.errors]).toEqual([true, []]);
  });

  test("a peer that reads nothing does not keep what its handler sends from being limited", async () => {
    const map = newMap();
    const [server, client] = await securePair(mode, map);
    client.pauseReading();
    server.push("x".repeat(8_000_000));
    await turns(mode, map, 40);
    expect(server.outBufferLength).toBeGreaterThan(1_000_000);
    let length = 0;
    client.collectIncomingData = (data) => {
      length += data.length;
    };
    client.resumeReading();
    server.closeWhenDone();
    await run(mode, map, () => client.fd < 0);
    expect([length, client.tlsTruncated, client.errors, server.errors]).toEqual([8_000_000, false, [], []]);
  });

  test("a send after the peer has reset the connection closes it, as without TLS", async () => {
    const map = newMap();
    const [listener, chats] = chatServer(map);
    const raw = await rawClient(listener.port);
    const client = nodeClient(0, { socket: raw, port: 0 });
    await run(mode, map, () => chats[0]?.secured === 1);
    client.destroy();
    raw.resetAndDestroy();
    await once(raw, "close");
    for (let i = 0; i < 20; i++) chats[0]?.push("x".repeat(10_000));
    await run(mode, map, () => chats[0]?.fd === -1);
    expect([chats[0]?.told.at(-1), chats[0]?.errors]).toEqual(["close", []]);
  });

  test("answers to a peer that has reset the connection meanwhile do not keep its descriptors", async () => {
    const map = newMap();
    const chats: TlsChat[] = [];
    class Answering extends TlsChat {
      override foundTerminator(): void {
        this.push("an answer\n");
      }
    }
    const listener = new Listener(map, (socket) => chats.push(new Answering(wrapTls(socket, serverOptions), map)));
    const opened = openedFromNow();
    for (let index = 0; index < 10; index++) {
      const raw = await rawClient(listener.port);
      const client = nodeClient(0, { socket: raw, port: 0 });
      await run(mode, map, () => chats[index]?.secured === 1);
      await new Promise((written) => client.write("a question\n".repeat(100), written));
      client.destroy();
      raw.resetAndDestroy();
      await once(raw, "close");
      await run(mode, map, () => chats[index]?.fd === -1);
    }
    await eventually(() => opened("socket"), []);
  });

  test("connections that end together do not keep the loop busy while node:tls is asked how they ended", async () => {
    const map = newMap();
    const [listener, chats] = chatServer(map);
    const clients = await Promise.all(Array.from({ length: 12 }, () => rawClient(listener.port)));
    const secured = clients.map((raw) => nodeClient(0, { socket: raw, port: 0 }));
    await run(mode, map, () => chats.length === 12 && chats.every((chat) => chat.secured === 1));
    const { reads } = map.stats();
    for (const [i, raw] of clients.entries()) {
      raw.end();
      secured[i]?.destroy();
    }
    await run(mode, map, () => chats.every((chat) => chat.fd < 0));
    // The end, how it ended, and what came in between: session tickets that were read, perhaps.
    expect(map.stats().reads - reads).toBeLessThanOrEqual(12 * 6);
  });
});

const native = TLS_MODES.find(({ isNative, usePoll }) => isNative && !usePoll) as TlsMode;

test.each([
  ["a map that does not keep the process alive", (): ChannelMap => newMap().unref()],
  ["a backend that wraps the operating system", (): ChannelMap => newMap({ ...createNodeBackend() })],
])("%s has one descriptor for each connection", async (_what, make) => {
  const map = make();
  const opened = openedFromNow();
  const [listener, chats] = chatServer(map);
  const client = chatClient(map, listener.address);
  client.push("hello\n");
  await run(native, map, () => chats[0]?.messages.length === 1);
  expect([opened("socket").length, chats[0]?.messages]).toEqual([3, ["hello"]]);
});
