// Owns the command line: what can be asked for, and that it makes sense. Knows the tables, and runs nothing.

import { parseArgs } from "node:util";
import { peersOf } from "./peers.mjs";
import { BenchError } from "./processes.mjs";
import { workloads } from "./workloads.mjs";

export const usage = `usage: npm run bench -- [options]

Measures what a message, a MiB or a connection costs a server in CPU time, for wasyncore and others side by side.

  --only NAME[,NAME]   workloads, or groups of them (--list); all by default
  --peers NAME[,NAME]  peers (--list); by default all that are found
  --rounds N           each peer is measured once a round (5)
  --measure-ms N       CPU time of the server that each measurement takes (200)
  --warmup-ms N        CPU time before the first, for what is compiled while it runs; others need 100 at most (3000)
  --limit-s N          a measurement that takes longer fails (60)
  --against DIR        another checkout, built, as the peers "against" and "againstSync"
  --unpinned           leave it to the scheduler where server and load run; else on CPU 0 and CPU 1
  --json FILE          write every single figure; "-" writes them to stdout, instead of the tables
  --charts DIR         write bar charts (SVG), one for each group of workloads
  --from FILE          take the figures from a file that --json wrote, and measure nothing
  --list               the workloads and the peers, and what is missing for a peer
  --help

Exit status: 0 when all was measured, 1 when something failed, 2 for a wrong command line, 130 after Ctrl-C.
`;

/** A command line that asks for what does not exist. */
export class UsageError extends BenchError {}

const text = { type: "string" };
const flag = { type: "boolean", default: false };
const OPTIONS = {
  only: text,
  peers: text,
  rounds: { ...text, default: "5" },
  "measure-ms": { ...text, default: "200" },
  "warmup-ms": { ...text, default: "3000" },
  "limit-s": { ...text, default: "60" },
  against: text,
  unpinned: flag,
  json: text,
  charts: text,
  from: text,
  list: flag,
  help: flag,
};

function integer(values, name, min, max) {
  const value = /^\d+$/.test(values[name]) ? Number(values[name]) : NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(`--${name} must be a whole number from ${min} to ${max}, got "${values[name]}".`);
}

/** The names of a list, each one of those that exist. */
function names(option, list, existing) {
  const given = list.split(",").filter((name) => name !== "");
  const unknown = given.find((name) => !existing.includes(name));
  if (unknown !== undefined) throw new UsageError(`--${option}: there is no "${unknown}"; --list shows the names.`);
  if (given.length === 0) throw new UsageError(`--${option} is empty.`);
  return given;
}

function parse(args) {
  try {
    return parseArgs({ args, options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(error.message);
  }
}

/** @throws UsageError */
export function readOptions(args) {
  const values = parse(args);
  const peers = peersOf(values.against);
  const groups = workloads.flatMap(({ name, group }) => [name, group]);
  const only = values.only === undefined ? undefined : names("only", values.only, groups);
  return {
    help: values.help,
    list: values.list,
    json: values.json,
    charts: values.charts,
    from: values.from,
    peers,
    chosen: values.peers === undefined ? undefined : names("peers", values.peers, Object.keys(peers)),
    workloads: workloads.filter(({ name, group }) => only === undefined || only.includes(name) || only.includes(group)),
    settings: {
      rounds: integer(values, "rounds", 1, 100),
      measureMs: integer(values, "measure-ms", 1, 60_000),
      warmupMs: integer(values, "warmup-ms", 0, 60_000),
      limitS: integer(values, "limit-s", 1, 3600),
      pin: !values.unpinned,
    },
  };
}
