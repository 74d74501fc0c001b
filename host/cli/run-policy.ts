/**
 * Owns the options of `wasyncore run` that hold the guest to a policy: what they say, the file of --policy, and what is wrong with
 * either, by the name of the option. Leaves what a policy is to host/plugin/policy; runs nothing.
 */

import { extname, resolve } from "node:path";
import { parseDocument } from "yaml";
import type { DirectoryGrant } from "../guest/run.js";
import { PolicyError, type PolicyProblem } from "../plugin/policy/errors.js";
import { parsePolicy } from "../plugin/policy/schema.js";
import type { Policy } from "../plugin/policy/types.js";
import { amountOf, type Unit } from "../plugin/policy/units.js";
import { UsageError } from "./run-errors.js";
import { LIMITS, optionOfLimit, type POLICY_OPTIONS } from "./run-policy-options.js";
import { readTextFile, TextFileError } from "./text-file.js";

export type PolicyValues = { readonly [O in keyof typeof POLICY_OPTIONS]?: string | string[] | undefined };

/** What the other options of the command give to a policy. */
export interface GivenBeside {
  readonly listen: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** HOST::GUEST[:ro], checked. */
  readonly dir: readonly DirectoryGrant[];
  /** undefined: none were given. */
  readonly args: readonly string[] | undefined;
}

type Fields = Record<string, unknown>;

/** @throws UsageError for what is wrong with an option, or with the file */
export function policyOf(values: PolicyValues, beside: GivenBeside): Policy {
  const options = optionFields(values, beside);
  check(options, (problem) => problemOfOption(problem, values, beside));
  const path = values.policy as string | undefined;
  const file = path === undefined ? {} : readPolicyFile(path);
  const listed = (name: string): unknown[] => [...((file[name] ?? []) as unknown[]), ...((options[name] ?? []) as [])];
  const merged: Fields = { stdio: "inherit", restart: "never", ...file, ...options };
  for (const name of ["listen", "connect", "udp", "bind", "dirs"]) merged[name] = listed(name);
  for (const name of ["limits", "env"]) merged[name] = { ...(file[name] as object), ...(options[name] as object) };
  return check(merged, ({ field, message }) => `the policy of ${path ?? "these options"}: "${field}" ${message}`);
}

function check(input: Fields, text: (problem: PolicyProblem) => string): Policy {
  try {
    return parsePolicy(input);
  } catch (error) {
    if (error instanceof PolicyError) throw new UsageError(error.problems.map(text).join("\n"), { cause: error });
    throw error;
  }
}

function optionFields(values: PolicyValues, beside: GivenBeside): Fields {
  const fields: Fields = {};
  for (const name of ["connect", "udp", "bind"] as const) if (values[name] !== undefined) fields[name] = values[name];
  if (beside.listen.length > 0) fields["listen"] = beside.listen;
  if (beside.dir.length > 0) {
    fields["dirs"] = beside.dir.map(({ hostPath, guestPath, readOnly = false }) => ({
      host: resolve(hostPath),
      guest: guestPath === hostPath ? resolve(guestPath) : guestPath,
      readOnly,
    }));
  }
  fields["env"] = beside.env;
  if (beside.args !== undefined) fields["args"] = beside.args;
  const limits: Fields = {};
  for (const { option, limit, unit } of LIMITS) {
    const value = values[option as keyof PolicyValues];
    if (typeof value === "string") limits[limit] = unit === "size" ? value : numberOf(value, unit);
  }
  fields["limits"] = limits;
  const resolution = values["clock-resolution"];
  if (typeof resolution === "string") fields["clocks"] = { resolutionMs: numberOf(resolution, "time") };
  const seed = values["random-seed"];
  if (typeof seed === "string") fields["random"] = { seed: numberOf(seed, "count") };
  const timeout = values["stop-timeout"];
  if (typeof timeout === "string") fields["stopTimeoutMs"] = numberOf(timeout, "time");
  for (const name of ["stdio", "restart"] as const) if (values[name] !== undefined) fields[name] = values[name];
  return fields;
}

/** A number; other text is passed on unchanged, so that the schema says what would be right. */
function numberOf(text: string, unit: Unit): number | string {
  return amountOf(text, unit) ?? text;
}

/** What an option takes beyond the schema, which knows no units of time. */
function hintOfUnit(text: string, unit: Unit): string {
  return unit !== "time" || typeof numberOf(text, unit) === "number" ? "" : "; a time may end with ms, s, m or h";
}

function problemOfOption({ field, message }: PolicyProblem, values: PolicyValues, beside: GivenBeside): string {
  const [, name = "", index, rest = ""] = /^(\w+)(?:\[(\d+)\])?\.?(\w*)/.exec(field) ?? [];
  if (name === "limits") {
    const option = optionOfLimit(rest) ?? rest;
    const value = String(values[option as keyof PolicyValues]);
    const unit = LIMITS.find((each) => each.limit === rest)?.unit ?? "count";
    return `--${option} ${value}: it ${message}${hintOfUnit(value, unit)}`;
  }
  const single = { clocks: "clock-resolution", random: "random-seed", stopTimeoutMs: "stop-timeout" }[name] ?? name;
  const value = values[single as keyof PolicyValues];
  const at = Number(index ?? 0);
  switch (name) {
    case "listen":
      return `--listen ${beside.listen[at]}: it ${message}`;
    case "dirs":
      return `--dir ${beside.dir[at]?.hostPath}::${beside.dir[at]?.guestPath}: it ${message}`;
    case "env":
      return `--env ${rest}: it ${message}`;
    case "args":
      return `argument ${at + 1} after --: it ${message}`;
    default:
      return `--${single} ${Array.isArray(value) ? value[at] : String(value)}: it ${message}`;
  }
}

/** @throws UsageError */
function readPolicyFile(path: string): Fields {
  const fail = (problem: string, cause?: unknown): never => {
    throw new UsageError(`--policy ${path}: ${problem}`, { cause });
  };
  const kind = extname(path).toLowerCase();
  if (![".json", ".yaml", ".yml"].includes(kind)) fail("a policy is a .json or .yaml file");
  let text = "";
  try {
    text = readTextFile(path);
  } catch (error) {
    if (!(error instanceof TextFileError)) throw error;
    fail(error.message, error);
  }
  let value: unknown;
  try {
    value = kind === ".json" ? JSON.parse(text) : valueOfYaml(text);
  } catch (error) {
    fail((error as Error).message, error);
  }
  check(value as Fields, ({ field, message }) =>
    field === "" ? `--policy ${path}: it ${message}` : `--policy ${path}: "${field}" ${message}`,
  );
  return value as Fields;
}

/** @throws Error with the line and the column */
function valueOfYaml(text: string): unknown {
  const document = parseDocument(text, { prettyErrors: true });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw new Error(problem.message.split("\n", 1)[0]?.replace(/:$/, ""), { cause: problem });
  return document.toJS() as unknown;
}
