/**
 * Owns the signals of a command that runs a program: they are for the program, which may handle them. Knows which of them reach the
 * program by themselves; knows nothing of what it does.
 */

import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const;

type Place = "foreground" | "background" | "no terminal";

export class HandedOn {
  program: ChildProcess | undefined;
  readonly #placeAtStart = placeOnTerminal();

  /**
   * None of the signals ends this process from now on, not even when the program has ended: its status is the command's, and a second
   * signal in short order must not be.
   */
  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#handOn);
  }

  readonly #handOn = (signal: NodeJS.Signals): void => {
    if (!this.#reachesBoth(signal)) this.program?.kill(signal);
  };

  /** Does the terminal send it to the program as well? Handed on, it would come twice, and the second Ctrl-C ends many a program at once. */
  #reachesBoth(signal: NodeJS.Signals): boolean {
    if (signal === "SIGINT" || signal === "SIGQUIT") return placeOnTerminal() === "foreground";
    // When it is sent the terminal is gone.
    return signal === "SIGHUP" && this.#placeAtStart !== "no terminal";
  }
}

/** Where this process, and with it the program, is on its terminal. Standard input says nothing of that: it may be a file. */
function placeOnTerminal(): Place {
  let status: string;
  try {
    status = readFileSync("/proc/self/stat", "latin1");
  } catch {
    // Not Linux.
    return process.stdin.isTTY ? "foreground" : "no terminal";
  }
  // The name before the last parenthesis may have any character in it. proc_pid_stat(5).
  const [, , group, , terminal, foregroundGroup] = status.slice(status.lastIndexOf(")") + 2).split(" ");
  if (terminal === "0") return "no terminal";
  return group === foregroundGroup ? "foreground" : "background";
}
