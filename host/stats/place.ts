/**
 * Owns where a process serves its statistics, or is controlled: a Unix socket for each process, in a directory that only its
 * user may enter. Shared by servers and by the commands that use them. Knows neither.
 */

import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DIRECTORY_MODE = 0o700;
const SUFFIX = ".sock";

/** The directory: `$XDG_RUNTIME_DIR/wasyncore`, or one in the directory for temporary files. It may not exist. */
export function statsDirectory(): string {
  const runtime = process.env["XDG_RUNTIME_DIR"];
  if (runtime !== undefined && runtime.startsWith("/")) return join(runtime, "wasyncore");
  return join(tmpdir(), `wasyncore-${process.getuid?.() ?? 0}`);
}

/**
 * Makes the directory where it is missing.
 * @throws Error ERR_STATS_DIRECTORY if it belongs to another user, or others may enter it
 */
export function makeStatsDirectory(): string {
  const directory = statsDirectory();
  let problem: string | undefined;
  let cause: unknown;
  try {
    mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
    problem = problemOf(directory);
  } catch (error) {
    cause = error;
    problem = `cannot be made (${(error as NodeJS.ErrnoException).code})`;
  }
  if (problem === undefined) return directory;
  const message = `${directory} ${problem}: remove it, set XDG_RUNTIME_DIR, or choose another path`;
  throw Object.assign(new Error(message, { cause }), { code: "ERR_STATS_DIRECTORY" });
}

/** In a directory that others can change, a socket may be somebody else's. */
function problemOf(directory: string): string | undefined {
  const found = lstatSync(directory);
  if (!found.isDirectory()) return "is not a directory";
  if (found.uid !== process.getuid?.()) return "belongs to another user";
  return (found.mode & 0o077) === 0 ? undefined : "can be entered by other users";
}

/**
 * The socket of a process, or of one of its worker threads; thread 0 is the main thread.
 * @param prefix what it is for, as part of its name; default: statistics
 */
export function socketPath(directory: string, pid: number, threadId = 0, prefix = ""): string {
  return join(directory, prefix + (threadId === 0 ? `${pid}${SUFFIX}` : `${pid}-${threadId}${SUFFIX}`));
}

/** A socket, and who made it; its maker may have ended. */
export interface FoundSocket {
  readonly path: string;
  readonly pid: number;
  readonly isThread: boolean;
}

/** The sockets in the directory, unless others may change it. */
export function socketsIn(directory: string, prefix = ""): FoundSocket[] {
  let names: string[];
  try {
    names = readdirSync(directory);
    if (problemOf(directory) !== undefined) return [];
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    if (!name.startsWith(prefix)) return [];
    const match = /^(\d+)(-\d+)?\.sock$/.exec(name.slice(prefix.length));
    if (match === null) return [];
    return [{ path: join(directory, name), pid: Number(match[1]), isThread: match[2] !== undefined }];
  });
}
