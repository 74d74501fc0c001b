/** What is done together for connections that are served in batches, and for which it is not. */

import { describe, expect, test, vi } from "vitest";
import { createNodeBackend, loopSync, Socket } from "wasyncore";
import { loadLibc } from "../../../host/node/libc.js";
import { batchingBackend, echo, expectReplies, served } from "../../support/batches.js";
import { newMap } from "../../support/runs.js";
import { bytes, owned } from "../../support/sockets.js";

/** The number of io_submit(2). */
const IO_SUBMIT = process.arch === "x64" ? 209 : 2;

/** Counts the system calls of one turn that read, that send, and that do either many times. */
function callsOf(turn: () => void): { recv: number; send: number; submit: number } {
  const libc = loadLibc();
  const { linux } = libc;
  if (linux === undefined) throw new Error("batches are Linux's");
  const recv = vi.spyOn(libc, "recvAt");
  const send = vi.spyOn(libc, "sendAt");
  const syscall = vi.spyOn(linux, "syscall");
  try {
    turn();
    const submit = syscall.mock.calls.filter(([number]) => number === IO_SUBMIT).length;
    return { recv: recv.mock.calls.length, send: send.mock.calls.length, submit };
  } finally {
    for (const spy of [recv, send, syscall]) spy.mockRestore();
  }
}

describe("how many system calls", () => {
  test("one to read and one to send, for all connections that are ready", () => {
    const { tell, turn, peers } = served(8, echo);
    tell(...peers.map((_, index) => `message ${index}`));
    expect(callsOf(turn)).toEqual({ recv: 0, send: 0, submit: 2 });
    expectReplies(
      peers,
      peers.map((_, index) => `message ${index}`),
    );
  });

  test("one each for fewer than make a batch", () => {
    const { tell, turn, peers } = served(8, echo);
    tell("alone");
    expect(callsOf(turn)).toEqual({ recv: 1, send: 1, submit: 0 });
    expectReplies(peers, ["alone", "", "", "", "", "", "", ""]);
  });

  test("one each where batchMin is Infinity", () => {
    const { tell, turn, peers } = served(4, echo, createNodeBackend({ batchMin: Infinity }));
    tell("a", "b", "c", "d");
    expect(callsOf(turn)).toEqual({ recv: 4, send: 4, submit: 0 });
    expectReplies(peers, ["a", "b", "c", "d"]);
  });

  test("one each where the kernel has no asynchronous I/O to give", async () => {
    // A copy of the library for which the kernel has opened no context yet: this one may have, for a map that is still open.
    vi.resetModules();
    const [fresh, { loadLibc: loadFreshLibc }] = await Promise.all([
      import("../../support/batches.js"),
      import("../../../host/node/libc.js"),
    ]);
    const { linux } = loadFreshLibc();
    if (linux === undefined) throw new Error("batches are Linux's");
    const refusing = vi.spyOn(linux, "syscall").mockReturnValue(-1);
    try {
      const { tell, turn, peers } = fresh.served(4, fresh.echo);
      tell("a", "b", "c", "d");
      turn();
      fresh.expectReplies(peers, ["a", "b", "c", "d"]);
      // Asked for once, not in every turn.
      expect(refusing).toHaveBeenCalledTimes(1);
    } finally {
      refusing.mockRestore();
      vi.resetModules();
    }
  });

  test("one each, in every turn, for messages longer than what is read ahead", () => {
    const { tell, turn, peers } = served(4, echo);
    const message = "m".repeat(4096);
    const messages = peers.map(() => message);
    const turns = Array.from({ length: 8 }, () => {
      tell(...messages);
      const calls = callsOf(turn);
      expectReplies(peers, messages);
      return calls;
    });
    // The first turn still takes these connections for ones with short messages: it reads ahead, and then the rest.
    expect(turns[0]).toEqual({ recv: 4, send: 4, submit: 1 });
    expect(turns.slice(1)).toEqual(turns.slice(1).map(() => ({ recv: 4, send: 4, submit: 0 })));
  });

  test("as ever for Unix sockets", () => {
    const backend = batchingBackend();
    const map = newMap(backend);
    const pairs = Array.from({ length: 3 }, () => Socket.pair("stream", backend));
    for (const [socket] of pairs) echo(socket, map);
    for (let round = 0; round < 6; round++) {
      for (const [, peer] of pairs) owned(peer).send(bytes("round"));
      expect(callsOf(() => loopSync({ map, count: 1 }))).toEqual({ recv: 3, send: 3, submit: 0 });
      expectReplies(
        pairs.map(([, peer]) => peer),
        ["round", "round", "round"],
      );
    }
  });
});

test.each([0, -1, 1.5, NaN])("batchMin cannot be %d", (batchMin) => {
  expect(() => createNodeBackend({ batchMin })).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_RANGE" }));
});
