/**
 * Owns `wasyncore run`, and commands like it, as the tests start them: their standard input, their output by what has come of
 * it, their end. Knows nothing of guests.
 */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { onTestFinished } from "vitest";
import { requireBuild, ROOT } from "../support/processes.js";

const MAIN = "dist/cli/main.js";

export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** Default "run". */
  readonly command?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Its descriptors from 3 on: LISTEN_PID says that they are for it. */
  readonly descriptors?: readonly number[];
}

export class RunCommand {
  readonly child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly ended: Promise<Ending>;
  /** Where it runs. */
  readonly directory: string;
  #stdout = "";
  #stderr = "";
  #over = false;
  readonly #waiting = new Set<() => void>();

  constructor(parameters: readonly string[], cwd: string, options: CommandOptions = {}) {
    const { command = "run", env = process.env, descriptors = [] } = options;
    requireBuild(MAIN);
    this.directory = cwd;
    // Nobody else knows the number of the process before it is started.
    const shell = ["sh", "-c", 'LISTEN_PID=$$ exec "$0" "$@"', process.execPath];
    const [file = "", ...first] = descriptors.length > 0 ? shell : [process.execPath];
    this.child = spawn(file, [...first, join(ROOT, MAIN), command, ...parameters], {
      cwd,
      env,
      stdio: ["pipe", "pipe", "pipe", ...descriptors],
    }) as ChildProcessByStdio<Writable, Readable, Readable>;
    this.child.stdout.setEncoding("utf8").on("data", (chunk: string) => this.#came(() => (this.#stdout += chunk)));
    this.child.stderr.setEncoding("utf8").on("data", (chunk: string) => this.#came(() => (this.#stderr += chunk)));
    // It may end without reading all of its input.
    this.child.stdin.on("error", () => undefined);
    this.ended = this.#end();
    this.ended.catch(() => undefined);
    onTestFinished(async () => {
      this.child.kill("SIGKILL");
      await this.ended;
    });
  }

  /** What `expected` matches in its standard output, now or when it comes. */
  stdout(expected: RegExp): Promise<RegExpExecArray> {
    return this.#match(expected, () => this.#stdout);
  }

  stderr(expected: RegExp): Promise<RegExpExecArray> {
    return this.#match(expected, () => this.#stderr);
  }

  /** The port of the nth listener that took a free one. */
  async port(index = 0): Promise<number> {
    const lines = `(?:listening on .*\\n){${index}}listening on .*:(\\d+)(?: \\(.*\\))?\\n`;
    return Number((await this.stderr(new RegExp(lines)))[1]);
  }

  async #match(expected: RegExp, text: () => string): Promise<RegExpExecArray> {
    while (true) {
      const match = expected.exec(text());
      if (match !== null) return match;
      if (this.#over) throw new Error(`no ${expected} in: ${this.#stdout}${this.#stderr}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  async #end(): Promise<Ending> {
    const [code, signal] = (await once(this.child, "close")) as [number | null, NodeJS.Signals | null];
    this.#came(() => (this.#over = true));
    return { code, signal, stdout: this.#stdout, stderr: this.#stderr };
  }

  #came(change: () => void): void {
    change();
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** A directory of the test's own. */
export function temporary(): string {
  const directory = mkdtempSync(join(tmpdir(), "guest-host-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** Starts a module, with a directory of its own to stand in. */
export function runModule(bytes: Uint8Array, ...parameters: string[]): RunCommand {
  const directory = temporary();
  writeFileSync(join(directory, "guest.wasm"), bytes);
  return new RunCommand(["guest.wasm", ...parameters], directory);
}

/** A client of Node's own. */
export async function client(port: number, host = "127.0.0.1"): Promise<Socket> {
  const socket = connect({ port, host, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  await once(socket, "connect");
  return socket;
}

/** Sends all of `data` and the end, and gives back all that comes until the other end. */
export async function exchange(socket: Socket, data: Uint8Array | string): Promise<Buffer> {
  const parts: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => void parts.push(chunk));
  const ended = once(socket, "end");
  socket.end(data);
  await ended;
  return Buffer.concat(parts);
}
