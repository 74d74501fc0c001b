// Owns the processes of the benchmark: starting them, on which CPU, and that none outlives the driver, except after SIGKILL.
// Knows no workload and no peer.

import { spawn } from "node:child_process";
import { root } from "./paths.mjs";

/** What went wrong, in words for the person who runs the benchmark. */
export class BenchError extends Error {}

/** The server's CPU, and that of everything that gives it work. */
export const SERVER_CPU = 0;
export const LOAD_CPU = 1;

const alive = new Set();

/** From here on no way out of this process leaves a child behind. */
export function endChildrenOnExit() {
  process.on("exit", endChildren);
}

export function endChildren() {
  for (const child of alive) child.kill("SIGKILL");
}

/**
 * Starts a child. `ended` resolves, and never rejects, when it has ended and its output has been read:
 * `{ status, stdout, stderr, failure }`, with `failure` for a command that could not be started.
 * @param options `cpu` to run on, or undefined; `onStdout`, called with all of the output so far; `env`
 */
export function start(command, { cpu, onStdout = () => {}, env = process.env } = {}) {
  const [file, ...args] = cpu === undefined ? command : ["taskset", "-c", String(cpu), ...command];
  const child = spawn(file, args, { cwd: root, env, stdio: ["ignore", "pipe", "pipe"] });
  const result = { status: null, stdout: "", stderr: "", failure: undefined };
  child.stdout.setEncoding("utf8").on("data", (text) => {
    result.stdout += text;
    onStdout(result.stdout);
  });
  child.stderr.setEncoding("utf8").on("data", (text) => (result.stderr += text));
  alive.add(child);
  const ended = new Promise((resolve) => {
    child.on("error", (error) => (result.failure ??= error));
    child.on("close", (code, signal) => {
      alive.delete(child);
      resolve({ ...result, status: code ?? signal });
    });
  });
  return { child, ended };
}

/** Runs a command to its end. */
export const run = (command, options) => start(command, options).ended;

export function explain(what, { status, stderr, failure }) {
  const text = stderr.trim();
  return new BenchError(`${what} failed (${failure?.message ?? status})${text === "" ? "" : `: ${text}`}`);
}

/** Fails early, and clearly, when `taskset` is missing or the two CPUs cannot be had. */
export async function checkPinning() {
  for (const cpu of [SERVER_CPU, LOAD_CPU]) {
    const result = await run(["true"], { cpu });
    if (result.failure?.code === "ENOENT") {
      throw new BenchError("taskset (util-linux) was not found: install it, or measure with --unpinned.");
    }
    if (result.status !== 0) throw explain(`taskset -c ${cpu}; --unpinned does without: it`, result);
  }
}
