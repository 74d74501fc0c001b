/** TLS and Node's streams together: a channel with TLS as a stream, as an iterable and with events. */

import { once } from "node:events";
import { Duplex, PassThrough, Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { describe, expect, test } from "vitest";
import { AsyncChat, type ChannelMap, Dispatcher, events, fromDuplex, type Socket, toDuplex, wrapTls } from "wasyncore";
import { connectedPair, reset } from "../../support/sockets.js";
import { all, randomBytes, runningMap, sha256 } from "../../support/streams.js";
import { clientOptions, nodeClient, nodeServer, serverOptions, Listener } from "../../support/tls.js";

const KINDS: [string, (socket: Socket, map: ChannelMap) => Dispatcher][] = [
  ["Dispatcher", (socket, map) => new Dispatcher(socket, map)],
  ["AsyncChat", (socket, map) => new AsyncChat(socket, map)],
];

/** Both ends of a connection with TLS on each. */
function tlsPair(): [server: Socket, client: Socket] {
  const [near, far] = connectedPair();
  return [wrapTls(near, serverOptions), wrapTls(far, clientOptions)];
}

describe.each(KINDS)("%s", (_kind, channelOf) => {
  describe.each([false, true])("usePoll %s", (usePoll) => {
    /** A connection whose ends are streams. */
    function streams(): [server: Duplex, client: Duplex, map: ChannelMap] {
      const map = runningMap(usePoll);
      const [server, client] = tlsPair().map((socket) => toDuplex(channelOf(socket, map)));
      if (server === undefined || client === undefined) throw new Error("there are two");
      return [server, client, map];
    }

    test("megabytes through a pipeline in both directions, then both have ended", async () => {
      const [server, client, map] = streams();
      const data = randomBytes(2_000_000);
      const echoed = pipeline(server, new Transform({ transform: (chunk, _, done) => done(null, chunk) }), server);
      const [received] = await Promise.all([
        all(client),
        pipeline(Readable.from([data]), client, { end: true }),
        echoed,
      ]);
      expect(sha256(received)).toBe(sha256(data));
      expect([server.destroyed, client.destroyed, map.size]).toEqual([true, true, 0]);
    });

    test("what is written before the handshake, and the end after it, arrive", async () => {
      const [server, client] = streams();
      client.end("early");
      const received: Buffer[] = [];
      server.on("data", (data: Buffer) => received.push(data));
      await once(server, "end");
      expect(String(Buffer.concat(received))).toBe("early");
      server.end("late");
      expect(String(await all(client))).toBe("late");
    });

    test("a reader that does not read stops the writer", async () => {
      const [server, client] = streams();
      client.on("error", () => undefined);
      const chunk = randomBytes(1_000_000);
      let written = 0;
      const writing = (async () => {
        for (; written < 40; written++) if (!client.write(chunk)) await once(client, "drain");
      })();
      server.read(0);
      await once(server, "readable");
      // A whole conversation beside it takes longer than 40 MB would, if they moved.
      const [beside, besideClient] = streams();
      besideClient.end("x");
      expect(String(await all(beside))).toBe("x");
      beside.end();
      expect(written).toBeLessThan(40);
      let length = 0;
      server.on("data", (data: Buffer) => (length += data.length));
      await writing;
      client.end();
      await once(server, "end");
      expect(length).toBe(40 * chunk.length);
      server.destroy();
    });

    test.each<[string, (stream: Duplex) => void]>([
      ["at once", (stream) => stream.destroy()],
      ["with output", (stream) => void (stream.write("x"), stream.destroy())],
    ])("destroyed %s, before the handshake: the other end fails, and nothing is left", async (_how, destroy) => {
      const [server, client, map] = streams();
      destroy(client);
      const [error] = (await once(server, "error")) as [NodeJS.ErrnoException];
      expect(error.code).toBe("ECONNRESET");
      expect([server.destroyed, client.destroyed, map.size]).toEqual([true, true, 0]);
    });

    test("destroyed after the handshake: the other end reads what was written, and its end", async () => {
      const [server, client, map] = streams();
      client.write("hello");
      expect(String((await once(server, "data"))[0])).toBe("hello");
      server.write("bye");
      server.destroy();
      expect(String(await all(client))).toBe("bye");
      client.destroy();
      expect(map.size).toBe(0);
    });

    test("a connection that is reset is ECONNRESET, after what came before", async () => {
      const map = runningMap(usePoll);
      const [near, far] = tlsPair();
      const server = toDuplex(channelOf(near, map));
      const client = channelOf(far, map);
      const stream = toDuplex(client);
      await new Promise((resolve) => stream.write("last words", resolve));
      expect(String((await once(server, "data"))[0])).toBe("last words");
      client.delChannel();
      reset(far);
      const [error] = (await once(server, "error")) as [NodeJS.ErrnoException];
      expect(error.code).toBe("ECONNRESET");
      expect(map.size).toBe(0);
    });

    test("a certificate that is not trusted is the stream's error", async () => {
      const map = runningMap(usePoll);
      const [near, far] = connectedPair();
      const server = toDuplex(channelOf(wrapTls(near, serverOptions), map));
      const client = toDuplex(channelOf(wrapTls(far, {}), map));
      const failed = Promise.all(
        [server, client].map(async (stream) => ((await once(stream, "error")) as [NodeJS.ErrnoException])[0].code),
      );
      expect((await failed)[1]).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
      expect(map.size).toBe(0);
    });

    test("for await gives all input in chunks, and ends with close_notify", async () => {
      const map = runningMap(usePoll);
      const [near, far] = tlsPair();
      const server = channelOf(near, map);
      const data = randomBytes(1_500_000);
      const sent = pipeline(Readable.from([data]), toDuplex(channelOf(far, map)));
      const received = await all(server);
      expect(sha256(received)).toBe(sha256(data));
      expect(server.tlsTruncated).toBe(false);
      server.close();
      await sent.catch(() => undefined);
    });

    test("for await left early goes on where it was left", async () => {
      const map = runningMap(usePoll);
      const [near, far] = tlsPair();
      const server = channelOf(near, map);
      const client = toDuplex(channelOf(far, map));
      client.write("first");
      for await (const chunk of server) {
        expect(String(chunk)).toBe("first");
        break;
      }
      client.end("second");
      expect(String(await all(server))).toBe("second");
      server.close();
    });

    test("for await over a connection that is lost throws ECONNRESET", async () => {
      const map = runningMap(usePoll);
      const [near, far] = tlsPair();
      const server = channelOf(near, map);
      const client = channelOf(far, map);
      const reading = all(server);
      toDuplex(client).destroy();
      await expect(reading).rejects.toMatchObject({ code: "ECONNRESET" });
      expect(map.size).toBe(0);
    });
  });
});

/** Two streams, each of which reads what the other writes. */
function streamPair(): [one: Duplex, other: Duplex] {
  const [there, back] = [new PassThrough(), new PassThrough()];
  return [Duplex.from({ readable: back, writable: there }), Duplex.from({ readable: there, writable: back })];
}

test("events: data, end and close of a channel with TLS, and messages of a chat", async () => {
  const map = runningMap();
  const [near, far] = tlsPair();
  const chat = new AsyncChat(near, map);
  chat.setTerminator("\n");
  const messages: string[] = [];
  events(chat).on("message", (message) => void messages.push(String(message)));
  const ended = once(events(chat), "end");
  const client = new Dispatcher(far, map);
  chat.push("welcome");
  expect(String((await once(events(client), "data"))[0])).toBe("welcome");
  client.send(Buffer.from("one\n"));
  await once(events(chat), "message");
  client.send(Buffer.from("two\n"));
  await once(events(chat), "message");
  client.close();
  await ended;
  const closed = once(events(chat), "close");
  chat.close();
  await closed;
  expect(messages).toEqual(["one", "two"]);
});

test("node:tls talks to streams on channels: a server's and a client's", async () => {
  const map = runningMap();
  const listener = new Listener(map, (socket) => {
    const stream = toDuplex(wrapTls(socket, serverOptions), { map });
    stream.pipe(stream);
  });
  const client = nodeClient(listener.port);
  const data = randomBytes(300_000);
  client.end(data);
  expect(sha256(await all(client))).toBe(sha256(data));
  listener.close();

  const port = await nodeServer((socket) => void socket.pipe(socket));
  const channel = new Dispatcher(undefined, map);
  void channel.connect({ host: "127.0.0.1", port });
  const stream = toDuplex(wrapTls(channel, clientOptions));
  stream.end(data);
  expect(sha256(await all(stream))).toBe(sha256(data));
});

test("TLS on a socket of fromDuplex: an encrypted connection over any stream", async () => {
  const map = runningMap();
  const [left, right] = streamPair();
  const server = new AsyncChat(wrapTls(fromDuplex(left, { map }), serverOptions), map);
  const client = toDuplex(wrapTls(fromDuplex(right, { map }), clientOptions), { map });
  server.setTerminator("\n");
  client.write("ping\n");
  for await (const message of server) {
    expect(String(message)).toBe("ping");
    break;
  }
  server.push("pong");
  server.closeWhenDone();
  expect(String(await all(client))).toBe("pong");
  client.destroy();
});
