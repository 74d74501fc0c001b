#!/usr/bin/env node
/** Owns the `wasyncore` command: which of its commands is meant. Leaves everything else to them, and loads only that one. */

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { optionTrouble } from "./option-trouble.js";
import { leaveLostTerminal, reportLostOutput } from "./output.js";

const USAGE = `Usage: wasyncore COMMAND [options]

Commands:
  new DIR         makes a project: a small server that builds and runs
  build APP.TS    compiles a program into one WASI module or component
  run APP.WASM    runs a WASI module on Node
  serve FILE      runs the plugins that a file names, each under a policy
  ctl COMMAND     lists, stops, restarts and replaces plugins of "wasyncore serve"
  view RUN.WREC   makes a page that shows a recording
  replay RUN.WREC runs a program on what was recorded of it
  top             shows what a running program does that serves its statistics

Options:
  --help          prints this; after a command, prints what it takes
  --version       prints the version
`;

const EXIT_USAGE = 2;

type Command = (argv: string[]) => Promise<number>;

const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["new", async () => (await import("./new.js")).newCommand],
  ["build", async () => (await import("./build.js")).buildCommand],
  ["view", async () => (await import("./view.js")).viewCommand],
  ["top", async () => (await import("./top.js")).topCommand],
  ["replay", async () => (await import("./replay.js")).replayCommand],
  ["serve", async () => (await import("./serve.js")).serveCommand],
  ["ctl", async () => (await import("./ctl.js")).ctlCommand],
  ["run", async () => (await import("./run.js")).runCommand],
]);

async function main(argv: string[]): Promise<number> {
  const [name = "", ...rest] = argv;
  const load = COMMANDS.get(name);
  if (load !== undefined) return (await load())(rest);
  if (name !== "" && !name.startsWith("-")) return complain(noSuch(name));
  try {
    const options = { help: { type: "boolean", short: "h" }, version: { type: "boolean", short: "v" } } as const;
    const { help, version } = parseArgs({ args: argv, options }).values;
    if (version === true) process.stdout.write(`${packageVersion()}\n`);
    else if (help === true) process.stdout.write(USAGE);
    else return complain("which command?");
    return 0;
  } catch (error) {
    return complain(optionTrouble(error));
  }
}

function noSuch(name: string): string {
  // docs and "replay" speak of recordings, and a program is recorded without a command.
  if (name === "record") {
    return 'record: no such command; WASYNCORE_RECORD=RUN.WREC records a program, and "wasyncore run --record RUN.WREC" a guest';
  }
  if (name === "compare") return 'compare: no such command; "wasyncore replay --compare" compares two recordings';
  return `${name}: no such command; there are ${[...COMMANDS.keys()].join(", ")}`;
}

function packageVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function complain(message: string): number {
  process.stderr.write(`wasyncore: ${message}\nTry "wasyncore --help".\n`);
  return EXIT_USAGE;
}

reportLostOutput();
leaveLostTerminal();
process.exitCode = await main(process.argv.slice(2));
