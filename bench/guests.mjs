// Owns the echo servers that are WASI guests: how they are built, and how each runtime is started on a port. Knows no
// workload, and nothing of how a process is watched or ended.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { bench, output, root } from "./paths.mjs";

const CONNECT_PAUSE_MS = 10;
const sleep = promisify(setTimeout);

/** Where scripts/install-runtimes.sh puts the runtimes, by name. */
export const runtimes = new Map(
  execFileSync(join(root, "scripts", "install-runtimes.sh"), ["--list"], { encoding: "utf8" })
    .trimEnd()
    .split("\n")
    .map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]),
);

const module = (name) => join(output, `${name}.wasm`);
const main = join(root, "dist", "cli", "main.js");
const echo = join("examples", "portable", "echo-guest.ts");
const build = (name, ...options) => [process.execPath, main, "build", echo, ...options, "-o", module(name)];

// The stack: wasi-libc's poll keeps 80 bytes a descriptor on it.
const clang = ["clang", "--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Wl,-z,stack-size=8388608"];

/** By the name of the module: the command that builds it, from the package's directory. */
export const guestBuilds = {
  "guest-c": [...clang, "-o", module("guest-c"), join(bench, "servers", "guest.c")],
  guest: build("guest"),
  "guest-speed": build("guest-speed", "--speed"),
  "guest-component": build("guest-component", "--profile", "component"),
  "guest-component-03": build("guest-component-03", "--profile", "wasi-0.3"),
};

// The HTTP servers that the tests run as plugins.
const httpServers = join(root, "tests", "plugin", "servers");
const clangHttp = [...clang, "-D_GNU_SOURCE", "-o", module("guest-http-c"), join(httpServers, "c", "server.c")];
const goHttp = ["env", "GOOS=wasip1", "GOARCH=wasm", "GOWORK=off", "go", "build", "-C", join(httpServers, "go")];

guestBuilds["guest-http-c"] = clangHttp;
guestBuilds["guest-http-go"] = [...goHttp, "-o", module("guest-http-go"), "."];
guestBuilds["guest-http"] = [
  ...[process.execPath, main, "build", join("examples", "portable", "http-hello-guest.ts")],
  ...["-o", module("guest-http")],
];

/** What the build of a component finds jco by. */
export const jcoModules = dirname(dirname(runtimes.get("jco")));

/** The commands that run a guest with a listening socket on a port of 127.0.0.1. */
export const onNode = (name, port) => [process.execPath, main, "run", module(name), "--listen", `127.0.0.1:${port}`];

const recorded = (name, port) => [...onNode(name, port), "--record", join(output, `${name}.wrec`)];

// The last line of wasmtime's releases that gives preview 1 guests a listening socket.
export const onWasmtime = (name, port) => [
  ...[runtimes.get("wasmtime-lts"), "run", "-S", "preview2=n"],
  ...["-S", `tcplisten=127.0.0.1:${port}`, module(name)],
];

const asComponent = (name, port) => [
  ...[runtimes.get("wasmtime"), "run", "-S", "inherit-network"],
  ...["--env", `LISTEN=127.0.0.1:${port}`, module(name)],
];

/** A guest chooses no port, so `server` takes one in `options.port`; that it listens is seen by a connection. */
const guest = (what, name, run, needs) => ({
  what,
  needs: [...needs, name],
  roles: ["echo"],
  choosesNoPort: true,
  server: (_, { port }) => run(name, port),
});

/** A guest that serves HTTP, on the Node host and on wasmtime. */
function http(key, what, name, needs) {
  const both = { roles: ["http"] };
  return {
    [`guest-${key}-node`]: { ...guest(`${what} on the Node host`, name, onNode, ["package", ...needs]), ...both },
    [`guest-${key}-wasmtime`]: {
      ...guest(`${what} on wasmtime`, name, onWasmtime, ["wasmtime-lts", ...needs]),
      ...both,
    },
  };
}

export const guestPeers = {
  "guest-c": guest("C guest on wasmtime, preview 1", "guest-c", onWasmtime, ["wasmtime-lts", "clang"]),
  "guest-node": guest("guest on the Node host", "guest", onNode, ["package"]),
  "guest-wasmtime": guest("guest on wasmtime, preview 1", "guest", onWasmtime, ["wasmtime-lts", "package"]),
  "guest-speed": guest("the same, built with --speed", "guest-speed", onWasmtime, ["wasmtime-lts", "package"]),
  "guest-c-node": guest("C guest on the Node host", "guest-c", onNode, ["package", "clang"]),
  "guest-record-node": {
    ...guest("guest on the Node host, recorded", "guest", recorded, ["package"]),
    onlyWhenNamed: true,
  },
  "guest-c-record-node": {
    ...guest("C guest on the Node host, recorded", "guest-c", recorded, ["package", "clang"]),
    onlyWhenNamed: true,
  },
  ...http("http-c", "HTTP in C", "guest-http-c", ["clang"]),
  ...http("http-go", "Go's net/http", "guest-http-go", []),
  ...http("http-as", "HTTP hello of the examples", "guest-http", []),
  "guest-component": guest("guest on wasmtime, component", "guest-component", asComponent, [
    ...["wasmtime", "jco", "package"],
  ]),
  "guest-component-node": guest("the same component on the Node host", "guest-component", onNode, ["jco", "package"]),
  "guest-component-03-node": guest("component of WASI 0.3 on the Node host", "guest-component-03", onNode, [
    ...["jco", "package"],
  ]),
};

/** A port that is free just now. wasmtime cannot be asked for port 0: it does not report which it took. */
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
