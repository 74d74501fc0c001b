/**
 * Owns the comparison of a guest's handlers with the same handlers on Node: what they are told, in which order, is the
 * same on every runtime. Everything is driven from outside, a step at a time.
 */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { Peer } from "../support/peers.js";
import { requireBuild, ROOT } from "../support/processes.js";
import { pattern } from "../support/sockets.js";
import * as typescript from "../typescript/support.js";
import { ALL_RUNTIMES, buildForAll } from "./component.js";
import { Program, type Runtime, serve, serveGuest, type Server } from "./support.js";

const BUILD_LIMIT_MS = 120_000;
const BUILT = join(ROOT, "build", "runtimes");
let traceGuest: (runtime: Runtime) => string;
let stdioGuest: (runtime: Runtime) => string;

beforeAll(async () => {
  [traceGuest] = await Promise.all([buildForAll("tests/runtimes/trace-guest.ts", "trace"), compileForNode()]);
  stdioGuest = await buildForAll("tests/runtimes/stdio-guest.ts", "stdio");
}, BUILD_LIMIT_MS);

async function compileForNode(): Promise<void> {
  requireBuild("dist/index.js");
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const child = spawn(process.execPath, [tsc, "-p", "tests/runtimes/tsconfig.json"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(stdout);
}

/** What runs the handlers: the two loops on Node and in a component of TypeScript, and the runtimes. */
interface Host {
  readonly name: string;
  readonly missing: string;
  /** What it needs besides the guests of the runtimes. */
  build?(): Promise<void>;
  serve(): Promise<Server>;
  stdio(): Program;
}

const onNode = (how: "loop" | "loopSync"): Host => ({
  name: `Node, ${how}`,
  missing: "",
  serve: () => serve((port) => [process.execPath, join(BUILT, "trace-node.js"), how, String(port)]),
  stdio: () => new Program([process.execPath, join(BUILT, "stdio-guest.js")]),
});

/** Components that run the handlers as TypeScript. */
const programs = { trace: "", stdio: "" };

async function buildPrograms(): Promise<void> {
  programs.trace = await typescript.buildProgram("tests/runtimes/trace-node.ts", "trace");
  programs.stdio = await typescript.buildProgram("tests/runtimes/stdio-guest.ts", "stdio");
}

const inTypescript = (how: "loop" | "loopSync"): Host => ({
  name: `${typescript.NEWEST.name}, TypeScript, ${how}`,
  missing: typescript.missing,
  serve: () => serve((port) => typescript.NEWEST.command(programs.trace, [how, String(port)])),
  stdio: () => new Program(typescript.NEWEST.command(programs.stdio, [])),
});

const HOSTS: readonly Host[] = [
  onNode("loop"),
  onNode("loopSync"),
  { ...inTypescript("loop"), build: buildPrograms },
  inTypescript("loopSync"),
  ...ALL_RUNTIMES.map((runtime): Host => ({
    name: runtime.name,
    missing: runtime.missing,
    serve: () => serveGuest(runtime, traceGuest(runtime)),
    stdio: () => new Program(runtime.command(stdioGuest(runtime))),
  })),
];

/** What asked whether it listens was the first connection, an echo. */
const FIRST = ["1 accepted", "1 eof", "1 close"];

/** Starts the handlers. @returns connections 2, a chat, and 3, an echo */
async function begin(host: Host): Promise<{ program: Program; port: number; chat: Peer; echo: Peer }> {
  const { program, port } = await host.serve();
  await program.line("1 close");
  const chat = await Peer.connect(port);
  await program.line("2 accepted");
  const echo = await Peer.connect(port);
  await program.line("3 accepted");
  return { program, port, chat, echo };
}

/** What the handlers were told; a guest that opens its socket itself says first where it listens. */
function traceOf(program: Program): string[] {
  return program.lines.filter((line) => !line.startsWith("listening on "));
}

/** Sends a text, and waits until `answer` has come. */
async function say(peer: Peer, text: string, answer: string): Promise<void> {
  const from = peer.received.length;
  peer.write(text);
  expect((await peer.atLeast(from + answer.length)).subarray(from).toString()).toBe(answer);
}

describe.each(HOSTS)("on $name", (host) => {
  describe.skipIf(host.missing !== "")("the trace is that of the scenario", () => {
    if (host.build !== undefined) beforeAll(host.build, BUILD_LIMIT_MS);

    test("every terminator, cut at every byte", async () => {
      const { program, chat, echo } = await begin(host);
      const trace = ["2 accepted"];
      for (const [command, message, text] of [
        ["", "line\r\n", "line"],
        ["count", "1234567", "1234567"],
        ["until", "a ENd ENEND", "a ENd EN"],
      ] as const) {
        for (let cut = 0; cut < message.length; cut++) {
          if (command !== "") {
            chat.write(`${command}\r\n`);
            trace.push(`2 found ${command}`);
          }
          chat.write(message.slice(0, cut));
          // The chat is the older channel. A turn may have looked at it too early; when the second echo is back, a whole
          // turn has begun and ended after the chat was sent to.
          await say(echo, "once", "once");
          await say(echo, "twice", "twice");
          await say(chat, message.slice(cut), `${text}\n`);
          trace.push(`2 found ${text}`);
        }
      }
      // What it is sent and what it tells come by two ways: the end of the one does not say that all of the other is there.
      chat.socket.end();
      await program.line("2 close");
      expect(traceOf(program).filter((line) => line.startsWith("2 "))).toEqual([...trace, "2 eof", "2 close"]);
    });

    test("a peer that ends its half", async () => {
      const { program, chat, echo } = await begin(host);
      chat.socket.end("unfinished");
      await program.line("2 close");
      echo.socket.end("the last");
      await program.line("3 close");
      expect([await chat.toEnd(), await echo.toEnd()].map(String)).toEqual(["", "the last"]);
      const ends = ["2 eof", "2 close", "3 read the last", "3 eof", "3 close"];
      expect(traceOf(program)).toEqual([...FIRST, "2 accepted", "3 accepted", ...ends]);
    });

    test("a channel that closes itself", async () => {
      const { program, chat } = await begin(host);
      chat.write("bye\r\nread already\r\n");
      expect((await chat.toEnd()).toString()).toBe("bye\n");
      await program.line("2 close");
      expect(traceOf(program)).toEqual([
        ...FIRST,
        "2 accepted",
        "3 accepted",
        "2 found bye",
        "2 found read already",
        "2 close",
      ]);
    });

    test("a connection that is reset", async () => {
      const { program, chat, echo } = await begin(host);
      await say(chat, "line\r\n", "line\n");
      chat.socket.resetAndDestroy();
      await program.line("2 close");
      echo.socket.resetAndDestroy();
      await program.line("3 close");
      expect(traceOf(program)).toEqual([...FIRST, "2 accepted", "3 accepted", "2 found line", "2 close", "3 close"]);
    });

    test("timers", async () => {
      const { program, chat } = await begin(host);
      chat.write("timers\r\n");
      await program.line("timer last");
      const timers = ["first", "second", "third", "round 1", "round 2", "last"].map((name) => `timer ${name}`);
      expect(traceOf(program)).toEqual([...FIRST, "2 accepted", "3 accepted", "2 found timers", ...timers]);
    });

    test("standard input and output", async () => {
      const program = host.stdio();
      const data = Buffer.from(pattern(500_000));
      program.child.stdin.end(data);
      const { code, stdout, stderr } = await program.ended;
      expect(stderr).toBe("end of input\nall is written\n");
      expect(Buffer.compare(Buffer.from(stdout, "latin1"), data)).toBe(0);
      expect(code).toBe(0);
    });
  });
});
