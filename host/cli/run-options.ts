/** Owns the command line of `wasyncore run`: what it says, and what is wrong with it. Opens and reads nothing. */

import { parseArgs } from "node:util";
import type { DirectoryGrant, GuestRecordOptions } from "../guest/run.js";
import { planRecord, type RecordOptions } from "../record/options.js";
import { optionTrouble } from "./option-trouble.js";
import { UsageError } from "./run-errors.js";
import type { PolicyValues } from "./run-policy.js";
import { POLICY_OPTIONS, POLICY_USAGE } from "./run-policy-options.js";

export { UsageError } from "./run-errors.js";

export const USAGE = `Usage: wasyncore run APP.WASM [options] [-- ARGUMENTS...]

Runs a WASI preview 1 command, or a component of WASI 0.2 that is one, on Node. What stands after -- is
the command's own.

Options:
  --listen ADDRESS        gives it a listening socket: HOST:PORT, [IPV6]:PORT, or the path of a
                          Unix socket with a slash in it. May be given more than once: the sockets
                          are its descriptors 3, 4, ... in this order, as in LISTEN_FDS. Port 0
                          takes a free one, and says on standard error which. A component gets them when
                          it binds to their addresses, which LISTEN tells it
  --listen NAME=ADDRESS   the same, with a name for LISTEN_FDNAMES
  --dir HOST::GUEST       lets it use the directory HOST, and all beneath it, by the path GUEST; HOST alone, by
                          the same path. It has no files otherwise, and no way out of the directory.
                          Repeatable. Linux 5.6
  --dir HOST::GUEST:ro    the same for reading only
  --env NAME=VALUE        sets a variable of its environment, which is empty otherwise. Repeatable
  --sockets               lets it open, bind and connect sockets of its own (WasmEdge's calls; of a component,
                          wasi:sockets)
  --unix PATH             with --sockets, lets it bind and connect the Unix socket PATH. Repeatable. With a
                          policy, --connect and --bind take the place of both
  --record FILE           records every call of it into FILE: see wasyncore replay
  --record-hashes         with --record, hashes its memory in each turn as well
  --help                  prints this

${POLICY_USAGE}
Exit status: the command's own (its low eight bits); 134 when it traps; 137 when a limit of its policy has ended it; 1 when
it cannot be started; 2 when the command line is wrong. Ctrl-C ends it at once (130 in a shell).
`;

/** What `wasyncore run` is to do. */
export interface RunOptions {
  readonly help: boolean;
  readonly path: string;
  readonly listen: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly sockets: boolean;
  readonly unixPaths: readonly string[];
  readonly directories: readonly DirectoryGrant[];
  readonly record: GuestRecordOptions | undefined;
  readonly args: readonly string[];
  /** Were arguments given, if only none after "--"? */
  readonly hasArgs: boolean;
  /** Options of a policy; undefined where there are none, and the guest is trusted. */
  readonly policy: PolicyValues | undefined;
}

const OPTIONS = {
  ...POLICY_OPTIONS,
  listen: { type: "string", multiple: true },
  env: { type: "string", multiple: true },
  sockets: { type: "boolean" },
  unix: { type: "string", multiple: true },
  dir: { type: "string", multiple: true },
  record: { type: "string" },
  "record-hashes": { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** @throws UsageError */
export function parseRun(argv: readonly string[]): RunOptions {
  const end = argv.indexOf("--");
  const own = end < 0 ? argv : argv.slice(0, end);
  const { values, positionals } = parsed(own);
  const help = values.help === true;
  const [path = "", stray] = positionals;
  if (!help && path === "") throw new UsageError("which module is to be run?");
  if (stray !== undefined) throw new UsageError(`${stray}: the arguments of the command stand after --`);
  const [policyOption] = Object.keys(POLICY_OPTIONS).filter(
    (name) => (values as Record<string, unknown>)[name] !== undefined,
  );
  for (const name of ["sockets", "unix"] as const) {
    if (policyOption === undefined || values[name] === undefined) continue;
    throw new UsageError(
      `--${name}: with --${policyOption} there is a policy, where --connect, --bind and --udp grant sockets one by one`,
    );
  }
  if (policyOption !== undefined && values.record !== undefined)
    throw new UsageError(`--record: with --${policyOption} it is a plugin, and plugins are not recorded`);
  if (values.unix !== undefined && values.sockets !== true)
    throw new UsageError("--unix: a guest opens sockets of its own only with --sockets");
  const hashes = values["record-hashes"] === true;
  if (hashes && values.record === undefined)
    throw new UsageError("--record-hashes: into which file? --record names it");
  for (const unixPath of values.unix ?? []) checkUnixPath(unixPath);
  return {
    help,
    path,
    record: values.record === undefined ? undefined : { ...recordOptions(), path: values.record, hashes },
    listen: values.listen ?? [],
    env: environment(values.env ?? [], values.listen !== undefined),
    sockets: values.sockets === true,
    unixPaths: values.unix ?? [],
    directories: (values.dir ?? []).map(directory),
    args: end < 0 ? [] : argv.slice(end + 1),
    hasArgs: end >= 0,
    policy: policyOption === undefined ? undefined : values,
  };
}

/** What is recorded, as for programs: JSON in WASYNCORE_RECORD_OPTIONS. */
function recordOptions(): RecordOptions {
  const { WASYNCORE_RECORD_OPTIONS: text = "{}" } = process.env;
  try {
    const options = JSON.parse(text) as RecordOptions;
    planRecord(options);
    return options;
  } catch (error) {
    throw new UsageError(`WASYNCORE_RECORD_OPTIONS: ${(error as Error).message}`);
  }
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(optionTrouble(error));
    throw error;
  }
}

/** sun_path holds 108 bytes, the last of them a NUL. */
const UNIX_PATH_MAX = 107;

function checkUnixPath(path: string): void {
  const length = Buffer.byteLength(path);
  if (length === 0) throw new UsageError("--unix: the path of a Unix socket is missing");
  if (length > UNIX_PATH_MAX)
    throw new UsageError(
      `--unix ${path}: the path of a Unix socket has at most ${UNIX_PATH_MAX} bytes, and this has ${length}`,
    );
}

/** "HOST::GUEST" or "HOST", which is its path for the guest as well; with ":ro" at the end for reading only. */
function directory(text: string): DirectoryGrant {
  const readOnly = text.endsWith(":ro");
  const paths = readOnly ? text.slice(0, -":ro".length) : text;
  const [hostPath = "", guestPath = hostPath] = paths.split(/::(.*)/s, 2);
  // A misspelt ":ro" would grant writing.
  if (hostPath === "" || guestPath === "" || /:r[ow]$/i.test(paths))
    throw new UsageError(`--dir ${text}: a directory is HOST::GUEST, or HOST::GUEST:ro for reading only`);
  return { hostPath, guestPath, readOnly };
}

function environment(entries: readonly string[], listening: boolean): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const entry of entries) {
    const at = entry.indexOf("=");
    if (at <= 0) throw new UsageError(`--env ${entry}: a variable is NAME=VALUE`);
    const name = entry.slice(0, at);
    if (listening && (name === "LISTEN_FDS" || name === "LISTEN_FDNAMES"))
      throw new UsageError(`--env ${entry}: --listen sets ${name}`);
    environment[name] = entry.slice(at + 1);
  }
  return environment;
}
