/** The shell commands that README.md and docs/ show: scripts, files and options of this package exist. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { requireBuild, ROOT, start } from "../support/processes.js";
import { blocksIn, PAGES, placeOf } from "./pages.js";

/** npm's own. */
const NPM_COMMANDS = new Set(["ci", "install", "init", "run"]);
const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> };

interface Command {
  readonly place: string;
  readonly words: readonly string[];
}

/** Each command of the sh blocks: what a comment says, and what a shell does with several of them, is left out. */
const commands: Command[] = blocksIn("sh").flatMap((block) =>
  block.code
    .replaceAll("\\\n", " ")
    .split("\n")
    .flatMap((line) => line.replace(/(^|\s)#.*$/, "").split(/&&|[;|&]/))
    .map((command) => command.trim().split(/\s+/))
    .filter(([first]) => first !== undefined && first !== "")
    .map((words) => ({ place: placeOf(block), words: words[0] === "npx" ? words.slice(1) : words })),
);

function commandsOf(program: string): { name: string; place: string; words: readonly string[] }[] {
  return commands
    .filter(({ words }) => words[0] === program)
    .map((command) => ({ ...command, name: `${command.place}: ${command.words.join(" ")}` }));
}

/** "--listen", "-o": the options before "--". */
function optionsOf(words: readonly string[]): string[] {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end))
    .filter((word) => /^--?[a-z]/.test(word))
    .map((word) => word.replace(/=.*$/, ""));
}

/** What of `options` the help of a program does not have. */
async function unknown(options: readonly string[], program: string, ...parameters: string[]): Promise<string[]> {
  const { code, stdout } = await start(process.execPath, [program, ...parameters, "--help"]).ended;
  expect(code).toBe(0);
  return options.filter((option) => !new RegExp(`(?<![\\w-])${option}(?![\\w-])`).test(stdout));
}

describe("npm", () => {
  test.for(commandsOf("npm"))("$name", ({ words: [, command = "", script = ""] }) => {
    if (command === "run") expect(Object.keys(scripts)).toContain(script);
    else expect([...NPM_COMMANDS, ...Object.keys(scripts)]).toContain(command);
  });
});

describe("wasyncore", () => {
  test.for(commandsOf("wasyncore"))("$name", async ({ words }) => {
    const [, command = "", ...rest] = words;
    requireBuild("dist/cli/main.js");
    expect(await unknown(optionsOf(rest), "dist/cli/main.js", command)).toEqual([]);
  });
});

describe("node", () => {
  test.for(commandsOf("node"))("$name", async ({ words: [, program = "", ...rest] }) => {
    // A program that the page itself shows, compiled.
    const source = program.replace(/^build\//, "").replace(/\.js$/, ".ts");
    if (PAGES.some((page) => readFileSync(join(ROOT, page), "utf8").includes(`// ${source}`))) return;
    expect(existsSync(join(ROOT, program)), program).toBe(true);
    const options = optionsOf(rest);
    if (options.length > 0) expect(await unknown(options, program)).toEqual([]);
  });
});

describe("npm run bench", () => {
  test.for(commandsOf("npm").filter(({ words }) => words[2] === "bench"))("$name", async ({ words }) => {
    expect(await unknown(optionsOf(words.slice(4)), "bench/run.mjs")).toEqual([]);
  });
});

describe("files", () => {
  const shown = commands.flatMap(({ place, words }) =>
    words
      .filter((word) => /^(?:scripts|tests|examples|bench)\//.test(word) || word === ".ci/run")
      .map((path) => ({ place, path })),
  );

  test.for(shown)("$place: $path", ({ path }) => {
    expect(existsSync(join(ROOT, path))).toBe(true);
  });
});
