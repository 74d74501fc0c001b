/**
 * Owns `wasyncore ctl`: finds the control socket of a `wasyncore serve`, sends a request, and prints the answer. Leaves the text
 * to ctl-view; knows no plugin.
 */

import { rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { socketsIn, statsDirectory } from "../stats/place.js";
import {
  ANSWER_BYTES_MAX,
  type ControlAnswer,
  type ControlRequest,
  parseAnswer,
  parseChanges,
  parseList,
} from "./control-protocol.js";
import { complain, refuse } from "./complaints.js";
import { type CtlOptions, parseCtl, USAGE } from "./ctl-options.js";
import { listText, logText } from "./ctl-view.js";
import { UsageError } from "./run-errors.js";
import { isOtherFile } from "./run-troubles.js";
import { CONTROL_PREFIX } from "./serve-control.js";

const EXIT_FAILED = 1;
const NO_ANSWER = "the answer is not one of this version of wasyncore";
const DONE = { stop: "stopped", restart: "restarted", replace: "replaced" } as const;

/** What could not be done, in a sentence for the user. */
class CtlError extends Error {}

/** Runs `wasyncore ctl` with the arguments that follow it. @returns the exit status */
export async function ctlCommand(argv: string[]): Promise<number> {
  try {
    const options = parseCtl(argv);
    if (options.help) {
      process.stdout.write(USAGE);
      return 0;
    }
    return await ctl(options);
  } catch (error) {
    if (error instanceof UsageError) return refuse("ctl", error.message);
    if (error instanceof CtlError) return complain(error.message, EXIT_FAILED);
    throw error;
  }
}

async function ctl(options: CtlOptions): Promise<number> {
  const { request, json } = options;
  const socket = await find(options);
  try {
    socket.write(`${JSON.stringify(request)}\n`);
    for await (const answer of answers(socket)) {
      if ("line" in answer) {
        if (!process.stdout.writable) return 0;
        process.stdout.write(json ? `${JSON.stringify(answer.line)}\n` : logText(answer.line));
      } else if (answer.ok) return show(request, answer.result, json);
      else throw new CtlError(answer.message);
    }
  } finally {
    socket.destroy();
  }
  throw new CtlError(
    request.command === "logs" && request.follow
      ? "wasyncore serve has ended"
      : "wasyncore serve ended without an answer",
  );
}

/** @returns the exit status */
function show(request: ControlRequest, result: unknown, json: boolean): number {
  const changes = request.command === "reload" ? parseChanges(result) : undefined;
  const status = changes !== undefined && changes.failed > 0 ? EXIT_FAILED : 0;
  if (request.command === "logs") return status;
  if (json || request.command === "stats") {
    process.stdout.write(`${JSON.stringify(result ?? null, undefined, 2)}\n`);
    return status;
  }
  if (request.command === "list") {
    const plugins = parseList(result);
    if (plugins === undefined) throw new CtlError(NO_ANSWER);
    process.stdout.write(listText(plugins, hasColors()));
  } else if (request.command === "reload") {
    if (changes === undefined) throw new CtlError(NO_ANSWER);
    const parts = Object.entries(changes).filter(([, number]) => number > 0);
    const text = parts.map(([what, number]) => `${number} ${what}`).join(", ");
    process.stdout.write(`reloaded: ${text === "" ? "nothing to do" : text}\n`);
  } else if ("name" in request) process.stdout.write(`${request.name}: ${DONE[request.command]}\n`);
  return status;
}

function hasColors(): boolean {
  const { NO_COLOR = "", TERM } = process.env;
  return process.stdout.isTTY && NO_COLOR === "" && TERM !== "dumb";
}

/** The answers, until the connection ends. */
async function* answers(socket: Socket): AsyncGenerator<ControlAnswer> {
  let parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const data of socket as AsyncIterable<Buffer>) {
      let from = 0;
      for (let to = data.indexOf(0x0a); to >= 0; to = data.indexOf(0x0a, from)) {
        const answer = parseAnswer(Buffer.concat([...parts, data.subarray(from, to)]).toString());
        if (answer === undefined) throw new CtlError(NO_ANSWER);
        yield answer;
        parts = [];
        length = 0;
        from = to + 1;
      }
      parts.push(data.subarray(from));
      length += data.length - from;
      if (length > ANSWER_BYTES_MAX) throw new CtlError(NO_ANSWER);
    }
  } catch (error) {
    // A reset is an end as well.
    if (error instanceof CtlError) throw error;
  }
}

async function find({ socket: path, pid }: CtlOptions): Promise<Socket> {
  if (path !== undefined) return open(path).catch((error: unknown) => fail(path, error));
  const found: { readonly path: string; readonly pid: number; readonly socket: Socket }[] = [];
  for (const each of socketsIn(statsDirectory(), CONTROL_PREFIX)) {
    if (pid !== undefined && each.pid !== pid) continue;
    const socket = await openOrRemove(each.path, each.pid);
    if (socket !== undefined) found.push({ ...each, socket });
  }
  const [only, ...others] = found;
  if (only === undefined) {
    const which = pid === undefined ? "no wasyncore serve is running" : `process ${pid} is no wasyncore serve`;
    throw new CtlError(`${which}, or it has another control socket: give it with --socket`);
  }
  if (others.length === 0) return only.socket;
  for (const { socket } of found) socket.destroy();
  const list = found.map((each) => `  --pid ${each.pid}`).join("\n");
  throw new CtlError(`several wasyncore serve are running; choose one:\n${list}`);
}

function fail(path: string, error: unknown): never {
  const { code, message } = error as NodeJS.ErrnoException;
  const isMissing = code === "ENOENT" || code === "ECONNREFUSED";
  // Of what is no socket as well, connect(2) has ECONNREFUSED.
  if (isMissing && isOtherFile(path)) throw new CtlError(`${path} is no socket`, { cause: error });
  const trouble = code === "EACCES" ? `permission denied: it is for the user that runs wasyncore serve` : message;
  throw new CtlError(isMissing ? `nothing answers at ${path}` : `cannot connect to ${path}: ${trouble}`, {
    cause: error,
  });
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}

/** Connects; removes the socket if its process has ended. */
async function openOrRemove(path: string, pid: number): Promise<Socket | undefined> {
  try {
    return await open(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ECONNREFUSED" && !isRunning(pid)) rmSync(path, { force: true });
    return undefined;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
