/**
 * Makes build/demo.html of examples/browser: the library, its engine and the page of `wasyncore view` in one file that runs in
 * a browser. Node's modules are exchanged for examples/browser/node.ts.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { constants } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const NODE = join(ROOT, "examples/browser/node.ts");
const ENGINE = JSON.stringify(readFileSync(join(ROOT, "build/engine.wasm")).toString("base64"));

const inABrowser = {
  name: "in-a-browser",
  setup(made) {
    // A CommonJS module: a name that is not there is undefined, and no error of the build.
    made.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: "node" }));
    made.onLoad({ filter: /.*/, namespace: "node" }, () => ({
      contents: `module.exports = require(${JSON.stringify(NODE)});`,
      resolveDir: ROOT,
    }));
    made.onLoad({ filter: /host\/loop\/engine-bytes\.ts$/ }, () => ({
      loader: "ts",
      contents: `export const engineBytes = (): Uint8Array => Uint8Array.from(atob(${ENGINE}), (each) => each.charCodeAt(0));`,
    }));
  },
};

const { outputFiles } = await build({
  entryPoints: [join(ROOT, "examples/browser/demo.ts")],
  bundle: true,
  minify: true,
  keepNames: true,
  format: "esm",
  target: "es2022",
  define: { ERRNO: JSON.stringify(constants.errno) },
  plugins: [inABrowser],
  external: ["koffi"],
  write: false,
  logLevel: "error",
});
const script = outputFiles[0].text;
// The page of a view, with another script.
const template = readFileSync(join(ROOT, "dist/view/page.html"), "utf8");
const [head, , tail] = template.split(/(<script type="module">[^]*<\/script>)/);
mkdirSync(join(ROOT, "build"), { recursive: true });
const page = `${head}<script type="module">${script.replaceAll("</script", "<\\/script")}</script>${tail}`;
writeFileSync(join(ROOT, "build/demo.html"), page);
process.stdout.write(`build/demo.html: open it in a browser\n`);
