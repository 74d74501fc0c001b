/**
 * Owns `wasyncore build --profile typescript`: a program in TypeScript becomes a component of WASI 0.2 that runs the program
 * itself. Leaves the bundle to typescript-bundle, the tools to typescript-tools.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { isOfSystem, writeTrouble } from "./run-troubles.js";
import {
  bundleOptions,
  type BundleOptions,
  DIST,
  failed,
  messagesOf,
  type Script,
  scriptOf,
} from "./typescript-bundle.js";
import {
  type BuildResult,
  loadTypescriptTools,
  type Message,
  TypescriptError,
  type TypescriptTools,
} from "./typescript-tools.js";
import { writeWhole } from "./write-file.js";

export interface TypescriptBuild {
  readonly entry: string;
  readonly out: string;
  readonly minify: boolean;
  readonly watch: boolean;
}

/** @throws TypescriptError */
export async function buildTypescript({ entry, out, minify, watch }: TypescriptBuild): Promise<void> {
  const tools = await loadTypescriptTools();
  const path = resolve(entry);
  const inside = !relative(process.cwd(), path).startsWith("..");
  const options: BundleOptions = { entry: path, baseDir: inside ? process.cwd() : dirname(path), minify };
  report(`bundling ${entry}`);
  const workspace = new Workspace(tools);
  try {
    await (watch ? buildAgain(workspace, options, entry, out) : buildOnce(workspace, options, entry, out));
  } finally {
    workspace.close();
  }
}

/** Where components are made, while the command runs. */
class Workspace {
  readonly tools: TypescriptTools;
  readonly directory = mkdtempSync(join(tmpdir(), "wasyncore-build-"));
  /** esbuild is a process of its own, which may outlive this one. The signal then ends this one as it would have. */
  readonly #end = (signal: NodeJS.Signals): void => {
    void this.tools.esbuild.stop();
    this.close();
    process.kill(process.pid, signal);
  };

  constructor(tools: TypescriptTools) {
    this.tools = tools;
    process.once("SIGINT", this.#end).once("SIGTERM", this.#end).once("SIGHUP", this.#end);
  }

  close(): void {
    process.off("SIGINT", this.#end).off("SIGTERM", this.#end).off("SIGHUP", this.#end);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function buildOnce(workspace: Workspace, options: BundleOptions, entry: string, out: string): Promise<void> {
  const { esbuild } = workspace.tools;
  let result: BuildResult;
  try {
    result = await esbuild.build(bundleOptions(esbuild, options));
  } catch (error) {
    const { errors } = error as { readonly errors?: readonly Message[] };
    if (errors === undefined) throw error;
    throw failed(await messagesOf(esbuild, errors, "error"), entry);
  }
  await make(workspace, options, result, out);
}

/** Builds whenever a file of the program changes. Ends with the process. */
async function buildAgain(workspace: Workspace, options: BundleOptions, entry: string, out: string): Promise<void> {
  const { esbuild } = workspace.tools;
  const { plugins, ...others } = bundleOptions(esbuild, options) as { readonly plugins: readonly object[] };
  const onEnd = {
    name: "component",
    setup: (made: { onEnd(callback: (result: BuildResult) => Promise<void>): void }) =>
      made.onEnd(async (result) => {
        try {
          if (result.errors.length > 0) throw failed(await messagesOf(esbuild, result.errors, "error"), entry);
          await make(workspace, options, result, out);
          process.stderr.write(`wasyncore build: ${out} is built; waiting for changes\n`);
        } catch (error) {
          // Thrown on, it would be an error of a plugin, which nothing prints.
          process.stderr.write(`wasyncore build: ${(error as Error).message}\n`);
        }
      }),
  };
  const context = await esbuild.context({ ...others, plugins: [...plugins, onEnd] });
  await context.watch();
  await new Promise(() => {});
}

async function make(workspace: Workspace, options: BundleOptions, result: BuildResult, out: string): Promise<void> {
  const { esbuild } = workspace.tools;
  process.stderr.write(await messagesOf(esbuild, result.warnings, "warning"));
  const script = await scriptOf(esbuild, result, options);
  report("making the component");
  const component = await componentOf(workspace, script);
  try {
    await mkdir(dirname(resolve(out)), { recursive: true });
    writeWhole(resolve(out), component);
  } catch (error) {
    if (!isOfSystem(error)) throw error;
    throw new TypescriptError("ERR_BUILD", `cannot write ${out}: ${writeTrouble(error.code)}`);
  }
  report(`${out}: ${component.length.toLocaleString("en")} bytes`);
}

/**
 * The component holds the script as text, and compiles it when it starts: compiled already it would be six times as large. The
 * text has a file of its own, so that what loading it leaves behind in memory is overwritten before the memory is saved.
 */
async function componentOf({ tools, directory }: Workspace, { code, imports }: Script): Promise<Uint8Array> {
  const main = join(directory, "main.js");
  const jsSource = mainModule(imports);
  try {
    await writeFile(join(directory, "script.js"), `globalThis.wasyncoreScript = ${JSON.stringify(code)};\n`);
    await writeFile(main, jsSource);
  } catch (error) {
    if (!isOfSystem(error)) throw error;
    throw new TypescriptError("ERR_BUILD", `cannot write into ${tmpdir()} (TMPDIR): ${writeTrouble(error.code)}`);
  }
  try {
    const { component } = await tools.componentizer.componentize({
      witPath: join(DIST, "wasi02/world.wit"),
      jsSource,
      jsPath: main,
      moduleRoot: directory,
      world: "program",
      sync: true,
    });
    return component;
  } catch (error) {
    throw new TypescriptError("ERR_BUILD", `no component can be made of the program: ${(error as Error).message}`);
  }
}

function mainModule(imports: readonly string[]): string {
  return `${imports.map((name, index) => `import * as wasi${index} from ${JSON.stringify(name)};`).join("\n")}
import "./script.js";

const modules = { ${imports.map((name, index) => `${JSON.stringify(name)}: wasi${index}`).join(", ")} };
const overwritten = [];
for (let size = 2 * globalThis.wasyncoreScript.length; size > 2048; size >>= 1) {
  for (let i = 0; i < 12; i++) overwritten.push(new ArrayBuffer(size));
}
overwritten.length = 0;

export const run = {
  run() {
    const script = new Function("require", "module", "exports", globalThis.wasyncoreScript);
    delete globalThis.wasyncoreScript;
    const module = { exports: {} };
    script((name) => modules[name], module, module.exports);
  },
};
`;
}

/** Says what goes on, to somebody who watches: each step takes seconds. */
function report(step: string): void {
  if (process.stderr.isTTY) process.stderr.write(`wasyncore build: ${step}\n`);
}
