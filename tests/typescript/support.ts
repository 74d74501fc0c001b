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

/** A version of wasmtime. */
export interface Wasmtime {
  readonly name: string;
  readonly path: string;
}

function installed(name: string, title: string): Wasmtime & { readonly missing: string } {
  const path = paths.get(name) ?? "";
  const missing = existsSync(path)
    ? ""
    : leaveOut(`The tests of programs in TypeScript on ${title}`, `${path} is not there: ${INSTALL} installs it`);
  return { name: title, path, missing };
}

/** The newest one, and one of the oldest that runs components. */
export const NEWEST = installed("wasmtime", "wasmtime, newest");
export const LTS = installed("wasmtime-lts", "wasmtime 36");
export const missing = NEWEST.missing;

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
export function run(component: string, parameters: readonly string[] = [], wasmtime: Wasmtime = NEWEST): Running {
  return new Running(wasmtime.path, ["run", ...RIGHTS, component, ...parameters], ROOT);
}

/** Starts a server that takes any port, and waits until it says which. */
export async function serve(
  component: string,
  parameters: readonly string[] = [],
  wasmtime: Wasmtime = NEWEST,
): Promise<{ readonly program: Running; readonly port: number }> {
  const program = run(component, ["--port", "0", ...parameters], wasmtime);
  const [, port] = await program.line(/^listening on .*:(\d+)$/);
  return { program, port: Number(port) };
}
