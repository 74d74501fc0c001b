/** Owns what the example programs share on the command line: numbers, the message of a failure, the exit status. */

import { realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { OSError } from "wasyncore";

export const PORT_MAX = 65_535;

/** A whole number that was given as an option. @throws Error with a message for the user */
export function parseNumber(option: string, text: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const number = /^\d+$/.test(text) ? Number(text) : -1;
  if (number >= min && number <= max) return number;
  const range = max < Number.MAX_SAFE_INTEGER ? `from ${min} to ${max}` : `of ${min} or more`;
  throw new Error(`--${option} must be a whole number ${range}, got "${text}"`);
}

export function parsePort(text: string): number {
  return parseNumber("port", text, 0, PORT_MAX);
}

/** Is the module with this address the program that was started? Not where another module, such as a test, imports it. */
export function isProgram(url: string): boolean {
  const script = process.argv[1];
  return script !== undefined && realpathSync(script) === fileURLToPath(url);
}

/** Runs a program. An error that it throws is printed to standard error in one line, and the exit status is 1. */
export async function run(name: string, main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    console.error(`${name}: ${messageOf(error)}`);
    process.exitCode = 1;
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof OSError) || error.code !== "EADDRINUSE") return String((error as Error).message);
  return error.path === undefined ? `${error.address}:${error.port} is in use already` : `${error.path} exists already`;
}
