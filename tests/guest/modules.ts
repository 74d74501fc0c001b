/**
 * Owns the modules that the tests of host/wasi run: from WebAssembly's text, and from AssemblyScript. Knows nothing of
 * who runs them.
 */

import binaryen from "assemblyscript/binaryen";

/** The part of asc's interface that is used here. */
interface Asc {
  main(
    parameters: readonly string[],
    options: AscOptions,
  ): Promise<{ error: Error | null; stderr: { toString(): string } }>;
}

interface AscOptions {
  readFile(name: string): string | null;
  writeFile(name: string, contents: string | Uint8Array): void;
  listFiles(): string[];
}

/** Its own declarations put AssemblyScript's globals in the place of Node's: they must not be found. */
const ASC: string = "assemblyscript/asc";

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
  const parameters = [
    "guest.ts",
    "-o",
    "guest.wasm",
    "--runtime",
    "stub",
    "--use",
    "abort=",
    "--exportStart",
    "_start",
    "--debug",
  ];
  const { main } = (await import(ASC)) as Asc;
  const { error, stderr } = await main(parameters, {
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
