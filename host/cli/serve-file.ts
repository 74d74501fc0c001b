/**
 * Owns the file of `wasyncore serve`: reads JSON or YAML, checks it, and says what is wrong at which line. Leaves policies to
 * their schema; opens nothing that it names.
 */

import { basename, dirname, resolve } from "node:path";
import * as v from "valibot";
import { isCollection, isMap, isNode, isPair, LineCounter, type Node, parseDocument } from "yaml";
import { printable } from "../backend/printable.js";
import { parseAddress } from "../net/listen.js";
import { HOST_RATE_MAX } from "../plugin/host-lines.js";
import { checkServed, type LineLimits } from "../plugin/host-options.js";
import { PolicyError, type PolicyProblem } from "../plugin/policy/errors.js";
import { fields, limit, listOf, must, plainString, size } from "../plugin/policy/fields.js";
import { parsePolicy } from "../plugin/policy/schema.js";
import type { Policy } from "../plugin/policy/types.js";
import { rebased } from "./serve-paths.js";
import { readTextFile, TextFileError } from "./text-file.js";

/** A plugin of the file, with its policy. */
export interface PluginEntry {
  readonly name: string;
  /** Absolute. */
  readonly module: string;
  readonly policy: Policy;
  /** Puts a place before what is wrong with a field of it. */
  readonly problem: (field: string, message: string) => FileProblem;
}

export interface ServeFile {
  readonly plugins: readonly PluginEntry[];
  /** The path of the control socket, absolute. */
  readonly control: string | undefined;
  /** Where the pages for Prometheus and for health checks are served: a path is absolute. */
  readonly metrics: string | undefined;
  /** What all plugins may write together. */
  readonly lines: LineLimits;
}

/** Something that is wrong with a file. */
export interface FileProblem {
  /** Where in its text that is; 0 where it is about the file as a whole. */
  readonly offset: number;
  /** With the file and the line. */
  readonly text: string;
}

/** A file that is wrong: a line for each mistake, in the order of the file. */
export class ServeFileError extends Error {
  constructor(problems: readonly FileProblem[]) {
    const inOrder = problems.toSorted((a, b) => a.offset - b.offset);
    super(inOrder.map(({ text }) => text).join("\n"));
  }
}

const ofWholeFile = (text: string): ServeFileError => new ServeFileError([{ offset: 0, text }]);

const NAME_MAX = 64;
const ALIASES_MAX = 1000;
const MESSAGE_MAX = 300;
/** Of YAML: what follows from the first ones is none of its own. */
const MISTAKES_MAX = 20;
const name = v.pipe(
  plainString,
  v.regex(/^[a-z\d_][\w.-]*$/i, "must consist of letters, digits, dots, hyphens and underscores"),
  v.maxLength(NAME_MAX, `must have at most ${NAME_MAX} characters`),
);
const path = v.pipe(plainString, v.nonEmpty("must not be empty"));
const address = v.pipe(
  plainString,
  v.check((text) => parseAddress(text) !== undefined, "must be HOST:PORT, [IPV6]:PORT or a path with a slash in it"),
);
/** What a policy is, is checked by its own schema. */
const plugin = v.looseObject({ name, module: path }, ({ expected, received, path: at }) =>
  at === undefined ? must("an object with a name, a module and a policy")({ received }) : missing(expected),
);
const file = fields(
  {
    plugins: listOf(plugin, "a list of plugins"),
    control: v.optional(path),
    metrics: v.optional(address),
    linesPerSecond: v.optional(limit(1, HOST_RATE_MAX, "lines a second")),
    lineBytesPerSecond: v.optional(size(1, HOST_RATE_MAX, "bytes a second")),
  },
  "an object with plugins",
);

function missing(expected: string | null): string {
  return expected === null ? "is wrong" : "is missing";
}

/** @throws ServeFileError */
export function readServeFile(filePath: string): ServeFile {
  const shown = basename(filePath);
  let text: string;
  try {
    text = readTextFile(filePath);
  } catch (error) {
    if (!(error instanceof TextFileError)) throw error;
    throw ofWholeFile(`cannot read ${filePath}: ${error.message}`);
  }
  return parseServeFile(text, shown, dirname(resolve(filePath)));
}

