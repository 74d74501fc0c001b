/**
 * Makes dist/ of what tsc wrote into build/host and build/types:
 *
 *   wasyncore.js      the library, in one file with the engine in it; index.js and portable/index.js re-export from it
 *   record/index.js   recording and replaying, in a file of its own for the same reason as the next
 *   record/guest.js   recording guests
 *   record/hooks.js   what is recorded of Node itself: loaded before the library, and shares nothing with it
 *   sim/index.js      the simulated network, in a file of its own: a program that does not test pays nothing for it
 *   guest/record/     replaying guests, for browsers as well: a file that shares nothing with the others
 *   testing/index.js  what tests of programs use of it
 *   component/        running components of WASI 0.2
 *   plugin/           the plugin host, and the entry of its threads
 *   view/page.html    the page of `wasyncore view`, with its script and its style, without a run
 *   wasi02/, typescript/ the backend on WASI 0.2, and the rest of what a program in TypeScript gets in a component
 *   cli/main.js       the command, and a file for each of its commands
 *   **.d.ts           the types that the index.d.ts of each entry reach
 *
 * One file loads several times faster than a hundred. The library is not minified. Its source map names the lines of the
 * TypeScript, which is not in the package: a stack trace names them, and a debugger shows the bundle. The dependencies stay
 * outside. Every module is in one file only, so that all entries share their classes.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { decode, encode } from "@jridgewell/sourcemap-codec";
import { build } from "esbuild";
import { rollup } from "rollup";
import { parseAst } from "rollup/parseAst";
import { minified } from "./minify.mjs";
import { typescriptFiles } from "./typescript.mjs";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const MODULES = join(ROOT, "build/host");
const TYPES = join(ROOT, "build/types");
const DIST = join(ROOT, "dist");
const ENTRIES = [
  "index",
  "portable/index",
  "plugin/index",
  "plugin/worker",
  "sim/index",
  "sim/worker",
  "sim/guest-thread",
  "testing/index",
  "record/index",
  "record/hooks",
  "record/guest",
  "wasi02/index",
  "cli/main",
];
/** Entries that are elsewhere than their modules. */
const MODULE_OF = { "record/hooks": "record/outside/hooks", "record/guest": "guest/record/recording" };
/** For browsers too: a file of its own, which shares nothing with the others. */
const STANDALONE = "guest/record/index";
const TYPED_ENTRIES = [
  "index.d.ts",
  "portable/index.d.ts",
  "plugin/index.d.ts",
  "sim/index.d.ts",
  "record/index.d.ts",
  `${STANDALONE}.d.ts`,
  "testing/index.d.ts",
];

const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
const packages = [...Object.keys(dependencies), ...Object.keys(peerDependencies)];

const isExternal = (id) =>
  id.startsWith("node:") || id.startsWith("wasi:") || packages.some((name) => id === name || id.startsWith(`${name}/`));
const isIn =
  (...rooms) =>
  (id) =>
    rooms.some((room) => id.startsWith(join(MODULES, room) + sep));
/** Guests that are recorded or replayed load it, programs that are, and the command. */
const inRecord = isIn("record", "guest/record");
/** The folders of dist/ for what only some programs load, and what is in them. */
const FOLDERS = new Map([
  ["cli", isIn("cli", "typescript", "view")],
  ["plugin", isIn("plugin")],
  ["component", isIn("component")],
  ["sim", isIn("sim", "testing")],
  ["wasi02", isIn("wasi02")],
]);
const isApart = (id) => [...FOLDERS.values(), inRecord].some((isInside) => isInside(id));

/** Few files: each takes place in the package of its own. */
const SHARED_RECORD =
  /^(?:calls|crc|files|format|hash|journal|options|reader|values|writer|replay\/(?:describe|difference))\.js$/;
const inGuestRecord = isIn("guest/record");

