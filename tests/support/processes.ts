/**
 * Owns the processes that tests start: their output by line, their end, and that each of them has ended when its test
 * has. Knows nothing of the library.
 */

import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

/** The package's directory. */
export const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** How a process ended: its exit code, or the signal that ended it. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ending>;
  #stdout = "";
  #stderr = "";
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  #over = false;

  constructor(command: string, parameters: readonly string[], cwd: string, options: SpawnOptions = {}) {
    this.child = spawn(command, parameters, { cwd, stdio: ["ignore", "pipe", "pipe"], ...options });
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error("no pipes");
    stdout.setEncoding("utf8").on("data", (chunk: string) => (this.#stdout += chunk));
    stderr.setEncoding("utf8").on("data", (chunk: string) => (this.#stderr += chunk));
    createInterface({ input: stdout }).on("line", (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    this.ended = this.#end();
    // A test that does not look at the end must not be ended by it either.
    this.ended.catch(() => undefined);
    onTestFinished(async () => {
      this.child.kill("SIGKILL");
      await this.ended.catch(() => undefined);
    });
  }

  /** The first line of standard output that matches, now or when it comes. */
  async line(expected: RegExp): Promise<RegExpExecArray> {
    while (true) {
      for (const line of this.#lines) {
        const match = expected.exec(line);
        if (match !== null) return match;
      }
      if (this.#over) throw new Error(`no line ${expected} in: ${this.#stdout}${this.#stderr}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async #end(): Promise<Ending> {
    try {
      const [code, signal] = (await once(this.child, "close")) as [number | null, NodeJS.Signals | null];
      return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
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

/** Starts a program. */
export function start(command: string, parameters: readonly string[], cwd = ROOT): Running {
  return new Running(command, parameters, cwd);
}

/** Starts a script that imports the built package by its name. */
export function startScript(source: string, ...parameters: string[]): Running {
  requireBuild("dist/index.js");
  return start(process.execPath, ["--input-type=module", "--eval", source, "--", ...parameters]);
}

/** Starts one of the examples, as `npm run build` has made it. */
export function startExample(name: string, ...parameters: string[]): Running {
  return start(process.execPath, [`build/examples/${name}.js`, ...parameters]);
}

/** What `npm test` builds before it runs. */
export function requireBuild(path: string): void {
  if (!existsSync(`${ROOT}${path}`)) throw new Error(`${path} is not there: run "npm run build" first`);
}
