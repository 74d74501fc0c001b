/** `wasyncore new --template typescript` makes a project whose server builds, and serves on wasmtime. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { serve } from "../runtimes/support.js";
import { Peer } from "../support/peers.js";
import { requireBuild, ROOT } from "../support/processes.js";
import { buildProgram, missing, NEWEST } from "./support.js";

const MAIN = join(ROOT, "dist/cli/main.js");
const LIMIT_MS = 180_000;

function newProject(...parameters: readonly string[]): string {
  requireBuild("dist/cli/main.js");
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-new-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  execFileSync(process.execPath, [MAIN, "new", directory, ...parameters], { stdio: "pipe" });
  return directory;
}

test("names the tools of its template", () => {
  const manifest = JSON.parse(readFileSync(join(newProject("--template", "typescript"), "package.json"), "utf8")) as {
    readonly devDependencies: object;
  };
  expect(Object.keys(manifest.devDependencies)).toEqual([
    "@types/node",
    "componentize-qjs",
    "esbuild",
    "typescript",
    "wasyncore",
  ]);
});

test("refuses a template that is not there", () => {
  expect(() => newProject("--template", "cobol")).toThrow("--template cobol: there are assemblyscript, typescript");
});

test.skipIf(missing !== "")(
  "its server answers by an async callback",
  async () => {
    const entry = join(newProject("--template", "typescript"), "server.ts");
    const component = await buildProgram(entry, "new");
    const { port } = await serve((free) => [
      NEWEST.path,
      "run",
      "-S",
      "inherit-network",
      "--env",
      `LISTEN=127.0.0.1:${free}`,
      component,
    ]);
    const peer = await Peer.connect(port);
    peer.write("three words, really\nnone: \n");
    expect(String(await peer.atLeast(4))).toBe("3\n1\n");
  },
  LIMIT_MS,
);
