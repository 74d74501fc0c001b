/** docs/node.md: each program compiles, and prints what the page says. */

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireBuild, ROOT, start } from "../support/processes.js";

const PROGRAM = /^```ts\n([^]*?)^```\n\nIt prints[^\n]*:\n\n```text\n([^]*?)^```$/gm;
const page = readFileSync(join(ROOT, "docs/node.md"), "utf8");
const programs = Array.from(page.matchAll(PROGRAM), ([, source = "", prints = ""], index) => ({
  name: `${index + 1}: ${/^import .* from "wasyncore";$/m.exec(source)?.[0] ?? ""}`,
  file: `program-${index + 1}`,
  source,
  prints,
}));

let directory = "";

beforeAll(() => {
  requireBuild("dist/index.js");
  // Inside of the checkout, so that "wasyncore" is the checkout's.
  mkdirSync(join(ROOT, "build"), { recursive: true });
  directory = mkdtempSync(join(ROOT, "build/node-page-"));
  for (const { file, source } of programs) writeFileSync(join(directory, `${file}.ts`), source);
  const compilerOptions = {
    target: "ES2022",
    lib: ["ES2023", "ESNext.Disposable"],
    module: "NodeNext",
    strict: true,
    noImplicitOverride: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    types: ["node"],
    outDir: "js",
    rootDir: ".",
    paths: { wasyncore: [join(ROOT, "dist/index.d.ts")] },
  };
  writeFileSync(join(directory, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["*.ts"] }));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("every TypeScript block is a program that prints something", () => {
  expect(programs.length).toBeGreaterThan(5);
  expect(page.match(/^```ts$/gm)).toHaveLength(programs.length);
});

test("they compile", { timeout: 120_000 }, async () => {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const compiling = promisify(execFile)(process.execPath, [tsc, "-p", directory, "--pretty", "false"]);
  expect(await compiling.catch((error: { stdout: string }) => error)).toMatchObject({ stdout: "" });
});

describe("they print what the page says", () => {
  test.each(programs)("$name", async ({ file, prints }) => {
    const { code, stdout, stderr } = await start(process.execPath, [join(directory, "js", `${file}.js`)]).ended;
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: prints, stderr: "" });
  });
});
