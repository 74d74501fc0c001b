/**
 * Owns what the tests of the profile typescript stand on: where wasmtime is, building components of programs, and running them.
 * Knows no scenario. Where a runtime is not installed its tests are skipped, and say so; where CI is set it is a failure.
 */

import { join } from "node:path";
import { buildInto, type Built, buildWith } from "../support/builds.js";
import { ROOT, Running } from "../support/processes.js";
import { missingRuntime, runtimePath } from "../support/wasi-runtimes.js";

const MAIN = "dist/cli/main.js";
const DIRECTORY = join("build", "typescript");
const RIGHTS = ["-S", "inherit-network,tcp,udp,allow-ip-name-lookup"] as const;

/** What runs components. */
export interface Host {
  readonly name: string;
  /** "", or why it cannot be tested. */
  readonly missing: string;
  command(component: string, parameters: readonly string[]): readonly [string, ...string[]];
}

export interface Wasmtime extends Host {
  readonly path: string;
}

function installed(name: string, title: string): Wasmtime {
  const path = runtimePath(name);
  const missing = missingRuntime(name, `The tests of programs in TypeScript on ${title}`);
  return {
    name: title,
    path,
    missing,
    command: (component, parameters) => [path, "run", ...RIGHTS, component, ...parameters],
  };
}

/** The newest one, and one of the oldest that runs components. */
export const NEWEST = installed("wasmtime", "wasmtime, newest");
export const LTS = installed("wasmtime-lts", "wasmtime 36");
export const missing = NEWEST.missing;

export const NODE_HOST: Host = {
  name: "Node host",
  missing: "",
  command: (component, parameters) => [process.execPath, MAIN, "run", component, "--sockets", "--", ...parameters],
};

/** The same, with no more than it needs. */
export const POLICY: Host = {
  name: "Node host, under a policy",
  missing: "",
  command: (component, parameters) => {
    const policy = ["--bind", "127.0.0.1:0", "--max-memory", "64M"];
    return [process.execPath, MAIN, "run", component, ...policy, "--", ...parameters];
  },
};

/** How `wasyncore build --profile typescript` ended. */
export function buildTypescript(entry: string, name: string, ...options: readonly string[]): Promise<Built> {
  return buildWith(entry, join(DIRECTORY, `${name}.wasm`), "--profile", "typescript", ...options);
}

/** @returns the path of the component */
export function buildProgram(entry: string, name: string, ...options: readonly string[]): Promise<string> {
  return buildInto(entry, join(DIRECTORY, `${name}.wasm`), "--profile", "typescript", ...options);
}

/** Starts a component. */
export function run(component: string, parameters: readonly string[] = [], host: Host = NEWEST): Running {
  const [command, ...others] = host.command(component, parameters);
  return new Running(command, others, ROOT);
}

/** Starts a server that says on which port it listens, and waits until it has. */
export async function serve(
  component: string,
  parameters: readonly string[] = ["--port", "0"],
  host: Host = NEWEST,
): Promise<{ readonly program: Running; readonly port: number }> {
  const program = run(component, parameters, host);
  const [, port] = await program.line(/^listening on .*:(\d+)$/);
  return { program, port: Number(port) };
}
