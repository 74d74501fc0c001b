/**
 * Owns what the tests of the servers share: the servers as processes, curl, the Python that is needed, and raw
 * conversations. Knows the examples by their command lines.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { leaveFileOut, missingTools } from "../support/missing.js";
import { requireBuild, type Running, start } from "../support/processes.js";

export interface Server {
  readonly running: Running;
  readonly host: string;
  readonly port: number;
  /** "127.0.0.1:40001" */
  readonly address: string;
}

/** Starts the example of that name on a free port. */
export async function startServer(name: "ftp" | "pop3" | "smtp", ...parameters: string[]): Promise<Server> {
  const script = `build/examples/${name}/server.js`;
  requireBuild(script);
  const running = start(process.execPath, [script, "--port", "0", ...parameters]);
  const [, host = "", port] = await running.line(/^listening on (.*):(\d+)$/);
  return { running, host, port: Number(port), address: host.includes(":") ? `[${host}]:${port}` : `${host}:${port}` };
}

/** What curl wrote to standard output. @throws Error with what it said, where it failed */
export async function curl(...parameters: string[]): Promise<string> {
  const { code, stdout, stderr } = await tryCurl(...parameters);
  if (code !== 0) throw new Error(`curl ${parameters.join(" ")}: ${code}: ${stderr}`);
  return stdout;
}

export function tryCurl(...parameters: string[]): Running["ended"] {
  return start("curl", ["--silent", "--show-error", "--disable", "--noproxy", "*", "--max-time", "10", ...parameters])
    .ended;
}

/** An empty directory, removed when the test ends. */
export function newDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** Sends everything at once, ends its half, and gives back what came until the server closed, line by line. */
export function converse(server: Server, ...lines: string[]): Promise<string[]> {
  const socket = connectTo(server);
  socket.end(lines.map((line) => `${line}\r\n`).join(""), "latin1");
  return linesOf(socket);
}

/** Says nothing, and gives back what came until the server closed. */
export function listen(server: Server): Promise<string[]> {
  return linesOf(connectTo(server));
}

function connectTo({ host, port }: Server): Socket {
  const socket = connect({ host, port, allowHalfOpen: true });
  onTestFinished(() => {
    socket.destroy();
  });
  return socket;
}

async function linesOf(socket: Socket): Promise<string[]> {
  const received: Buffer[] = [];
  for await (const data of socket) received.push(data as Buffer);
  return Buffer.concat(received).toString().split("\r\n").slice(0, -1);
}

/** The command of CPython 3.11: Python 3.12 and later have no asyncore, asynchat and smtpd. */
const PYTHON = ["python3.11", "python3"].find((command) => {
  const { status, stdout } = spawnSync(command, [
    "-c",
    "import platform, test.support; print(platform.python_version())",
  ]);
  return status === 0 && stdout.toString().startsWith("3.11.");
});

/** Leaves every test of a file out where a client that it needs is missing. */
export function needClients(tests: string, { curl: needsCurl }: { readonly curl: boolean }): void {
  const python =
    PYTHON === undefined ? "CPython 3.11 with its test package cannot be found: install it to run them" : "";
  leaveFileOut(tests, python || (needsCurl ? missingTools("curl") : ""));
}

/** Runs one of the scripts beside this file. */
export function startPython(script: string, ...parameters: string[]): Running {
  // -B: no __pycache__ beside it.
  return start(PYTHON ?? "python3.11", ["-B", new URL(script, import.meta.url).pathname, ...parameters]);
}
