/** Owns `wasyncore new`: makes the directory of a starting project. Leaves what is in it to new-templates. */

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type ProjectPackages, projectFiles } from "./new-templates.js";

const USAGE = `Usage: wasyncore new DIR

Makes a project in DIR, which must be empty or not there: an echo server, for WASI and for Node.
`;

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs `wasyncore new` with the arguments that follow it. @returns the exit status */
export async function newCommand(argv: string[]): Promise<number> {
  let directory: string;
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      options: { help: { type: "boolean", short: "h" } },
      allowPositionals: true,
    });
    if (values.help === true) {
      process.stdout.write(USAGE);
      return 0;
    }
    if (positionals.length !== 1) throw new Error("it takes one directory");
    directory = positionals[0] ?? "";
  } catch (error) {
    return complain(`${(error as Error).message}\nTry "wasyncore new --help".`, EXIT_USAGE);
  }
  try {
    make(directory);
  } catch (error) {
    return complain((error as Error).message, EXIT_FAILED);
  }
  process.stdout.write(
    `${directory} is made. Go on with:\n  cd ${directory}\n  npm install\n  npm run build\n  npm start\n`,
  );
  return 0;
}

function make(directory: string): void {
  const path = resolve(directory);
  mkdirSync(path, { recursive: true });
  if (readdirSync(path).length > 0) throw new Error(`${directory} is not empty`);
  for (const [name, text] of projectFiles(packageName(basename(path)), projectPackages())) {
    writeFileSync(join(path, name), text, { flag: "wx" });
  }
}

/** A name that npm takes. */
function packageName(name: string): string {
  const allowed = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9._~-]+/g, "-")
    .replace(/^[._-]+/, "");
  return allowed === "" ? "server" : allowed;
}

/** This package, and those that it is itself tested with. */
function projectPackages(): ProjectPackages {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  const { version, devDependencies } = JSON.parse(text) as {
    version: string;
    devDependencies: Omit<ProjectPackages, "wasyncore">;
  };
  const { "@types/node": node, assemblyscript, typescript } = devDependencies;
  return { "@types/node": node, assemblyscript, typescript, wasyncore: `^${version}` };
}

function complain(message: string, status: number): number {
  process.stderr.write(`wasyncore new: ${message}\n`);
  return status;
}
