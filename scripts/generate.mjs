/**
 * Makes TypeScript of the numbers and layouts in assembly/shared, which are written there once for both languages:
 *
 *   node scripts/generate.mjs           writes the files
 *   node scripts/generate.mjs --check   fails where one of them is not current
 *
 * It reads the few forms that those files are written in, and fails on any other: namespaces of numbers, single numbers,
 * one text, and `@unmanaged` classes, of which it makes the offsets of their fields.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format, resolveConfig } from "prettier";

const ROOT = new URL("../", import.meta.url);
const FILES = [
  ["assembly/shared/abi.ts", "host/wasi/abi.ts"],
  ["assembly/shared/errno.ts", "host/wasi/errno-numbers.ts"],
  ["assembly/shared/preview1.ts", "host/wasi/layout.ts"],
];

const SIZES = new Map([
  ["u8", 1],
  ["u16", 2],
  ["i32", 4],
  ["u32", 4],
  ["u64", 8],
]);

const NAMESPACE = /^export namespace (\w+) \{$/;
const CLASS = /^export class (\w+) \{$/;
const NUMBER = /^export const (\w+): (u8|u16|i32|u32|u64) = (\d+(?: << \d+)?);$/;
const FIELD = /^(private )?(\w+): (u8|u16|i32|u32|u64);$/;
const TEXT = /^export const (\w+): string =$/;

/** "rightsInheriting" is RIGHTS_INHERITING. */
const constantName = (field) => field.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();

const valueOf = (type, value) => (type === "u64" ? value.replaceAll(/\d+/g, "$&n") : value);

/** Fields are aligned to their sizes, and a record to its largest field: AssemblyScript's rule, and C's. */
class Layout {
  #offset = 0;
  #alignment = 1;

  /** @returns the offset of the next field, which has this type */
  add(type) {
    const size = SIZES.get(type);
    this.#alignment = Math.max(this.#alignment, size);
    const offset = Math.ceil(this.#offset / size) * size;
    this.#offset = offset + size;
    return offset;
  }

  get size() {
    return Math.ceil(this.#offset / this.#alignment) * this.#alignment;
  }
}

/** The lines of TypeScript for the lines of one file. */
function translate(path, source) {
  const lines = source.split("\n");
  const made = [];
  /** The last line of the comment at the top, which says what the file owns. */
  const header = lines.indexOf(" */");
  let inComment = false;
  /** The layout of the class that is being read. */
  let layout;
  for (let i = header + 1; i < lines.length; i++) {
    const line = lines[i].trim();
    let match;
    if (inComment || line.startsWith("/**")) {
      made.push(line);
      inComment = !line.endsWith("*/");
    } else if (line === "" || line === "@unmanaged" || line === "@lazy" || line.startsWith("//")) {
      if (line === "") made.push("");
    } else if ((match = NAMESPACE.exec(line)) !== null) {
      made.push(`export const ${match[1]} = {`);
    } else if ((match = CLASS.exec(line)) !== null) {
      layout = new Layout();
      made.push(`export const ${match[1]} = {`);
    } else if ((match = NUMBER.exec(line)) !== null) {
      const [, name, type, value] = match;
      const isMember = lines[i].startsWith(" ");
      made.push(isMember ? `${name}: ${valueOf(type, value)},` : `export const ${name} = ${valueOf(type, value)};`);
    } else if (layout !== undefined && (match = FIELD.exec(line)) !== null) {
      const offset = layout.add(match[3]);
      if (match[1] === undefined) made.push(`${constantName(match[2])}: ${offset},`);
    } else if (line === "}") {
      if (layout !== undefined) made.push(`SIZE: ${layout.size},`);
      layout = undefined;
      made.push("} as const;");
    } else if ((match = TEXT.exec(line)) !== null) {
      made.push(`export const ${match[1]} =`, lines[++i]);
    } else {
      throw new Error(`${path}:${i + 1}: a form that this script does not know: ${line}`);
    }
  }
  return made.join("\n");
}

/** The place of an errno's name is its number. */
function checkErrnos(source) {
  const names = /ERRNO_NAMES: string =\s*"([^"]*) ";/.exec(source)?.[1]?.split(" ") ?? [];
  for (const [, name, number] of source.matchAll(/ERRNO_(\w+): i32 = (\d+);/g)) {
    if (names[Number(number)] !== name) throw new Error(`ERRNO_${name} is not ${number} by the names`);
  }
}

let stale = 0;
for (const [from, to] of FILES) {
  const source = readFileSync(new URL(from, ROOT), "utf8");
  if (from.endsWith("errno.ts")) checkErrnos(source);
  const owns = `/** Owns nothing of its own: made of ${from} by \`npm run generate\`. Change that file, not this one. */\n`;
  const path = fileURLToPath(new URL(to, ROOT));
  const config = await resolveConfig(path);
  const text = await format(owns + translate(from, source), { ...config, filepath: path });
  if (!process.argv.includes("--check")) {
    writeFileSync(path, text);
  } else if (readFileSync(path, "utf8") !== text) {
    process.stderr.write(`${to} is not current: npm run generate\n`);
    stale += 1;
  }
}
process.exitCode = stale > 0 ? 1 : 0;
