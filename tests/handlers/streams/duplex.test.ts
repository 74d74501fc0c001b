/** toDuplex and fromDuplex: Node's streams on channels, and channels on Node's streams. */

import { once } from "node:events";
import { Duplex, PassThrough, Readable, Transform, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import {
  AsyncChat,
  type ChannelMap,
  Dispatcher,
  DispatcherWithSend,
  FileDispatcher,
  fromDuplex,
  type Socket,
  toDuplex,
} from "wasyncore";
import { connectedPair, listener, owned, pipe, refusingAddress, reset } from "../../support/sockets.js";
import { all, randomBytes, runningMap, sha256 } from "../../support/streams.js";

const KINDS = [
  ["Dispatcher", (socket: Socket, map: ChannelMap) => new Dispatcher(socket, map)],
  ["DispatcherWithSend", (socket: Socket, map: ChannelMap) => new DispatcherWithSend(socket, map)],
  ["AsyncChat", (socket: Socket, map: ChannelMap) => new AsyncChat(socket, map)],
  [
    "a class that is sampled",
    (socket: Socket, map: ChannelMap) =>
      new (class extends Dispatcher {
        override readable(): boolean {
          return false;
        }
        override writable(): boolean {
          return false;
        }
      })(socket, map),
  ],
  [
    "a chat that is sampled",
    (socket: Socket, map: ChannelMap) =>
      new (class extends AsyncChat {
        override readable(): boolean {
          return true;
        }
        override writable(): boolean {
          return false;
        }
      })(socket, map),
  ],
] as const;

/** Passes bytes on in pieces, and waits between some of them. */
function slow(): Transform {
  let count = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (++count % 8 === 0) setTimeout(() => done(null, chunk), 1);
      else done(null, chunk);
    },
  });
}

const WAYS = KINDS.flatMap(([name, make]) =>
  [false, true].map((usePoll) => ({ name: `${name}${usePoll ? ", with usePoll" : ""}`, make, usePoll })),
);

