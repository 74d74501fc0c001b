/**
 * Owns the schema of a policy: its fields, their defaults, and what is checked across them. Leaves what is granted one by
 * one to rules-schema.ts.
 */

import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import * as v from "valibot";
import { Problem } from "./address-text.js";
import { PolicyError, type PolicyProblem } from "./errors.js";
import {
  fields,
  limit,
  listOf,
  milliseconds,
  must,
  number,
  oneOf,
  plainString,
  readBy,
  size,
  wholeNumber,
} from "./fields.js";
import { binding, datagramDestination, destination, directory, listener } from "./rules-schema.js";
import { TIMER_MAX_MS } from "./timer.js";
import type { Policy, RestartPolicy, StdioGrant } from "./types.js";

const WASM_PAGE_BYTES = 65_536;
const WASM_MEMORY_MAX = 0x1_0000_0000;
const MIB = 0x10_0000;
const DESCRIPTORS_MAX = 0x10_0000;
/** The others on the thread wait for so long: less than an isolated plugin has. */
const SHARED_TURN_MS = 100;
const RESTARTS_MAX = 1_000_000;
const CLOCK_RESOLUTION_MAX_MS = 1000;

const limits = fields(
  {
    maxMemoryBytes: v.optional(size(WASM_PAGE_BYTES, WASM_MEMORY_MAX, "bytes"), 256 * MIB),
    maxDescriptors: v.optional(limit(0, DESCRIPTORS_MAX, "descriptors"), 1024),
    maxConnections: v.optional(limit(0, DESCRIPTORS_MAX, "connections"), 1000),
    bytesPerSecondIn: v.optional(size(1, Infinity, "bytes a second"), Infinity),
    bytesPerSecondOut: v.optional(size(1, Infinity, "bytes a second"), Infinity),
    linesPerSecond: v.optional(limit(1, Infinity, "lines a second"), 10_000),
    lineBytesPerSecond: v.optional(size(1, Infinity, "bytes a second"), 4 * MIB),
    cpuMsPerTurn: v.optional(limit(1, Infinity, "milliseconds", false), 1000),
    cpuMsTotal: v.optional(limit(1, Infinity, "milliseconds", false), Infinity),
    lifetimeMs: v.optional(limit(1, TIMER_MAX_MS, "milliseconds", false), Infinity),
    maxHostBytes: v.optional(size(MIB, Infinity, "bytes"), 16 * MIB),
  },
  "an object with limits",
);

const environment = v.pipe(
  v.record(
    v.pipe(
      plainString,
      v.check((name) => name !== "" && !name.includes("="), "is no name of an environment variable"),
    ),
    plainString,
    must("an object with variables"),
  ),
  // A name such as "toString" is a variable like any other.
  v.transform((variables): Record<string, string> => Object.assign(Object.create(null) as object, variables)),
);

const NO_STDIO: StdioGrant = { stdin: "none", stdout: "none", stderr: "none" };
const output = v.optional(oneOf(["none", "lines", "inherit"]), "none");
const stdioObject = fields(
  { stdin: v.optional(oneOf(["none", "inherit"]), "none"), stdout: output, stderr: output },
  `"none", "lines", "inherit", or an object with stdin, stdout and stderr`,
);
const stdioWord = v.pipe(
  oneOf(["none", "lines", "inherit"]),
  v.transform((word): StdioGrant => ({ stdin: word === "lines" ? "none" : word, stdout: word, stderr: word })),
);

const RESTART = {
  when: "failure",
  minDelayMs: 100,
  maxDelayMs: 30_000,
  factor: 2,
  maxRestarts: 10,
  windowMs: 300_000,
} as const;
const when = oneOf(["never", "failure", "always"]);
const restartObject = readBy(
  fields(
    {
      when: v.optional(when, RESTART.when),
      minDelayMs: v.optional(milliseconds(0, TIMER_MAX_MS), RESTART.minDelayMs),
      maxDelayMs: v.optional(milliseconds(0, TIMER_MAX_MS), RESTART.maxDelayMs),
      factor: v.optional(
        number(1, 100, "a number from 1 to 100", () => true),
        RESTART.factor,
      ),
      maxRestarts: v.optional(wholeNumber(0, RESTARTS_MAX, ""), RESTART.maxRestarts),
      windowMs: v.optional(milliseconds(1, TIMER_MAX_MS), RESTART.windowMs),
    },
    `"never", "failure", "always", or an object`,
  ),
  (restart): RestartPolicy | Problem =>
    restart.minDelayMs <= restart.maxDelayMs ? restart : new Problem("must have a minDelayMs of at most maxDelayMs"),
);
const restartWord = v.pipe(
  when,
  v.transform((word): RestartPolicy => ({ ...RESTART, when: word })),
);

