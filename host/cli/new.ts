/** Owns `wasyncore new`: makes the directory of a starting project. Leaves what is in it to new-templates. */

import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type ProjectPackages, projectFiles } from "./new-templates.js";
import { typescriptFiles } from "./new-typescript.js";
import { optionTrouble } from "./option-trouble.js";
import { isOfSystem, writeTrouble } from "./run-troubles.js";

const USAGE = `Usage: wasyncore new DIR [--template assemblyscript|typescript]

Makes a project in DIR, which must be empty or not there: a small server, for WASI and for Node.

Options:
  --template TEMPLATE  assemblyscript (default): an echo server, compiled by asc, small and fast;
                       typescript: a server of lines in all of TypeScript, as a component of WASI 0.2.
                       Its "npm start" needs wasmtime
`;

const TEMPLATES = ["assemblyscript", "typescript"] as const;

type Template = (typeof TEMPLATES)[number];

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** Runs `wasyncore new` with the arguments that follow it. @returns the exit status */
export async function newCommand(argv: string[]): Promise<number> {
  let directory: string;
  let template: Template | undefined;
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      options: { help: { type: "boolean", short: "h" }, template: { type: "string", default: "assemblyscript" } },
      allowPositionals: true,
    });
    if (values.help === true) {
      process.stdout.write(USAGE);
      return 0;
    }
    directory = positionals[0] ?? "";
    if (positionals.length !== 1 || directory === "") throw new Error("it takes one directory");
    template = TEMPLATES.find((each) => each === values.template);
    if (template === undefined) throw new Error(`--template ${values.template}: there are ${TEMPLATES.join(", ")}`);
  } catch (error) {
    return complain(`${optionTrouble(error)}\nTry "wasyncore new --help".`, EXIT_USAGE);
  }
  try {
    make(directory, template);
  } catch (error) {
    const trouble = isOfSystem(error)
      ? `cannot make ${error.path ?? directory}: ${writeTrouble(error.code)}`
      : undefined;
    return complain(trouble ?? (error as Error).message, EXIT_FAILED);
  }
  process.stdout.write(
    `${directory} is made. Go on with:\n  cd ${directory}\n  npm install\n  npm run build\n  npm start\n`,
  );
  return 0;
}

function make(directory: string, template: Template): void {
  const path = resolve(directory);
  const directories: string[] = [];
  const files: string[] = [];
  try {
    makeDirectory(path, directories);
    if (readdirSync(path).length > 0) throw new Error(`${directory} is not empty`);
    const filesOf = template === "typescript" ? typescriptFiles : projectFiles;
    for (const [name, text] of filesOf(packageName(basename(path)), projectPackages())) {
      const file = join(path, name);
      closeSync(openSync(file, "wx"));
      files.push(file);
      writeFileSync(file, text);
    }
  } catch (error) {
    for (const file of files) rmSync(file, { force: true });
    for (const made of directories.toReversed()) rmdirSync(made);
    throw error;
  }
}

/** With those that it is in; adds what it has made to `made`. Not by the option `recursive`, with which Node tries for ever where a file system takes none. */
function makeDirectory(path: string, made: string[]): void {
  const parent = dirname(path);
  if (parent !== path) makeDirectory(parent, made);
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) {
    mkdirSync(path);
    made.push(path);
  } else if (!status.isDirectory()) throw new Error(`${path} is a file`);
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
  const {
    "@types/node": node,
    assemblyscript,
    "componentize-qjs": componentizer,
    esbuild,
    typescript,
  } = devDependencies;
  return {
    "@types/node": node,
    assemblyscript,
    "componentize-qjs": componentizer,
    esbuild,
    typescript,
    wasyncore: `^${version}`,
  };
}

function complain(message: string, status: number): number {
  process.stderr.write(`wasyncore new: ${message}\n`);
  return status;
}
