/**
 * Owns how the programs of docs/embedding.md are built, and started: with which tools, and where what comes of it stands.
 * Knows nothing of what the programs do.
 */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { onTestFinished } from "vitest";
import { ROOT } from "../support/processes.js";

/** wasmtime from its sources, on a busy machine, the first time. */
export const BUILD_TIMEOUT_MS = 30 * 60_000;
/** What a tool takes to say its version. */
const ASK_TIMEOUT_MS = 60_000;

const SOURCES = join(ROOT, "examples/embedding");
/** Outside of the checkout, so that a second run finds what the first has built. */
const CACHE = join(process.env["WASYNCORE_RUNTIMES"] ?? join(homedir(), ".cache/wasyncore"), "embedding");
const VENV = join(CACHE, "python");

/** A command line. */
type Command = readonly [program: string, ...parameters: string[]];

export interface Embedding {
  readonly name: string;
  /** What fails where the tool is not there. */
  readonly tool: Command;
  /** How to get it. */
  readonly advice: string;
  /** One after the other; in the program's folder. */
  readonly builds: readonly Command[];
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The program; the module and the address come after it. */
  command(takesTurns: boolean): Command;
}

export const EMBEDDINGS: readonly Embedding[] = [
  {
    name: "Rust, wasmtime",
    tool: ["cargo", "--version"],
    advice: "install Rust 1.86 or later (https://rustup.rs/), and a C compiler",
    folder: join(SOURCES, "rust"),
    builds: [["nice", "-n", "10", "cargo", "build", "--locked"]],
    env: { CARGO_TARGET_DIR: join(CACHE, "rust"), CARGO_BUILD_JOBS: process.env["CARGO_BUILD_JOBS"] ?? "2" },
    command: () => [join(CACHE, "rust/debug/embed")],
  },
  {
    name: "Python, wasmtime",
    tool: ["python3", "-c", "import ensurepip, venv"],
    advice: "install Python 3.9 or later with its module venv (Debian: apt-get install python3-venv)",
    folder: join(SOURCES, "python"),
    builds: [
      ["python3", "-m", "venv", VENV],
      [
        join(VENV, "bin/python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
        "requirements.txt",
      ],
    ],
    command: () => [join(VENV, "bin/python"), join(SOURCES, "python/embed.py")],
  },
  {
    name: "Go, wazero",
    tool: ["go", "version"],
    advice: "install Go 1.25 or later (https://go.dev/dl/)",
    folder: join(SOURCES, "go"),
    builds: [["go", "build", "-o", join(CACHE, "go/embed"), "."]],
    env: { GOWORK: "off" },
    command: () => [join(CACHE, "go/embed")],
  },
  {
    name: "Node",
    tool: [process.execPath, "--version"],
    advice: "",
    folder: join(SOURCES, "node"),
    builds: [],
    command: (takesTurns) => [
      process.execPath,
      join(ROOT, "build/examples/embedding/node/embed.js"),
      takesTurns ? "drive" : "run",
    ],
  },
];

/** Is the tool on this machine? */
export async function hasTool({ tool }: Embedding): Promise<boolean> {
  try {
    await runToEnd(tool, { timeoutMs: ASK_TIMEOUT_MS });
    return true;
  } catch {
    return false;
  }
}

/** Builds a program. What is built already takes no time. */
export async function build({ name, builds, folder, env }: Embedding): Promise<void> {
  if (builds.length > 0 && !existsSync(CACHE))
    process.stderr.write(`${name}: building it into ${CACHE}; the first time takes minutes\n`);
  for (const each of builds) await runToEnd(each, { cwd: folder, env, timeoutMs: BUILD_TIMEOUT_MS });
}

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly timeoutMs: number;
}

/** Runs a command, and ends it when its time is over. @throws when it fails, with what it has said */
async function runToEnd(
  [program, ...parameters]: Command,
  { cwd = ROOT, env = {}, timeoutMs }: RunOptions,
): Promise<void> {
  const child = spawn(program, parameters, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: timeoutMs,
    killSignal: "SIGKILL",
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  if (code !== 0) throw new Error(`${[program, ...parameters].join(" ")}: ${signal ?? code}\n${said}`);
}

/** A started program: it is ended when its test has. */
export class Program {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  #stderr = "";
  #over = false;

  constructor([program, ...parameters]: Command) {
    this.child = spawn(program, parameters, { stdio: ["pipe", "pipe", "pipe"] });
    this.child.stderr.setEncoding("utf8").on("data", (chunk: string) => (this.#stderr += chunk));
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      this.#lines.push(line);
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

  /** Takes the next line of standard output. */
  async line(): Promise<string> {
    while (true) {
      const line = this.#lines.shift();
      if (line !== undefined) return line;
      if (this.#over) throw new Error(`it has ended: ${this.#stderr}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Where it listens, by its first line. */
  async port(): Promise<number> {
    const line = await this.line();
    const [, port] = /^listening on 127\.0\.0\.1:(\d+)$/.exec(line) ?? [];
    if (port === undefined) throw new Error(`it says: ${line}`);
    return Number(port);
  }

  /**
   * Writes an empty line to its standard input. What the guest logs before the answer (on a busy machine, that a peer was
   * idle) is passed over.
   * @returns the number in its answer
   */
  async ask(): Promise<number> {
    this.child.stdin.write("\n");
    while (true) {
      const [, count] = /^(?:turns|ticks): (\d+)$/.exec(await this.line()) ?? [];
      if (count !== undefined) return Number(count);
    }
  }

  async #end(): Promise<number | string | null> {
    try {
      const [code, signal] = (await once(this.child, "close")) as [number | null, NodeJS.Signals | null];
      return signal ?? code;
    } finally {
      this.#over = true;
      this.#wake();
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
