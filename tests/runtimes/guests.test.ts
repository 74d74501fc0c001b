/**
 * Owns what the portable guests do on each runtime, seen from outside: echo, chat room and HTTP hello. docs/runtimes.md
 * has a row for each of these tests.
 */

import { once } from "node:events";
import { createServer } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Peer } from "../support/peers.js";
import { pattern } from "../support/sockets.js";
import { buildGuest, NODE_HOST, Program, RUNTIMES, serveGuest, WAZERO } from "./support.js";

const BUILD_LIMIT_MS = 120_000;
/** More than the buffers of both ends hold. */
const SLOW_BYTES = 48_000_000;
const CONNECTIONS = 1000;
/** Each costs it a call a turn, ready or not. */
const CONNECTIONS_WAZERO = 200;

let echo = "";
let chatRoom = "";
let http = "";
let client = "";
let clientWithSockets = "";

beforeAll(async () => {
  [echo, chatRoom, http, client, clientWithSockets] = await Promise.all([
    buildGuest("examples/portable/echo-guest.ts", "echo"),
    buildGuest("examples/portable/chat-room-guest.ts", "chat-room"),
    buildGuest("examples/portable/http-hello-guest.ts", "http-hello"),
    buildGuest("tests/runtimes/connect-guest.ts", "connect"),
    buildGuest("tests/runtimes/connect-guest.ts", "connect-sockets", "--profile", "preview1+sockets"),
  ]);
}, BUILD_LIMIT_MS);

/** Waits until what has come behind `from` bytes matches. @returns all of that */
async function until(peer: Peer, expected: RegExp, from = 0): Promise<string> {
  while (true) {
    const text = peer.received.subarray(from).toString("latin1");
    if (expected.test(text)) return text;
    await peer.atLeast(peer.received.length + 1);
  }
}

/** Waits for the response of the HTTP guest that begins behind `from` bytes. */
async function response(peer: Peer, from = 0): Promise<string> {
  const head = /^[^]*?\r\n\r\n/.exec(await until(peer, /\r\n\r\n/, from))?.[0] ?? "";
  const length = Number(/^Content-Length: (\d+)/m.exec(head)?.[1]);
  return (await peer.atLeast(from + head.length + length)).subarray(from).toString("latin1");
}

const REQUEST = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HELLO =
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 22\r\nConnection: keep-alive\r\n\r\nHello from wasyncore.\n";

/** A round trip. After two of them what other connections had sent before has been delivered to the guest. */
async function roundTrip(peer: Peer): Promise<string> {
  const from = peer.received.length;
  peer.write(REQUEST);
  return response(peer, from);
}

/** A member of the chat room. */
async function enter(port: number, name: string): Promise<Peer> {
  const peer = await Peer.connect(port);
  peer.write(`${name}\n`);
  await until(peer, new RegExp(`^Hello ${name}\\. `, "m"));
  return peer;
}

