/** A channel as an async iterable: of chunks, and of a chat's messages. */

import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { AsyncChat, type ChannelMap, Dispatcher, DispatcherWithSend, loopSync, Socket } from "wasyncore";
import { newMap } from "../../support/runs.js";
import { bytes, connectedPair, listener, owned, reset } from "../../support/sockets.js";
import { all, randomBytes, runningMap, sha256 } from "../../support/streams.js";

function chatOn(socket: Socket, map: ChannelMap, terminator: string | number | null = "\n"): AsyncChat {
  const chat = new AsyncChat(socket, map);
  chat.setTerminator(terminator);
  return chat;
}

/** Sends, and ends its half. */
function say(socket: Socket, text: string): void {
  socket.send(bytes(text));
  socket.shutdown("write");
}

async function texts(source: AsyncIterable<Uint8Array>): Promise<string[]> {
  const found: string[] = [];
  for await (const item of source) found.push(String(item));
  return found;
}

describe("chunks", () => {
  test("are what the peer sends, and end at end of input, with the channel open", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    const channel = new DispatcherWithSend(near, map);
    say(far, "hello");
    expect(String(await all(channel))).toBe("hello");
    channel.send(bytes("goodbye"));
    const other = new Dispatcher(far, map);
    const goodbye = other[Symbol.asyncIterator]();
    expect(String((await goodbye.next()).value)).toBe("goodbye");
    expect(channel.connected).toBe(true);
    channel.close();
    expect(await goodbye.next()).toEqual({ done: true, value: undefined });
  });

  test("Readable.from reads a channel, whole", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    const data = randomBytes(3_000_000);
    const sender = new DispatcherWithSend(far, map);
    sender.send(data);
    const received: Buffer[] = [];
    let length = 0;
    for await (const chunk of Readable.from(new Dispatcher(near, map)) as AsyncIterable<Buffer>) {
      received.push(chunk);
      length += chunk.length;
      if (length === data.length) sender.close();
    }
    expect(sha256(Buffer.concat(received))).toBe(sha256(data));
  });

  test("leaving the loop closes nothing and loses nothing", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    const channel = new Dispatcher(near, map);
    far.send(bytes("one"));
    for await (const chunk of channel) {
      expect(String(chunk)).toBe("one");
      break;
    }
    say(far, "two");
    expect(String(await all(channel))).toBe("two");
    expect(channel.fd).toBeGreaterThanOrEqual(0);
  });

  test("no more than a little is read ahead", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    const channel = new Dispatcher(near, map);
    new DispatcherWithSend(far, map).send(randomBytes(2_000_000));
    const chunks = channel[Symbol.asyncIterator]();
    await chunks.next();
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    expect(near.bytesIn).toBeLessThanOrEqual(4 * 65_536);
  });

  test("a connection that is lost is an error, once", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    const channel = new Dispatcher(near, map);
    reset(far);
    await expect(all(channel)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(await channel[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined });
    expect([channel.fd, map.size]).toEqual([-1, 0]);
  });

  test("a channel that the program closes ends them", async () => {
    const map = runningMap();
    const [near] = connectedPair();
    const channel = new Dispatcher(near, map);
    map.callLater(1, () => channel.close());
    expect(await texts(channel)).toEqual([]);
  });

  test("several who wait are served in order", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    const chunks = new Dispatcher(near, map)[Symbol.asyncIterator]();
    const waiting = [chunks.next(), chunks.next(), chunks.next()];
    say(far, "one");
    expect(await Promise.all(waiting)).toEqual([
      { done: false, value: Buffer.from("one") },
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
  });
});

