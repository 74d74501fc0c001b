/**
 * Owns what the tests on real runtimes stand on: which runtimes there are and how each is started, the guests, and
 * guests as processes. Knows no scenario.
 *
 * A runtime that is not installed has its tests skipped, and says so; where CI is set it is a failure.
 */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import { buildInto } from "../support/builds.js";
import { type Ending, ROOT } from "../support/processes.js";
import { missingRuntime, runtimePath } from "../support/wasi-runtimes.js";

const MAIN = "dist/cli/main.js";
const pause = promisify(setTimeout);

/** What runs guests. */
export interface Runtime {
  readonly name: string;
  /** "", or why it cannot be tested. */
  readonly missing: string;
  /** The command that runs a module, with a listening socket on a port of 127.0.0.1 if there is one. */
  command(module: string, port?: number): readonly [string, ...string[]];
}

function installed(name: string): { path: string; missing: string } {
  return { path: runtimePath(name), missing: missingRuntime(name, `The tests on ${name}`) };
}

const lts = installed("wasmtime-lts");
const wazero = installed("wazero");

export const WASMTIME: Runtime = {
  name: "wasmtime 36",
  missing: lts.missing,
  command: (module, port) => [lts.path, "run", "-S", "preview2=n", ...option("-S", "tcplisten=", port), module],
};

/** Has no poll for sockets: docs/runtimes.md. */
export const WAZERO: Runtime = {
  name: "wazero",
  missing: wazero.missing,
  command: (module, port) => [wazero.path, "run", ...option("-listen", "", port), module],
};

export const NODE_HOST: Runtime = {
  name: "Node host",
  missing: "",
  command: (module, port) => [process.execPath, join(ROOT, MAIN), "run", module, ...option("--listen", "", port)],
};

/** Those that run modules of preview 1. component.ts has the one for components. */
export const RUNTIMES: readonly Runtime[] = [WASMTIME, WAZERO, NODE_HOST];

function option(flag: string, before: string, port: number | undefined): string[] {
  return port === undefined ? [] : [flag, `${before}127.0.0.1:${port}`];
}

/** Compiles a guest. Test files run side by side: each gives its modules names of its own. @returns the module's path */
export async function buildGuest(source: string, name: string, ...options: string[]): Promise<string> {
  return await buildInto(source, join("build", "runtimes", `${name}.wasm`), ...options);
}

/** A process whose standard input, output and error are pipes; it is ended when its test is. */
export class Program {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly ended: Promise<Ending>;
  readonly #stdout: Buffer[] = [];
  #stderr = "";
  #isOver = false;
  readonly #waiting = new Set<() => void>();

  constructor([command, ...parameters]: readonly [string, ...string[]]) {
    this.child = spawn(command, parameters, { cwd: ROOT, stdio: ["pipe", "pipe", "pipe"] });
    this.child.stdout.on("data", (chunk: Buffer) => void this.#stdout.push(chunk));
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
      this.#wake();
    });
    // It may end without reading all of its input.
    this.child.stdin.on("error", () => undefined);
    this.ended = this.#end();
    this.ended.catch(() => undefined);
    onTestFinished(async () => {
      this.child.kill("SIGKILL");
      await this.ended.catch(() => undefined);
    });
  }

  get pid(): number {
    const { pid } = this.child;
    if (pid === undefined) throw new Error("the program has not begun");
    return pid;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** The whole lines of standard error so far. */
  get lines(): readonly string[] {
    return this.#stderr.split("\n").slice(0, -1);
  }

  /** Waits until standard error has a line that is `expected`. */
  async line(expected: string): Promise<void> {
    while (!this.lines.includes(expected)) {
      if (this.#isOver) throw new Error(`it has ended, and there is no line "${expected}" in: ${this.#stderr}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async #end(): Promise<Ending> {
    try {
      const [code, signal] = (await once(this.child, "close")) as [number | null, NodeJS.Signals | null];
      return { code, signal, stdout: Buffer.concat(this.#stdout).toString("latin1"), stderr: this.#stderr };
    } finally {
      this.#isOver = true;
      this.#wake();
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** A program that listens. */
export interface Server {
  readonly program: Program;
  readonly port: number;
}

const ATTEMPTS = 5;
const START_LIMIT_MS = 15_000;
const CONNECT_PAUSE_MS = 10;

/**
 * Starts a program that listens on a port which it is given: one that nobody has just now, and another one if somebody
 * takes that first. Whether it listens is found by connecting: the program's first connection is one that says nothing
 * and ends.
 */
export async function serve(commandFor: (port: number) => readonly [string, ...string[]]): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const program = new Program(commandFor(port));
    if (await listens(program, port)) return { program, port };
    program.child.kill("SIGKILL");
    const { stderr } = await program.ended;
    if (attempt === ATTEMPTS || !/in use|EADDRINUSE/i.test(stderr)) throw new Error(`it does not listen: ${stderr}`);
  }
}

/** Starts a guest with a listening socket. */
export function serveGuest(runtime: Runtime, module: string): Promise<Server> {
  return serve((port) => runtime.command(module, port));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

async function listens(program: Program, port: number): Promise<boolean> {
  const deadlineMs = Date.now() + START_LIMIT_MS;
  while (!program.isOver && Date.now() < deadlineMs) {
    if (await canConnect(port)) return !program.isOver;
    await pause(CONNECT_PAUSE_MS);
  }
  return false;
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1" });
    const settle = (result: boolean): void => {
      socket.destroy();
      resolve(result);
    };
    // A port to connect from is taken from the same range: one that is connected to itself has found nobody.
    socket.on("connect", () => settle(socket.localPort !== port));
    socket.on("error", () => settle(false));
  });
}
