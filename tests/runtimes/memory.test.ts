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

test("linear memory is as large after 5,000 connections as after 500", { timeout: LIMIT_MS }, async () => {
  const watch = join(ROOT, "tests", "runtimes", "watch-memory.mjs");
  const { program, port } = await serve((port) => {
    const [node, ...parameters] = NODE_HOST.command(echo, port);
    return [node, "--import", watch, ...parameters];
  });
  const sizes = (): readonly string[] => program.lines.filter((line) => line.startsWith("memory "));
  await come(port, 500);
  const before = sizes();
  expect(before).not.toEqual([]);
  await come(port, 4500);
  expect(sizes()).toEqual(before);
});
