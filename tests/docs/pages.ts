/**
 * Owns the code blocks of README.md, docs/ and two other pages: where they are, and what the page says of them. Knows nothing of what
 * their languages mean.
 *
 * A page marks its blocks in three ways:
 * - A block that begins with the comment `// NAME.ts` is a file of that name, which others of the page may import.
 * - The HTML comment `<!-- given: CODE -->` before a block has code that the block takes for granted.
 * - A block after which the page says that it prints something, and then a text block: it is run, and prints that.
 */

import { readdirSync, readFileSync } from "node:fs";
import { ROOT } from "../support/processes.js";

export interface Block {
  /** "docs/turn.md" */
  readonly page: string;
  /** The line of the page on which the code begins, counted from 1. */
  readonly line: number;
  /** "ts", "python", "sh"; "" where the page does not say. */
  readonly language: string;
  readonly code: string;
  /** The text of the nearest heading before it. */
  readonly heading: string;
  /** What `given` has before it. */
  readonly given: string;
  /** What it prints, where the page says so. */
  readonly prints: string | undefined;
}

const FENCED = /^```(.*)\n([^]*?)^```$/gm;
const GIVEN = /<!-- given: ((?:(?!-->)[^])*?) -->\n+$/;
const PRINTS = /^\n\n[^\n]*prints[^\n]*:\n\n```text\n([^]*?)^```$/m;

export const PAGES: readonly string[] = [
  "README.md",
  "CONTRIBUTING.md",
  "bench/README.md",
  ...readdirSync(`${ROOT}docs`)
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

export function readPage(page: string): string {
  return readFileSync(ROOT + page, "utf8");
}

/** Every block of a page. */
export function blocksOf(page: string): Block[] {
  const text = readPage(page);
  return [...text.matchAll(FENCED)].map(({ index, 0: whole, 1: language = "", 2: code = "" }) => {
    const before = text.slice(0, index);
    const after = PRINTS.exec(text.slice(index + whole.length));
    return {
      page,
      line: before.split("\n").length + 1,
      language,
      code,
      heading: [...before.replaceAll(FENCED, "").matchAll(/^#+ (.*)$/gm)].at(-1)?.[1] ?? "",
      given: GIVEN.exec(before)?.[1] ?? "",
      prints: after?.index === 0 ? after[1] : undefined,
    };
  });
}

/** Every block of every page in one of these languages. */
export function blocksIn(...languages: string[]): Block[] {
  return PAGES.flatMap(blocksOf).filter(({ language }) => languages.includes(language));
}

/** "docs/turn.md:180" */
export function placeOf({ page, line }: Block): string {
  return `${page}:${line}`;
}
