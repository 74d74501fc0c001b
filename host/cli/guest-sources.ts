/**
 * Owns what asc is given to read: a program's own files, and the library's from the package that this command belongs to.
 * Knows no compiler and no command line.
 *
 * What only the notation of TypeScript's imports has is left out on the way, with blanks in its place, so that errors
 * keep their lines and columns: the word `type`, and the ending `.js` of a relative path. A handler's source can then be
 * compiled for Node and for a guest as it stands.
 */

import { readFile } from "node:fs/promises";
import { basename, isAbsolute, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { ComponentWasi } from "./build-options.js";

/** The package's directory, with the sources in `assembly/`. This file is in `dist/cli` or `host/cli`. */
const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));

/** The library, where asc looks for it. */
const LIBRARY = /[\\/]node_modules[\\/]wasyncore[\\/](.*)$/;

/** What programs import, and where that is in the package. */
const ENTRIES: ReadonlyMap<string, string> = new Map([
  ["index.ts", `export * from "./assembly/index";\n`],
  ["guest.ts", `export * from "./assembly/guest/index";\n`],
]);

/** What is compiled beside a program, for what it exports: calls for a host that drives the guest turn by turn. */
export const EXPORTS_PATH = "wasyncore-exports.ts";
const EXPORTS = `export { pending, turn } from "wasyncore/guest";\n`;

/** The same for a component: the allocator that its host calls, and what is to be done when the program is over. */
export const FINISH = "finish";
/** The callback of WASI 0.3's async export. */
export const RESUME = "resume";
const COMPONENT_EXPORTS: Readonly<Record<ComponentWasi, string>> = {
  component: `import "wasyncore/guest";
export { cabi_realloc, ${FINISH} } from "wasyncore/assembly/wasi/component/program";
`,
  async: `import "wasyncore/guest";
export { cabi_realloc, ${FINISH}, ${RESUME} } from "wasyncore/assembly/wasi/async/program";
`,
};
/** What calls WASI preview 1, and has counterparts of the same name: in `component/` for 0.2, in `async/` for 0.3. */
const REPLACED = /^assembly[\\/]wasi[\\/](system|poll-calls|portable-poll)\.ts$/;

const MISSING = ["ENOENT", "ENOTDIR", "EISDIR"];

/**
 * Makes what asc reads files with.
 * @param onUnreadable is called for a file that is there and cannot be read, with the error's code: asc says that it is missing
 */
export function sourceReader(
  wasi: ComponentWasi | undefined,
  onUnreadable: (path: string, code: string) => void,
): (name: string, baseDir: string) => Promise<string | null> {
  return async (name, baseDir) => {
    try {
      return await readSource(name, baseDir, wasi);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      // asc tries names that may not be there.
      if (!MISSING.includes(code)) onUnreadable(name, code);
      return null;
    }
  };
}

async function readSource(name: string, baseDir: string, wasi: ComponentWasi | undefined): Promise<string | null> {
  if (name === EXPORTS_PATH) return wasi === undefined ? EXPORTS : COMPONENT_EXPORTS[wasi];
  // The options are the command's business alone.
  if (basename(name) === "asconfig.json") return null;
  const path = isAbsolute(name) ? name : resolve(baseDir, name);
  const library = LIBRARY.exec(path);
  if (library === null) return withoutTypeImports(await readFile(path, "utf8"));
  const replaced = wasi === undefined ? null : REPLACED.exec(library[1] ?? "");
  if (replaced !== null) return `export * from "./${wasi}/${replaced[1]}";\n`;
  const own = library[1] ?? "";
  return ENTRIES.get(own) ?? packAscii(await withErrnoNames(await readFile(resolve(PACKAGE, own), "utf8")));
}

/** `import type { A } from "./b.js"` and `import { type A } from "./b.js"` become `import { A } from "./b"`. */
export function withoutTypeImports(source: string): string {
  return source
    .replaceAll(/^(\s*(?:import|export)\s+)type(?=\s*\{)/gm, "$1    ")
    .replaceAll(/^\s*(?:import|export)\s*\{[^}]*\}/gm, (names) => names.replaceAll(/\btype(?=\s+\w)/g, "    "))
    .replaceAll(/(\bfrom\s+"\.{1,2}\/[^"\n]*)\.js"/g, '$1"   ');
}

/** Replaces the name of the errno names by their text, so that it is packed as every other. */
async function withErrnoNames(source: string): Promise<string> {
  if (!source.includes("ascii(ERRNO_NAMES)")) return source;
  const shared = await readFile(resolve(PACKAGE, "assembly/shared/errno.ts"), "utf8");
  const literal = /\bERRNO_NAMES: string =\s*("[^"]*")/.exec(shared)?.[1] ?? "ERRNO_NAMES";
  return source.replace("ascii(ERRNO_NAMES)", `ascii(${literal})`);
}

/** Puts the texts of the library into the module in one byte a character: see assembly/guest/ascii.ts. */
function packAscii(source: string): string {
  return source
    .replaceAll(/\bascii\(\s*("(?:[^"\\]|\\.)*"),?\s*\)/g, (_call, literal: string) => {
      const bytes = Buffer.from(JSON.parse(literal) as string, "latin1");
      return `asciiAt(memory.data<u8>([${bytes.join(",")}]), ${bytes.length})`;
    })
    .replace(/import \{ ascii(, asciiAt)? \} from/, `import { asciiAt } from`);
}
