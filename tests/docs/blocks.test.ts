/** Every TypeScript block of README.md and docs/ compiles, and what a page says a block prints is what it prints. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { RunCommand } from "../guest/command.js";
import { buildWith } from "../support/builds.js";
import { Peer } from "../support/peers.js";
import { ROOT, start } from "../support/processes.js";
import { Compiled } from "./compiled.js";
import { type Block, blocksIn, blocksOf, placeOf } from "./pages.js";

const blocks = blocksIn("ts");
const printing = blocksIn("ts", "js").filter(({ prints }) => prints !== undefined);
/** Programs that are for both compilers. */
const guests = blocks.filter(({ code }) => code.includes('from "wasyncore/guest"'));

const compiled = new Compiled(blocks);
let messages = "";

beforeAll(async () => {
  messages = await compiled.compile();
}, BUILD_TIMEOUT_MS);

afterAll(() => compiled.remove());

test("every block compiles", () => {
  expect(messages).toBe("");
});

test("every block of docs/node.md is a program that prints something", () => {
  const programs = blocksOf("docs/node.md").filter(({ language }) => language === "ts");
  expect(programs.length).toBeGreaterThan(5);
  expect(programs.filter(({ prints }) => prints === undefined).map(placeOf)).toEqual([]);
});

test("a mistake in a block is found, at its line of the page", async () => {
  const block: Block = {
    page: "docs/wrong.md",
    line: 20,
    language: "ts",
    code: 'new Dispatcher().recv(8192);\nnew Dispatcher().recv("8192");\n',
    heading: "",
    given: "",
    prints: undefined,
  };
  const wrong = new Compiled([block]);
  try {
    expect(await wrong.compile()).toMatch(/^docs\/wrong\/line-20\.ts\(21,23\): error TS2345/);
  } finally {
    wrong.remove();
  }
});

describe("what a page says that a block prints, it prints", () => {
  test.for(printing.map((block) => ({ place: placeOf(block), block })))("$place", async ({ block }) => {
    let program = compiled.program(block);
    if (block.language === "js") {
      program = join(compiled.directory, `line-${block.line}.mjs`);
      writeFileSync(program, block.code);
    }
    expect(await start(process.execPath, [program]).ended).toMatchObject({
      code: 0,
      stdout: block.prints,
      stderr: "",
    });
  });
});

describe("a program for guests is built into a module", () => {
  test.for(guests.map((block) => ({ place: placeOf(block), block })))(
    "$place",
    { timeout: BUILD_TIMEOUT_MS },
    async ({ block }) => {
      const out = join(compiled.directory, "guest.wasm");
      expect(await buildWith(compiled.source(block), out)).toEqual({ status: 0, stderr: "" });
    },
  );
});

test(
  "the first program of docs/portable.md echoes on Node and as a module",
  { timeout: BUILD_TIMEOUT_MS },
  async () => {
    const block = guests.find(({ code }) => code.startsWith("// echo-guest.ts"));
    if (block === undefined) throw new Error("there is no echo-guest.ts");
    const run = 'LISTEN=127.0.0.1:0 exec "$0" "$@" 2>&1';
    const onNode = start("sh", ["-c", run, process.execPath, compiled.program(block)]);
    const [, port] = await onNode.line(/^listening on 127\.0\.0\.1:(\d+)$/);

    const main = join(ROOT, "dist/cli/main.js");
    const module = join(compiled.directory, "echo-guest.wasm");
    const built = await start(process.execPath, [main, "build", compiled.source(block), "-o", module]).ended;
    expect(built).toMatchObject({ code: 0, stderr: "" });
    const asModule = new RunCommand([module, "--listen", "127.0.0.1:0"], ROOT);

    for (const each of [Number(port), await asModule.port()]) {
      const peer = await Peer.connect(each);
      peer.write("hello");
      expect(String(await peer.atLeast(5))).toBe("hello");
    }
  },
);