describe.each(RUNTIMES)("on $name", (runtime) => {
  describe.skipIf(runtime.missing !== "")("the guest", () => {
    test("sends back what it is sent, whole", async () => {
      const { port } = await serveGuest(runtime, echo);
      const peer = await Peer.connect(port);
      const data = pattern(1_000_000);
      peer.write(data);
      expect(Buffer.compare(await peer.atLeast(data.length), data)).toBe(0);
    });

    test("answers a client that has ended its half, and ends its own", async () => {
      const { port } = await serveGuest(runtime, echo);
      const peer = await Peer.connect(port);
      const data = pattern(1_000_000);
      peer.socket.end(data);
      expect(Buffer.compare(await peer.toEnd(), data)).toBe(0);
      expect(peer.socket.readableEnded).toBe(true);
    });

    test("finds a terminator wherever it is cut", async () => {
      const { port } = await serveGuest(runtime, http);
      const control = await Peer.connect(port);
      expect(await roundTrip(control)).toBe(HELLO);
      const peer = await Peer.connect(port);
      for (let cut = 1; cut < REQUEST.length; cut++) {
        peer.write(REQUEST.slice(0, cut));
        await roundTrip(control);
        await roundTrip(control);
        const from = peer.received.length;
        expect(from).toBe((cut - 1) * HELLO.length);
        peer.write(REQUEST.slice(cut));
        expect(await response(peer, from)).toBe(HELLO);
      }
    });

    test("takes a line that comes byte by byte", async () => {
      const { port } = await serveGuest(runtime, chatRoom);
      const [ann, bob] = [await enter(port, "Ann"), await enter(port, "Bob")];
      ann.socket.setNoDelay(true);
      for (const byte of "hello, all\n") ann.write(byte);
      expect(await until(bob, /^Ann: .*\n/m)).toContain("\nAnn: hello, all\n");
    });

    test("tells the others of a member whose connection is reset", async () => {
      const { port } = await serveGuest(runtime, chatRoom);
      const [ann, bob] = [await enter(port, "Ann"), await enter(port, "Bob")];
      await until(ann, /^Bob has come\n/m);
      ann.socket.resetAndDestroy();
      expect(await until(bob, /^Ann has gone\n/m)).toMatch(/Ann has gone\n$/);
    });

    test("tells the others of a member who leaves", async () => {
      const { port } = await serveGuest(runtime, chatRoom);
      const [ann, bob] = [await enter(port, "Ann"), await enter(port, "Bob")];
      await until(ann, /^Bob has come\n/m);
      ann.socket.end();
      expect(await until(bob, /^Ann has gone\n/m)).toMatch(/Ann has gone\n$/);
      expect(await ann.toEnd()).not.toHaveLength(0);
    });

    test("closes when its response is out", async () => {
      const { port } = await serveGuest(runtime, http);
      const peer = await Peer.connect(port);
      peer.write("GET / HTTP/1.0\r\n\r\n");
      expect((await peer.toEnd()).toString()).toMatch(/\r\nConnection: close\r\n\r\nHello from wasyncore\.\n$/);
    });

    test("keeps a half-written response whole for a slow reader, and serves others meanwhile", async () => {
      const { port } = await serveGuest(runtime, http);
      const slow = await Peer.connect(port);
      slow.socket.pause();
      slow.write(`GET /bytes/${SLOW_BYTES} HTTP/1.1\r\n\r\n`);
      const other = await Peer.connect(port);
      for (let round = 0; round < 20; round++) expect(await roundTrip(other)).toBe(HELLO);
      slow.socket.resume();
      const text = await response(slow);
      const body = Buffer.from(text.slice(text.indexOf("\r\n\r\n") + 4), "latin1");
      expect(body).toHaveLength(SLOW_BYTES);
      expect(
        Buffer.compare(
          body,
          Buffer.alloc(
            SLOW_BYTES,
            Uint8Array.from({ length: 256 }, (_, index) => index),
          ),
        ),
      ).toBe(0);
    });

    const connections = runtime === WAZERO ? CONNECTIONS_WAZERO : CONNECTIONS;
    test(`serves ${connections} connections at once`, { timeout: 60_000 }, async () => {
      const { port } = await serveGuest(runtime, echo);
      const peers: Peer[] = [];
      while (peers.length < connections) {
        // Fewer at a time than may wait to be accepted.
        const batch = await Promise.all(Array.from({ length: 50 }, () => Peer.connect(port)));
        await Promise.all(batch.map((peer, index) => exchange(peer, `${peers.length + index} comes;`)));
        peers.push(...batch);
      }
      await Promise.all(peers.map((peer, index) => exchange(peer, `${index} stays;`)));
      expect(peers.map((peer) => peer.received.toString())).toEqual(
        peers.map((_, index) => `${index} comes;${index} stays;`),
      );
    });

    test("without the socket extension says so when it wants to connect, and exits with status 1", async () => {
      const program = new Program([...runtime.command(client), ...(runtime === NODE_HOST ? ["--"] : []), "9"]);
      const { code, stderr } = await program.ended;
      expect(stderr).toMatch(/socket ENOTSUP: the host of this program has no such call/);
      expect(code).toBe(1);
    });

    test("without a listener says which descriptors it looked at, and exits with status 1", async () => {
      const program = new Program(runtime.command(echo));
      const { code, stderr } = await program.ended;
      expect(stderr).toMatch(
        /^no listening socket among descriptors 0 to 63; open are 0( \(a socket\))? 1( \(a socket\))? 2/,
      );
      expect(stderr).toContain("wasmtime run -S preview2=n -S tcplisten=");
      expect(code).toBe(1);
    });
  });
});

/** Sends a text, and waits until it has come back. */
async function exchange(peer: Peer, text: string): Promise<void> {
  const from = peer.received.length;
  peer.write(text);
  await peer.atLeast(from + text.length);
}

test("on Node host, with the socket extension, the guest connects", async () => {
  const server = createServer((socket) => void socket.end("hello"));
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const { code, stderr } = await new Program([
    ...NODE_HOST.command(clientWithSockets),
    "--sockets",
    "--",
    String(address.port),
  ]).ended;
  expect(stderr).toBe("connected\nread 5 bytes\nclose\n");
  expect(code).toBe(0);
});