const random = v.lazy((value) =>
  typeof value === "string"
    ? oneOf(["system"])
    : fields({ seed: wholeNumber(0, Number.MAX_SAFE_INTEGER, "") }, `"system" or an object with a seed`),
);

const policy = fields(
  {
    run: v.optional(oneOf(["isolated", "shared"]), "isolated"),
    listen: v.optional(listOf(listener, "a list of listening sockets"), []),
    connect: v.optional(listOf(destination, "a list of addresses"), []),
    bind: v.optional(listOf(binding, "a list of addresses"), []),
    udp: v.optional(listOf(datagramDestination, "a list of addresses"), []),
    dirs: v.optional(listOf(directory, "a list of directories"), []),
    limits: v.optional(limits, {}),
    env: v.optional(environment, {}),
    args: v.optional(listOf(plainString, "a list of arguments"), []),
    stdio: v.optional(
      v.lazy((value) => (typeof value === "string" ? stdioWord : stdioObject)),
      NO_STDIO,
    ),
    clocks: v.optional(
      fields({ resolutionMs: v.optional(milliseconds(0, CLOCK_RESOLUTION_MAX_MS), 0) }, "an object with resolutionMs"),
      {},
    ),
    random: v.optional(random, "system"),
    restart: v.optional(
      v.lazy((value) => (typeof value === "string" ? restartWord : restartObject)),
      RESTART,
    ),
    stopTimeoutMs: v.optional(milliseconds(0, TIMER_MAX_MS), 5000),
  },
  "an object",
);

/**
 * Checks a policy and fills in its defaults. What it returns may be given to it again.
 * @param input a `PolicyInput`, as it comes from a program, a command line or a file
 * @throws PolicyError with every problem that was found
 */
export function parsePolicy(input: unknown): Policy {
  const result = v.safeParse(policy, input);
  if (!result.success) throw new PolicyError(result.issues.map(problemOf));
  const problems = problemsAcross(result.output);
  if (problems.length > 0) throw new PolicyError(problems);
  const { run, limits: given } = result.output;
  if (run !== "shared" || limitsTurn(input)) return result.output;
  return { ...result.output, limits: { ...given, cpuMsPerTurn: SHARED_TURN_MS } };
}

function limitsTurn(input: unknown): boolean {
  return (input as { limits?: { cpuMsPerTurn?: unknown } } | undefined)?.limits?.cpuMsPerTurn !== undefined;
}

function problemOf({ path, message }: v.BaseIssue<unknown>): PolicyProblem {
  return { field: fieldOf(path?.map(({ key }) => key) ?? []), message };
}

/** "connect[2].ports" */
function fieldOf(keys: readonly unknown[]): string {
  return keys.reduce<string>((field, key) => {
    if (typeof key === "number") return `${field}[${key}]`;
    return field === "" ? String(key) : `${field}.${String(key)}`;
  }, "");
}

/** What is wrong with fields that are right each by itself. */
function problemsAcross({ connect, bind, dirs, env, listen }: Policy): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  for (const name of ["LISTEN_FDS", "LISTEN_FDNAMES"]) {
    if (listen.length > 0 && Object.hasOwn(env, name)) {
      problems.push({ field: `env.${name}`, message: `must be left out: "listen" sets it` });
    }
  }
  for (const [index, { guest }] of dirs.entries()) {
    if (dirs.findIndex((each) => each.guest === guest) < index) {
      problems.push({
        field: `dirs[${index}].guest`,
        message: `names a directory that the guest has already: ${guest}`,
      });
    }
  }
  // A guest could put a symbolic link where the socket is.
  const sockets = { connect, bind, listen: listen.map(({ address }) => address) };
  for (const [field, rules] of Object.entries(sockets)) {
    for (const [index, { path }] of rules.entries()) {
      const writable = path === undefined ? undefined : dirs.find((dir) => !dir.readOnly && isBeneath(path, dir.host));
      if (writable === undefined) continue;
      problems.push({
        field: `${field}[${index}]`,
        message: `is in a directory that the guest may write to (${writable.host}): make the directory read-only, or move the socket`,
      });
    }
  }
  return problems;
}

/** Is the file, or a directory or a link on the way to it, in this directory? An abstract name is nowhere. */
function isBeneath(path: string, directory: string): boolean {
  if (path.startsWith("\0")) return false;
  const parent = withoutLinks(directory);
  const prefix = parent.endsWith(sep) ? parent : parent + sep;
  let at: string = sep;
  for (const part of resolve(path).split(sep)) {
    at = join(withoutLinks(at), part);
    if (at.startsWith(prefix)) return true;
  }
  return false;
}

/** The path with the symbolic links of its existing part resolved. */
function withoutLinks(path: string): string {
  const whole = resolve(path);
  try {
    return realpathSync.native(whole);
  } catch {
    const parent = dirname(whole);
    return parent === whole ? whole : join(withoutLinks(parent), basename(whole));
  }
}