function chunkOf(id) {
  if (SHARED_RECORD.test(relative(join(MODULES, "record"), id).replaceAll(sep, "/"))) return "shared";
  if (inGuestRecord(id)) return "guests";
  return isApart(id) ? undefined : "wasyncore";
}

/** The command's files are where its modules were in host/: from there it finds the rest of the package. */
function folderOf({ moduleIds }) {
  for (const [folder, isInside] of FOLDERS) if (moduleIds.some(isInside)) return `${folder}/`;
  return moduleIds.every(inRecord) ? "record/" : "";
}

/** Gives rollup the source maps of tsc, and the engine as text in place of the module that reads it from its file. */
const modules = {
  name: "modules",
  load(id) {
    if (id === join(MODULES, "loop/engine-bytes.js")) return engineModule();
    const code = readFileSync(id, "utf8").replace(/\/\/# sourceMappingURL=.*\n?$/, "");
    return { code, map: readFileSync(`${id}.map`, "utf8") };
  },
};

function engineModule() {
  // The archive of a package is compressed, where hexadecimal digits take less room than base64.
  const digits = readFileSync(join(ROOT, "build/engine.wasm")).toString("hex");
  return `export function engineBytes() {
    return Buffer.from(${JSON.stringify(digits)}, "hex");
}
`;
}

/** Takes out all but the first position of each line, for the whole of it: enough for stack traces and breakpoints, in a fifth of the space. */
function byLine(mappings) {
  return encode(
    decode(mappings).map((segments) => segments.slice(0, 1).map(([, ...original]) => [0, ...original.slice(0, 3)])),
  );
}

/** Indents by tabs, where tsc has four spaces: some kilobytes of the package. What is inside of template strings stays as it is. */
function narrowed(code) {
  const strings = [];
  const visit = (node) => {
    if (node === null || typeof node !== "object") return;
    if (node.type === "TemplateElement") strings.push(node);
    for (const child of Object.values(node)) visit(child);
  };
  visit(parseAst(code));
  return code.replace(/^(?: {4})+/gm, (spaces, at) => {
    const isInside = strings.some(({ start, end }) => start < at && at < end);
    return isInside ? spaces : "\t".repeat(spaces.length / 4);
  });
}

async function bundle() {
  const made = await rollup({
    input: Object.fromEntries(ENTRIES.map((name) => [name, join(MODULES, `${MODULE_OF[name] ?? name}.js`)])),
    external: isExternal,
    plugins: [modules],
    onLog(_level, log) {
      throw new Error(log.message);
    },
  });
  const { output } = await made.generate({
    dir: DIST,
    format: "es",
    sourcemap: true,
    minifyInternalExports: false,
    hoistTransitiveImports: false,
    chunkFileNames: (chunk) => `${folderOf(chunk)}[name].js`,
    manualChunks: chunkOf,
  });
  await made.close();
  const files = output.filter(({ fileName }) => !isLeftOut(fileName));
  return files.map((file) => [file.fileName, textOf(file)]);
}

/** What runs in browsers, without whitespace and without anything of Node's. */
async function standalone() {
  const made = await rollup({
    input: join(MODULES, `${STANDALONE}.js`),
    plugins: [modules],
    onLog(_level, log) {
      throw new Error(log.message);
    },
  });
  const { output } = await made.generate({ format: "es", sourcemap: false });
  await made.close();
  const [{ code }] = output;
  return [`${STANDALONE}.js`, code];
}

/** @returns the same files, with the text minified of those that are to be */
async function withMinified(files) {
  const isChosen = ([name]) => hasNoMap(name) || name === `${STANDALONE}.js`;
  const chosen = files.filter(isChosen);
  const texts = await minified(chosen.map(([, text]) => text));
  return [...files.filter((file) => !isChosen(file)), ...chosen.map(([name], index) => [name, texts[index]])];
}

/** The package is to be small, and nobody debugs the command, the plugin host or the simulated network from a program. */
const isLeftOut = (fileName) => hasNoMap(fileName) && fileName.endsWith(".map");
const hasNoMap = (fileName) => /^(?:cli|component|plugin|record|sim|testing|wasi02)\//.test(fileName);

function textOf(file) {
  if (file.type === "chunk") {
    return hasNoMap(file.fileName) ? file.code.replace(/\/\/# sourceMappingURL=.*\n?$/, "") : narrowed(file.code);
  }
  const { sourcesContent: _sourcesContent, ...map } = JSON.parse(file.source);
  return JSON.stringify({ ...map, mappings: byLine(map.mappings), names: [] });
}

/** @returns the files of types that `names` reach */
function reachedTypes(names) {
  const found = new Map();
  const visit = (name) => {
    if (found.has(name)) return;
    const text = publicOf(name, readFileSync(join(TYPES, name), "utf8"));
    found.set(name, text);
    for (const [, path] of text.matchAll(/\b(?:from|import)\s*\(?"(\.[^"]+)\.js"/g)) {
      visit(join(dirname(name), `${path}.d.ts`));
    }
  };
  for (const name of names) visit(name);
  return found;
}

/** What a file owns is for those who work on it. */
const FILE_COMMENT = /^\/\*\*(?:\n \*)? Owns (?:(?!\*\/)[^])*\*\/\n/m;
/** Of a class: its mark that it has private fields, and its protected members with their comments. */
const PRIVATE = /^ +#private;\n/gm;
const PROTECTED = /^(?: +\/\*\*(?:(?!\*\/)[^])*\*\/\n)? +protected [^;]*;\n/gm;

/**
 * Takes out of declarations what some of their readers refuse. With private fields or protected members of the handler classes,
 * a class that a mixin makes of one could not be exported where `declaration` is set (TS4094); those members are for the
 * package's own classes. The parameter of typed arrays is known to TypeScript from 5.7 on.
 */
function publicOf(name, declarations) {
  const plain = declarations
    .replace(FILE_COMMENT, "")
    .replaceAll(/\b(Buffer|\w+Array)<(?:Shared)?ArrayBuffer(?:Like)?>/g, "$1");
  return name.startsWith("handlers/") ? plain.replaceAll(PRIVATE, "").replaceAll(PROTECTED, "") : plain;
}

async function page() {
  const from = join(ROOT, "host/view/page");
  const { outputFiles } = await build({
    entryPoints: [join(from, "main.ts"), join(from, "style.css")],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    outdir: from,
    write: false,
    logLevel: "warning",
  });
  const textFor = (ending) => outputFiles.find(({ path }) => path.endsWith(ending)).text.trim();
  return (
    readFileSync(join(from, "index.html"), "utf8")
      .replace("/*STYLE*/", () => textFor(".css"))
      // Nothing in a script may end its element.
      .replace("/*SCRIPT*/", () => textFor(".js").replaceAll("</script", "<\\/script"))
  );
}

// The engine as JavaScript is made by other processes meanwhile, and the page by a thread of esbuild.
const [typescript, pageText, bundled, alone] = await Promise.all([typescriptFiles(), page(), bundle(), standalone()]);
const files = new Map([
  ["view/page.html", pageText],
  ...(await withMinified([...bundled, alone])),
  ["wasi02/world.wit", readFileSync(join(ROOT, "host/wasi02/world.wit"), "utf8")],
  ...typescript,
  ...reachedTypes(TYPED_ENTRIES),
]);
for (const [name, text] of files) {
  mkdirSync(dirname(join(DIST, name)), { recursive: true });
  writeFileSync(join(DIST, name), text);
}
// What an earlier build left. Not the whole directory before: programs may be running from it.
for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
  const path = join(entry.parentPath, entry.name);
  if (entry.isFile() && !files.has(relative(DIST, path).replaceAll(sep, "/"))) rmSync(path);
}
