/** The servers among the examples against clients that reset their connection before it is accepted. */

import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { ChannelMap, loop, Socket } from "wasyncore";
import { Peer } from "../support/peers.js";
import { requireBuild, type Running, startExample } from "../support/processes.js";
import { PATIENCE_MS } from "../support/runs.js";
import { reset } from "../support/sockets.js";

const CLIENTS = 100;
const ROUNDS = 3;

beforeAll(() => requireBuild("build/examples/echo-server.js"));

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

async function portOf(server: Running): Promise<number> {
  const [, port] = await server.line(/^listening on 127\.0\.0\.1:(\d+)/);
  return Number(port);
}

/** What each is started with, and what it answers when a client says "hello". */
const SERVERS: readonly (readonly [name: string, parameters: () => string[] | Promise<string[]>, answer: RegExp])[] = [
  ["echo-server", () => ["--port", "0"], /^hello$/],
  [
    "proxy",
    async () => [
      "--listen",
      "127.0.0.1:0",
      "--to",
      `127.0.0.1:${await portOf(startExample("echo-server", "--port", "0"))}`,
    ],
    /^hello$/,
  ],
  ["smtp/server", () => ["--port", "0"], /^220 /],
  ["pop3/server", () => ["--port", "0"], /^\+OK/],
  ["ftp/server", () => ["--port", "0", "--root", directory()], /^220 /],
];

function descriptorsOf({ child }: Running): number {
  return readdirSync(`/proc/${child.pid}/fd`).length;
}

/** Asks again until it is so, and says so where it is not so in time. */
async function until(what: string, done: () => boolean): Promise<void> {
  const map = new ChannelMap();
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const check = map.callEvery(5, () => done() && map.cancelTimers());
  await loop({ map, signal });
  if (check.active) throw new Error(`not in time: ${what}`);
  map[Symbol.dispose]();
}

test.skipIf(process.platform !== "linux").each(SERVERS)(
  "%s outlives them: no descriptor is left, and it still accepts",
  async (name, parameters, answer) => {
    const server = startExample(name, ...(await parameters()));
    const port = await portOf(server);
    const descriptors = descriptorsOf(server);
    for (let round = 0; round < ROUNDS; round++) {
      // Nothing is accepted while the process is stopped.
      server.child.kill("SIGSTOP");
      for (let i = 0; i < CLIENTS; i++) {
        const client = Socket.create();
        client.connect({ host: "127.0.0.1", port });
        reset(client);
      }
      server.child.kill("SIGCONT");
      // Accepted after all of them.
      const peer = await Peer.connect(port);
      peer.write("hello");
      expect(String(await peer.atLeast(5))).toMatch(answer);
      peer.socket.destroy();
      await until("every connection is closed", () => descriptorsOf(server) <= descriptors);
    }
  },
);
