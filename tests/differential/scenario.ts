/**
 * Owns what a scenario is: its form and its variants. Knows no library.
 * Twin of record.py's `expand`. README.md explains all of it.
 */

import { readdirSync, readFileSync } from "node:fs";
import type { Family } from "wasyncore";

/** A name, and what it is to be done with. */
export type Action = readonly [name: string, ...operands: readonly unknown[]];

export interface HandlerSpec {
  readonly kind?: "dispatcher" | "withSend" | "file" | "chat";
  /** What `readable` and `writable` answer; where not given, they are not overridden. */
  readonly readable?: boolean;
  readonly writable?: boolean;
  /** Of a chat. */
  readonly terminator?: string | number | null;
  /** What nextTerminator sets, one after the other. */
  readonly terminators?: readonly (string | number | null)[];
  readonly in?: number;
  readonly out?: number;
  /** What is done in a callback. */
  readonly on?: Readonly<Record<string, readonly Action[]>>;
}

export interface Scenario {
  readonly id: string;
  readonly about: string;
  readonly family: Family;
  readonly handlers: Readonly<Record<string, HandlerSpec>>;
  readonly steps: readonly Action[];
}

interface Source extends Omit<Scenario, "family"> {
  readonly family?: Family;
  readonly families?: readonly Family[];
  /** What varies, and how: values, or values by name. */
  readonly vary?: Readonly<Record<string, readonly (string | number)[] | Readonly<Record<string, unknown>>>>;
}

/** asyncore's two pollers. */
export const POLLERS = ["select", "poll"] as const;
export type Poller = (typeof POLLERS)[number];

/** What came of a scenario: lines, one list for each step that ran the loop. */
export type Trace = readonly (readonly string[])[];

/** Every scenario in tests/differential/scenarios: its variants. */
export function readVariants(): Scenario[][] {
  const directory = new URL("scenarios/", import.meta.url);
  const names = readdirSync(directory).filter((name) => name.endsWith(".json"));
  return names
    .toSorted()
    .flatMap((name) => JSON.parse(readFileSync(new URL(name, directory), "utf8")) as Source[])
    .map(expand);
}

/** Every variant of every scenario. */
export function readScenarios(): Scenario[] {
  return readVariants().flat();
}

function expand(source: Source): Scenario[] {
  const { families, family = "IPv4", vary } = source;
  const named: Scenario[] =
    families === undefined
      ? [{ ...source, family }]
      : families.map((each) => ({ ...source, family: each, id: `${source.id}/${each}` }));
  if (vary === undefined) return named;
  return named.flatMap((scenario) =>
    Object.entries(vary).flatMap(([name, values]) =>
      labelled(values).map(
        ([label, value]) => substitute({ ...scenario, id: `${scenario.id}/${label}` }, `$${name}`, value) as Scenario,
      ),
    ),
  );
}

function labelled(
  values: readonly (string | number)[] | Readonly<Record<string, unknown>>,
): [label: string, value: unknown][] {
  if (!Array.isArray(values)) return Object.entries(values);
  return values.map((value: string | number) => [String(value), value]);
}

function substitute(node: unknown, name: string, value: unknown): unknown {
  if (node === name) return value;
  if (Array.isArray(node)) return node.map((each) => substitute(each, name, value));
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, inner]) => [key === name ? String(value) : key, substitute(inner, name, value)]),
  );
}
