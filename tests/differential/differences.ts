/**
 * Owns docs/differences.md as a program reads it: one row for each step of a scenario in which wasyncore is told
 * something else than CPython's asyncore. Knows no library.
 */

import { readFileSync } from "node:fs";
import { type Poller, POLLERS, type Trace } from "./scenario.js";

/** One row; of one scenario and one poller, where the table has several in a cell. */
export interface Difference {
  readonly id: string;
  readonly poller: Poller;
  /** Which of the trace's lists of lines, from 0. */
  readonly index: number;
  readonly cpython: readonly string[];
  readonly ours: readonly string[];
  readonly reason: string;
}

/** A variant, or a scenario with all of its variants, that no guest can play. */
export interface NotPlayed {
  readonly id: string;
  readonly poller: Poller;
  readonly reason: string;
}

/** Is the variant `id` this one, or one of this scenario? */
export function isOf(id: string, scenario: string): boolean {
  return id === scenario || id.startsWith(`${scenario}/`);
}

const GUEST_TABLE = new URL("../../docs/guest-differences.md", import.meta.url);
const RUNTIMES = new URL("../../docs/runtimes.md", import.meta.url);
const TABLE = new URL("../../docs/differences.md", import.meta.url);
const CELLS = 6;
const NOTHING = "nothing";

/** Every row of docs/differences.md: CPython and the TypeScript classes. */
export function readDifferences(): Difference[] {
  return rowsOf(readFileSync(TABLE, "utf8")).flatMap(parseRow);
}

/** What docs/guest-differences.md says: the rows, of the TypeScript classes and a guest; and what is not played. */
export function readGuestDifferences(): { rows: Difference[]; notPlayed: NotPlayed[] } {
  const [played = "", notPlayed = ""] = readFileSync(GUEST_TABLE, "utf8").split("\n## Not played\n");
  return { rows: rowsOf(played).flatMap(parseRow), notPlayed: rowsOf(notPlayed).flatMap(parseNotPlayed) };
}

/** What docs/runtimes.md says of components made of TypeScript: the same. */
export function readComponentDifferences(): { rows: Difference[]; notPlayed: NotPlayed[] } {
  const [, section = ""] = readFileSync(RUNTIMES, "utf8").split("\n### Traces that differ\n");
  const [different = "", notPlayed = ""] = (section.split("\n## ")[0] ?? "").split("\nNot played:\n");
  return { rows: rowsOf(different).flatMap(parseRow), notPlayed: rowsOf(notPlayed).flatMap(parseNotPlayed) };
}

function rowsOf(page: string): string[] {
  return page.split("\n").filter((line) => line.startsWith("| `"));
}

function cellsOf(line: string, count: number): string[] {
  const cells = line.slice(2, -2).split(" | ");
  if (cells.length !== count || !line.endsWith(" |")) throw new Error(`not ${count} cells: ${line}`);
  return cells;
}

function pollersOf(cell: string, line: string): Poller[] {
  const pollers = POLLERS.filter((each) => cell === each || cell === "both");
  if (pollers.length === 0) throw new Error(`no poller: ${line}`);
  return pollers;
}

function parseNotPlayed(line: string): NotPlayed[] {
  const [ids = "", poller = "", reason = ""] = cellsOf(line, 3);
  return linesOf(ids).flatMap((id) => pollersOf(poller, line).map((each) => ({ id, poller: each, reason })));
}

function parseRow(line: string): Difference[] {
  const [ids = "", poller = "", step = "", cpython = "", ours = "", reason = ""] = cellsOf(line, CELLS);
  const pollers = pollersOf(poller, line);
  const index = Number(step) - 1;
  if (!Number.isInteger(index) || index < 0) throw new Error(`no step: ${line}`);
  return linesOf(ids).flatMap((id) =>
    pollers.map((each) => ({ id, poller: each, index, cpython: linesOf(cpython), ours: linesOf(ours), reason })),
  );
}

function linesOf(cell: string): string[] {
  if (cell === NOTHING) return [];
  return cell.split("<br>").map((line) => {
    if (!/^`[^`]*`$/.test(line)) throw new Error(`not in backquotes: ${line}`);
    return line.slice(1, -1);
  });
}

/** A row of the table, as it stands there. */
export function formatDifference({ id, poller, index, cpython, ours, reason }: Difference): string {
  const cells = [formatLines([id]), poller, String(index + 1), formatLines(cpython), formatLines(ours), reason];
  return `| ${cells.join(" | ")} |`;
}

function formatLines(lines: readonly string[]): string {
  return lines.length === 0 ? NOTHING : lines.map((line) => `\`${line}\``).join("<br>");
}

/** The trace that the rows make of CPython's. */
export function withDifferences(trace: Trace, rows: readonly Difference[]): Trace {
  return trace.map((lines, index) => rows.find((row) => row.index === index)?.ours ?? lines);
}

/** What the table lacks, or has too much of, to tell CPython's trace from ours. */
export function checkDifferences(
  { id, poller, cpython, ours }: { id: string; poller: Poller; cpython: Trace; ours: Trace },
  rows: readonly Difference[],
): string[] {
  const found: Difference[] = [];
  for (let index = 0; index < Math.max(cpython.length, ours.length); index++) {
    const [theirs = [], own = []] = [cpython[index], ours[index]];
    if (!isSame(theirs, own)) found.push({ id, poller, index, cpython: theirs, ours: own, reason: "" });
  }
  const isSameRow = (a: Difference, b: Difference): boolean =>
    a.index === b.index && isSame(a.cpython, b.cpython) && isSame(a.ours, b.ours);
  return [
    ...found
      .filter((each) => !rows.some((row) => isSameRow(row, each)))
      .map((each) => `no row: ${formatDifference(each)}`),
    ...rows
      .filter((row) => !found.some((each) => isSameRow(row, each)))
      .map((row) => `not so: ${formatDifference(row)}`),
  ];
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, index) => line === b[index]);
}
