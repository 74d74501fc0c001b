/**
 * Owns `wasyncore run`: gives a guest its descriptors, runs it, and reports how it ended. Leaves the command line to
 * run-options, the sockets to run-listen, and WASI to host/guest and host/component.
 */

import { fstatSync, readFileSync, rmSync } from "node:fs";
import { basename } from "node:path";
import { isatty } from "node:tty";
import { defaultBackend } from "../net/default-backend.js";
import { OSError, UnsupportedPlatformError } from "../backend/errors.js";
import { GuestError, type GuestStdio, GuestTrap, runGuest } from "../guest/run.js";
import { isComponent, PREVIEW1 } from "../guest/module.js";
import { addressText, type Listener, openListener, parseListen } from "./run-listen.js";
import { RunError, UsageError } from "./run-errors.js";
import { parseRun, type RunOptions, USAGE } from "./run-options.js";
import type { PolicyValues } from "./run-policy.js";
import { addressTrouble, fileTrouble, pathText, trapText, writeTrouble } from "./run-troubles.js";

const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
/** 128 and SIGABRT, as other runtimes have it. */
const EXIT_TRAPPED = 134;

/**
 * Runs `wasyncore run` with the arguments that follow it. Blocks until the guest has ended.
 * @returns the exit status
 */
export async function runCommand(argv: string[]): Promise<number> {
  try {
    const options = parseRun(argv);
    if (options.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    return options.policy === undefined ? await run(options) : await runHeld(options, options.policy);
  } catch (error) {
    if (error instanceof UsageError) return complain(`${error.message}\nTry "wasyncore run --help".`, EXIT_USAGE);
    if (error instanceof RunError || error instanceof UnsupportedPlatformError)
      return complain(error.message, EXIT_FAILED);
    throw error;
  }
}

/** Under a policy. What that takes is loaded only then. */
async function runHeld(options: RunOptions, values: PolicyValues): Promise<number> {
  const { policyOf } = await import("./run-policy.js");
  const { path, listen, env, directories, args, hasArgs } = options;
  for (const each of listen) parseListen(each);
  const policy = policyOf(values, { listen, env, dir: directories, args: hasArgs ? args : undefined });
  const bytes = read(path);
  const { runUnderPolicy } = await import("./run-plugin.js");
  return await runUnderPolicy(path, bytes, basename(path), policy);
}

async function run(options: RunOptions): Promise<number> {
  const requests = options.listen.map(parseListen);
  const bytes = read(options.path);
  const backend = defaultBackend();
  const listeners: Listener[] = [];
  const paths: string[] = [];
  try {
    for (const request of requests) {
      const listener = attempt(
        () => openListener(backend, request),
        `cannot listen on ${addressText(request.address)}`,
        request.address.path,
      );
      listeners.push(listener);
      if (request.address.path !== undefined) paths.push(request.address.path);
      if (request.address.port === 0) announce(listener);
    }
    return await serve(options, bytes, listeners);
  } finally {
    for (const { socket } of listeners) socket.close();
    for (const path of paths) rmSync(path, { force: true });
  }
}

async function serve(options: RunOptions, bytes: Uint8Array, listeners: readonly Listener[]): Promise<number> {
  const { path, args, directories, env, record, sockets, unixPaths } = options;
  try {
    if (isComponent(bytes)) {
      const { serveComponent } = await import("./run-component.js");
      const stdioOfProcess = [stdio(0), stdio(1), stdio(2)] as const;
      return (await serveComponent(options, bytes, listeners, stdioOfProcess)) & 0xff;
    }
    const status = runGuest(bytes, {
      args: [basename(path), ...args],
      env,
      stdio: [stdio(0), stdio(1), stdio(2)],
      listeners: listeners.map(({ socket, name }) => (name === undefined ? socket : { socket, name })),
      directories,
      socketExtension: sockets,
      unixPaths,
      record,
    });
    return status & 0xff;
  } catch (error) {
    if (error instanceof GuestTrap) return complain(trapText(path, error), EXIT_TRAPPED);
    if (error instanceof GuestError)
      throw new RunError(`cannot run ${pathText(path)}: ${error.message}${hint(error, sockets)}`, {
        cause: error,
      });
    if (record !== undefined && error instanceof Error && "path" in error && error.path === record.path)
      throw new RunError(`cannot write ${record.path}: ${writeTrouble("code" in error ? error.code : "")}`, {
        cause: error,
      });
    throw error;
  }
}

function read(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error)
      throw new RunError(`cannot read ${path}: ${fileTrouble(error.code)}`, { cause: error });
    throw error;
  }
}

/** @param path of a Unix socket */
function attempt<T>(action: () => T, what: string, path?: string): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof OSError)) throw error;
    throw new RunError(`${what}: ${addressTrouble(error, path)}`, { cause: error });
  }
}

function announce({ socket, name }: Listener): void {
  const named = name === undefined ? "" : ` (${name})`;
  process.stderr.write(`listening on ${addressText(socket.localAddress())}${named}\n`);
}

function stdio(fd: number): GuestStdio {
  if (isatty(fd)) return { fd, kind: "terminal" };
  return { fd, kind: fstatSync(fd).isFile() ? "file" : "stream" };
}

function hint({ missing }: GuestError, sockets: boolean): string {
  const extension = missing.some((name) => name.startsWith(`${PREVIEW1}.sock_`));
  return extension && !sockets ? "\nIt wants to open sockets of its own: --sockets lets it." : "";
}

function complain(message: string, status: number): number {
  process.stderr.write(`wasyncore: ${message}\n`);
  return status;
}
