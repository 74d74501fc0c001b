/**
 * Owns the modules that the tests of host/wasi run: from WebAssembly's text, and from AssemblyScript. Knows nothing of
 * who runs them.
 */

import { main as asc } from "assemblyscript/asc";
import binaryen from "assemblyscript/binaryen";

/** The bytes of a module written as text. */
export function wat(text: string): Uint8Array {
  const module = binaryen.parseText(text);
  try {
    return module.emitBinary();
  } finally {
    module.dispose();
  }
}

/** The bytes of a command written in AssemblyScript: its top level is what `_start` runs. */
export async function assemblyScript(source: string): Promise<Uint8Array> {
  const files = new Map<string, string | Uint8Array>([["guest.ts", source]]);
  const parameters = ["guest.ts", "-o", "guest.wasm", "--runtime", "stub", "--use", "abort=", "--exportStart", "_start", "--debug"];
  const { error, stderr } = await asc(parameters, {
    readFile: (name) => {
      const file = files.get(name.replace(/^\.?\//, ""));
      return typeof file === "string" ? file : null;
    },
    writeFile: (name, contents) => void files.set(name, contents),
    listFiles: () => [],
  });
  const bytes = files.get("guest.wasm");
  if (error !== null || !(bytes instanceof Uint8Array)) throw new Error(`asc: ${stderr.toString()}`);
  return bytes;
}
