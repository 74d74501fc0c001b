/**
 * Owns `wasyncore serve` as the tests start it: a directory with modules and a file, the process, its control socket. Knows nothing
 * of what is tested.
 */

import { copyFileSync, renameSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type CommandOptions, RunCommand, temporary } from "../guest/command.js";
import { BUILD_TIMEOUT_MS } from "../assembly/programs.js";
import { buildPlugin } from "../plugin/support.js";
import { type Ending, requireBuild, ROOT, start } from "../support/processes.js";

export const MAIN = join(ROOT, "dist/cli/main.js");

/** Plugins of a file in a {@link Directory}. */
export const ECHO = { name: "echo", module: "one.wasm", listen: ["web=127.0.0.1:0"] };
export const SECOND = { name: "second", module: "two.wasm", listen: ["127.0.0.1:0"] };

/** The first test of a file builds the modules. */
export const TIMEOUT = { timeout: BUILD_TIMEOUT_MS };

let built: Promise<readonly [Uint8Array, Uint8Array]> | undefined;

/** Two commands that echo, and answer "who" with "one" and "two". */
function modules(): Promise<readonly [Uint8Array, Uint8Array]> {
  built ??= Promise.all([buildPlugin("one", true), buildPlugin("two", true)]);
  return built;
}

export class Directory {
  readonly path = temporary();

  /** With one.wasm and two.wasm. */
  static async create(): Promise<Directory> {
    requireBuild("dist/cli/main.js");
    const directory = new Directory();
    const [one, two] = await modules();
    directory.write("one.wasm", one);
    directory.write("two.wasm", two);
    return directory;
  }

  /** In one step: whoever reads it reads all of it. */
  write(name: string, content: string | Uint8Array): string {
    const path = join(this.path, name);
    writeFileSync(`${path}.new`, content);
    renameSync(`${path}.new`, path);
    return path;
  }

  copy(from: string, to: string): void {
    copyFileSync(join(this.path, from), join(this.path, `${to}.new`));
    renameSync(join(this.path, `${to}.new`), join(this.path, to));
  }

  /** A file that names these plugins. */
  plugins(...plugins: readonly object[]): string {
    return this.write("plugins.json", JSON.stringify({ plugins, control: "./control.sock" }, undefined, 1));
  }

  serve(...options: readonly string[]): Serve {
    return new Serve(this.path, ["plugins.json", ...options]);
  }

  check(file = "plugins.json"): Promise<Ending> {
    return start(process.execPath, [MAIN, "serve", file, "--check"], this.path).ended;
  }
}

export class Serve extends RunCommand {
  constructor(cwd: string, parameters: readonly string[], options: CommandOptions = {}) {
    super(parameters, cwd, { ...options, command: "serve" });
  }

  get control(): string {
    return join(this.directory, "control.sock");
  }

  /** When the plugins have been started. */
  async up(): Promise<this> {
    await this.stderr(/wasyncore: \d+ plugins? up/);
    return this;
  }

  /** The port that a plugin has got. */
  async pluginPort(name: string): Promise<number> {
    return Number(
      (await this.stderr(new RegExp(`wasyncore: ${name}: up, listening on (?:\\w+=)?127\\.0\\.0\\.1:(\\d+)`)))[1],
    );
  }

  ctl(...parameters: readonly string[]): Promise<Ending> {
    return start(process.execPath, [MAIN, "ctl", "--socket", this.control, ...parameters], this.directory).ended;
  }

  async list(): Promise<readonly Record<string, unknown>[]> {
    return (await request(this.control, { command: "list" }))["result"] as readonly Record<string, unknown>[];
  }
}

/** A client of a control socket, which sends what it likes. */
export async function controlClient(path: string): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  await new Promise<void>((resolve, reject) => socket.once("connect", resolve).once("error", reject));
  return socket;
}

/** Sends a text, and reads until the other end. */
export async function conversation(path: string, text: string | Uint8Array): Promise<string> {
  const socket = await controlClient(path);
  let received = "";
  socket.setEncoding("utf8").on("data", (data: string) => (received += data));
  // A reset, where the other end has not read everything.
  socket.on("error", () => undefined);
  const closed = new Promise((resolve) => socket.once("end", resolve).once("close", resolve));
  socket.write(text);
  await closed;
  return received;
}

/** A request, and the first line that comes back. */
export async function request(path: string, content: object): Promise<Record<string, unknown>> {
  const socket = await controlClient(path);
  let received = "";
  const line = new Promise<string>((resolve, reject) => {
    socket.setEncoding("utf8").on("data", (data: string) => {
      received += data;
      const end = received.indexOf("\n");
      if (end >= 0) resolve(received.slice(0, end));
    });
    socket.once("close", () => reject(new Error(`no answer: ${received}`)));
  });
  socket.write(`${JSON.stringify(content)}\n`);
  const answer = JSON.parse(await line) as Record<string, unknown>;
  socket.destroy();
  return answer;
}
