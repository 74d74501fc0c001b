/**
 * Owns what components do, whichever version of WASI they are built for, and on whichever host: the network, names, timers,
 * standard input and output, memory. Knows no command line.
 */

import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  buildComponent,
  buildSource,
  CLIENT,
  type ComponentHost,
  type ComponentProfile,
  PARTING,
  STDIO,
  UDP_CONNECTED,
  UDP_ECHO,
} from "./component-support.js";
import { Program, serve } from "../runtimes/support.js";
import { Peer } from "../support/peers.js";
import { pattern, refusingAddress } from "../support/sockets.js";

const BUILD_LIMIT_MS = 180_000;
const SIZE_MAX = 60_000;
const CONNECTIONS = 1000;
/** More than the buffers of both ends hold, and the host's between them. */
const SLOW_BYTES = 24_000_000;

/** An echo server of Node's own that ends each connection when it has answered once. */
async function echoOnce(host: string): Promise<number> {
  const server: Server = createServer((socket) => void socket.once("data", (data) => socket.end(data)));
  onTestFinished(() => void server.close());
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

/** Sends a datagram, and gives back what comes. */
async function ask(socket: UdpSocket, data: Uint8Array | string, port: number, host: string): Promise<Buffer> {
  const answer = once(socket, "message") as Promise<[Buffer]>;
  socket.send(data, port, host);
  return (await answer)[0];
}

async function exchange(peer: Peer, text: string): Promise<string> {
  const from = peer.received.length;
  peer.write(text);
  return (await peer.atLeast(from + text.length)).subarray(from).toString();
}

/** @param hosts on which they are tried */
export function componentScenarios(profile: ComponentProfile, hosts: readonly ComponentHost[]): void {
  const built = { echo: "", chatRoom: "", http: "", client: "", udp: "", udpConnected: "", stdio: "", parting: "" };

  beforeAll(async () => {
    [built.echo, built.chatRoom, built.http, built.client, built.udp, built.udpConnected, built.stdio, built.parting] =
      await Promise.all([
        buildComponent("examples/portable/echo-guest.ts", "echo", profile),
        buildComponent("examples/portable/chat-room-guest.ts", "chat-room", profile),
        buildComponent("examples/portable/http-hello-guest.ts", "http-hello", profile),
        buildSource(CLIENT, "client", profile),
        buildSource(UDP_ECHO, "udp", profile),
        buildSource(UDP_CONNECTED, "udp-connected", profile),
        buildSource(STDIO, "stdio", profile),
        buildSource(PARTING, "parting", profile),
      ]);
  }, BUILD_LIMIT_MS);

  test("that echoes is small", () => {
    expect(statSync(built.echo).size).toBeLessThan(SIZE_MAX);
  });

  describe.each(hosts)("on $host", ({ host: hostName, run }) => {
    /** Starts a component that takes its address from LISTEN. */
    function serveComponent(component: string, environment: Readonly<Record<string, string>> = {}) {
      return serve((port) => run(component, { ...environment, LISTEN: `127.0.0.1:${port}` }));
    }

    test("sends back what it is sent, to the last byte, when the client has ended its half", async () => {
      const { port } = await serveComponent(built.echo);
      const peer = await Peer.connect(port);
      const data = pattern(5_000_000);
      peer.socket.end(data);
      expect(Buffer.compare(await peer.toEnd(), data)).toBe(0);
      expect(peer.socket.readableEnded).toBe(true);
    });

    test("goes on after a connection that is reset", async () => {
      const { port } = await serveComponent(built.echo);
      const [first, second] = [await Peer.connect(port), await Peer.connect(port)];
      expect(await exchange(first, "here")).toBe("here");
      first.socket.resetAndDestroy();
      expect(await exchange(second, "still here")).toBe("still here");
    });

    test("tells members of a chat room what the others say", async () => {
      const { port } = await serveComponent(built.chatRoom);
      const [ann, bob] = [await Peer.connect(port), await Peer.connect(port)];
      const welcome = "Welcome. What is your name?\n";
      ann.write("Ann\n");
      await ann.atLeast(`${welcome}Hello Ann. Here: 0\n`.length);
      bob.write("Bob\n");
      await bob.atLeast(`${welcome}Hello Bob. Here: 1\n`.length);
      bob.write("good morning\n");
      const expected = `${welcome}Hello Ann. Here: 0\nBob has come\nBob: good morning\n`;
      expect((await ann.atLeast(expected.length)).toString()).toBe(expected);
    });

    test("keeps a half-written response whole for a slow reader, and serves others meanwhile", async () => {
      const { port } = await serveComponent(built.http);
      const slow = await Peer.connect(port);
      slow.socket.pause();
      slow.write(`GET /bytes/${SLOW_BYTES} HTTP/1.0\r\n\r\n`);
      for (let round = 0; round < 20; round++) {
        const other = await Peer.connect(port);
        other.write("GET / HTTP/1.0\r\n\r\n");
        expect((await other.toEnd()).toString()).toMatch(/\r\n\r\nHello from wasyncore\.\n$/);
      }
      slow.socket.resume();
      const response = await slow.toEnd();
      const body = response.subarray(response.indexOf("\r\n\r\n") + 4);
      expect(body).toHaveLength(SLOW_BYTES);
      expect(Buffer.compare(body, pattern256(SLOW_BYTES))).toBe(0);
    });

    test.each(["", "write", "both"])("that is over has sent what it wrote, after shutdown(%j) too", async (how) => {
      const { program, port } = await serveComponent(built.parting, { HOW: how });
      const peer = await Peer.connect(port);
      peer.socket.pause();
      peer.write("go");
      await program.line("closed");
      const [, written] = await lineOf(program, /^written (\d+)$/);
      peer.socket.resume();
      const received = await peer.toEnd();
      expect(received).toHaveLength(Number(written));
      expect(Buffer.compare(received, pattern256(received.length))).toBe(0);
      expect((await program.ended).code).toBe(0);
    });

    test(`serves ${CONNECTIONS} connections at once`, { timeout: 60_000 }, async () => {
      const { port } = await serveComponent(built.echo);
      const peers: Peer[] = [];
      while (peers.length < CONNECTIONS) {
        const batch = await Promise.all(Array.from({ length: 50 }, () => Peer.connect(port)));
        await Promise.all(batch.map((peer, index) => exchange(peer, `${peers.length + index} comes;`)));
        peers.push(...batch);
      }
      await Promise.all(peers.map((peer, index) => exchange(peer, `${index} stays;`)));
      expect(peers.map((peer) => peer.received.toString())).toEqual(
        peers.map((_, index) => `${index} comes;${index} stays;`),
      );
    });

    test("needs no more memory for many connections after each other than for some", { timeout: 60_000 }, async () => {
      const { program, port } = await serveComponent(built.echo);
      const serveSome = async (count: number): Promise<number> => {
        for (let i = 0; i < count; i++) {
          const peer = await Peer.connect(port);
          await exchange(peer, "x".repeat(1000));
          peer.socket.destroy();
        }
        return residentBytes(program.pid);
      };
      const before = await serveSome(1000);
      const descriptors = openDescriptors(program.pid);
      // A garbage collector decides what a process of Node holds.
      const most = hostName === "wasmtime" ? 1_000_000 : 30_000_000;
      expect((await serveSome(4000)) - before).toBeLessThan(most);
      expect(openDescriptors(program.pid)).toBeLessThanOrEqual(descriptors + 1);
    });

    test.each([
      ["IPv4", "127.0.0.1"],
      ["IPv6", "::1"],
    ])("connects by %s", async (family, host) => {
      const port = await echoOnce(host);
      const program = new Program(run(built.client, { FAMILY: family, HOST: host, PORT: String(port) }));
      expect(await program.ended).toMatchObject({ code: 0, stdout: `connected ${host}\nread ping\nclose\nover\n` });
    });

    test("listens by IPv6", async () => {
      const program = new Program(run(built.echo, { LISTEN: "[::1]:0" }));
      const [, port] = await lineOf(program, /^listening on \[::1\]:(\d+)$/);
      const socket = connect({ host: "::1", port: Number(port) });
      onTestFinished(() => void socket.destroy());
      socket.write("hello");
      expect((await once(socket, "data")).toString()).toBe("hello");
    });

    test("connects to a name, which its host looks up", async () => {
      const port = await echoOnce("127.0.0.1");
      // "localhost" in lower case has a meaning without a lookup.
      const environment = { FAMILY: "IPv4", HOST: "LocalHost", PORT: String(port) };
      const program = new Program(run(built.client, environment));
      expect((await program.ended).stdout).toBe("connected 127.0.0.1\nread ping\nclose\nover\n");
    });

    test("is notified of a refused connection, and of a name that does not exist", async () => {
      const { port } = refusingAddress();
      const refused = new Program(run(built.client, { FAMILY: "IPv4", HOST: "127.0.0.1", PORT: String(port) }));
      expect((await refused.ended).stdout).toBe("error connect ECONNREFUSED\nover\n");
      const unknown = new Program(run(built.client, { FAMILY: "IPv4", HOST: "nobody.invalid", PORT: "1" }));
      expect((await unknown.ended).stdout).toMatch(/^error connect (ENOENT|ETIMEDOUT)\nover\n$/);
    });

    test.each(["127.0.0.1", "::1"])("answers datagrams on %s, empty ones too", async (host) => {
      const program = new Program(run(built.udp, { HOST: host }));
      const [, bound, port] = await lineOf(program, /^bound to (\S+) (\d+)$/);
      expect(bound).toBe(host);
      const socket = createSocket(host === "::1" ? "udp6" : "udp4");
      onTestFinished(() => void socket.close());
      const data = pattern(20_000);
      expect(Buffer.compare(await ask(socket, data, Number(port), host), data)).toBe(0);
      expect(await ask(socket, "", Number(port), host)).toHaveLength(0);
      expect((await ask(socket, "end", Number(port), host)).toString()).toBe("end");
      expect((await program.ended).code).toBe(0);
    });

    test("sends by a datagram socket that is connected", async () => {
      const program = new Program(run(built.udpConnected));
      expect(await program.ended).toMatchObject({ code: 0, stdout: "10\na datagram\n", stderr: "" });
    });

    test("has arguments, environment, standard input to its end, and timers in order", async () => {
      const program = new Program(run(built.stdio, { GREETING: "good day" }, "one", "", "three"));
      program.child.stdin.end("some input");
      expect(await program.ended).toEqual({
        code: 0,
        signal: null,
        stdout: "some input\nread 10\nfirst\nsecond\nthird\n",
        stderr: "one||three good day\n",
      });
    });

    test("says where it cannot listen, and exits with status 1", async () => {
      const { code, stderr } = await new Program(run(built.echo, { LISTEN: "203.0.113.1:80" })).ended;
      expect(stderr).toBe("cannot listen on 203.0.113.1:80: OSError: bind EADDRNOTAVAIL\n");
      expect(code).toBe(1);
      const wrong = await new Program(run(built.echo, { LISTEN: "nowhere" })).ended;
      expect(wrong.stderr).toMatch(/^nowhere is no address: it is HOST:PORT/);
      expect(wrong.code).toBe(1);
    });
  });
}

/** The bytes 0 to 255, again and again. */
function pattern256(length: number): Buffer {
  return Buffer.alloc(
    length,
    Uint8Array.from({ length: 256 }, (_, index) => index),
  );
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;
}

function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Waits for a whole line of standard error that matches. */
async function lineOf(program: Program, expected: RegExp): Promise<RegExpExecArray> {
  while (true) {
    for (const line of program.lines) {
      const match = expected.exec(line);
      if (match !== null) return match;
    }
    if (program.isOver)
      throw new Error(`it has ended, and there is no line ${expected} in: ${program.lines.join("\n")}`);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
