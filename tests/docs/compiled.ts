/**
 * Owns the TypeScript of the pages as tsc has compiled it, against the built package. Knows nothing of what it does.
 *
 * Each block is a module of its own, with the names of "wasyncore" that it uses where it does not import them itself. Its
 * lines have the numbers that they have in the page.
 */

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { STRICT_PROGRAM } from "../support/compiler-options.js";
import { requireBuild, ROOT } from "../support/processes.js";
import type { Block } from "./pages.js";

const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

const COMPILER_OPTIONS = {
  ...STRICT_PROGRAM,
  outDir: "js",
  rootDir: ".",
  paths: {
    wasyncore: [join(ROOT, "dist/index.d.ts")],
    "wasyncore/guest-replay": [join(ROOT, "dist/guest/record/index.d.ts")],
    "wasyncore/plugin": [join(ROOT, "dist/plugin/index.d.ts")],
    "wasyncore/guest": [join(ROOT, "dist/portable/index.d.ts")],
    "wasyncore/sim": [join(ROOT, "dist/sim/index.d.ts")],
    "wasyncore/testing": [join(ROOT, "dist/testing/index.d.ts")],
  },
};

export class Compiled {
  readonly #blocks: readonly Block[];
  #directory = "";

  constructor(blocks: readonly Block[]) {
    this.#blocks = blocks;
  }

  /** Where the sources and the programs are, inside of the checkout, so that "wasyncore" is the checkout's. */
  get directory(): string {
    if (this.#directory === "") throw new Error("compile() comes first");
    return this.#directory;
  }

  /** Compiles all blocks. @returns the compiler's messages; "" if there are none */
  async compile(): Promise<string> {
    requireBuild("dist/index.js");
    this.#directory = mkdtempSync(join(ROOT, "build/docs-"));
    const names = publicNames();
    for (const block of this.#blocks) this.#write(block, names);
    const config = { compilerOptions: COMPILER_OPTIONS, include: ["**/*.ts"], exclude: ["js"] };
    writeFileSync(join(this.directory, "tsconfig.json"), JSON.stringify(config));
    try {
      await promisify(execFile)(process.execPath, [TSC, "-p", this.directory, "--pretty", "false"], {
        cwd: this.directory,
      });
      return "";
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string };
      return stdout + stderr;
    }
  }

  /** The source of a block. */
  source(block: Block): string {
    return join(this.directory, fileOf(block));
  }

  /** The program that the compiler has made of a block. */
  program(block: Block): string {
    return join(this.directory, "js", fileOf(block).replace(/\.ts$/, ".js"));
  }

  remove(): void {
    if (this.#directory !== "") rmSync(this.#directory, { recursive: true, force: true });
  }

  #write(block: Block, names: readonly string[]): void {
    const path = this.source(block);
    mkdirSync(dirname(path), { recursive: true });
    const preamble = path.endsWith(".d.ts") ? "" : `${importsOf(block, names)} ${block.given.replaceAll("\n", " ")}`;
    // The preamble is on the line of the fence, after as many empty lines as the page has lines before it.
    writeFileSync(path, "\n".repeat(block.line - 2) + preamble + "\n" + block.code);
  }
}

/** Imports what a block uses of the package, unless it does so itself. */
function importsOf({ code, given }: Block, names: readonly string[]): string {
  if ((given + code).includes('from "wasyncore"')) return "export {};";
  const used = names.filter((name) => new RegExp(`\\b${name}\\b`).test(given + code));
  return `import { ${used.join(", ")} } from "wasyncore";`;
}

/** "turn/waker.ts" for a block that has a name, "turn/line-180.ts" for another. */
function fileOf({ page, line, code }: Block): string {
  const [, name = `line-${line}.ts`] = /^\/\/ ([\w-]+(?:\.d)?\.ts)\b/.exec(code) ?? [];
  return join(page.replace(/\.md$/, ""), name);
}

/** What the package exports, types included. */
function publicNames(): string[] {
  const declarations = readFileSync(join(ROOT, "dist/index.d.ts"), "utf8");
  return [...declarations.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list = ""]) =>
    list
      .split(",")
      .map((each) => each.trim().replace(/^type /, ""))
      .filter((each) => each !== ""),
  );
}
