/** Owns how `wasyncore serve`, and the command that talks to it, say what is wrong. Knows neither of them. */

import { withoutControls } from "../backend/log.js";

const EXIT_USAGE = 2;

/** Says what is wrong. @returns the exit status */
export function complain(message: string, status: number): number {
  for (const line of message.split("\n")) process.stderr.write(`wasyncore: ${withoutControls(line)}\n`);
  return status;
}

/** Says what is wrong with the arguments of a command. @returns the exit status */
export function refuse(command: string, message: string): number {
  complain(message, EXIT_USAGE);
  process.stderr.write(`Try "wasyncore ${command} --help".\n`);
  return EXIT_USAGE;
}
