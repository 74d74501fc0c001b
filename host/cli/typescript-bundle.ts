/**
 * Owns how a program in TypeScript becomes one script for a component: with the library, its engine as JavaScript, and what
 * stands in for Node's modules and globals. Knows esbuild; knows no component.
 *
 * Two passes. The first bundles. The second turns async functions into generators over the promises of host/typescript: those
 * of the runtime of components have a queue of jobs that a program cannot run.
 */

import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { isAbsolute, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { frameMap } from "./typescript-frames.js";
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

/** Where a program believes it is: the paths of the machine that builds are nobody's business. */
const ROOT = "/app";
const ENTRY = "wasyncore:entry";

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
  onLoad(options: object, callback: (args: { readonly path: string }) => object | undefined | Promise<object | undefined>): void;
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
    // Whitespace of the library is nobody's; names stay for stack traces.
    minifySyntax: minify,
    minifyWhitespace: minify,
    minifyIdentifiers: minify,
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

/** The global scope first, then the library, which is there before the program starts; the program when it is run. */
function entryModule(entry: string, baseDir: string): string {
  const text = JSON.stringify;
  return `import { eventLoop, program } from ${text(join(DIST, "typescript/globals.js"))};
import { start } from ${text(join(DIST, "wasi02/index.js"))};
export const run = {
  run() {
    start(eventLoop, program, ${text(virtualPath(entry, baseDir))}, () => void import(${text(entry)}));
  },
};
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
    if (path === join(DIST, "wasyncore.js")) return { contents: withoutEngine(readFileSync(path, "utf8")), loader: "js" };
    if (path.startsWith(DIST)) return undefined;
    const contents = readFileSync(path, "utf8");
    if (!contents.includes("import.meta")) return undefined;
    const url = JSON.stringify(`file://${virtualPath(path, baseDir)}`);
    const { code } = await esbuild.transform(contents, {
      loader: /tsx$/.test(path) ? "tsx" : "ts",
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

/** The library without the bytes of engine.wasm, which is JavaScript here. */
function withoutEngine(code: string): string {
  return code.replace(/(function engineBytes\(\) \{)[^}]*\}/, "$1 return new Uint8Array(0); }");
}

/** The second pass. @returns the script, in which errors have the positions of the program's own files */
export async function lowered(esbuild: Esbuild, { outputFiles }: BuildResult, options: BundleOptions): Promise<string> {
  const text = outputFiles?.[0]?.text ?? "";
  const { code, map } = await esbuild.transform(text, {
    format: "esm",
    target: "es2022",
    supported: { "async-await": false, "async-generator": false, "for-await": false },
    minifyWhitespace: options.minify,
    sourcemap: "external",
    sourcefile: "program.js",
    sourcesContent: false,
    legalComments: "none",
  });
  return code + frameMap(map, options.baseDir, DIST);
}

/** What esbuild says, as text; an error where there are errors. */
export async function messagesOf(esbuild: Esbuild, messages: readonly Message[], kind: "error" | "warning"): Promise<string> {
  const texts = await esbuild.formatMessages(messages, { kind, color: process.stderr.isTTY });
  return texts.join("");
}

export function failed(text: string, entry: string): TypescriptError {
  return new TypescriptError("ERR_BUILD", `${text.trimEnd()}\n${entry} was not built`);
}
