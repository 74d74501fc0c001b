/**
 * Owns that a guest's memory does not grow with the number of connections that it has had: the guest tells its size. The
 * same guest with a leak shows that the number is large enough.
 */

import { beforeAll, describe, expect, test } from "vitest";
import { Peer } from "../support/peers.js";
import { ALL_RUNTIMES, buildForAll } from "./component.js";
import { type Runtime, serveGuest } from "./support.js";

const LIMIT_MS = 120_000;
const AT_ONCE = 10;
/** Until the guest collects memory for the first times, its memory grows. */
const WARM_UP = 1000;
/** It grows by doubling: 100 bytes of each of 2,200 connections are more than what is free in it then. */
const CONNECTIONS = 5000;

let guest: (runtime: Runtime) => string;

beforeAll(async () => {
  guest = await buildForAll("tests/runtimes/memory-guest.ts", "memory");
}, LIMIT_MS);

/** Connections that say something, are answered, and end: chats and echoes by turns. @returns what the chats are told */
async function come(port: number, line: string): Promise<string> {
  const peers: Peer[] = [];
  while (peers.length < AT_ONCE) peers.push(await Peer.connect(port));
  for (const peer of peers) peer.socket.end(line);
  const answers = await Promise.all(peers.map(async (peer) => (await peer.toEnd()).toString()));
  for (const peer of peers) peer.socket.destroy();
  // What asked whether it listens was the first connection, an echo.
  expect(answers.filter((_, index) => index % 2 === 1)).toEqual(Array.from({ length: AT_ONCE / 2 }, () => line));
  return answers[AT_ONCE - 2] ?? "";
}

/** Starts the guest, and has it serve. @returns its pages after the warm-up, and when all have come and gone */
async function pagesOver(runtime: Runtime, line: string): Promise<[before: number, after: number]> {
  const { port } = await serveGuest(runtime, guest(runtime));
  const serve = async (connections: number): Promise<number> => {
    let answer = "";
    for (let done = 0; done < connections; done += AT_ONCE) answer = await come(port, line);
    expect(answer).toMatch(/^\d+\n$/);
    return Number(answer);
  };
  return [await serve(WARM_UP), await serve(CONNECTIONS - WARM_UP)];
}

describe.each(ALL_RUNTIMES)("on $name", (runtime) => {
  describe.skipIf(runtime.missing !== "")("linear memory", () => {
    test("has its size after 1,000 connections, and the same after 5,000", { timeout: LIMIT_MS }, async () => {
      const [before, after] = await pagesOver(runtime, "size\r\n");
      expect(after).toBe(before);
    });

    test("would grow by 100 bytes that are kept of each connection", { timeout: LIMIT_MS }, async () => {
      const [before, after] = await pagesOver(runtime, "keep\r\n");
      expect(after).toBeGreaterThan(before);
    });
  });
});
