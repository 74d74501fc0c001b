/**
 * Owns the process that the ported servers run in, on one map as in the original, and the line protocol by which a
 * driver rules it: one JSON object a line on standard input, and for each of them one on standard output, behind "@ ".
 * All other output is the servers' own. Ends when its input does.
 *
 * {"op":"start","kind":"pop3","host":"127.0.0.1","port":0,...}      -> {"id":1,"host":"127.0.0.1","port":40001}
 * {"op":"get","id":1,"path":["handlerInstance","rest"]}             -> {"value":...}
 * {"op":"set","id":1,"path":[...],"value":...}                      -> {}
 * {"op":"call","id":1,"path":[...],"parameters":[...]}              -> {"value":...}
 * {"op":"stop","id":1}                                              -> {}
 * What fails is answered with {"error": name, "message": text}.
 */

import { createInterface } from "node:readline";
import { closeAll, type Dispatcher, loop } from "wasyncore";
import { DummyFTPServer, DummyTLS_FTPServer } from "./dummy-ftp.js";
import { DummyPOP3Server } from "./dummy-pop3.js";
import { SimSMTPAUTHInitialResponseServer, SimSMTPServer, SimSMTPUTF8Server } from "./dummy-smtp.js";
import { callAt, encode, getAt, type Path, setAt } from "./remote.js";
import { Direct } from "./smtpd-direct.js";
import { BrokenDummyServer, DebuggingServer, DummyServer, type ServerOptions, SMTPServer } from "./smtpd-server.js";

/** What any of the servers takes. */
type Options = ServerOptions & { readonly encoding: string; readonly certfile: string };

type Request =
  | ({ readonly op: "start"; readonly kind: string } & Options)
  | { readonly op: "get"; readonly id: number; readonly path: Path }
  | { readonly op: "set"; readonly id: number; readonly path: Path; readonly value: unknown }
  | { readonly op: "call"; readonly id: number; readonly path: Path; readonly parameters: readonly unknown[] }
  | { readonly op: "stop"; readonly id: number };

const SERVERS: Readonly<Record<string, (options: Options) => Dispatcher>> = {
  pop3: (options) => new DummyPOP3Server(options),
  ftp: (options) => new DummyFTPServer({ ...options, encoding: encodingOf(options) }),
  ftpTls: (options) => new DummyTLS_FTPServer({ ...options, encoding: encodingOf(options) }),
  debugging: (options) => new DebuggingServer(options),
  sim: (options) => new SimSMTPServer(options),
  simUtf8: (options) => new SimSMTPUTF8Server(options),
  simAuth: (options) => new SimSMTPAUTHInitialResponseServer(options),
  directSmtpd: (options) => new Direct(new SMTPServer(options)).server,
  directDebugging: (options) => new Direct(new DebuggingServer(options)).server,
  directDummy: (options) => new Direct(new DummyServer(options)).server,
  directBroken: (options) => new Direct(new BrokenDummyServer(options)).server,
};

const servers = new Map<number, Dispatcher>();
let lastId = 0;
/** The loop: what it was left with, if anything, when it ends. */
let running: Promise<unknown> = Promise.resolve();

function encodingOf({ encoding }: Options): "latin1" | "utf8" {
  return encoding === "latin-1" ? "latin1" : "utf8";
}

function start(request: Request & { readonly op: "start" }): object {
  const make = SERVERS[request.kind];
  if (make === undefined) throw new Error(`no server "${request.kind}"`);
  const server = make(request);
  const id = ++lastId;
  if (servers.size === 0) {
    running = loop().then(
      () => undefined,
      (error: unknown) => error,
    );
  }
  servers.set(id, server);
  return { id, ...server.socket.localAddress() };
}

/** Closes a server, and with the last of them everything. @throws what left the loop */
async function stop(id: number): Promise<void> {
  serverOf(id).close();
  servers.delete(id);
  if (servers.size > 0) return;
  closeAll();
  const failure = await running;
  if (failure !== undefined) throw failure;
}

function serverOf(id: number): Dispatcher {
  const server = servers.get(id);
  if (server === undefined) throw new Error(`no server ${id}`);
  return server;
}

async function answer(request: Request): Promise<object> {
  switch (request.op) {
    case "start":
      return start(request);
    case "get":
      return { value: encode(getAt(serverOf(request.id), request.path)) };
    case "set":
      setAt(serverOf(request.id), request.path, request.value);
      return {};
    case "call":
      return { value: encode(callAt(serverOf(request.id), request.path, request.parameters)) };
    case "stop":
      await stop(request.id);
      return {};
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let reply: object;
  try {
    reply = await answer(JSON.parse(line) as Request);
  } catch (error) {
    const { name, message } = error instanceof Error ? error : { name: "Error", message: String(error) };
    reply = { error: name, message };
  }
  process.stdout.write(`@ ${JSON.stringify(reply)}\n`);
}
closeAll({ ignoreAll: true });
