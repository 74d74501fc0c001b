/**
 * Makes dist/typescript/ of host/typescript: what a program in TypeScript gets in a component in place of Node's modules and
 * globals, and the engine as JavaScript. `wasyncore build --profile typescript` bundles it with the program. It shares no
 * module with the other files of dist/.
 */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build, transform } from "esbuild";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const ROOM = join(ROOT, "host/typescript");
/** The engine's code is made anew only for another engine: it takes seconds. */
const ENGINE_CODE = join(ROOT, "build/engine-code.js");

/** What wasm2js writes, from its module's imports to its exports, becomes a function: an engine for each map. */
function functionOf(code) {
  const imports = /^(?:import [^\n]*\n)+/;
  const exports = /\nvar retasmFunc = [^]*$/;
  // A memory that grows leaves its former buffer detached, as in WebAssembly: the host looks at its length.
  const grown = /newHEAP8\.set\(HEAP8\);/;
  for (const each of [imports, exports, grown]) {
    if (!each.test(code)) throw new Error(`wasm2js writes something else than expected: no ${each}`);
  }
  const body = code.replace(imports, "").replace(exports, "\n").replace(grown, "$& buffer.transfer(0);");
  return `export function makeEngine(imports) {\n${body}\nreturn asmFunc(imports);\n}\n`;
}

/** The engine without what wasm2js does not know, as JavaScript. */
async function engineCode() {
  const hash = createHash("sha256")
    .update(readFileSync(join(ROOT, "build/engine.wasm")))
    .digest("hex");
  const mark = `// of ${hash}\n`;
  try {
    const made = readFileSync(ENGINE_CODE, "utf8");
    if (made.startsWith(mark)) return made;
  } catch {
    // The first build.
  }
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-engine-"));
  try {
    const run = (path, ...args) =>
      promisify(execFile)(process.execPath, [join(ROOT, "node_modules", path), ...args], { cwd: ROOT });
    const [module, script] = [join(directory, "engine.wasm"), join(directory, "engine.js")];
    const config = ["--config", "asconfig.json", "--target", "release", "--outFile", module];
    await run(
      "assemblyscript/bin/asc.js",
      "assembly/engine/main.ts",
      ...config,
      ...["--disable", "bulk-memory,nontrapping-f2i,sign-extension"],
    );
    await run("binaryen/bin/wasm2js", module, "-O", "-o", script);
    const { code } = await transform(functionOf(readFileSync(script, "utf8")), { minify: true, format: "esm" });
    writeFileSync(ENGINE_CODE, mark + code);
    return mark + code;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @returns the files, by path in dist/ */
export async function typescriptFiles() {
  const engine = await engineCode();
  const modules = readdirSync(join(ROOM, "node")).map((name) => `node/${name.replace(/\.ts$/, "")}`);
  const { outputFiles } = await build({
    entryPoints: ["globals", "engine-loader", ...modules].map((name) => join(ROOM, `${name}.ts`)),
    outbase: ROOM,
    outdir: join(ROOT, "dist/typescript"),
    chunkNames: "shared/[name]-[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["module"],
    target: "es2022",
    minify: true,
    define: { ERRNOS: JSON.stringify(constants.errno) },
    plugins: [
      {
        name: "engine-code",
        setup: (made) => made.onLoad({ filter: /engine-code\.ts$/ }, () => ({ contents: engine, loader: "js" })),
      },
    ],
    write: false,
    logLevel: "warning",
  });
  return outputFiles.map(({ path, text }) => [path.slice(join(ROOT, "dist/").length), text]);
}
