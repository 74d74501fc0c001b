// Owns what the peers need: the tools that must be found, the programs that are built into build/bench. Knows no workload,
// and not what a peer is for.

import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { guestBuilds, jcoModules, runtimes } from "./guests.mjs";
import { bench, output, root } from "./paths.mjs";
import { BenchError, explain, run } from "./processes.mjs";

const CC = ["cc", "-D_GNU_SOURCE", "-O2", "-std=gnu11", "-Wall", "-Wextra"];

const sources = (folder) =>
  readdirSync(join(bench, folder))
    .filter((name) => name.endsWith(".c"))
    .map((name) => join(bench, folder, name));

const modifiedMs = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** The newest source in C of a folder, or of the one above, which has what the programs share. */
const newestMs = (folder) =>
  Math.max(
    ...[folder, bench].flatMap((each) =>
      readdirSync(each)
        .filter((name) => /\.[ch]$/.test(name))
        .map((name) => modifiedMs(join(each, name))),
    ),
  );

/** Compiles a C program, unless it is newer than its sources. */
async function compile(name, files, ...libraries) {
  const target = join(output, name);
  if (modifiedMs(target) > newestMs(dirname(files[0]))) return { status: 0 };
  return run([...CC, "-o", target, ...files, ...libraries]);
}

/** What links OpenSSL, or nothing where it is not found: the load has its modes with TLS only then. */
async function openssl() {
  const found = await run(["pkg-config", "--cflags", "--libs", "openssl"]);
  return found.status === 0 ? ["-DWITH_OPENSSL", ...found.stdout.trim().split(/\s+/)] : [];
}

/** What a failed build says, in one line. */
const firstLine = ({ stderr, failure }) => failure?.message ?? stderr.trim().split("\n", 1)[0];

async function checked(result, hint) {
  const outcome = await result;
  return outcome.status === 0 ? "" : `${hint} (${firstLine(outcome)})`;
}

async function libuv() {
  const found = await run(["pkg-config", "--cflags", "--libs", "libuv"]);
  const flags = found.status === 0 ? found.stdout.trim().split(/\s+/) : ["-luv"];
  const hint = "libuv's headers were not found; on Debian: apt-get install libuv1-dev";
  const server = await checked(compile("uv", [join(bench, "servers", "uv.c")], ...flags), hint);
  return server === ""
    ? checked(compile("timers-uv", [join(bench, "programs", "timers-uv.c")], ...flags), hint)
    : server;
}

function packageIn(directory) {
  if (existsSync(join(directory, "dist", "index.js"))) return "";
  return `${directory} has not been built: run "npm run build" there`;
}

const installed = (name) => () =>
  existsSync(runtimes.get(name)) ? "" : `${runtimes.get(name)} is missing: scripts/install-runtimes.sh installs it`;

async function guest(name) {
  const env = { ...process.env, NODE_PATH: jcoModules };
  return checked(run(guestBuilds[name], { env }), `${name} could not be built`);
}

/** By name: "" when it is there, or why not and how to get it. */
const needs = {
  cc: () => "",
  openssl: async () =>
    (await openssl()).length > 0 ? "" : "OpenSSL's headers were not found; on Debian: apt-get install libssl-dev",
  libuv,
  go: () =>
    checked(
      run(["go", "build", "-C", join(bench, "servers", "go"), "-o", join(output, "go-server"), "."]),
      "Go 1.20 or later was not found; on Debian: apt-get install golang, else https://go.dev/dl/",
    ),
  nginx: () => {
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
    return checked(run(["nginx", "-v"], { env }), "nginx was not found; on Debian: apt-get install nginx-light");
  },
  asyncore: () =>
    checked(
      run(["python3.11", "-W", "ignore", "-c", "import asyncore, asynchat"]),
      "CPython 3.11, the last with asyncore, was not found; on Debian 12: apt-get install python3.11",
    ),
  koffi: () => checked(run([process.execPath, "-e", 'require("koffi")']), 'koffi is missing: run "npm ci"'),
  package: ({ directory = root }) => packageIn(directory),
  recvInto: async ({ directory = root }) => {
    const source = `import { Dispatcher } from ${JSON.stringify(join(directory, "dist", "index.js"))};
      process.exitCode = "recvInto" in Dispatcher.prototype ? 0 : 1;`;
    const { status } = await run([process.execPath, "--input-type=module", "-e", source]);
    return status === 0 ? "" : "this build of wasyncore has no recvInto";
  },
  clang: () =>
    checked(
      run(["clang", "--version"]),
      "clang was not found; on Debian: apt-get install clang lld wasi-libc libclang-rt-14-dev-wasm32",
    ),
  "wasmtime-lts": installed("wasmtime-lts"),
  wasmtime: installed("wasmtime"),
  jco: installed("jco"),
  ...Object.fromEntries(Object.keys(guestBuilds).map((name) => [name, () => guest(name)])),
};

/** Builds what no measurement can do without. */
export async function buildLoad() {
  mkdirSync(output, { recursive: true });
  for (const [name, folder] of [
    ["load", "load"],
    ["epoll", join("servers", "epoll")],
  ]) {
    const result = await compile(name, sources(folder), ...(name === "load" ? await openssl() : []));
    if (result.failure?.code === "ENOENT") {
      throw new BenchError("cc was not found; the load is in C. On Debian: apt-get install gcc libc6-dev");
    }
    if (result.status !== 0) throw explain(`compiling ${folder}`, result);
  }
}

/**
 * Looks for what a peer needs, and builds it. What was looked for once is remembered in `known`.
 * @returns "" when it can run, or why not and how to get it
 */
export async function prepare(peer, known) {
  for (const need of peer.needs) {
    const key = `${need} ${peer.directory ?? root}`;
    if (!known.has(key)) known.set(key, await needs[need](peer));
    if (known.get(key) !== "") return known.get(key);
  }
  return "";
}
