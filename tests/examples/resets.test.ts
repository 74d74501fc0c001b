/**
 * Every server among the examples, against clients that reset their connections: before they are accepted, and after.
 * No descriptor is left, no CPU is used, and the next client is served.
 */

import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { descriptorsOf, eventually, idle } from "../support/descriptors.js";
import { Peer } from "../support/peers.js";
import { requireBuild, type Running, start } from "../support/processes.js";

/** Less than the shortest backlog of an example, 128. */
const CONNECTIONS = 100;

interface Example {
  readonly script: string;
  readonly parameters?: (directory: string) => readonly string[] | Promise<readonly string[]>;
  /** What a client sends, and what it is answered. */
  readonly request: string;
  readonly answer: RegExp;
  /** Is the answer sent to the other clients? */
  readonly toOthers?: boolean;
}

const PORT = (): readonly string[] => ["--port", "0"];

const EXAMPLES: Readonly<Record<string, Example>> = {
  "echo-server": { script: "echo-server.js", parameters: PORT, request: "hello\n", answer: /^hello\n/ },
  broadcast: { script: "broadcast.js", parameters: PORT, request: "hello\n", answer: /^hello\n/, toOthers: true },
  proxy: {
    script: "proxy.js",
    parameters: async () => ["--listen", "127.0.0.1:0", "--to", `127.0.0.1:${await echoServer()}`],
    request: "hello\n",
    answer: /^hello\n/,
  },
  "unix-echo": {
    script: "unix-echo.js",
    parameters: (directory) => [join(directory, "socket")],
    request: "hello\n",
    answer: /^hello\n/,
  },
  ftp: {
    script: "ftp/server.js",
    parameters: (directory) => ["--port", "0", "--root", directory],
    request: "NOOP\r\n",
    answer: /^220 FTP server ready\r\n200 ok\r\n/,
  },
  pop3: { script: "pop3/server.js", parameters: PORT, request: "CAPA\r\n", answer: /^\+OK [^]*\r\n\.\r\n/ },
  smtp: { script: "smtp/server.js", parameters: PORT, request: "NOOP\r\n", answer: /^220 [^]*\r\n250 ok\r\n/ },
  "portable/echo": { script: "portable/echo-guest.js", request: "hello\n", answer: /^hello\n/ },
  "portable/chat-room": { script: "portable/chat-room-guest.js", request: "Anna\n", answer: /^Welcome.*\nHello Anna/ },
  "portable/http-hello": {
    script: "portable/http-hello-guest.js",
    request: "GET / HTTP/1.1\r\n\r\n",
    answer: /^HTTP\/1\.1 200 OK\r\n[^]*Hello from wasyncore/,
  },
  "portable/countdown": { script: "portable/countdown-guest.js", request: "1\n", answer: /^1\n0\n/ },
};

/** A server of node:net that sends everything back. @returns its port */
async function echoServer(): Promise<number> {
  const server = createServer((socket) => socket.on("error", () => undefined).pipe(socket)).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Starts an example. @returns where it listens: a port, or a path */
async function serve({ script, parameters = () => [] }: Example): Promise<[Running, string | number]> {
  requireBuild(`build/examples/${script}`);
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  // The portable ones listen where LISTEN says, and say so on standard error.
  const command = `LISTEN=127.0.0.1:0 exec "$0" "$@" 2>&1`;
  const running = start("sh", [
    "-c",
    command,
    process.execPath,
    `build/examples/${script}`,
    ...(await parameters(directory)),
  ]);
  const [, path, port] = await running.line(/^listening on (?:(\/.*)|.*:(\d+))$/);
  return [running, path ?? Number(port)];
}

/** Resets a connection; one of a Unix socket is closed. */
function reset({ socket }: Peer, at: string | number): void {
  if (typeof at === "number") socket.resetAndDestroy();
  else socket.destroy();
}

/** A new client is answered. All that connected before it have been accepted then. */
async function expectAnswer(at: string | number, { request, answer, toOthers = false }: Example): Promise<void> {
  const answered = await Peer.connect(at);
  const asking = toOthers ? await Peer.connect(at) : answered;
  asking.write(request);
  while (!answer.test(answered.received.toString())) await answered.atLeast(answered.received.length + 1);
  for (const { socket } of [asking, answered]) socket.destroy();
}

/** Connects clients that reset their connections, at once or after a request. */
async function connectAndReset(at: string | number, request: string | undefined): Promise<void> {
  for (const peer of await Promise.all(Array.from({ length: CONNECTIONS }, () => Peer.connect(at)))) {
    if (request !== undefined) peer.write(request);
    reset(peer, at);
  }
}

test.each(Object.entries(EXAMPLES))("%s outlives clients that reset their connections", async (_name, example) => {
  const [running, at] = await serve(example);
  const { child } = running;
  await expectAnswer(at, example);
  await idle(child.pid);
  const before = descriptorsOf(child.pid);
  for (const request of [undefined, example.request]) {
    // A server that is stopped accepts nothing: the kernel completes the connections, and their resets come first.
    child.kill("SIGSTOP");
    await connectAndReset(at, request);
    child.kill("SIGCONT");
    await expectAnswer(at, example);
    await connectAndReset(at, request);
    await expectAnswer(at, example);
    await eventually(() => descriptorsOf(child.pid), before);
  }
  await idle(child.pid);
  await expectAnswer(at, example);
  expect(child.exitCode).toBe(null);
});
