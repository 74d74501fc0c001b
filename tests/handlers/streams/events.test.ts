/** events: a channel's callbacks for those who do not subclass. */

import { once } from "node:events";
import { expect, test } from "vitest";
import { AsyncChat, Dispatcher, DispatcherWithSend, events, type Socket } from "wasyncore";
import { Recorder } from "../../support/handlers.js";
import { bytes, connectedPair, listener, refusingAddress } from "../../support/sockets.js";
import { runningMap } from "../../support/streams.js";

test("a server and a client without a class", async () => {
  const map = runningMap();
  const [socket, address] = listener();
  const server = new Dispatcher(socket, map);
  events(server).on("connection", (accepted) => {
    const connection = new DispatcherWithSend(accepted, map);
    events(connection).on("data", (chunk) => connection.send(chunk));
  });
  const client = new Dispatcher(undefined, map);
  const happened: string[] = [];
  const emitter = events(client)
    .on("connect", () => {
      happened.push("connect");
      client.send(bytes("hello"));
    })
    .on("data", (chunk) => {
      happened.push(`data ${String(chunk)}`);
      client.socket.shutdown("write");
    })
    .on("end", () => {
      happened.push("end");
      client.close();
    });
  expect(events(client)).toBe(emitter);
  const closed = once(emitter, "close");
  void client.connect(address);
  await closed;
  expect(happened).toEqual(["connect", "data hello", "end"]);
});

test("messages of a chat, and what comes without a terminator", async () => {
  const map = runningMap();
  const [near, far] = connectedPair();
  const chat = new AsyncChat(near, map);
  chat.setTerminator("\n");
  far.send(bytes("one\n\ntwo\nrest"));
  far.close();
  const found: string[] = [];
  events(chat)
    .on("message", (message) => {
      found.push(`message ${String(message)}`);
      if (found.length === 3) chat.setTerminator(null);
    })
    .on("data", (chunk) => found.push(`data ${String(chunk)}`));
  await once(events(chat), "close");
  expect(found).toEqual(["message one", "message ", "message two", "data rest"]);
});

test("without a listener, the callback of the class is called", async () => {
  const map = runningMap();
  const [near, far] = connectedPair();
  const recorder = new Recorder(near, map);
  const closed = once(events(recorder), "close");
  far.send(bytes("hello"));
  far.close();
  await closed;
  expect([recorder.text, recorder.closes]).toEqual(["hello", 1]);
});

test("an error is emitted, and the channel closed; without a listener it is logged", async () => {
  const map = runningMap();
  const client = new Recorder(undefined, map);
  const errors: unknown[] = [];
  events(client).on("error", (error) => errors.push(error));
  void client.connect(refusingAddress());
  await client.closed;
  expect(errors).toEqual([expect.objectContaining({ code: "ECONNREFUSED" })]);
  expect([client.errors, client.closes, client.logged]).toEqual([[], 1, []]);
  const other = new Recorder(undefined, map);
  events(other).on("connect", () => undefined);
  void other.connect(refusingAddress());
  await other.closed;
  expect([other.errors.length, other.logged.length]).toEqual([1, 1]);
});

test("what a listener throws is the channel's error, and does not end the loop", async () => {
  const map = runningMap();
  const [near, far] = connectedPair();
  const channel = new Dispatcher(near, map);
  const error = new Error("of a listener");
  events(channel).on("data", () => {
    throw error;
  });
  const errors: unknown[] = [];
  events(channel).on("error", (thrown) => errors.push(thrown));
  far.send(bytes("x"));
  await channel.closed;
  expect(errors).toEqual([error]);
});

test("drain: of a Dispatcher while there is room, of a chat when its output has fallen", async () => {
  const map = runningMap();
  const [near, far] = connectedPair();
  const channel = new Dispatcher(near, map);
  await once(events(channel), "drain");
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  const { writes } = map.stats();
  for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
  // The listener is gone, so the channel does not want to write any more.
  expect(map.stats().writes).toBe(writes);
  const chat = new AsyncChat(far, map);
  expect(chat.push(new Uint8Array(8_000_000))).toBe(false);
  const drain = once(events(chat), "drain");
  events(channel).on("data", () => undefined);
  await drain;
  expect(chat.outBufferLength).toBeLessThanOrEqual(chat.lowWaterMark);
});

test("timeout leaves the channel open", async () => {
  const map = runningMap();
  const chat = new AsyncChat(connectedPair()[0], map);
  chat.idleTimeoutMs = 5;
  await once(events(chat), "timeout");
  expect(chat.fd).toBeGreaterThanOrEqual(0);
});

test("the input of a channel has one consumer", () => {
  const map = runningMap();
  const channel = new Dispatcher(connectedPair()[0] as Socket, map);
  channel[Symbol.asyncIterator]();
  const claimed = expect.objectContaining({ code: "ERR_INPUT_CLAIMED" });
  expect(() => events(channel).on("data", () => undefined)).toThrow(claimed);
  expect(() => events({} as Dispatcher)).toThrow(expect.objectContaining({ code: "ERR_INVALID_ARG_TYPE" }));
});