describe.each(WAYS)("toDuplex of a channel: $name", ({ make, usePoll }) => {
  test("bytes go both ways, whole and in order, with slow sides", async () => {
    const map = runningMap(usePoll);
    const [near, far] = connectedPair();
    const [one, other] = [toDuplex(make(near, map)), toDuplex(make(far, map))];
    const [there, back] = [randomBytes(3_000_000), randomBytes(2_000_000)];
    const [first, second] = await Promise.all([
      all(one.pipe(slow())),
      all(other.pipe(slow())),
      pipeline(Readable.from(cut(there)), one),
      pipeline(Readable.from(cut(back)), slow(), other),
    ]);
    expect([sha256(first), sha256(second)]).toEqual([sha256(back), sha256(there)]);
    expect([one.destroyed, other.destroyed, map.size]).toEqual([true, true, 0]);
  });

  test("an echo by pipeline: half-closes at both ends", async () => {
    const map = runningMap(usePoll);
    const [near, far] = connectedPair();
    const echo = toDuplex(make(near, map));
    const client = toDuplex(make(far, map));
    const data = randomBytes(500_000);
    const echoed = pipeline(echo, new PassThrough(), echo);
    client.end(data);
    expect(sha256(await all(client))).toBe(sha256(data));
    await echoed;
  });

  test("what the reader does not take stays with the sender", async () => {
    const map = runningMap(usePoll);
    const [near, far] = connectedPair();
    const stream = toDuplex(make(near, map));
    const sender = toDuplex(make(far, map));
    const data = randomBytes(64 * 1024 * 1024);
    const sent = pipeline(Readable.from(cut(data)), sender);
    await once(stream, "readable");
    let before = -1;
    // Until nothing moves any more.
    while (near.bytesIn !== before) {
      before = near.bytesIn;
      await pause(50);
    }
    expect(near.bytesIn).toBeLessThan(1_000_000);
    expect(far.bytesOut).toBeLessThan(32 * 1024 * 1024);
    stream.destroy();
    await expect(sent).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  test("a connection that is reset is an error of the stream", async () => {
    const map = runningMap(usePoll);
    const [near, far] = connectedPair();
    const stream = toDuplex(make(near, map));
    reset(far);
    await expect(all(stream)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect([stream.destroyed, near.closed, map.size]).toEqual([true, true, 0]);
  });

  test("destroying the stream closes the channel, and closing the channel destroys the stream", async () => {
    const map = runningMap(usePoll);
    const [near, far] = connectedPair();
    const channels = [make(near, map), make(far, map)] as const;
    const streams = channels.map((channel) => toDuplex(channel));
    const [one, other] = streams;
    if (one === undefined || other === undefined) throw new Error("two were made");
    const otherClosed = once(other, "close");
    channels[1].close();
    await otherClosed;
    expect([other.destroyed, other.errored]).toEqual([true, null]);
    one.destroy();
    await channels[0].closed;
    expect(map.size).toBe(0);
  });
});

/** `data` in pieces of many sizes. */
function* cut(data: Buffer): Generator<Buffer> {
  for (let at = 0, size = 1; at < data.length; at += size, size = ((size * 7) % 70_001) + 1) {
    yield data.subarray(at, at + size);
  }
}

test("toDuplex of an accepted socket, and of a channel that is still connecting", async () => {
  const map = runningMap();
  const [socket, address] = listener();
  class Server extends Dispatcher {
    override handleAccepted(accepted: Socket): void {
      const stream = toDuplex(accepted, { map });
      stream.pipe(stream);
    }
  }
  new Server(socket, map);
  const client = new Dispatcher(undefined, map);
  void client.connect(address);
  const stream = toDuplex(client);
  stream.end("hello");
  expect(String(await all(stream))).toBe("hello");
  await client.opened;
});

test("a connect that fails is the stream's error", async () => {
  const map = runningMap();
  const client = new Dispatcher(undefined, map);
  void client.connect(refusingAddress());
  await expect(all(toDuplex(client))).rejects.toMatchObject({ code: "ECONNREFUSED", syscall: "connect" });
});

test("what a DispatcherWithSend and a chat have queued is sent first", async () => {
  const map = runningMap();
  for (const isChat of [false, true]) {
    const [near, far] = connectedPair();
    const data = randomBytes(4_000_000);
    const sender = isChat ? new AsyncChat(near, map) : new DispatcherWithSend(near, map);
    if (sender instanceof AsyncChat) sender.push(data);
    else sender.send(data);
    toDuplex(sender).end("the end");
    const received = await all(toDuplex(far, { map }));
    expect(sha256(received)).toBe(sha256(Buffer.concat([data, Buffer.from("the end")])));
  }
});

test("the input that a chat has read already goes to its stream", async () => {
  const map = runningMap();
  const [near, far] = connectedPair();
  const chat = new AsyncChat(near, map);
  chat.setTerminator("\r\n");
  far.send(Buffer.from("STARTTLS\r\nthe rest"));
  const messages = chat[Symbol.asyncIterator]();
  expect(String((await messages.next()).value)).toBe("STARTTLS");
  expect(() => toDuplex(chat)).toThrow(expect.objectContaining({ code: "ERR_INPUT_CLAIMED" }));
  far.close();
  expect(String((await messages.next()).value)).toBe("the rest");
});

test("the ends of a pipe: one is read, the other is written", async () => {
  const map = runningMap();
  const { readEnd, writeEnd } = pipe();
  const source = toDuplex(new FileDispatcher(readEnd.fd, map), { writable: false });
  const target = toDuplex(new FileDispatcher(writeEnd.fd, map), { readable: false });
  readEnd.close();
  writeEnd.close();
  const data = randomBytes(1_000_000);
  const [received] = await Promise.all([all(source), pipeline(Readable.from(cut(data)), target)]);
  expect(sha256(received)).toBe(sha256(data));
  expect(map.size).toBe(0);
});

test("what a listener of the stream throws is the stream's error, and does not end the loop", async () => {
  const map = runningMap();
  const [near, far] = connectedPair();
  const stream = toDuplex(near, { map });
  stream.on("data", () => {
    throw new Error("of a listener");
  });
  const failed = once(stream, "error");
  far.send(Buffer.from("x"));
  expect(await failed).toEqual([expect.objectContaining({ message: "of a listener" })]);
  expect(map.size).toBe(0);
});

test("signal and wrong options", async () => {
  const map = runningMap();
  const [near] = connectedPair();
  const ending = new AbortController();
  const stream = toDuplex(near, { map, signal: ending.signal });
  const failed = once(stream, "error");
  ending.abort();
  expect(await failed).toEqual([expect.objectContaining({ name: "AbortError" })]);
  expect(near.closed).toBe(true);
  const [other] = connectedPair();
  expect(() => toDuplex(other, { highWaterMark: 1 } as object)).toThrow(
    expect.objectContaining({ code: "ERR_UNKNOWN_OPTION" }),
  );
  expect(() => toDuplex(other, { readable: "no" } as object)).toThrow(
    expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }),
  );
  const [listening] = listener();
  expect(() => toDuplex(listening, { map })).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_VALUE" }));
  expect(() => toDuplex({} as Socket)).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }));
});

