/** Owns how tests have guests built: they ask a process that build-service.ts has started for the run. Knows no guest. */

import { createHash } from "node:crypto";
import { connect } from "node:net";
import { resolve } from "node:path";
import { text } from "node:stream/consumers";
import { requireBuild, ROOT } from "./processes.js";

/** Names the sockets of the processes that build. */
export const BUILDERS = "WASYNCORE_BUILDERS";

/** How a build ended. */
export interface Built {
  readonly status: number;
  readonly stderr: string;
}

/** What `wasyncore build ENTRY -o OUT OPTIONS` does, run in the package's directory. Paths are relative to it. */
export async function buildWith(entry: string, out: string, ...options: string[]): Promise<Built> {
  requireBuild("dist/cli/main.js");
  const builders = process.env[BUILDERS]?.split(":") ?? [];
  // Two that ask for the same have it built once.
  const [first = 0] = createHash("sha256").update(entry).digest();
  const socketPath = builders[first % builders.length];
  if (socketPath === undefined)
    throw new Error(`${BUILDERS} is not set: tests are run by vitest, with its configuration`);
  const socket = connect(socketPath);
  // Tests count descriptors: none of this one is left.
  const closed = new Promise((settled) => socket.once("close", settled));
  socket.end(JSON.stringify({ entry: resolve(ROOT, entry), out: resolve(ROOT, out), options }));
  let answer: string;
  try {
    answer = await text(socket);
    if (answer === "") throw new Error("it has not answered");
  } catch (cause) {
    const message = `${entry} was not built: the process that builds guests has ended (${(cause as Error).message})`;
    throw new Error(message, { cause });
  }
  await closed;
  return JSON.parse(answer) as Built;
}

/** The same where it is to succeed. @returns the path of what was built */
export async function buildInto(entry: string, out: string, ...options: string[]): Promise<string> {
  const { status, stderr } = await buildWith(entry, out, ...options);
  if (status !== 0) throw new Error(`${entry} was not built: ${stderr}`);
  return resolve(ROOT, out);
}
