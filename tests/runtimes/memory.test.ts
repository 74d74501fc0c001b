/** Owns that a guest's memory does not grow with the number of connections that it has had. */

import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { Peer } from "../support/peers.js";
import { ROOT } from "../support/processes.js";
import { buildGuest, NODE_HOST, serve } from "./support.js";

const LIMIT_MS = 120_000;
const AT_ONCE = 50;
let echo = "";

beforeAll(async () => {
  echo = await buildGuest("examples/portable/echo-guest.ts", "echo-memory");
}, LIMIT_MS);

/** Connections that send something, take it back, and end; 50 at a time. */
async function come(port: number, connections: number): Promise<void> {
  for (let done = 0; done < connections; done += AT_ONCE) {
    const peers = await Promise.all(Array.from({ length: AT_ONCE }, () => Peer.connect(port)));
    await Promise.all(
      peers.map(async (peer) => {
        peer.socket.end("here and gone");
        expect((await peer.toEnd()).toString()).toBe("here and gone");
        peer.socket.destroy();
      }),
    );
  }
}

test("linear memory stays below a mebibyte over 5,000 connections", { timeout: LIMIT_MS }, async () => {
  const watch = join(ROOT, "tests", "runtimes", "watch-memory.mjs");
  const { program, port } = await serve((port) => {
    const [node, ...parameters] = NODE_HOST.command(echo, port);
    return [node, "--import", watch, ...parameters];
  });
  await come(port, 5000);
  const sizes = program.lines.flatMap((line) => /^memory (\d+)$/.exec(line)?.[1] ?? []).map(Number);
  expect(sizes).not.toEqual([]);
  // Half of what 200 bytes a connection, never given back, would make of it: it grows by doubling.
  expect(Math.max(...sizes)).toBeLessThan(1_048_576);
});
