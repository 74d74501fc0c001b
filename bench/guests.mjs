// Owns the echo servers that are WASI guests: how they are built, and how wasmtime 36 is started on a port. Knows no
// scenario, and nothing of how a process is watched or ended.

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const bench = dirname(fileURLToPath(import.meta.url));
const root = dirname(bench);
const output = join(root, "build", "bench");
const CONNECT_PAUSE_MS = 20;
const sleep = promisify(setTimeout);

const runtimes = process.env.WASYNCORE_RUNTIMES || join(homedir(), ".cache", "wasyncore", "runtimes");

/** The last line of wasmtime's releases that gives preview 1 guests a listening socket. scripts/install-runtimes.sh */
export const wasmtime = join(runtimes, "wasmtime-36.0.14", "bin", "wasmtime");

const build = (name, ...options) => [
  process.execPath,
  join(root, "dist", "cli", "main.js"),
  "build",
  join("examples", "portable", "echo-guest.ts"),
  ...options,
  "-o",
  join(output, `${name}.wasm`),
];

// The stack: wasi-libc's poll keeps 80 bytes a descriptor on it.
const clang = ["clang", "--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Wl,-z,stack-size=8388608"];

/** By the name that the report gives it: the command that builds the guest, from the package's directory. */
export const guests = {
  "guest-c": [...clang, "-o", join(output, "guest-c.wasm"), join(bench, "echo-guest.c")],
  guest: build("guest"),
  "guest-speed": build("guest-speed", "--speed"),
};

/** The command that runs a guest with a listening socket on a port of 127.0.0.1. */
export function guestCommand(name, port) {
  return [wasmtime, "run", "-S", "preview2=n", "-S", `tcplisten=127.0.0.1:${port}`, join(output, `${name}.wasm`)];
}

/** A port that nobody has just now. wasmtime cannot be asked for port 0: it does not tell which it took. */
export async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until somebody listens on the port, or until the signal is aborted. */
export async function listening(port, signal) {
  while (!signal.aborted && !(await canConnect(port))) await sleep(CONNECT_PAUSE_MS);
}

function canConnect(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const settle = (result) => {
      socket.destroy();
      resolve(result);
    };
    // A port to connect from is taken from the same range: one that is connected to itself has found nobody.
    socket.on("connect", () => settle(socket.localPort !== port));
    socket.on("error", () => settle(false));
  });
}
