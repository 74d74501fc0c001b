/**
 * Owns what becomes of a command whose standard output or standard error cannot be written to, or whose terminal has gone. Knows the process's streams; knows
 * no command.
 */

import { closeSync } from "node:fs";
import { isatty } from "node:tty";

const EXIT_FAILED = 1;

/** What a stream fails with is no exception: the command goes on, and says at its end what was lost. */
export function reportLostOutput(): void {
  let lost: NodeJS.ErrnoException | undefined;
  // Whoever has read what it wanted, as head(1) does, has lost nothing.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") lost ??= error;
  });
  // There is nowhere left to say it.
  process.stderr.on("error", () => undefined);
  process.once("exit", (code) => {
    if (lost === undefined) return;
    process.stderr.write(`wasyncore: cannot write to the standard output: ${troubleOf(lost)}\n`);
    if (code === 0) process.exitCode = EXIT_FAILED;
  });
}

/**
 * Closes, at the exit, the standard streams whose terminal has gone meanwhile. Node sets the terminals of those that are open back
 * as they were, and aborts where it cannot.
 */
export function leaveLostTerminal(): void {
  const terminals = [0, 1, 2].filter((fd) => isatty(fd));
  process.once("exit", () => {
    for (const fd of terminals) if (!isatty(fd)) closeSync(fd);
  });
}

function troubleOf({ code, message }: NodeJS.ErrnoException): string {
  return code === "ENOSPC" ? "no space is left (ENOSPC)" : message;
}
