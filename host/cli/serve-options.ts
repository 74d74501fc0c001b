/** Owns the command line of `wasyncore serve`. Opens and reads nothing. */

import { parseArgs } from "node:util";
import { parseAddress } from "../net/listen.js";
import { optionTrouble } from "./option-trouble.js";
import { UsageError } from "./run-errors.js";

export const USAGE = `Usage: wasyncore serve FILE [options]

Runs the plugins that FILE (JSON or YAML) names, each under its policy:

  plugins:
    - name: echo
      module: ./echo.wasm
      listen: [web=127.0.0.1:8080]

A relative path is relative to FILE. What happens, and the lines that plugins write, are written to standard error.

Options:
  --check          checks FILE and, if it is in order, the modules; prints every mistake, and ends: 0 if there is none,
                   otherwise 2
  --watch          reloads when FILE or a module changes
  --socket PATH    the control socket; default: "control" of FILE, or one that "wasyncore ctl" finds
  --metrics ADDR   serves /metrics for Prometheus and /healthz at HOST:PORT, [IPV6]:PORT, or the path of a Unix socket
                   with a slash in it; default: "metrics" of FILE, or not
  --help           prints this

SIGHUP reloads FILE. SIGTERM and Ctrl-C stop the plugins, each within its stopTimeoutMs; a second one ends them at once.
The listening sockets of systemd's socket activation (LISTEN_FDS) are used for the plugins that listen on their addresses,
or by their names.

Exit status: 0 after SIGTERM or Ctrl-C, and when all plugins have ended as they should; 1 when all have failed, or the control
socket or the address of --metrics cannot be opened; 2 when the command line or FILE is wrong; 130 or 143 after a second Ctrl-C or SIGTERM.
`;

export interface ServeOptions {
  readonly help: boolean;
  readonly path: string;
  readonly check: boolean;
  readonly watch: boolean;
  readonly socket: string | undefined;
  readonly metrics: string | undefined;
}

const OPTIONS = {
  check: { type: "boolean" },
  watch: { type: "boolean" },
  socket: { type: "string" },
  metrics: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** @throws UsageError */
export function parseServe(argv: readonly string[]): ServeOptions {
  const { values, positionals } = parsed(argv);
  const { help = false, check = false, watch = false, socket, metrics } = values;
  const [path = "", stray] = positionals;
  if (!help && path === "") throw new UsageError("which file names the plugins?");
  if (stray !== undefined) throw new UsageError(`${stray}: there is one file`);
  if (check && watch) throw new UsageError("--check ends at once: there is nothing to watch");
  if (socket === "") throw new UsageError("--socket: the path is empty");
  if (metrics !== undefined && parseAddress(metrics) === undefined)
    throw new UsageError(`--metrics ${metrics}: an address is HOST:PORT, [IPV6]:PORT or a path with a slash in it`);
  return { help, path, check, watch, socket, metrics };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(optionTrouble(error));
    throw error;
  }
}
