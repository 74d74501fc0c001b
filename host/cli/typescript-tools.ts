/**
 * Owns the tools of `wasyncore build --profile typescript`: esbuild and componentize-qjs, which only this profile needs, loaded
 * from the project. Knows no program.
 */

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** A message of esbuild. */
export interface Message {
  readonly text: string;
  readonly location?: {
    readonly file: string;
    readonly line: number;
    readonly column: number;
    readonly lineText: string;
  } | null;
}

/** What is used of esbuild. */
export interface Esbuild {
  build(options: object): Promise<BuildResult>;
  context(options: object): Promise<{ watch(): Promise<void>; dispose(): Promise<void> }>;
  transform(code: string, options: object): Promise<{ readonly code: string; readonly map: string }>;
  formatMessages(messages: readonly Message[], options: object): Promise<string[]>;
  stop(): Promise<void>;
}

export interface BuildResult {
  readonly outputFiles?: readonly { readonly path: string; readonly text: string }[];
  readonly errors: readonly Message[];
  readonly warnings: readonly Message[];
}

/** What is used of componentize-qjs. */
export interface Componentizer {
  componentize(options: {
    readonly witPath: string;
    readonly jsSource: string;
    readonly jsPath: string;
    readonly moduleRoot: string;
    readonly world: string;
    readonly sync: boolean;
  }): Promise<{ readonly component: Uint8Array }>;
}

export interface TypescriptTools {
  readonly esbuild: Esbuild;
  readonly componentizer: Componentizer;
}

/** What could not be done, in a sentence for the user. */
export class TypescriptError extends Error {
  override name = "TypescriptError";
  readonly code: "ERR_TOOL_MISSING" | "ERR_BUILD";

  constructor(code: TypescriptError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

const PACKAGES = ["esbuild@0.28", "componentize-qjs@0.4.5"] as const;

/** @throws TypescriptError ERR_TOOL_MISSING where one of them is not installed */
export async function loadTypescriptTools(): Promise<TypescriptTools> {
  const [esbuild, componentizer] = await Promise.all(PACKAGES.map((name) => load(name.slice(0, name.indexOf("@")))));
  return { esbuild: esbuild as Esbuild, componentizer: componentizer as Componentizer };
}

async function load(name: string): Promise<unknown> {
  // Where the project is, then where this package is: a command that is installed globally has no project above it.
  const requires = [createRequire(join(process.cwd(), "package.json")), createRequire(import.meta.url)];
  for (const require of requires) {
    const path = resolved(require, name);
    if (path === undefined) continue;
    try {
      const loaded = (await import(pathToFileURL(path).href)) as { readonly default?: object };
      // CommonJS: what Node has not found by name is in the default export.
      return { ...loaded.default, ...loaded };
    } catch (error) {
      // Its part for this system is a package of its own, which may be missing.
      throw missing(`${name} is installed and cannot be loaded (${String((error as Error).message).split("\n")[0]})`);
    }
  }
  throw missing(`the profile typescript needs ${name}, which is not installed`);
}

function missing(what: string): TypescriptError {
  return new TypescriptError("ERR_TOOL_MISSING", `${what}: npm i -D ${PACKAGES.join(" ")}`);
}

function resolved(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}
