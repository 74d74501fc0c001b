/**
 * Owns stack traces: gives errors the `stack` that Node gives them, with the positions of the program's own files. Knows the
 * format of source maps, and the call sites of the JavaScript runtime.
 */

import { decoded } from "./vlq.js";

interface CallSite {
  getFileName(): string | null;
  getFunctionName(): string | null;
  getLineNumber(): number | null;
  getColumnNumber(): number | null;
}

/** What the build has written: the program's files, and mappings as in a source map. */
export interface Frames {
  readonly sources: readonly string[];
  readonly mappings: string;
}

/** One line: generated column, source, line and column of each segment, in rows of four. A source of -1 is not the program's. */
type Line = Int32Array;

const STRIDE = 4;
/** The script is the body of a function, which `new Function` begins with so many lines. */
const LINES_BEFORE = 2;

/** Sets how errors get their `stack`, from now on. */
export function traceErrors({ sources, mappings }: Frames): void {
  let lines: Line[] | undefined;
  const prepare = (error: unknown, sites: readonly CallSite[]): string => {
    const shown = [];
    for (const site of sites) {
      const row = site.getLineNumber();
      if (row === null) continue;
      lines ??= decodedLines(mappings);
      const name = site.getFunctionName() ?? "";
      const at = positionIn(lines[row - 1 - LINES_BEFORE], site.getColumnNumber() ?? 1);
      // The library's own calls, whose names are short here, tell nothing.
      if (at === undefined) continue;
      const place = `${sources[at.source] ?? ""}:${at.line}:${at.column}`;
      shown.push(`\n    at ${name === "" ? place : `${name} (${place})`}`);
    }
    return `${headOf(error)}${shown.join("")}`;
  };
  // An accessor of the JavaScript runtime: it is set, not defined anew.
  (Error as { prepareStackTrace?: unknown }).prepareStackTrace = prepare;
}

function headOf(error: unknown): string {
  try {
    return String(error);
  } catch {
    return "Error";
  }
}

function positionIn(
  line: Line | undefined,
  column: number,
): { source: number; line: number; column: number } | undefined {
  if (line === undefined) return undefined;
  let [low, high] = [0, line.length / STRIDE];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((line[middle * STRIDE] ?? 0) <= column - 1) low = middle + 1;
    else high = middle;
  }
  const at = (low - 1) * STRIDE;
  const source = line[at + 1] ?? -1;
  return source < 0 ? undefined : { source, line: (line[at + 2] ?? 0) + 1, column: (line[at + 3] ?? 0) + 1 };
}

function decodedLines(mappings: string): Line[] {
  let [source, line, column] = [0, 0, 0];
  return mappings.split(";").map((text) => {
    const numbers: number[] = [];
    let generated = 0;
    for (const segment of text === "" ? [] : text.split(",")) {
      const [generatedBy = 0, sourceBy, lineBy = 0, columnBy = 0] = decoded(segment);
      generated += generatedBy;
      if (sourceBy !== undefined) {
        source += sourceBy;
        line += lineBy;
        column += columnBy;
      }
      numbers.push(generated, sourceBy === undefined ? -1 : source, line, column);
    }
    return Int32Array.from(numbers);
  });
}
