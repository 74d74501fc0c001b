/** Runs a command, prints its output line by line while it runs, and exits with its status: a FileDispatcher on a pipe. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { FileDispatcher, loop, pipe } from "wasyncore";
import { run } from "./program.js";

const USAGE = "usage: tail-pipe -- COMMAND [ARGUMENT ...]";

class LinePrinter extends FileDispatcher {
  readonly #decoder = new TextDecoder();
  #line = "";

  override handleRead(): void {
    const data = this.recv(65536);
    const lines = (this.#line + this.#decoder.decode(data, { stream: true })).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) console.log(line);
  }

  override handleClose(): void {
    if (this.#line !== "") console.log(this.#line);
    this.close();
  }
}

async function tail(command: string, parameters: string[]): Promise<number> {
  const [readEnd, writeEnd] = pipe();
  const child = spawn(command, parameters, { stdio: ["inherit", writeEnd, writeEnd] });
  const ended = once(child, "exit") as Promise<[code: number | null, signal: NodeJS.Signals | null]>;
  // The dispatcher and the child have duplicates. A write end that is open here would keep the pipe from ending.
  new LinePrinter(readEnd);
  closeSync(readEnd);
  closeSync(writeEnd);
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => child.kill(name));
  const [[code, signal]] = await Promise.all([ended, loop()]);
  return signal === null ? (code ?? 1) : 128 + constants.signals[signal];
}

process.stdout.once("error", () => process.exit(1)); // its reader is gone
await run("tail-pipe", async () => {
  const options = { help: { type: "boolean", short: "h", default: false } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help) return console.log(USAGE);
  const [command, ...parameters] = positionals;
  if (command === undefined || command === "") throw new Error(USAGE);
  process.exitCode = await tail(command, parameters);
});
