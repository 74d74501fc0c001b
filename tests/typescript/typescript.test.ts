/** Programs in TypeScript, built as components, run on wasmtime as they run on Node. */

import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { build } from "esbuild";
import { beforeAll, describe, expect, test } from "vitest";
import { Peer } from "../support/peers.js";
import { ROOT } from "../support/processes.js";
import { pattern } from "../support/sockets.js";
import { buildProgram, buildTypescript, LTS, missing, NEWEST, POLICY, run, serve } from "./support.js";

const BUILD_LIMIT_MS = 120_000;
/** A runtime without a cache compiles the component first, for seconds. */
const START_LIMIT_MS = 60_000;
const SIZE_MAX = 2_200_000;
const PROGRAMS = "tests/typescript/programs";
/** More than the host takes in one call. */
const BYTES = 1_000_000;

/** What a program prints on Node. */
async function printedOnNode(entry: string, name: string): Promise<string> {
  const outfile = join(ROOT, `build/typescript/${name}.mjs`);
  const common = { bundle: true, platform: "node", format: "esm", packages: "external" } as const;
  await build({
    ...common,
    entryPoints: [entry],
    absWorkingDir: ROOT,
    sourcemap: "inline",
    outfile,
    logLevel: "error",
  });
  return spawnSync(process.execPath, ["--enable-source-maps", outfile], { encoding: "utf8", cwd: ROOT }).stdout;
}

test("an import of a module that a component cannot have is an error that names it", async () => {
  const { status, stderr } = await buildTypescript(`${PROGRAMS}/listens-by-http.ts`, "none");
  expect(stderr).toContain("node:http is not there in a component made of TypeScript");
  expect(stderr).toContain("listens-by-http.ts:3");
  expect(status).toBe(1);
});

test("options of other profiles are refused", async () => {
  const { status, stderr } = await buildTypescript("examples/echo-server.ts", "none", "--reactor");
  expect(stderr).toContain("--reactor is for other profiles than typescript");
  expect(status).toBe(2);
});

describe.skipIf(missing !== "")("a program in TypeScript", { timeout: START_LIMIT_MS }, () => {
  const built = { echo: "", exits: "", language: "", rejected: "" };

  beforeAll(async () => {
    built.echo = await buildProgram("examples/echo-server.ts", "echo");
    built.language = await buildProgram(`${PROGRAMS}/language.ts`, "language", "--minify");
    built.exits = await buildProgram(`${PROGRAMS}/exits.ts`, "exits");
    built.rejected = await buildProgram(`${PROGRAMS}/rejected.ts`, "rejected");
  }, BUILD_LIMIT_MS);

  test("is a component of a stated size", () => {
    expect(statSync(built.echo).size).toBeLessThan(SIZE_MAX);
  });

  test.each([NEWEST, LTS, POLICY].filter((each) => each.missing === ""))("serves on $name, unchanged", async (host) => {
    const { program, port } = await serve(built.echo, undefined, host);
    const sent = pattern(BYTES);
    const peer = await Peer.connect(port);
    const other = await Peer.connect(port);
    peer.socket.end(sent);
    expect((await peer.toEnd()).equals(sent)).toBe(true);
    other.write("still there");
    expect(String(await other.atLeast("still there".length))).toBe("still there");
    expect(program.child.exitCode).toBeNull();
  });

  test("goes on after a connection that is reset", async () => {
    const { port } = await serve(built.echo);
    const peer = await Peer.connect(port);
    peer.write("a");
    await peer.atLeast(1);
    peer.socket.resetAndDestroy();
    const next = await Peer.connect(port);
    next.write("b");
    expect(String(await next.atLeast(1))).toBe("b");
  });

  test("has the language, its promises and timers, and positions of its own files", async () => {
    const [expected, { stdout, stderr, code }] = await Promise.all([
      printedOnNode(`${PROGRAMS}/language.ts`, "language"),
      run(built.language).ended,
    ]);
    expect(stderr).toBe("");
    expect(stdout).toBe(expected);
    expect(code).toBe(0);
  });

  test("ends with status 1 when nobody handles a rejection, and says where it came from", async () => {
    const { stdout, stderr, code } = await run(built.rejected).ended;
    expect(stderr).toContain("RangeError: nobody handles this");
    expect(stderr).toMatch(/at .*tests\/typescript\/programs\/rejected\.ts:5:\d+$/m);
    expect(stdout).toBe("");
    expect(code).toBe(1);
  });

  test("ends by process.exit in a handler of an uncaught exception, when what it has sent is on its way", async () => {
    const server = createServer({ pauseOnConnect: true });
    try {
      await once(server.listen(0, "127.0.0.1"), "listening");
      const connected = once(server, "connection") as Promise<[Socket]>;
      const program = run(built.exits, [String((server.address() as AddressInfo).port)]);
      const [[peer], [, sent]] = await Promise.all([connected, program.line(/^sent (\d+), exit 0$/)]);
      let received = 0;
      peer.on("data", (data: Buffer) => (received += data.length));
      await once(peer.resume(), "end");
      const { stdout, stderr, code } = await program.ended;
      expect(received).toBe(Number(sent));
      expect(stdout).toContain("nobody else handles this");
      expect([stderr, code]).toEqual(["", 0]);
    } finally {
      server.close();
    }
  });

  test("says what is wrong with its options, and ends with status 1", async () => {
    const { stderr, code } = await run(built.echo, ["--port", "x"]).ended;
    expect(stderr).toBe('echo-server: --port must be a whole number from 0 to 65535, got "x"\n');
    expect(code).toBe(1);
  });
});
