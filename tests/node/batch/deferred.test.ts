/** A deferred send is made in its order: before whatever comes after it, and at the end of the turn at the latest. */

import { describe, expect, test } from "vitest";
import { createNodeBackend, ExitNow, loopSync, Ready } from "wasyncore";
import { loadLibc } from "../../../host/node/libc.js";
import { batchingBackend, drain, echo, expectReplies, receiveBehind, served } from "../../support/batches.js";
import { Recorder } from "../../support/handlers.js";
import { newMap, PATIENCE_MS } from "../../support/runs.js";
import { bytes, pattern, text } from "../../support/sockets.js";

describe("a deferred send", () => {
  test("is sent when the turn is over, and not before", () => {
    const { tell, turn, handlers, peers } = served(3, echo);
    const [, second] = handlers;
    const [peer] = peers;
    if (second === undefined || peer === undefined) throw new Error("no handler");
    let seen: Uint8Array | undefined = bytes("not looked");
    second.afterwards = () => {
      // Behind the backend's back: any call of its own would send first.
      const target = new Uint8Array(16);
      seen = target.subarray(0, Math.max(0, loadLibc().recv(peer.fd, target, 16, 0)));
    };
    tell("one", "two", "three");
    turn();
    expect(seen).toHaveLength(0);
    expectReplies(peers, ["one", "two", "three"]);
  });

  test("is sent before any other call of the backend has its effect", () => {
    const { tell, turn, handlers, peers } = served(3, echo);
    const [, second] = handlers;
    const [peer] = peers;
    if (second === undefined || peer === undefined) throw new Error("no handler");
    let seen = "";
    second.afterwards = () => (seen = text(drain(peer, 3)));
    tell("one", "two", "three");
    turn();
    expect(seen).toBe("one");
  });

  test("keeps its order with everything else that is sent on the connection", () => {
    const { tell, turn, handlers, peers, backend } = served(3, echo);
    for (const handler of handlers) {
      const { socket } = handler;
      // Otherwise the kernel keeps small pieces back until the peer has acknowledged those before them.
      socket.setOption("TCP_NODELAY", true);
      handler.afterwards = () => {
        handler.send(bytes("b"));
        socket.sendSomeOf([bytes("c"), bytes("d")]);
        handler.send(pattern(3000));
        backend.write(socket.fd, bytes("e"));
        handler.send(bytes("f"));
        socket.sendSomeOf([bytes("g"), pattern(4000)]);
      };
    }
    tell("a", "a", "a");
    turn();
    const expected = Buffer.concat([bytes("abcd"), pattern(3000), bytes("efg"), pattern(4000)]);
    expect(peers.map((peer) => drain(peer, expected.length).equals(expected))).toEqual([true, true, true]);
  });

  test("is sent where a callback throws, and where it stops the loop", () => {
    const { tell, turn, handlers, peers } = served(3, echo);
    const [first, second] = handlers;
    if (first === undefined || second === undefined) throw new Error("no handler");
    first.afterwards = () => {
      throw new RangeError("of a handler");
    };
    first.handleError = () => {};
    second.afterwards = () => {
      throw new ExitNow();
    };
    tell("one", "two", "three");
    expect(turn).toThrow(ExitNow);
    expectReplies(peers, ["one", "two", ""]);
    turn();
    expectReplies(peers, ["", "", "three"]);
  });

  test.each([
    ["of the same backend", undefined],
    ["of another backend", batchingBackend()],
    ["over poll(2)", createNodeBackend({ poller: "poll" })],
  ])("is sent before a loop on another map, %s, waits inside a callback", (_name, other) => {
    const { tell, turn, handlers, peers, backend } = served(3, echo);
    const inner = newMap(other ?? backend);
    const [, second] = handlers;
    const [peer] = peers;
    if (second === undefined || peer === undefined) throw new Error("no handler");
    const listening = new Recorder(peer, inner);
    let inside = "";
    second.afterwards = () => {
      loopSync({ map: inner, count: 1 });
      inside = listening.text;
    };
    tell("one", "two", "three");
    turn();
    expect(inside).toBe("one");
    expectReplies(peers.slice(1), ["two", "three"]);
  });

  test("is sent before a name is looked up, which may take long", () => {
    const { tell, turn, handlers, peers, backend } = served(3, echo);
    const [, second] = handlers;
    const [peer] = peers;
    if (second === undefined || peer === undefined) throw new Error("no handler");
    let seen = "";
    second.afterwards = () => {
      backend.lookupSync("127.0.0.1", 4);
      seen = receiveBehind(peer.fd, 16);
    };
    tell("one", "two", "three");
    turn();
    expect(seen).toBe("one");
  });

  test("is sent where another poll set is asked inside a callback", () => {
    const { tell, turn, handlers, peers, backend } = served(3, echo);
    const [, second] = handlers;
    const [peer] = peers;
    if (second === undefined || peer === undefined) throw new Error("no handler");
    const set = backend.createPollSet();
    set.update(peer.fd, Ready.READ);
    let found = -1;
    second.afterwards = () => (found = set.wait(PATIENCE_MS));
    tell("one", "two", "three");
    turn();
    set.close();
    expect(found).toBe(1);
  });
});
