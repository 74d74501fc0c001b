/** Bundles of a server that the four bundlers make, with the options that docs/bundling.md states, run elsewhere. */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { nodeResolve } from "@rollup/plugin-node-resolve";
import * as esbuild from "esbuild";
import { rollup } from "rollup";
import * as vite from "vite";
import { beforeAll, describe, expect, test } from "vitest";
import webpack from "webpack";
import { start } from "../support/processes.js";
import { copyKoffi, linkPackage, makeProject, pack, SERVER, expectEcho, temporaryDirectory } from "./project.js";

type Format = "esm" | "cjs";

const directory = temporaryDirectory();
/** Where the bundles run: another directory, which has koffi and no wasyncore. */
const deployed = join(directory, "deployed");
let project = "";
let entry = "";

beforeAll(async () => {
  project = await makeProject(directory, await pack(directory));
  entry = join(project, "server.js");
  writeFileSync(entry, SERVER);
  mkdirSync(deployed);
  linkPackage(deployed, "koffi");
}, 60_000);

const outputs = { esm: "server.mjs", cjs: "server.cjs" } as const;

/** Each bundler with the options of docs/bundling.md: it reads `input`, and writes one file, `output`. None of them warns. */
const bundlers: Record<string, (format: Format, input: string, output: string) => Promise<void>> = {
  async esbuild(format, input, output) {
    const { warnings } = await esbuild.build({
      entryPoints: [input],
      outfile: output,
      bundle: true,
      minify: true,
      format,
      platform: "node",
      target: "node20",
      loader: { ".wasm": "binary" },
      absWorkingDir: project,
      logLevel: "silent",
    });
    expect(warnings).toEqual([]);
  },

  async rollup(format, input, output) {
    const bundle = await rollup({
      input,
      plugins: [nodeResolve({ exportConditions: ["node"] })],
      external: [/^node:/],
      onLog(_level, log) {
        throw new Error(log.message);
      },
    });
    await bundle.write({ file: output, format });
    await bundle.close();
  },

  async webpack(format, input, output) {
    const compiler = webpack({
      mode: "production",
      // Which takes most of the time. esbuild's bundles are minified.
      optimization: { minimize: false },
      target: "node20",
      context: project,
      entry: input,
      output: {
        path: dirname(output),
        filename: basename(output),
        library: { type: format === "esm" ? "module" : "commonjs2" },
      },
      experiments: { outputModule: format === "esm" },
      module: { rules: [{ test: /\.wasm$/, type: "asset/inline" }] },
    });
    const stats = await promisify(compiler.run.bind(compiler))();
    expect(stats?.toString({ all: false, errors: true, warnings: true })).toBe("");
  },

  async vite(format, input, output) {
    await vite.build({
      root: project,
      configFile: false,
      logLevel: "error",
      ssr: { noExternal: true },
      build: {
        ssr: input,
        outDir: dirname(output),
        emptyOutDir: false,
        rolldownOptions: { output: { format, entryFileNames: basename(output) } },
      },
    });
  },
};

describe.each(Object.keys(bundlers))("%s", (name) => {
  test.each(["esm", "cjs"] as const)(
    "%s: the bundle serves where koffi alone is installed",
    async (format) => {
      const out = join(project, name);
      await bundlers[name]?.(format, entry, join(out, outputs[format]));
      const place = join(deployed, name);
      mkdirSync(place, { recursive: true });
      cpSync(join(out, outputs[format]), join(place, outputs[format]));
      rmSync(out, { recursive: true });
      expect(readFileSync(join(place, outputs[format]), "utf8")).not.toMatch(
        /from ?"wasyncore"|require\("wasyncore"\)/,
      );
      await expectEcho(join(place, outputs[format]), deployed);
    },
    30_000,
  );
});

test.each(["esbuild", "webpack"])(
  "%s: engine.wasm is imported, and passed to setEngine",
  async (name) => {
    const value = name === "webpack" ? "new URL(engine)" : "engine";
    const source = `import engine from "wasyncore/engine.wasm";\nimport { setEngine } from "wasyncore";\nsetEngine(${value});\n`;
    const input = join(project, `${name}-engine.js`);
    writeFileSync(input, source + SERVER);
    const place = join(deployed, `${name}-engine`);
    mkdirSync(place, { recursive: true });
    await bundlers[name]?.("esm", input, join(place, outputs.esm));
    await expectEcho(join(place, outputs.esm), deployed);
  },
  30_000,
);

describe("without koffi", () => {
  /** Runs a bundle in a directory of its own. @returns the message of the error that the first use throws */
  async function errorIn(name: string, prepare: (path: string) => void): Promise<string> {
    const place = join(directory, name);
    mkdirSync(place);
    prepare(place);
    const source = `import { Socket } from "wasyncore";
      try { Socket.create(); } catch (error) { console.log(error.name, error.code, error.message); }`;
    const input = join(project, `${name}.js`);
    writeFileSync(input, source);
    await bundlers["esbuild"]?.("cjs", input, join(place, outputs.cjs));
    const { stdout, stderr } = await start(process.execPath, [join(place, outputs.cjs)], place).ended;
    expect(stderr).toBe("");
    expect(stdout).toMatch(/^UnsupportedPlatformError ERR_UNSUPPORTED_PLATFORM /);
    return stdout;
  }

  test("a bundle says where it looked for koffi, and what to do", async () => {
    const message = await errorIn("none", () => undefined);
    expect(message).toContain(
      `not installed where it is looked for (upwards from ${join(directory, "none/server.cjs")})`,
    );
    expect(message).toContain("npm install koffi");
    expect(message).toContain("docs/bundling.md");
  });

  test("a koffi without the binary of this platform is named as an omitted optional dependency", async () => {
    const message = await errorIn("omitted", (place) => copyKoffi(place));
    expect(message).toContain(`@koromix/koffi-${process.platform}-${process.arch}, which is an optional dependency`);
    expect(message).toContain("without --omit=optional");
  });

  test("a binary that cannot be loaded is named, with the libc of this machine and the loader's message", async () => {
    const message = await errorIn("broken", (place) => {
      copyKoffi(place);
      const name = `@koromix/koffi-${process.platform}-${process.arch}`;
      const binary = join(place, "node_modules", name);
      mkdirSync(binary, { recursive: true });
      writeFileSync(join(binary, "package.json"), JSON.stringify({ name, main: "./index.js" }));
      writeFileSync(join(binary, "index.js"), `module.exports = require("./koffi.node");`);
      writeFileSync(join(binary, "koffi.node"), "no binary");
    });
    expect(message).toMatch(/could not be loaded on \w+-\w+ with (glibc \d|a libc|the system)/);
    expect(message).toContain("koffi.node");
  });
});
