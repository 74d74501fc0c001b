/** What a turn sends on a connection after a first send goes together, in order, even where no reads were batched. */

import { expect, onTestFinished, test } from "vitest";
import { createNodeBackend, Dispatcher, ExitNow, loopSync, Socket } from "wasyncore";
import { loadLibc } from "../../../host/node/libc.js";
import { connectedPair, drain, echo, expectReplies, listening, receiveBehind, served } from "../../support/batches.js";
import { newMap } from "../../support/runs.js";
import { bytes, pattern, text } from "../../support/sockets.js";

/** One connection, which no batch of reads includes, whose handler answers a message with "a" and then does more. */
function one(backend = createNodeBackend({ batchMin: 2 })) {
  const made = served(1, echo, backend);
  const [handler] = made.handlers;
  const [peer] = made.peers;
  if (handler === undefined || peer === undefined) throw new Error("no handler");
  handler.socket.setOption("TCP_NODELAY", true);
  return { ...made, handler, peer };
}

/** What has come, behind the backend's back: any call of its own would send first. */
function lookBehind(peer: Socket): string {
  const target = new Uint8Array(64);
  return text(target.subarray(0, Math.max(0, loadLibc().recv(peer.fd, target, target.length, 0))));
}

test("the first send is made at once, the others at the end of the turn", () => {
  const { tell, turn, handler, peer } = one();
  let atOnce = "";
  let later = "not looked";
  handler.afterwards = () => {
    atOnce = receiveBehind(peer.fd, 64);
    handler.send(bytes("b"));
    handler.send(bytes("c"));
    later = lookBehind(peer);
  };
  tell("a");
  turn();
  expect([atOnce, later]).toEqual(["a", ""]);
  expect(receiveBehind(peer.fd, 64)).toBe("bc");
});

test("without batches each send is made at once", () => {
  const { tell, turn, handler, peer } = one(createNodeBackend({ batchMin: Infinity }));
  const seen: string[] = [];
  handler.afterwards = () => {
    for (const each of ["b", "c"]) {
      seen.push(receiveBehind(peer.fd, 64));
      handler.send(bytes(each));
    }
  };
  tell("a");
  turn();
  expect(seen).toEqual(["a", "b"]);
  expect(receiveBehind(peer.fd, 64)).toBe("c");
});

test("outside of a turn each send is made at once", () => {
  const { handler, peer } = one();
  for (const each of ["x", "y", "z"]) {
    handler.send(bytes(each));
    expect(receiveBehind(peer.fd, 64)).toBe(each);
  }
});

test("they come in order, whatever their length, and before what another connection sends after them", () => {
  const backend = createNodeBackend({ batchMin: 2 });
  const { tell, turn, handler, peer } = one(backend);
  const [other, otherPeer] = connectedPair(backend, listening(backend));
  handler.afterwards = () => {
    handler.send(bytes("b"));
    handler.send(pattern(1500));
    handler.send(pattern(1500));
    handler.send(pattern(5000));
    handler.socket.sendSomeOf([bytes("c"), bytes("d")]);
    other.send(bytes("other"));
    handler.send(bytes("e"));
  };
  tell("a");
  turn();
  const expected = Buffer.concat([bytes("ab"), pattern(1500), pattern(1500), pattern(5000), bytes("cde")]);
  expect(drain(peer, expected.length).equals(expected)).toBe(true);
  expect(text(drain(otherPeer, 5))).toBe("other");
});

test("they are sent where a callback throws, stops the loop, closes or ends the output", () => {
  const { tell, turn, handler, peer } = one();
  handler.afterwards = () => {
    handler.send(bytes("b"));
    throw new ExitNow();
  };
  tell("a");
  expect(turn).toThrow(ExitNow);
  expectReplies([peer], ["ab"]);
  handler.afterwards = () => {
    handler.send(bytes("b"));
    handler.socket.shutdown("write");
  };
  tell("a");
  turn();
  expect(text(drain(peer, 3))).toBe("ab");
});

test("they are sent before a loop inside a callback waits, and none is deferred after it", () => {
  const backend = createNodeBackend({ batchMin: 2 });
  const { tell, turn, handler, peer } = one(backend);
  const inner = newMap(backend);
  const [near] = connectedPair(backend, listening(backend));
  new Dispatcher(near, inner);
  const seen: string[] = [];
  handler.afterwards = () => {
    handler.send(bytes("b"));
    loopSync({ map: inner, count: 1, timeoutMs: 0 });
    seen.push(receiveBehind(peer.fd, 64));
    handler.send(bytes("c"));
    seen.push(receiveBehind(peer.fd, 64));
    handler.send(bytes("d"));
    seen.push(lookBehind(peer));
  };
  tell("a");
  turn();
  expect([seen[0]?.slice(-1), ...seen.slice(1)]).toEqual(["b", "c", ""]);
  expect(receiveBehind(peer.fd, 64)).toBe("d");
});

test("a Unix socket sends each at once", () => {
  const map = newMap(createNodeBackend({ batchMin: 2 }));
  const [near, far] = Socket.pair("stream");
  onTestFinished(() => far.close());
  const seen: string[] = [];
  class Answering extends Dispatcher {
    override handleRead(): void {
      this.recv(100);
      for (const each of ["a", "b", "c"]) {
        this.send(bytes(each));
        seen.push(receiveBehind(far.fd, 64));
      }
    }
  }
  new Answering(near, map);
  far.send(bytes("."));
  loopSync({ map, count: 1, timeoutMs: 0 });
  expect(seen).toEqual(["a", "b", "c"]);
});
