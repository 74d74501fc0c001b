/** Owns the command line of `wasyncore ctl`. Knows no socket. */

import { resolve } from "node:path";
import { parseArgs } from "node:util";
import type { ControlRequest } from "./control-protocol.js";
import { optionTrouble } from "./option-trouble.js";
import { UsageError } from "./run-errors.js";

export const USAGE = `Usage: wasyncore ctl [options] COMMAND

Controls the plugins of a running "wasyncore serve".

Commands:
  list                  shows the plugins
  stop NAME             stops a plugin, within its stopTimeoutMs, until it is restarted
  restart NAME          starts a plugin anew, with its module read again; without a refused connection if it runs
  replace NAME MODULE   puts another module in the place of a plugin's, without a refused connection, until the file of
                        "wasyncore serve" has another one for it
  reload                reads the file again, and changes what has changed
  logs NAME             shows what a plugin has written, and what has happened to it
  stats                 prints all that is known of the plugins, as JSON

Options:
  --socket PATH         the control socket; without it, that of the only "wasyncore serve" of this user
  --pid N               the process, where there are several
  --json                prints JSON: "list" a list, "logs" an object a line, others the result
  -f, --follow          after "logs": goes on with further lines, until Ctrl-C
  --help                prints this

Exit status: 0; 1 when it could not be done; 2 when the command line is wrong.
`;

export interface CtlOptions {
  readonly help: boolean;
  readonly socket: string | undefined;
  readonly pid: number | undefined;
  readonly json: boolean;
  readonly request: ControlRequest;
}

const OPTIONS = {
  socket: { type: "string" },
  pid: { type: "string", short: "p" },
  json: { type: "boolean" },
  follow: { type: "boolean", short: "f" },
  help: { type: "boolean", short: "h" },
} as const;
const COMMANDS = "list, stop, restart, replace, reload, logs, stats";
const NAME_MAX = 64;

/** @throws UsageError */
export function parseCtl(argv: readonly string[]): CtlOptions {
  const { values, positionals } = parsed(argv);
  const { help = false, socket, pid, json = false, follow = false } = values;
  const request: ControlRequest = help ? { command: "list" } : requestOf(positionals, follow);
  if (socket !== undefined && pid !== undefined) throw new UsageError("--pid and --socket exclude each other");
  if (socket === "") throw new UsageError("--socket: the path is empty");
  if (pid !== undefined && !/^[1-9]\d{0,9}$/.test(pid))
    throw new UsageError(`--pid ${pid}: a process id is a whole number, 1 or more`);
  return { help, socket, pid: pid === undefined ? undefined : Number(pid), json, request };
}

function requestOf([command = "", ...words]: readonly string[], follow: boolean): ControlRequest {
  const [first, second] = words;
  const take = (count: number, what: string): void => {
    if (words.length === count) return;
    throw new UsageError(`${command}: ${words.length < count ? what : `${words[count]} is one word too many`}`);
  };
  if (follow && command !== "logs") throw new UsageError(`--follow: only "logs" goes on`);
  switch (command) {
    case "list":
    case "stats":
    case "reload":
      take(0, "");
      return { command };
    case "stop":
    case "restart":
      take(1, "which plugin?");
      return { command, name: named(first) };
    case "logs":
      take(1, "which plugin?");
      return { command, name: named(first), follow };
    case "replace":
      take(2, first === undefined ? "which plugin, and which module?" : "which module?");
      if (second === "") throw new UsageError("replace: the path of the module is empty");
      // The other process may be in another directory.
      return { command, name: named(first), module: resolve(second ?? "") };
    case "":
      throw new UsageError(`which command? There are ${COMMANDS}`);
    default:
      throw new UsageError(`${command}: no such command; there are ${COMMANDS}`);
  }
}

function named(name = ""): string {
  if (name !== "" && name.length <= NAME_MAX) return name;
  throw new UsageError(`a plugin's name has 1 to ${NAME_MAX} characters`);
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(optionTrouble(error));
    throw error;
  }
}