describe("fromDuplex", () => {
  test.each([
    undefined,
    "text",
    {},
    [],
    new Uint8Array(3),
    new Date(0),
    Readable.from([]),
    new Writable(),
    new TransformStream(),
  ])("refuses %o", (value) => {
    expect(() => fromDuplex(value as Duplex)).toThrow(
      expect.objectContaining({ name: "TypeError", code: "ERR_INVALID_ARG_TYPE" }),
    );
  });

  test("a chat talks over a stream of Node, and each half ends by itself", async () => {
    const map = runningMap();
    const [toChat, fromChat] = [new PassThrough(), new PassThrough()];
    const chat = new AsyncChat(fromDuplex(Duplex.from({ readable: toChat, writable: fromChat }), { map }), map);
    chat.setTerminator("\n");
    const served = (async () => {
      for await (const line of chat) chat.push(`${String(line).toUpperCase()}\n`);
      chat.closeWhenDone();
    })();
    toChat.write("one\ntw");
    toChat.end("o\n");
    expect(String(await all(fromChat))).toBe("ONE\nTWO\n");
    await served;
  });

  test("bytes go both ways, whole, and nothing is left", async () => {
    const map = runningMap();
    const data = randomBytes(2_000_000);
    const received: Buffer[] = [];
    const stream = new Duplex({
      read() {
        this.push(data);
        this.push(null);
      },
      write(chunk: Buffer, _encoding, done) {
        received.push(chunk);
        setImmediate(done);
      },
    });
    const echo = toDuplex(fromDuplex(stream, { map }), { map });
    await pipeline(echo, slow(), echo);
    if (!stream.destroyed) await once(stream, "close");
    expect(sha256(Buffer.concat(received))).toBe(sha256(data));
    expect(map.size).toBe(0);
  });

  test("a stream that fails ends the socket; a socket that closes destroys the stream", async () => {
    const map = runningMap();
    const failing = new PassThrough();
    failing.on("error", () => undefined);
    const socket = owned(fromDuplex(failing, { map }));
    const ended = new Dispatcher(socket, map);
    failing.destroy(new Error("broken"));
    for await (const _ of ended) throw new Error("nothing was sent");
    const stream = new PassThrough();
    stream.on("error", () => undefined);
    const closed = once(stream, "close");
    fromDuplex(stream, { map }).close();
    await closed;
  });
});

test("a Writable that is slow holds the channel back: pipeline of a channel itself", async () => {
  const map = runningMap();
  const [near, far] = connectedPair();
  const data = randomBytes(1_000_000);
  const received: Buffer[] = [];
  const target = new Writable({
    write(chunk: Buffer, _encoding, done) {
      received.push(chunk);
      setImmediate(done);
    },
  });
  toDuplex(far, { map }).end(data);
  await pipeline(new Dispatcher(near, map), target);
  expect(sha256(Buffer.concat(received))).toBe(sha256(data));
});
