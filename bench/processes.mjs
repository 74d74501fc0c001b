// Owns the processes of a benchmark: the compilers, the echo servers, the load. Knows no scenario and no statistics.
// Whatever ends the driver ends them too, except SIGKILL, which nobody hears.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePort, guestCommand, guests, listening, wasmtime } from "./guests.mjs";

const bench = dirname(fileURLToPath(import.meta.url));
const root = dirname(bench);
const output = join(root, "build", "bench");
const START_LIMIT_MS = 10_000;

/** What went wrong, in words for the person who ran the benchmark. */
export class BenchError extends Error {}

const node = (script, ...args) => [process.execPath, join(bench, script), ...args];

/** The command of each server that chooses its port itself, by the name that the report gives it. */
const commands = {
  c: [join(output, "echo-epoll")],
  net: node("echo-net.mjs"),
  wasyncore: node("echo-wasyncore.mjs"),
  "wasyncore-alone": node("echo-wasyncore.mjs", "--alone"),
  "wasyncore-poll": node("echo-wasyncore.mjs", "--use-poll"),
  "wasyncore-sync": node("echo-wasyncore.mjs", "--sync"),
  "wasyncore-sync-poll": node("echo-wasyncore.mjs", "--sync", "--use-poll"),
};

/** The names of all servers. */
export const serverNames = [...Object.keys(commands), ...Object.keys(guests)];

const isGuest = (name) => Object.hasOwn(guests, name);

const alive = new Set();

/** From here on no way out of this process leaves a child behind. */
export function endChildrenOnExit() {
  process.on("exit", () => {
    for (const child of alive) child.kill("SIGKILL");
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => process.exit(128 + constants.signals[signal]));
  }
}

/**
 * Starts a child. `ended` resolves, and never rejects, when it is gone and its output is read to the end:
 * `{ status, stdout, stderr, failure }`, with `failure` for a command that could not be started.
 */
function start([command, ...args], onStdout = () => {}) {
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
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

function explain(what, { status, stderr, failure }) {
  return new BenchError(`${what} failed (${failure?.message ?? status})${stderr === "" ? "" : `:\n${stderr.trim()}`}`);
}

/** Compiles the C programs, and those guests of `names`, into build/bench. */
export async function compile(names) {
  mkdirSync(output, { recursive: true });
  for (const program of ["echo-epoll", "load"]) {
    const flags = ["-O2", "-std=gnu11", "-Wall", "-Wextra"];
    const result = await start(["cc", ...flags, "-o", join(output, program), join(bench, `${program}.c`)]).ended;
    if (result.failure?.code === "ENOENT") {
      throw new BenchError(
        "cc was not found: the load and the reference server are in C. Install a C compiler (gcc or clang).",
      );
    }
    if (result.status !== 0) throw explain(`cc ${program}.c`, result);
  }
  for (const name of names.filter(isGuest)) {
    const result = await start(guests[name]).ended;
    if (result.status === 0) continue;
    const hint = name === "guest-c" ? "\nOn Debian: apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32" : "";
    const error = explain(`building ${name}`, result);
    throw new BenchError(`${error.message}${hint}`);
  }
}

/** Fails early, and clearly, when a server of `names` cannot run. */
export function checkBuilt(names) {
  const built = (name) => name.startsWith("wasyncore") || (isGuest(name) && name !== "guest-c");
  if (names.some(built) && !existsSync(join(root, "dist", "index.js"))) {
    throw new BenchError('wasyncore is not built: run "npm run build" first, or choose --servers c,net.');
  }
  if (names.some(isGuest) && !existsSync(wasmtime)) {
    throw new BenchError(`${wasmtime} is missing: run scripts/install-runtimes.sh first, or choose other --servers.`);
  }
}

/** Fails early, and clearly, when `taskset` is not there or cannot have CPUs 0 and 1. */
export async function checkPinning() {
  for (const cpu of [0, 1]) {
    const result = await start(pinned(cpu, ["true"])).ended;
    if (result.failure?.code === "ENOENT")
      throw new BenchError("taskset (util-linux) was not found: install it, or measure with --unpinned.");
    if (result.status !== 0) throw explain(`taskset -c ${cpu} failed; with --unpinned it is not needed`, result);
  }
}

function pinned(cpu, command) {
  return ["taskset", "-c", String(cpu), ...command];
}

/** Starts an echo server and waits until it listens: a line tells the port, or, of a guest, a connection that succeeds. */
async function startServer(name, pin) {
  let onPort;
  const portLine = new Promise((resolve) => (onPort = resolve));
  const given = isGuest(name) ? await freePort() : undefined;
  const command = given === undefined ? commands[name] : guestCommand(name, given);
  const server = start(pin ? pinned(0, command) : command, (stdout) => {
    const match = /^listening on 127\.0\.0\.1:(\d+)$/m.exec(stdout);
    if (match !== null) onPort(Number(match[1]));
  });
  const over = new AbortController();
  const port = given === undefined ? portLine : listening(given, over.signal).then(() => given);
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, START_LIMIT_MS, "late")));
  const first = await Promise.race([port, server.ended, late]);
  clearTimeout(timer);
  over.abort();
  if (typeof first === "number") return { ...server, port: first };
  server.child.kill("SIGKILL");
  const result = await server.ended;
  if (first === "late") throw explain(`server ${name}: does not listen within ${START_LIMIT_MS} ms; it`, result);
  throw explain(`server ${name}`, result);
}

/**
 * One measurement: a fresh server, one load, both ended before this returns.
 * @returns what the load prints, as an object.
 */
export async function measure(name, { connections, idle, messages, warmup, size, limitS, pin }) {
  const server = await startServer(name, pin);
  try {
    const numbers = { port: server.port, connections, idle, messages, warmup, size, "limit-s": limitS };
    const flags = Object.entries(numbers).flatMap(([flag, value]) => [`--${flag}`, String(value)]);
    const command = [join(output, "load"), ...flags, "--server-pid", String(server.child.pid)];
    const result = await start(pin ? pinned(1, command) : command).ended;
    if (result.status === 0) return JSON.parse(result.stdout);
    server.child.kill("SIGKILL");
    result.stderr += (await server.ended).stderr;
    throw explain(`load against ${name}`, result);
  } finally {
    server.child.kill("SIGKILL");
    await server.ended;
  }
}
