/** examples/proxy: what passes through is whole, and a slow reader does not make the proxy hold it. */

import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { requireBuild, type Running, start } from "../support/processes.js";
import { pattern } from "../support/sockets.js";

const MIB = 1024 * 1024;
/** A queue is below the high water mark when a read of 64 KiB is added. */
const HELD_MAX = 65_536 + 65_536;
/** What a process may grow by before its garbage is collected; half of what passes through. */
const GROWTH_MAX_KIB = 64 * 1024;

/** A server whose connections are paused and stay half-open, and their order of arrival. */
async function slowServer(): Promise<{ port: number; next: () => Promise<Socket> }> {
  const connections: Socket[] = [];
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => connections.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const socket of connections) socket.destroy();
    server.close();
  });
  let taken = 0;
  return {
    port: (server.address() as AddressInfo).port,
    async next() {
      if (connections.length === taken) await once(server, "connection");
      const socket = connections[taken++];
      if (socket === undefined) throw new Error("no connection");
      return socket;
    },
  };
}

async function startProxy(to: number): Promise<[Running, number]> {
  requireBuild("build/examples/proxy.js");
  const proxy = start(process.execPath, [
    "build/examples/proxy.js",
    "--listen",
    "127.0.0.1:0",
    "--to",
    `127.0.0.1:${to}`,
    "--verbose",
  ]);
  const [, port] = await proxy.line(/^listening on 127\.0\.0\.1:(\d+)$/);
  return [proxy, Number(port)];
}

function connectTo(port: number): Socket {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  return socket;
}

/** Reads to the end. @returns how much there was, and its hash */
async function digest(socket: Socket): Promise<string> {
  const hash = createHash("sha256");
  let length = 0;
  socket.on("data", (piece: Buffer) => {
    hash.update(piece);
    length += piece.length;
  });
  socket.resume();
  await once(socket, "end");
  return `${length} ${hash.digest("hex")}`;
}

/** What the proxy says in its log, once it has said it `count` times. */
async function logged(proxy: Running, expected: RegExp, count = 1): Promise<RegExpExecArray[]> {
  const { stderr } = proxy.child;
  if (stderr === null) throw new Error("no pipe");
  let text = "";
  const matches = (): RegExpExecArray[] => [...text.matchAll(expected)];
  const collect = (chunk: string): void => void (text += chunk);
  stderr.on("data", collect);
  try {
    while (matches().length < count) await once(stderr, "data");
  } finally {
    stderr.off("data", collect);
  }
  return matches();
}

test("128 MiB to a reader that starts late pass through at a fixed ceiling of memory, and the answer comes back", async () => {
  const { port, next } = await slowServer();
  const [proxy, at] = await startProxy(port);
  const block = Buffer.from(pattern(MIB));

  const peaks: number[] = [];
  for (const blocks of [4, 128]) {
    const paused = logged(proxy, /reads slowly: paused/g);
    const reported = logged(proxy, /held (\d+) bytes of a direction at the most; the process had (\d+) KiB/g);
    const client = connectTo(at);
    const answer = digest(client);
    for (let index = 0; index < blocks; index++) client.write(block);
    client.end();
    const server = await next();
    // Not before the proxy has read as much as it will.
    if (blocks === 128) await paused;
    const received = await digest(server);
    server.end(received);
    const expected = createHash("sha256");
    for (let index = 0; index < blocks; index++) expected.update(block);
    expect(received).toBe(`${blocks * MIB} ${expected.digest("hex")}`);
    expect(await answer).toBe(`${received.length} ${createHash("sha256").update(received).digest("hex")}`);
    const [[, held = "", peak = ""] = []] = await reported;
    expect(Number(held)).toBeLessThanOrEqual(HELD_MAX);
    peaks.push(Number(peak));
  }
  const [before = 0, after = Infinity] = peaks;
  expect(after - before).toBeLessThan(GROWTH_MAX_KIB);
});

test("a client of a server that refuses is closed, and the proxy goes on", async () => {
  const closed = createServer().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as AddressInfo;
  closed.close();
  await once(closed, "close");
  const [proxy, at] = await startProxy(port);
  for (let index = 0; index < 2; index++) {
    const client = connectTo(at);
    client.resume();
    await once(client, "end");
  }
  expect(proxy.child.exitCode).toBeNull();
});

test.each([
  [[], /--to is missing/],
  [["--to", "nowhere"], /--to must be HOST:PORT, got "nowhere"/],
])("%j is refused with a message", async (parameters, message) => {
  requireBuild("build/examples/proxy.js");
  const { code, stderr } = await start(process.execPath, ["build/examples/proxy.js", ...parameters]).ended;
  expect(code).toBe(1);
  expect(stderr).toMatch(message);
});
