/** The portable examples: each program compiled by both compilers as it stands, and the same conversation with both. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RunCommand } from "../guest/command.js";
import { BUILD_TIMEOUT_MS, buildFile, buildGuest } from "./programs.js";
import { Peer } from "../support/peers.js";
import { ROOT, requireBuild, start } from "../support/processes.js";

const EXAMPLES = join(ROOT, "examples/portable");
const NAMES = ["echo", "chat-room", "countdown", "http-hello"];
let directory = "";

beforeAll(async () => {
  for (const name of NAMES) requireBuild(`build/examples/portable/${name}-guest.js`);
  directory = mkdtempSync(join(tmpdir(), "guest-portable-"));
  for (const name of NAMES) {
    writeFileSync(join(directory, `${name}.wasm`), await buildFile(join(EXAMPLES, `${name}-guest.ts`)));
  }
}, BUILD_TIMEOUT_MS);

afterAll(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Both programs of a name, each on a port of its own. */
async function both(name: string): Promise<number[]> {
  const script = `LISTEN=127.0.0.1:0 exec "$0" build/examples/portable/${name}-guest.js 2>&1`;
  const onNode = start("sh", ["-c", script, process.execPath]);
  const [, port] = await onNode.line(/^listening on 127\.0\.0\.1:(\d+)$/);
  const guest = new RunCommand([`${name}.wasm`, "--listen", "127.0.0.1:0"], directory);
  return [Number(port), await guest.port()];
}

/** Holds a conversation with both. @returns what each said */
async function compare(name: string, talk: (port: number) => Promise<string>): Promise<[string, string]> {
  const [node, guest] = await Promise.all((await both(name)).map((port) => talk(port)));
  return [node ?? "", guest ?? ""];
}

async function sayTo(port: number, ...pieces: string[]): Promise<string> {
  const peer = await Peer.connect(port);
  for (const piece of pieces) peer.write(piece);
  peer.socket.end();
  return String(await peer.toEnd());
}

/** Waits until a text has come. */
async function heard(peer: Peer, text: string): Promise<void> {
  while (!peer.received.includes(text)) await peer.atLeast(peer.received.length + 1);
}

test("every source is one of these programs, or the handlers of one", () => {
  const sources = readdirSync(EXAMPLES).filter((name) => name.endsWith(".ts"));
  expect(sources.toSorted()).toEqual(NAMES.flatMap((name) => [`${name}.ts`, `${name}-guest.ts`]).toSorted());
});

test("echo sends everything back on both, also to a client that has ended its side", async () => {
  const text = "0123456789".repeat(100_000);
  const [node, guest] = await compare("echo", (port) => sayTo(port, text));
  expect(node).toBe(text);
  expect(guest).toBe(text);
});

test("the chat room says the same on both", async () => {
  const [node, guest] = await compare("chat-room", async (port) => {
    const ann = await Peer.connect(port);
    const bob = await Peer.connect(port);
    ann.write("ann\n");
    await heard(ann, "Here: 0\n");
    bob.write("b");
    bob.write("ob\nhello\n");
    await heard(ann, "bob: hello\n");
    ann.write("1\n2\n\n");
    await heard(bob, "ann: \n");
    ann.write(`${"x".repeat(2000)}\n`);
    const annHeard = String(await ann.toEnd());
    await heard(bob, "ann has gone\n");
    return `${annHeard}---\n${String(bob.received)}`;
  });
  expect(guest).toBe(node);
  expect(node).toContain("That was too long.\n---\n");
});

test.each([
  ["counts down by a timer of a period", "3\n", "3\n2\n1\n0\n"],
  ["tells by a timer that fires once who says nothing", "", "You are very quiet.\n"],
  ["stops its timer when it closes", "x\n", "That is no number.\n"],
])("the countdown %s, on both", async (_what, said, expected) => {
  const heard = await compare("countdown", async (port) => {
    const peer = await Peer.connect(port);
    peer.write(said);
    return String(await peer.toEnd());
  });
  expect(heard).toEqual([expected, expected]);
});

describe("http-hello", () => {
  const requests = {
    "a page": "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "bytes, pipelined with a page": "GET /bytes/100000 HTTP/1.1\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    "a page that is not there": "GET /nothing HTTP/1.0\r\n\r\n",
    "a number that is none": "GET /bytes/x HTTP/1.0\r\n\r\n",
    "a method that is not there": "PUT / HTTP/1.1\r\n\r\n",
    "what is no request": "hello\r\n\r\n",
    "a head that is too long": `GET / HTTP/1.1\r\nX: ${"x".repeat(9000)}\r\n\r\n`,
  };
  test.each(Object.entries(requests))("answers the same on both to %s", async (_what, request) => {
    const [node, guest] = await compare("http-hello", async (port) => {
      const peer = await Peer.connect(port);
      peer.write(request);
      return String(await peer.toEnd());
    });
    expect(guest).toBe(node);
    expect(node).toMatch(/^HTTP\/1\.1 \d{3} /);
  });
});

test.each([
  ["a closure", "function f(): () => i32 { let x = 1; return () => x; } f();"],
  ["try", "try { f(); } catch (error) {} function f(): void {}"],
  ["for ... of", "for (const x of [1]) console.log(x.toString());"],
  ["?.", "const x: string | null = null; x?.length;"],
])(
  "%s is refused by the guest's compiler",
  async (_what, source) => {
    await expect(buildGuest(source)).rejects.toThrow("was not built");
  },
  BUILD_TIMEOUT_MS,
);
