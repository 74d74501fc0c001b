/**
 * Owns the library as a component of TypeScript needs it: without what belongs to Node alone, and with short names. A component
 * holds the program as text, which it compiles when it starts: each kilobyte counts twice. Knows esbuild, and the form of
 * dist/wasyncore.js.
 */

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Esbuild } from "./typescript-tools.js";

/**
 * What is not reached in a component: the Node backend and TLS, whose calls fail earlier, and the bytes of engine.wasm. Without
 * them esbuild leaves out all that only they use.
 */
const ABSENT = [
  "chosenBackend",
  "createNodeBackend",
  "isNodeBackend",
  "engineBytes",
  "NativeTransport",
  "recordBackend",
  "RecordStream",
  "serveDescriptors",
] as const;

/** `code` without the bodies of those. @throws Error where one is not found: the library has changed */
export function withoutNode(code: string): string {
  let left = code;
  for (const name of ABSENT) {
    const declaration = new RegExp(`^(?:function ${name}\\(|class ${name} )[^]*?\\n}\\n`, "m");
    if (!declaration.test(left)) throw new Error(`the library has no ${name}`);
    const body =
      name === "recordBackend"
        ? 'throw new UnsupportedPlatformError("a program in a component does not record itself");'
        : "return new Uint8Array(0);";
    left = left.replace(declaration, (found) =>
      found.startsWith("class") ? `class ${name} {}\n` : `function ${name}() { ${body} }\n`,
    );
  }
  return left;
}

/** The code of a file of dist/. */
export async function libraryCode(esbuild: Esbuild, path: string): Promise<string> {
  const text = readFileSync(path, "utf8");
  const { code } = await esbuild.transform(basename(path) === "wasyncore.js" ? withoutNode(text) : text, {
    minify: true,
    format: "esm",
    target: "es2022",
    sourcemap: false,
  });
  return code;
}