describe("messages", () => {
  test("are what is between terminators; the rest is the last", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    say(far, "one\ntwo\n\nrest");
    expect(await texts(chatOn(near, map))).toEqual(["one", "two", "", "rest"]);
  });

  test.each([false, true])(
    "are all delivered after a hang-up, however slowly they are taken: usePoll %s",
    async (usePoll) => {
      const map = runningMap(usePoll);
      const [near, far] = Socket.pair();
      const chat = chatOn(near, map);
      far.send(bytes("one\ntwo\nthree\nrest"));
      far.close();
      const found: string[] = [];
      for await (const message of chat) {
        found.push(String(message));
        for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
      }
      expect(found).toEqual(["one", "two", "three", "rest"]);
      chat.close();
    },
  );

  test("those that have been read together need no turn each", async () => {
    const map = newMap();
    const [near, far] = connectedPair();
    const messages = chatOn(near, map)[Symbol.asyncIterator]();
    far.send(bytes("one\ntwo\nthree\n"));
    const first = messages.next();
    loopSync({ map, count: 1 });
    const taken = [await first, await messages.next(), await messages.next()];
    expect(taken.map(({ value }) => String(value))).toEqual(["one", "two", "three"]);
    const fourth = messages.next();
    far.send(bytes("four\n"));
    loopSync({ map, count: 1 });
    expect(String((await fourth).value)).toBe("four");
  });

  test("an error that a class throws for one that is too long is the iterator's", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    class Strict extends AsyncChat {
      override handleLineTooLong(): void {
        throw new RangeError("too long");
      }
    }
    const chat = new Strict(near, map);
    chat.setTerminator("\n");
    chat.maxLineLength = 5;
    far.send(bytes("one\ntwo\nmuch too long\n"));
    const messages = chat[Symbol.asyncIterator]();
    expect([String((await messages.next()).value), String((await messages.next()).value)]).toEqual(["one", "two"]);
    await expect(messages.next()).rejects.toThrow("too long");
    expect(chat.fd).toBe(-1);
  });

  test("a terminator that is set for one applies to the next", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    const chat = chatOn(near, map);
    say(far, "5\nhello6\nworld!");
    const found: string[] = [];
    for await (const message of chat) {
      found.push(String(message));
      chat.setTerminator(chat.getTerminator() === "\n" ? Number(message) : "\n");
    }
    expect(found).toEqual(["5", "hello", "6", "world!"]);
  });

  test("of a message of a fixed length, a part is none", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    say(far, "abcdef");
    const chat = chatOn(near, map, 4);
    const found: string[] = [];
    for await (const message of chat) {
      found.push(String(message));
      chat.setTerminator(4);
    }
    expect(found).toEqual(["abcd"]);
  });

  test("without a terminator they are chunks", async () => {
    const map = runningMap();
    const [near, far] = connectedPair();
    const data = randomBytes(1_000_000);
    const sender = new AsyncChat(far, map);
    sender.push(data);
    sender.endWriting();
    expect(sha256(await all(chatOn(near, map, null)))).toBe(sha256(data));
  });

  test("a conversation, left and taken up again, with a greeting that comes with the connection", async () => {
    const map = runningMap();
    const [socket, address] = listener();
    class Server extends Dispatcher {
      override async handleAccepted(accepted: Socket): Promise<void> {
        const chat = chatOn(accepted, map);
        chat.push("ready\n");
        for await (const line of chat) chat.push(`${line}!\n`);
        chat.closeWhenDone();
      }
    }
    new Server(socket, map);
    const client = new AsyncChat(undefined, map);
    client.setTerminator("\n");
    await client.connect(address);
    const found: string[] = [];
    for await (const line of client) {
      found.push(String(line));
      if (found.length < 5) client.push(`${found.length}\n`);
      else break;
    }
    client.push("last\n");
    client.endWriting();
    found.push(...(await texts(client)));
    expect(found).toEqual(["ready", "1!", "2!", "3!", "4!", "last!"]);
    client.close();
  });

  test("a loss is an error; a class with callbacks of its own may be iterated as well", async () => {
    class Chat extends AsyncChat {
      override collectIncomingData(): void {
        throw new Error("not called");
      }
    }
    const map = runningMap();
    const [near, far] = connectedPair();
    const chat = new Chat(near, map);
    chat.setTerminator("\n");
    const messages = texts(chat);
    far.send(bytes("one\n"));
    reset(far);
    await expect(messages).rejects.toMatchObject({ code: "ECONNRESET" });
  });

  test("a channel is a producer of another: a proxy in one line", async () => {
    const map = runningMap();
    const [[near, far], [here, there]] = [connectedPair(), connectedPair()];
    const target = new AsyncChat(here, map);
    target.pushWithProducer(new Dispatcher(near, map));
    target.closeWhenDone();
    const data = randomBytes(700_000);
    const sender = new AsyncChat(far, map);
    sender.push(data);
    sender.closeWhenDone();
    expect(sha256(await all(new Dispatcher(there, map)))).toBe(sha256(data));
  });
});

test("a chat that nobody has subclassed or iterated reads nothing; one that is subclassed fails for want of callbacks", () => {
  const map = newMap();
  const [near, far] = connectedPair();
  const chat = new AsyncChat(near, map);
  far.send(bytes("x"));
  loopSync({ map, count: 3, timeoutMs: 0 });
  expect([chat.fd >= 0, near.bytesIn]).toEqual([true, 0]);
  const errors: unknown[] = [];
  class Forgetful extends AsyncChat {
    override handleError(error: unknown): void {
      errors.push(error);
      this.close();
    }
  }
  const [other, peer] = connectedPair();
  new Forgetful(other, map);
  peer.send(bytes("x"));
  loopSync({ map, count: 3, timeoutMs: 0 });
  expect(errors).toEqual([expect.objectContaining({ code: "ERR_METHOD_NOT_IMPLEMENTED" })]);
});

test("using closes a channel and what a map holds", () => {
  const [near, far] = connectedPair();
  {
    using map = newMap();
    using channel = new Dispatcher(near, map);
    const other = new Dispatcher(far, map);
    map.callLater(1, () => undefined);
    expect([channel.fd >= 0, other.fd >= 0]).toEqual([true, true]);
  }
  expect([near.closed, far.closed]).toEqual([true, true]);
  owned(near);
});
