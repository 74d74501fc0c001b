/**
 * Owns what the tests of the profile typescript stand on: where wasmtime is, building components of programs, and running them.
 * Knows no scenario. Where a runtime is not installed its tests are skipped, and say so; where CI is set it is a failure.
 */

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { leaveOut } from "../support/missing.js";
import { requireBuild, ROOT, Running } from "../support/processes.js";

const MAIN = "dist/cli/main.js";
const INSTALL = "scripts/install-runtimes.sh";
const DIRECTORY = join(ROOT, "build", "typescript");
const RIGHTS = ["-S", "inherit-network,tcp,udp,allow-ip-name-lookup"] as const;

const paths = new Map(
  execFileSync(join(ROOT, INSTALL), ["--list"], { encoding: "utf8" })
    .trimEnd()
    .split("\n")
    .map((line) => line.split(" ") as [string, string]),
);

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
  const path = paths.get(name) ?? "";
  const missing = existsSync(path)
    ? ""
    : leaveOut(`The tests of programs in TypeScript on ${title}`, `${path} is not there: ${INSTALL} installs it`);
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

/** How `wasyncore build --profile typescript` ended. */
export async function runBuild(...parameters: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  requireBuild(MAIN);
  const child = spawn(process.execPath, [MAIN, "build", ...parameters, "--profile", "typescript"], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "pipe"],
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stderr };
}

/** @returns the path of the component */
export async function buildProgram(entry: string, name: string, ...parameters: readonly string[]): Promise<string> {
  const out = join(DIRECTORY, `${name}.wasm`);
  const { code, stderr } = await runBuild(entry, "-o", out, ...parameters);
  if (code !== 0) throw new Error(`${entry} was not built: ${stderr}`);
  return out;
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
