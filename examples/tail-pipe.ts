/** Runs a command and prints its output line by line, as it comes: a FileDispatcher on a pipe. Exits as it does. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { parseArgs } from "node:util";
import { FileDispatcher, loop, pipe } from "wasyncore";

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
  // The dispatcher has a copy of its own, and so has the child: while ours was open, the pipe would have no end.
  new LinePrinter(readEnd);
  closeSync(readEnd);
  closeSync(writeEnd);
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => child.kill(name));
  const [[code, signal]] = await Promise.all([ended, loop()]);
  return signal === null ? (code ?? 1) : 128 + constants.signals[signal];
}

process.stdout.once("error", () => process.exit(1)); // nobody reads it any more
try {
  const options = { help: { type: "boolean", short: "h" } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const [command, ...parameters] = positionals;
  if (values.help === true) console.log(USAGE);
  else if (command === undefined || command === "") throw new Error(USAGE);
  else process.exitCode = await tail(command, parameters);
} catch (error) {
  console.error(`tail-pipe: ${(error as Error).message}`);
  process.exitCode = 1;
}