/** @param directory what relative paths are relative to @throws ServeFileError */
export function parseServeFile(text: string, shown: string, directory: string): ServeFile {
  const source = new Source(text, shown);
  const value = source.read();
  const result = v.safeParse(file, value, { abortPipeEarly: true });
  const problems: FileProblem[] = [];
  if (!result.success) {
    for (const { path: keys, message } of result.issues) {
      problems.push(source.problem(keys?.map(({ key }) => key as string | number) ?? [], message));
    }
  }
  const names = new Map<string, number>();
  const plugins: PluginEntry[] = [];
  // The policies are checked even if something else is wrong, so that every mistake is reported at once.
  for (const [index, each] of pluginsOf(value).entries()) {
    const { name: given, module, ...rest } = each;
    const before = typeof given === "string" ? names.get(given) : undefined;
    if (before !== undefined) {
      problems.push(
        source.problem(["plugins", index, "name"], `is the name of plugins[${before}] as well: ${String(given)}`),
      );
    } else if (typeof given === "string") names.set(given, index);
    const problem = (field: string, message: string): FileProblem =>
      source.problem(["plugins", index, ...keysOf(field)], message, typeof given === "string" ? given : undefined);
    const policy = policyOf(rest, directory, ({ field, message }) => problems.push(problem(field, message)));
    if (policy === undefined || typeof given !== "string" || typeof module !== "string") continue;
    plugins.push({ name: given, module: resolve(directory, module), policy, problem });
  }
  if (!result.success || problems.length > 0) throw new ServeFileError(problems);
  const { control, metrics, linesPerSecond, lineBytesPerSecond } = result.output;
  return {
    plugins,
    lines: { linesPerSecond, lineBytesPerSecond },
    control: control === undefined ? undefined : resolve(directory, control),
    metrics: metrics?.includes("/") === true ? resolve(directory, metrics) : metrics,
  };
}

function policyOf(
  given: Record<string, unknown>,
  directory: string,
  report: (problem: PolicyProblem) => void,
): Policy | undefined {
  try {
    // Lines of a plugin have a place to go here.
    return checkServed(parsePolicy(rebased({ stdio: "lines", ...given }, directory)));
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    for (const each of error.problems) report(each);
    return undefined;
  }
}

function pluginsOf(value: unknown): readonly Record<string, unknown>[] {
  const { plugins } = (value ?? {}) as { readonly plugins?: unknown };
  if (!Array.isArray(plugins)) return [];
  return plugins.map((each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each) ? (each as Record<string, unknown>) : {},
  );
}

type Keys = readonly (string | number)[];

/** "connect[2].ports" as keys. */
function keysOf(field: string): Keys {
  return [...field.matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map(([, key, index]) => key ?? Number(index));
}

/** "plugins[1].module" */
function fieldOf(keys: Keys): string {
  return keys.reduce<string>((field, key) => {
    if (typeof key === "number") return `${field}[${key}]`;
    return field === "" ? key : `${field}.${key}`;
  }, "");
}

/** A text, and where in it things are. */
class Source {
  readonly #shown: string;
  readonly #lines = new LineCounter();
  readonly #document;

  /** @throws ServeFileError */
  constructor(text: string, shown: string) {
    this.#shown = shown;
    if (text.includes("\0")) throw ofWholeFile(`${shown}: it is no text: the file must be JSON or YAML`);
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, merge: true });
  }

  /** @throws ServeFileError */
  read(): unknown {
    const { errors, warnings } = this.#document;
    const mistakes = [...errors, ...warnings];
    if (mistakes.length > 0) {
      // A message may quote all that follows, and of the rest each bracket may be a mistake.
      const said = mistakes
        .slice(0, MISTAKES_MAX)
        .map(({ message, pos }) => this.#problemAt(pos[0], printable(message, MESSAGE_MAX)));
      throw new ServeFileError(said);
    }
    try {
      return this.#document.toJS({ maxAliasCount: ALIASES_MAX }) as unknown;
    } catch (error) {
      // Aliases that lead nowhere, or to more than memory holds.
      throw ofWholeFile(`${this.#shown}: ${(error as Error).message}`);
    }
  }

  problem(keys: Keys, message: string, plugin?: string): FileProblem {
    const [, , ...field] = keys;
    const where = plugin === undefined ? fieldOf(keys) : fieldOf(field);
    const whose = plugin === undefined ? "" : `${plugin}: `;
    const subject = where === "" ? (plugin === undefined ? "the file " : "the policy ") : `"${where}" `;
    return this.#problemAt(this.#offset(keys), `${whose}${subject}${message}`);
  }

  /** Where the field, or the nearest that there is around it, begins. */
  #offset(keys: Keys): number | undefined {
    let node: unknown = this.#document.contents;
    let offset = startOf(node);
    for (const key of keys) {
      if (!isCollection(node)) break;
      const pair = isMap(node) ? node.items.find((item) => isPair(item) && keyOf(item.key) === String(key)) : undefined;
      const next: unknown = pair === undefined ? node.get(key, true) : pair.value;
      offset = startOf(pair?.key) ?? startOf(next) ?? offset;
      node = next;
    }
    return offset;
  }

  #problemAt(offset: number | undefined, message: string): FileProblem {
    const place = offset === undefined ? this.#shown : `${this.#shown}:${this.#lines.linePos(offset).line}`;
    return { offset: offset ?? 0, text: `${place}: ${message}` };
  }
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined;
}

function keyOf(key: unknown): string {
  return String(isNode(key) && "value" in key ? key.value : key);
}

/** In words, where there are some. */
export function troubleOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EISDIR") return "it is a directory";
  if (code === "EACCES") return "permission denied";
  return message;
}
