/** The end of a connection that is served in batches is told as it would be alone, and so is urgent data. */

import { describe, expect, test } from "vitest";
import type { Socket } from "wasyncore";
import { type Echo, echo, expectReplies, readByteByByte, recorder, served, waitForEnd } from "../../support/batches.js";
import { Recorder } from "../../support/handlers.js";
import { bytes, owned, pattern, reset, text } from "../../support/sockets.js";

describe("the end of a connection", () => {
  test.each([
    ["with the last bytes", (peer: Socket) => peer.shutdown("write"), 0],
    ["with the last bytes, and of its descriptor", (peer: Socket) => peer.close(), 0],
    ["between two turns", (peer: Socket) => peer.shutdown("write"), 1],
    ["between two turns, as a reset", reset, 1],
  ])("is reported, coming %s", (_name, end, turnsBefore) => {
    const { tell, turn, turnUntil, handlers, peers } = served(3, recorder);
    tell("last", "last", "last");
    for (let turns = 0; turns < turnsBefore; turns++) turn();
    for (const peer of peers) end(peer);
    turnUntil(() => handlers.every(({ closes }) => closes > 0));
    expect(handlers.map((handler) => [handler.text.slice(-4), handler.closes])).toEqual(Array(3).fill(["last", 1]));
  });

  test("is reported as a reset where input was left unread and a send was deferred", () => {
    const { tell, turnUntil, handlers, peers } = served(3, recorder);
    const [first] = handlers;
    const [peer] = peers;
    if (first === undefined || peer === undefined) throw new Error("no handler");
    const ends: string[] = [];
    readByteByByte(first);
    const handleRead = first.handleRead.bind(first);
    let isFirst = true;
    first.handleRead = () => {
      handleRead();
      if (!isFirst) return;
      isFirst = false;
      reset(peer);
      expect(first.send(bytes("x"))).toBe(1);
    };
    first.handleEof = () => void ends.push("end of input");
    first.handleClose = () => {
      ends.push("close");
      first.close();
    };
    tell("abc", "def", "ghi");
    turnUntil(() => ends.length > 0);
    expect([first.text.slice(-3), ends]).toEqual(["abc", ["close"]]);
  });

  test("comes after the part of a message that was not in the batch", () => {
    const { tell, turnUntil, handlers, peers } = served(3, (socket, map) => new Recorder(socket, map, 1000));
    const [first] = handlers;
    const [peer] = peers;
    if (first === undefined || peer === undefined) throw new Error("no handler");
    const before = first.text.length;
    const handleRead = first.handleRead.bind(first);
    first.handleRead = () => {
      handleRead();
      if (first.text.length > before + 1000) return;
      reset(peer);
      first.send(bytes("x"));
    };
    tell(pattern(5000), "def", "ghi");
    turnUntil(() => first.closes > 0);
    expect([Buffer.concat(first.received).length - before, first.closes]).toEqual([5000, 1]);
  });

  test("is reported where it comes before what was sent", () => {
    const { tell, turnUntil, handlers, peers } = served(3, echo);
    const closed: number[] = [];
    for (const [index, handler] of handlers.entries()) {
      handler.afterwards = () => reset(owned(peers[index] as Socket));
      handler.handleClose = () => {
        closed.push(index);
        handler.close();
      };
    }
    tell("one", "two", "three");
    turnUntil(() => closed.length === 3);
    expect(closed).toEqual([0, 1, 2]);
  });

  test.each([
    ["a half-close", (handler: Echo) => handler.socket.shutdown("write")],
    ["a close", (handler: Echo) => handler.close()],
  ])("by %s comes after what was sent before it", (_name, end) => {
    const { tell, turn, handlers, peers } = served(3, echo);
    for (const handler of handlers) handler.afterwards = () => end(handler);
    tell("one", "two", "three");
    turn();
    expectReplies(peers, ["one", "two", "three"]);
    for (const peer of peers) waitForEnd(peer);
  });
});

test("urgent data is reported where it comes to a connection that is served in batches", () => {
  class Urgent extends Recorder {
    urgent = "";
    override handleExpt(): void {
      this.urgent += text(this.socket.recvOutOfBand());
    }
  }
  const { tell, turnUntil, handlers, peers } = served(3, (socket, map) => new Urgent(socket, map));
  tell("ab", "cd", "ef");
  for (const peer of peers) peer.sendOutOfBand(bytes("!"));
  for (const peer of peers) peer.send(bytes("z"));
  turnUntil(() => handlers.every((handler) => handler.urgent !== "" && handler.text.endsWith("z")));
  expect(handlers.map(({ urgent }) => urgent)).toEqual(["!", "!", "!"]);
  expect(handlers.map((handler) => handler.text.slice(-3))).toEqual(["abz", "cdz", "efz"]);
});
