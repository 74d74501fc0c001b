/** A server in a component under load: many connections at once, many after each other, resets, half-closes, a slow reader. */

import { readdirSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { Peer } from "../support/peers.js";
import { pattern } from "../support/sockets.js";
import { missingLinux } from "../support/missing.js";
import { buildProgram, NEWEST, NODE_HOST, serve } from "./support.js";

const LIMIT_MS = 120_000;
const AT_ONCE = 1000;
/** So many connect together: a listener has room for 128 that wait. */
const GROUP = 100;
const ROUNDS = 3;
const IN_A_ROW = 600;
/** More than both ends keep in the kernel. */
const UNREAD_BYTES = 12_000_000;

let component = "";
beforeAll(async () => {
  component = await buildProgram("examples/echo-server.ts", "load");
}, LIMIT_MS);

async function echo(peer: Peer, text: string): Promise<void> {
  const from = peer.received.length;
  peer.write(text);
  expect(String((await peer.atLeast(from + text.length)).subarray(from))).toBe(text);
}

describe.each([NEWEST, NODE_HOST])("on $name", { timeout: LIMIT_MS }, (host) => {
  describe.skipIf(host.missing !== "")("an echo server", () => {
    test("answers 1,000 connections that all send at once, several times", async () => {
      const { program, port } = await serve(component, undefined, host);
      const peers: Peer[] = [];
      while (peers.length < AT_ONCE) {
        const group = await Promise.all(Array.from({ length: GROUP }, () => Peer.connect(port)));
        await Promise.all(group.map((peer) => echo(peer, "first")));
        peers.push(...group);
      }
      for (let round = 0; round < ROUNDS; round++) {
        await Promise.all(peers.map((peer, index) => echo(peer, `round ${round} of ${index}`)));
      }
      expect(program.child.exitCode).toBeNull();
    });

    test.skipIf(missingLinux() !== "")("keeps nothing of connections that ended or were reset", async () => {
      const { program, port } = await serve(component, undefined, host);
      const descriptors = (): number => readdirSync(`/proc/${program.child.pid}/fd`).length;
      await echo(await Peer.connect(port), "the first is served");
      const before = descriptors();
      for (let index = 0; index < IN_A_ROW; index++) {
        const peer = await Peer.connect(port);
        if (index % 3 !== 0) await echo(peer, "hello");
        if (index % 2 === 0) {
          peer.socket.resetAndDestroy();
        } else {
          peer.socket.end();
          await peer.toEnd();
        }
      }
      await echo(await Peer.connect(port), "the last is served");
      await expect.poll(descriptors).toBeLessThanOrEqual(before + 1);
    });

    test("serves others while one leaves megabytes unread, which it then gets whole", async () => {
      const { port } = await serve(component, undefined, host);
      const slow = await Peer.connect(port);
      slow.socket.pause();
      const sent = pattern(UNREAD_BYTES);
      slow.socket.end(sent);
      const other = await Peer.connect(port);
      for (let index = 0; index < 50; index++) await echo(other, `message ${index}`);
      slow.socket.resume();
      expect((await slow.toEnd()).equals(sent)).toBe(true);
    });
  });
});
