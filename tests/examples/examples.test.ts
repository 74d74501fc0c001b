/** The servers among the examples, as processes, against clients that are not of this library. */

import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { requireBuild, type Running, startExample } from "../support/processes.js";
import { leaveFileOut, missingTools } from "../support/missing.js";
import { Peer } from "../support/peers.js";
import { pattern } from "../support/sockets.js";

const command = promisify(execFile);

leaveFileOut("The tests of the examples against curl and Python", missingTools("curl", "python3"));

beforeAll(() => requireBuild("build/examples/echo-server.js"));

/** Starts a server on a free port. */
async function serve(name: string): Promise<{ server: Running; port: number }> {
  const server = startExample(name, "--port", "0");
  const [, port] = await server.line(/^listening on 127\.0\.0\.1:(\d+)$/);
  return { server, port: Number(port) };
}

/** A path for a socket, in a directory that goes when the test ends. */
function socketPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, "echo.sock");
}

test("metrics serves what it counts in Prometheus' format", async () => {
  const server = startExample("metrics", "--port", "0", "--metrics-port", "0");
  const [, port] = await server.line(/^listening on 127\.0\.0\.1:(\d+)$/);
  const [, url = ""] = await server.line(/^metrics on (http:.*)$/);
  const peer = await Peer.connect(Number(port));
  peer.socket.end("hello");
  expect(String(await peer.toEnd())).toBe("hello");
  const metrics = async (): Promise<string> => (await fetch(url)).text();
  await expect.poll(metrics).toContain("\nwasyncore_closed_sent_bytes_total 5\n");
  const text = await metrics();
  expect(text).toMatch(/^# HELP wasyncore_channels .*\n# TYPE wasyncore_channels gauge\nwasyncore_channels 1\n/);
  expect(text).toContain("\nwasyncore_accepted_total 1\n");
  expect((await fetch(new URL("/other", url))).status).toBe(404);
});

describe("echo-server", () => {
  test("sends everything back, also to a client that has ended its side", async () => {
    const { port } = await serve("echo-server");
    const peer = await Peer.connect(port);
    const data = pattern(3_000_000);
    peer.socket.end(data);
    expect((await peer.toEnd()).equals(data)).toBe(true);
  });

  test("serves many clients at once, and says who they are", async () => {
    const { server, port } = await serve("echo-server");
    const peers = await Promise.all(Array.from({ length: 20 }, () => Peer.connect(port)));
    await Promise.all(
      peers.map(async (peer, index) => {
        peer.write(`client ${index}`);
        expect(String(await peer.atLeast(`client ${index}`.length))).toBe(`client ${index}`);
      }),
    );
    for (const peer of peers) peer.socket.destroy();
    server.child.kill("SIGINT");
    const { stderr } = await server.ended;
    expect(stderr.match(/^log: incoming connection from 127\.0\.0\.1:\d+$/gm)).toHaveLength(20);
  });

  test("outlives a client that resets its connection", async () => {
    const { port } = await serve("echo-server");
    const rude = await Peer.connect(port);
    rude.write(pattern(1_000_000));
    rude.socket.resetAndDestroy();
    const peer = await Peer.connect(port);
    peer.write("still there?");
    expect(String(await peer.atLeast(12))).toBe("still there?");
  });

  test("answers Python", async () => {
    const { port } = await serve("echo-server");
    const { stdout } = await command("python3", ["-c", PYTHON_TCP, String(port)]);
    expect(stdout).toBe("1000000 True\n");
  });

  test("answers curl, whose request is made to look like a response when it comes back", async () => {
    const { port } = await serve("echo-server");
    const { stdout } = await command("curl", [
      ...["--silent", "--show-error", "--max-time", "10", "--request", "HTTP/1.1 200", "--data", "hello, curl"],
      `http://127.0.0.1:${port}/`,
    ]);
    expect(stdout).toBe("hello, curl");
  });

  test("serves IPv6", async () => {
    const server = startExample("echo-server", "--host", "::1", "--port", "0");
    const [, port] = await server.line(/^listening on ::1:(\d+)$/);
    const script =
      "import socket, sys; s = socket.create_connection(('::1', int(sys.argv[1]))); s.sendall(b'hi'); print(s.recv(9))";
    const { stdout } = await command("python3", ["-c", script, String(port)]);
    expect(stdout).toBe("b'hi'\n");
  });

  test("says in one line that the port is in use, with exit status 1", async () => {
    const { port } = await serve("echo-server");
    const second = await startExample("echo-server", "--port", String(port)).ended;
    expect(second).toMatchObject({ code: 1, stdout: "", stderr: `echo-server: 127.0.0.1:${port} is in use already\n` });
  });
});

const PYTHON_TCP = `
import socket, sys, threading
data = bytes(range(256)) * 3906 + b"x" * 64
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def send():
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
answer = b""
while chunk := peer.recv(65536):
    answer += chunk
print(len(answer), answer == data)
`;

describe("udp-echo", () => {
  test("sends each datagram back to its sender, the empty one too", async () => {
    const { port } = await serve("udp-echo");
    const clients = [createSocket("udp4"), createSocket("udp4")];
    for (const client of clients) onTestFinished(() => void client.close());
    for (const [index, client] of clients.entries()) {
      for (const word of [`client ${index}`, "", "x".repeat(20_000)]) {
        client.send(word, port, "127.0.0.1");
        const [data] = (await once(client, "message")) as [Buffer];
        expect(data.toString()).toBe(word);
      }
    }
  });

  test("answers Python", async () => {
    const { port } = await serve("udp-echo");
    const { stdout } = await command("python3", ["-c", PYTHON_UDP, String(port)]);
    expect(stdout).toBe("b'one' b'' b'three'\n");
  });

  test("says in one line that the port is in use, with exit status 1", async () => {
    const { port } = await serve("udp-echo");
    const { code, stderr } = await startExample("udp-echo", "--port", String(port)).ended;
    expect([code, stderr]).toEqual([1, `udp-echo: 127.0.0.1:${port} is in use already\n`]);
  });
});

const PYTHON_UDP = `
import socket, sys
peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
peer.settimeout(10)
def ask(data):
    peer.sendto(data, ("127.0.0.1", int(sys.argv[1])))
    return peer.recv(100)
print(ask(b"one"), ask(b""), ask(b"three"))
`;

describe("unix-echo", () => {
  test.each(["SIGINT", "SIGTERM"] as const)("answers, and removes its socket when it gets %s", async (signal) => {
    const path = socketPath();
    const server = startExample("unix-echo", path);
    await server.line(/^listening on /);
    const peer = await Peer.connect(path);
    const data = pattern(500_000);
    peer.write(data);
    expect((await peer.atLeast(data.length)).equals(data)).toBe(true);
    expect(existsSync(path)).toBe(true);
    server.child.kill(signal);
    expect(await server.ended).toMatchObject({ code: 0, signal: null, stderr: "" });
    expect(existsSync(path)).toBe(false);
    expect(await peer.toEnd()).toHaveLength(data.length);
  });

  test("answers Python", async () => {
    const path = socketPath();
    await startExample("unix-echo", path).line(/^listening on /);
    const { stdout } = await command("python3", [
      "-c",
      "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'hi'); print(s.recv(9))",
      path,
    ]);
    expect(stdout).toBe("b'hi'\n");
  });

  test("leaves a path that exists alone, and says so", async () => {
    const path = socketPath();
    await startExample("unix-echo", path).line(/^listening on /);
    expect(await startExample("unix-echo", path).ended).toMatchObject({
      code: 1,
      stdout: "",
      stderr: `unix-echo: ${path} exists already\n`,
    });
    const peer = await Peer.connect(path);
    peer.write("x");
    expect(String(await peer.atLeast(1))).toBe("x");
  });
});

describe("broadcast", () => {
  test("tells all others what one says, and goes on when one leaves", async () => {
    const { port } = await serve("broadcast");
    const anna = await Peer.connect(port);
    const bert = await Peer.connect(port);
    const carl = await Peer.connect(port);
    anna.write("hello from anna\n");
    expect(String(await bert.atLeast(16))).toBe("hello from anna\n");
    expect(String(await carl.atLeast(16))).toBe("hello from anna\n");
    bert.socket.resetAndDestroy();
    carl.write("and from carl\n");
    expect(String(await anna.atLeast(14))).toBe("and from carl\n");
    carl.socket.end();
    expect(String(await carl.toEnd())).toBe("hello from anna\n");
  });

  test("carries a megabyte to each of three", async () => {
    const { port } = await serve("broadcast");
    const [speaker, ...others] = await Promise.all([0, 1, 2, 3].map(() => Peer.connect(port)));
    const data = pattern(1_000_000);
    // The server knows a client when it has heard of it: each of the three says a byte, which the others get.
    for (const other of others) other.write("!");
    await speaker?.atLeast(3);
    speaker?.write(data);
    for (const other of others) {
      const received = await other.atLeast(2 + data.length);
      expect(received.subarray(2).equals(data)).toBe(true);
    }
    expect(speaker?.received).toHaveLength(3);
  });
});
