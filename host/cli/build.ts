/**
 * Owns `wasyncore build`: has asc compile a program together with the library's sources, and writes the module. Leaves
 * the command line to build-options, what asc reads to guest-sources, and what is changed on the way to guest-transform
 * and name-section.
 */

import { statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { BUILD_USAGE, type BuildOptions, type Profile, componentWasi, parseBuild } from "./build-options.js";
import { ComponentError, loadComponentTools, makeComponent } from "./component.js";
import { componentTransform } from "./component-transform.js";
import { EXPORTS_PATH, sourceReader } from "./guest-sources.js";
import { type Compiler, guestTransform } from "./guest-transform.js";
import { keepOwnNames } from "./name-section.js";
import { UsageError } from "./run-options.js";
import { fileTrouble, isOfSystem, writeTrouble } from "./run-troubles.js";
import { buildTypescript } from "./typescript-build.js";
import { TypescriptError } from "./typescript-tools.js";
import { writeWhole } from "./write-file.js";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

/** How asc calls the module; it is written elsewhere, and with fewer names. */
const MODULE = "guest.wasm";

/** The constant that assembly/wasi/profile.ts is answered with; 0 for a profile that is not compiled here. */
const PROFILE_NUMBERS: Readonly<Record<Profile, number>> = {
  preview1: 1,
  "preview1+sockets": 2,
  component: 3,
  typescript: 0,
  "wasi-0.3": 3,
};

const GLOBALS = "~lib/wasyncore/assembly/guest/globals/";

/** What the standard library gets in place of functions of a JavaScript host. */
const REPLACED = {
  abort: "guestAbort",
  trace: "guestTrace",
  seed: "guestSeed",
  console: "guestConsole",
  Date: "guestDate",
  performance: "guestPerformance",
};

/** What asc says when it has made the module as small as it can. */
const CONVERGED = "Last converge was suboptimal.\n";

interface Result {
  readonly error: Error | null;
  readonly stdout: { toString(): string };
  readonly stderr: { toString(): string };
}

/** What is used of "assemblyscript/asc". */
interface Asc {
  main(argv: string[], options: object): Promise<Result>;
}

/** What could not be done, in a sentence for the user. */
class BuildError extends Error {}

/** Runs `wasyncore build` with the arguments that follow it. @returns the exit status */
export async function buildCommand(argv: string[]): Promise<number> {
  try {
    const options = parseBuild(argv);
    if (options.help) {
      process.stdout.write(BUILD_USAGE);
      return 0;
    }
    if (!options.watch) checkIsThere(options.entry);
    if (options.profile === "typescript") await buildTypescript(options);
    else await build(options);
    return 0;
  } catch (error) {
    if (error instanceof UsageError) return complain(`${error.message}\nTry "wasyncore build --help".`, EXIT_USAGE);
    if (error instanceof BuildError || error instanceof ComponentError || error instanceof TypescriptError) {
      return complain(error.message, EXIT_FAILED);
    }
    throw error;
  }
}

/** Both compilers would say it in several lines, of a file that the user has not named so. */
function checkIsThere(entry: string): void {
  try {
    statSync(resolve(entry));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw new BuildError(`cannot read ${entry}: ${fileTrouble(code)}`);
  }
}

async function build(options: BuildOptions): Promise<void> {
  const { asc, compiler } = await loadCompiler();
  const wasi = componentWasi(options.profile);
  // Before the compiler runs: what is missing is said at once.
  const tools = wasi !== undefined ? await loadComponentTools() : undefined;
  const entry = resolve(options.entry);
  const inside = !relative(process.cwd(), entry).startsWith("..");
  const baseDir = inside ? process.cwd() : dirname(entry);
  let module: Uint8Array | undefined;
  /** Of files, which asc reports in its own way, with a backtrace. */
  const troubles: string[] = [];
  report(`compiling ${options.entry}`);
  const { error, stdout, stderr } = await asc.main(argumentsOf(options, relative(baseDir, entry), baseDir), {
    transforms: [guestTransform(compiler, wasi === "async"), ...(wasi !== undefined ? [componentTransform(wasi)] : [])],
    readFile: sourceReader(wasi, (path, code) => {
      troubles.push(`cannot read ${path}: ${fileTrouble(code)}`);
    }),
    writeFile: async (name: string, contents: Uint8Array | string) => {
      if (name === MODULE && typeof contents !== "string") module = contents;
      // What further options ask for: a text file, say.
      else await write(resolve(baseDir, name), name, contents).catch((why: BuildError) => troubles.push(why.message));
    },
    listFiles: () => null,
  });
  process.stdout.write(stdout.toString());
  const [trouble] = troubles;
  if (trouble !== undefined) throw new BuildError(`${trouble}\n${options.entry} was not built`);
  if (error !== null) throw new BuildError(`${stderr.toString().trimEnd()}\n${options.entry} was not built`);
  process.stderr.write(stderr.toString().replace(CONVERGED, ""));
  if (module === undefined) return;
  const named = options.debug ? module : keepOwnNames(module);
  if (tools !== undefined) report("making the component");
  const made = tools === undefined || wasi === undefined ? named : await makeComponent(tools, named, wasi);
  await write(resolve(options.out), options.out, made);
  report(`${options.out}: ${made.length.toLocaleString("en")} bytes`);
}

/** Says what goes on, to somebody who watches: each step takes seconds. */
function report(step: string): void {
  if (process.stderr.isTTY) process.stderr.write(`wasyncore build: ${step}\n`);
}

function argumentsOf(
  { profile, reactor, runtime, speed, debug, ascOptions }: BuildOptions,
  entry: string,
  baseDir: string,
): string[] {
  const uses = [
    `WASYNCORE_PROFILE=${PROFILE_NUMBERS[profile]}`,
    ...Object.entries(REPLACED).map(([name, replacement]) => `${name}=${GLOBALS}${replacement}`),
  ];
  return [
    entry,
    EXPORTS_PATH,
    ...["--baseDir", baseDir],
    ...["--outFile", MODULE],
    ...["--runtime", runtime],
    ...["--exportStart", reactor ? "_initialize" : "_start"],
    ...uses.flatMap((use) => ["--use", use]),
    ...(speed ? ["-O3"] : ["-Osize", "--converge"]),
    ...(debug ? [] : ["--noAssert"]),
    "--debug",
    ...ascOptions,
  ];
}

async function loadCompiler(): Promise<{ asc: Asc; compiler: Compiler }> {
  // By name at run time: the compiler is the program's, and its types need more than a package's users have.
  const [ascName, compilerName] = ["assemblyscript/asc", "assemblyscript"];
  try {
    const [asc, compiler] = (await Promise.all([import(ascName), import(compilerName)])) as [Asc, Compiler];
    return { asc, compiler };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new BuildError(`the compiler is not installed: npm install --save-dev assemblyscript`);
  }
}

/**
 * @param name as the user has given it
 * @throws BuildError
 */
async function write(path: string, name: string, contents: Uint8Array | string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    writeWhole(path, contents);
  } catch (error) {
    if (!isOfSystem(error)) throw error;
    throw new BuildError(`cannot write ${name}: ${writeTrouble(error.code)}`, { cause: error });
  }
}

function complain(message: string, status: number): number {
  process.stderr.write(`wasyncore build: ${message}\n`);
  return status;
}
