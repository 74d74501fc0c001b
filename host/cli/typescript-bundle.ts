/**
 * Owns how a program in TypeScript becomes one script for a component: with the library, its engine as JavaScript, and what
 * there is in place of Node's modules and globals. Knows esbuild; knows no component.
 *
 * Two passes. The first bundles. The second turns async functions into generators over the promises of host/typescript: those
 * of the runtime of components have a queue of jobs that a program cannot run.
 */

import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { isAbsolute, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { framesOf } from "./typescript-frames.js";
import { libraryCode } from "./typescript-library.js";
import { type BuildResult, type Esbuild, type Message, TypescriptError } from "./typescript-tools.js";

/** This file is in `dist/cli` or `host/cli`. */
export const DIST = fileURLToPath(new URL("../../dist/", import.meta.url));
const STAND_INS = join(DIST, "typescript/node");

/** The modules of Node that a program can import, without "node:". */
const MODULES: ReadonlyMap<string, string> = new Map([
  ["buffer", "buffer"],
  ["crypto", "crypto"],
  ["events", "events"],
  ["fs", "fs"],
  ["net", "net"],
  ["os", "os"],
  ["path", "path"],
  ["path/posix", "path"],
  ["perf_hooks", "perf_hooks"],
  ["process", "process"],
  ["timers", "timers"],
  ["timers/promises", "timers-promises"],
  ["url", "url"],
  ["util", "util"],
]);

const LIBRARY: ReadonlyMap<string, string> = new Map([
  ["wasyncore", "index.js"],
  ["wasyncore/guest", "portable/index.js"],
]);

/** The directory of a program as the program sees it: a component does not contain paths of the machine that built it. */
const ROOT = "/app";
const ENTRY = "wasyncore:entry";
/** Its place is taken by the positions of the program, which are known last. */
const FRAMES = "wasyncore:frames";

export interface BundleOptions {
  /** An absolute path. */
  readonly entry: string;
  /** Paths of the program are relative to it. */
  readonly baseDir: string;
  readonly minify: boolean;
}

interface ResolveArgs {
  readonly path: string;
  readonly importer: string;
  readonly kind: string;
}

interface PluginBuild {
  onResolve(options: object, callback: (args: ResolveArgs) => object | undefined): void;
  onLoad(
    options: object,
    callback: (args: { readonly path: string }) => object | undefined | Promise<object | undefined>,
  ): void;
}

/** The options of the first pass, for `build` and for `context`. */
export function bundleOptions(esbuild: Esbuild, options: BundleOptions): object {
  const { entry, baseDir, minify } = options;
  return {
    stdin: {
      contents: entryModule(entry, baseDir),
      resolveDir: baseDir,
      sourcefile: ENTRY,
      loader: "js",
    },
    absWorkingDir: baseDir,
    outfile: join(baseDir, "program.js"),
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["module"],
    target: "es2022",
    minifyIdentifiers: minify,
    // The names of classes are shown by the log.
    keepNames: minify,
    sourcemap: "inline",
    sourcesContent: false,
    external: ["wasi:*"],
    write: false,
    logLevel: "silent",
    // The files of this package have no side effects but those that are imported for their names.
    logOverride: { "ignored-bare-import": "silent" },
    plugins: [{ name: "wasyncore", setup: (made: PluginBuild) => plugin(made, esbuild, options) }],
  };
}

/** The global scope first, then the library, then the program. */
function entryModule(entry: string, baseDir: string): string {
  const text = JSON.stringify;
  return `import { eventLoop, program, traceErrors } from ${text(join(DIST, "typescript/globals.js"))};
import { start } from ${text(join(DIST, "wasi02/index.js"))};
traceErrors(${text(FRAMES)});
start(eventLoop, program, ${text(virtualPath(entry, baseDir))}, () => void Promise.resolve().then(() => import(${text(entry)})));
`;
}

function virtualPath(path: string, baseDir: string): string {
  const inside = relative(baseDir, path);
  return `${ROOT}/${inside.startsWith("..") || isAbsolute(inside) ? "program.ts" : inside.replaceAll(sep, "/")}`;
}

function plugin(made: PluginBuild, esbuild: Esbuild, { baseDir }: BundleOptions): void {
  made.onResolve({ filter: /^wasyncore(\/|$)/ }, ({ path }) => {
    const file = LIBRARY.get(path);
    if (file !== undefined) return { path: join(DIST, file) };
    return path.endsWith(":entry") ? undefined : refused(`${path} is not there in a component made of TypeScript`);
  });
  made.onResolve({ filter: /^@assemblyscript\/loader$/ }, () => ({ path: join(DIST, "typescript/engine-loader.js") }));
  made.onResolve({ filter: /^[a-z]/ }, ({ path, importer }) => {
    const isNamed = path.startsWith("node:");
    const name = isNamed ? path.slice("node:".length) : path;
    if (!isNamed && !builtinModules.includes(name)) return undefined;
    if (importer.startsWith(DIST)) return { path: name, namespace: "node-of-the-library" };
    const file = MODULES.get(name);
    if (file !== undefined) return { path: join(STAND_INS, `${file}.js`) };
    return refused(
      `node:${name} is not there in a component made of TypeScript; there are ${[...MODULES.keys()].join(", ")}`,
    );
  });
  made.onLoad({ filter: /.*/, namespace: "node-of-the-library" }, ({ path }) => ({
    // CommonJS: a name that is not there is undefined, and no error of the build.
    contents:
      path === "process"
        ? "module.exports = globalThis.process;"
        : `module.exports = require(${JSON.stringify(join(STAND_INS, "library.js"))});`,
    resolveDir: DIST,
  }));
  made.onLoad({ filter: /\.[cm]?[jt]sx?$/ }, async ({ path }) => {
    if (path.startsWith(DIST)) return { contents: await libraryCode(esbuild, path), loader: "js" };
    const contents = readFileSync(path, "utf8");
    if (!contents.includes("import.meta")) return undefined;
    const url = JSON.stringify(`file://${virtualPath(path, baseDir)}`);
    const { code } = await esbuild.transform(contents, {
      loader: path.endsWith("x") ? "tsx" : "ts",
      sourcefile: path,
      sourcemap: "inline",
      define: { "import.meta.url": url, "import.meta.filename": JSON.stringify(virtualPath(path, baseDir)) },
      tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    });
    return { contents: code, loader: "js" };
  });
}

function refused(text: string): object {
  return { errors: [{ text }] };
}

/** The script of a component, and what it needs beside it. */
export interface Script {
  /** The body of a function of `require`, `module` and `exports`. */
  readonly code: string;
  /** The modules of WASI that it requires. */
  readonly imports: readonly string[];
}

/** The second pass. */
export async function scriptOf(
  esbuild: Esbuild,
  { outputFiles }: BuildResult,
  options: BundleOptions,
): Promise<Script> {
  const { code, map } = await esbuild.transform(outputFiles?.[0]?.text ?? "", {
    format: "cjs",
    target: "es2022",
    supported: { "async-await": false, "async-generator": false, "for-await": false },
    // Each kilobyte is compiled when the component starts.
    minifyWhitespace: true,
    minifySyntax: true,
    minifyIdentifiers: options.minify,
    // With other characters the text would take two bytes for each.
    charset: "ascii",
    sourcemap: "external",
    sourcefile: join(options.baseDir, "program.js"),
    sourcesContent: false,
    legalComments: "none",
  });
  const imports = [...new Set([...code.matchAll(/\brequire\("(wasi:[^"]+)"\)/g)].map(([, name = ""]) => name))];
  const frames = JSON.stringify(framesOf(map, options.baseDir, options.baseDir, DIST));
  return { code: code.replace(JSON.stringify(FRAMES), () => frames), imports };
}

/** What esbuild says, as text; an error where there are errors. */
export async function messagesOf(
  esbuild: Esbuild,
  messages: readonly Message[],
  kind: "error" | "warning",
): Promise<string> {
  const texts = await esbuild.formatMessages(messages, { kind, color: process.stderr.isTTY });
  return texts.join("");
}

export function failed(text: string, entry: string): TypescriptError {
  return new TypescriptError("ERR_BUILD", `${text.trimEnd()}\n${entry} was not built`);
}
