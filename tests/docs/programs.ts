/**
 * Owns a running program of a page, in either language: its input, its output, and the ports that it listens on. Knows
 * nothing of what the programs do.
 */

import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { type Ending, ROOT, Running } from "../support/processes.js";

/** What runs a program, up to its path. */
type Command = readonly [string, ...string[]];

const fileOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
export const NODE: Command = [process.execPath, "--import", fileOf("loopback.mjs")];
export const PYTHON: Command = ["python3", "-u", "-W", "ignore", fileOf("loopback.py")];

export interface ProgramOptions {
  readonly parameters?: readonly string[];
  /** The port that its channels connect to. */
  readonly peerPort?: number;
}

export class PageProgram {
  readonly #running: Running;
  readonly #ports: AsyncIterator<string>;

  constructor([command, ...before]: Command, path: string, { parameters = [], peerPort }: ProgramOptions = {}) {
    this.#running = new Running(command, [...before, path, ...parameters], ROOT, {
      stdio: ["pipe", "pipe", "pipe", "pipe"],
      env: { ...process.env, PEER_PORT: String(peerPort) },
    });
    const ports = this.#running.child.stdio[3];
    if (!(ports instanceof Readable)) throw new Error("no pipe");
    this.#ports = createInterface({ input: ports })[Symbol.asyncIterator]();
  }

  /** The port of the next channel that it binds. */
  async port(): Promise<number> {
    const { value, done } = await this.#ports.next();
    if (done === true) throw new Error(`it has bound nothing: ${(await this.#running.ended).stderr}`);
    return Number(value);
  }

  /** The first line of its output that matches. */
  async line(expected: RegExp): Promise<string> {
    return (await this.#running.line(expected))[0];
  }

  /** Writes the whole of its standard input. */
  input(text: string): void {
    this.#running.child.stdin?.end(text);
  }

  /** What it has printed when it has ended by itself. @throws if it failed */
  async output(): Promise<string> {
    const { code, stdout, stderr }: Ending = await this.#running.ended;
    if (code !== 0 || stderr !== "") throw new Error(`exit status ${code}\n${stdout}${stderr}`);
    return stdout;
  }
}
