/**
 * Owns the positions of a program's own files in the script that a component runs: taken from a source map, and written so that
 * host/typescript/stack.ts finds them. Knows the format of source maps (https://tc39.es/ecma426/); knows no bundler.
 */

import { isAbsolute, relative, resolve, sep } from "node:path";
import { decoded, DIGITS } from "../typescript/vlq.js";

/** What a component takes to its stack traces. */
export interface Frames {
  /** The program's files, as stack traces show them. */
  readonly sources: readonly string[];
  /** As `mappings` of a source map, without names; what is not the program's has no source. */
  readonly mappings: string;
}

interface SourceMap {
  readonly sources: readonly (string | null)[];
  readonly mappings: string;
}

/**
 * @param from the directory that the sources of the map are relative to
 * @param baseDir what the program's paths are shown relative to
 * @param without the directory of what is not the program's
 */
export function framesOf(map: string, from: string, baseDir: string, without: string): Frames {
  const { sources, mappings } = JSON.parse(map) as SourceMap;
  const kept: string[] = [];
  const numbers = sources.map((source) => {
    const path = source === null ? without : isAbsolute(source) ? source : resolve(from, source);
    if (path.startsWith(without) || source?.includes("wasyncore:") === true) return -1;
    const shown = relative(baseDir, path).replaceAll(sep, "/");
    return kept.push(shown) - 1;
  });
  return { sources: kept, mappings: keptMappings(mappings, numbers) };
}

function keptMappings(mappings: string, numbers: readonly number[]): string {
  // Of what is read, and of what is written: both hold differences.
  let [source, line, column] = [0, 0, 0];
  let [writtenSource, writtenLine, writtenColumn] = [0, 0, 0];
  const lines = mappings.split(";").map((text) => {
    let [generated, writtenGenerated] = [0, 0];
    let isOutside = true;
    const segments: string[] = [];
    for (const segment of text === "" ? [] : text.split(",")) {
      const [generatedBy = 0, sourceBy, lineBy = 0, columnBy = 0] = decoded(segment);
      generated += generatedBy;
      if (sourceBy !== undefined) {
        source += sourceBy;
        line += lineBy;
        column += columnBy;
      }
      const number = sourceBy === undefined ? -1 : (numbers[source] ?? -1);
      if (number < 0) {
        if (!isOutside) segments.push(encoded([generated - writtenGenerated]));
        if (!isOutside) writtenGenerated = generated;
        isOutside = true;
        continue;
      }
      isOutside = false;
      segments.push(
        encoded([generated - writtenGenerated, number - writtenSource, line - writtenLine, column - writtenColumn]),
      );
      writtenGenerated = generated;
      writtenSource = number;
      writtenLine = line;
      writtenColumn = column;
    }
    return segments.join(",");
  });
  return lines.join(";");
}

function encoded(values: readonly number[]): string {
  let text = "";
  for (const value of values) {
    let left = value < 0 ? (-value << 1) | 1 : value << 1;
    do {
      const more = left >>> 5;
      text += DIGITS[(left & 31) | (more > 0 ? 32 : 0)] ?? "";
      left = more;
    } while (left > 0);
  }
  return text;
}
