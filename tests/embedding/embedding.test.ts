/** The programs of docs/embedding.md: each is built and serves, a command to its end and a guest turn by turn. */

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { build, BUILD_TIMEOUT_MS, EMBEDDINGS, hasTool, Program } from "./programs.js";
import { wat } from "../guest/modules.js";
import { buildInto } from "../support/builds.js";
import { leaveOut, leaveOutSlow } from "../support/missing.js";
import { Peer } from "../support/peers.js";
import { requireBuild, ROOT } from "../support/processes.js";

const FOLDER = "examples/embedding";
/** Made by the tools, and not to be read. */
const GENERATED = /(^|\/)(Cargo\.lock|go\.sum)$/;
/** More than any test here takes. A loop that spins takes so many in some milliseconds. */
const TURNS_MAX = 1000;

const EXITING = `(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const 7)) unreachable))`;

const directory = mkdtempSync(join(tmpdir(), "embedding-"));
const command = join(directory, "echo.wasm");
const reactor = join(directory, "guest.wasm");
const exiting = join(directory, "exiting.wasm");

beforeAll(async () => {
  requireBuild("build/examples/embedding/node/embed.js");
  writeFileSync(exiting, wat(EXITING));
  await buildInto("examples/portable/echo-guest.ts", command);
  await buildInto(`${FOLDER}/guest.ts`, reactor, "--reactor");
}, 120_000);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("the documentation shows each file unchanged", () => {
  const shown = new Map<string, string>();
  const text = readFileSync(join(ROOT, "docs/embedding.md"), "utf8");
  for (const [, path = "", source = ""] of text.matchAll(
    /^`(examples\/embedding\/[^`]+)`:\n\n```\w+\n([^]*?)^```$/gm,
  )) {
    shown.set(path, source);
  }
  const files = readdirSync(join(ROOT, FOLDER), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !GENERATED.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name).slice(ROOT.length));
  expect([...shown.keys()].toSorted()).toEqual(files.toSorted());
  expect(Object.fromEntries(shown)).toEqual(
    Object.fromEntries(files.map((path) => [path, readFileSync(join(ROOT, path), "utf8")])),
  );
});

const there = await Promise.all(EMBEDDINGS.map(hasTool));

describe.each(EMBEDDINGS.map((embedding, index) => ({ embedding, isThere: there[index] === true })))(
  "$embedding.name",
  ({ embedding, isThere }) => {
    const tests = `The tests of embedding with ${embedding.name}`;
    const missing =
      (embedding.builds.length > 0 ? leaveOutSlow(tests, "they build its runtime, which takes minutes") : "") ||
      leaveOut(tests, isThere ? "" : `to run them, ${embedding.advice}`);

    describe.skipIf(missing !== "")("built from its folder", () => {
      beforeAll(() => build(embedding), BUILD_TIMEOUT_MS);

      function start(module: string): Program {
        return new Program([...embedding.command(module === reactor), module, "127.0.0.1:0"]);
      }

      test("a command serves many connections at once, to the last byte after a half-close", async () => {
        const port = await start(command).port();
        const sent = Array.from({ length: 20 }, (_, index) => Buffer.alloc(200_000 + index, `connection ${index} `));
        const received = await Promise.all(
          sent.map(async (data) => {
            const peer = await Peer.connect(port);
            peer.socket.end(data);
            return peer.toEnd();
          }),
        );
        expect(received.map((each, index) => each.equals(sent[index] ?? Buffer.alloc(0)))).toEqual(
          sent.map(() => true),
        );
      });

      test("the exit status is the guest's", async () => {
        expect(await start(exiting).ended).toBe(7);
      });

      test("a guest takes turns, and its host hears of its own input meanwhile", async () => {
        const program = start(reactor);
        const port = await program.port();
        const peers = await Promise.all(Array.from({ length: 20 }, () => Peer.connect(port)));
        const lines = peers.map((_, index) => Buffer.from(`${index} ${"x".repeat(index * 1000)}\n`));
        for (const [index, peer] of peers.entries()) peer.write(lines[index] ?? "");
        for (const [index, peer] of peers.entries()) {
          expect(await peer.atLeast(lines[index]?.length ?? 0)).toEqual(lines[index]);
          expect(await program.ask()).toBeLessThan(TURNS_MAX);
        }
      });

      test("a guest's timer fires, its host does not spin until then, and the end of input ends the program", async () => {
        const program = start(reactor);
        const peer = await Peer.connect(await program.port());
        peer.write("hello\n");
        await peer.atLeast(6);
        const before = await program.ask();
        expect(await peer.toEnd()).toEqual(Buffer.from("hello\n"));
        expect(await program.line()).toBe("error: <LineHandler connected> was idle for 1000 ms, closing channel");
        expect((await program.ask()) - before).toBeLessThan(TURNS_MAX);
        program.child.stdin.end();
        expect(await program.ended).toBe(0);
      });

      test("a peer that is reset hurts nobody else", async () => {
        const port = await start(reactor).port();
        const gone = await Peer.connect(port);
        const other = await Peer.connect(port);
        gone.write("one\n");
        await gone.atLeast(4);
        gone.socket.resetAndDestroy();
        other.write("two\n");
        expect(await other.atLeast(4)).toEqual(Buffer.from("two\n"));
      });
    });
  },
);
