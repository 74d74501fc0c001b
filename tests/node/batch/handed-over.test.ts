/** A connection that goes to a map of another backend takes its unread input along: descriptors are the process's. */

import { describe, expect, test } from "vitest";
import { type Backend, createNodeBackend, loop, loopSync } from "wasyncore";
import { recorder, readByteByByte, served } from "../../support/batches.js";
import { Recorder } from "../../support/handlers.js";
import { newMap, PATIENCE_MS } from "../../support/runs.js";

const OTHERS: readonly (readonly [string, () => Backend])[] = [
  ["another backend over epoll", () => createNodeBackend()],
  ["one that batches nothing", () => createNodeBackend({ batchMin: Infinity })],
  ["one over poll", () => createNodeBackend({ poller: "poll" })],
];

describe.each(OTHERS)("input that was left unread is read in a map of %s", (_name, create) => {
  /** Connections of which each handler has read a byte of three, and is then in a map of the other backend. */
  function handOver() {
    const { tell, turn, handlers } = served(5, recorder);
    const other = newMap(create());
    for (const handler of handlers) readByteByByte(handler);
    tell("abc", "def", "ghi", "jkl", "mno");
    turn();
    const before = handlers.map(({ text }) => text.slice(-1));
    for (const handler of handlers) handler.delChannel();
    const later = handlers.map(({ socket }) => new Recorder(socket, other));
    return { other, later, before };
  }

  test("by loopSync", () => {
    const { other, later, before } = handOver();
    const deadlineMs = performance.now() + PATIENCE_MS;
    while (later.some(({ text }) => text.length < 2) && performance.now() < deadlineMs) {
      loopSync({ map: other, count: 1, timeoutMs: 100 });
    }
    expect(before.map((first, index) => first + later[index]?.text)).toEqual(["abc", "def", "ghi", "jkl", "mno"]);
  });

  test("by loop, which does not wait for the operating system then", async () => {
    const { other, later } = handOver();
    await loop({ map: other, count: 2, timeoutMs: Infinity });
    expect(later.map(({ text }) => text)).toEqual(["bc", "ef", "hi", "kl", "no"]);
  });
});
