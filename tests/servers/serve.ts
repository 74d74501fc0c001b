/**
 * Owns the process that the ported servers run in, one after another, and the line protocol by which a driver rules
 * it: one JSON object a line on standard input, and for each of them one on standard output, behind "@ ". All other
 * output is the servers' own. Ends when its input does.
 *
 * {"op":"start","server":"pop3","host":"127.0.0.1","port":0,...}  -> {"host":"127.0.0.1","port":40001}
 * {"op":"get","path":["handlerInstance","rest"]}                  -> {"value":...}
 * {"op":"set","path":[...],"value":...}  {"op":"call","path":[...],"parameters":[...]}
 * {"op":"stop"}                                                   -> {}
 * What fails is answered with {"error": name, "message": text}.
 */

import { createInterface } from "node:readline";
import { closeAll, type Dispatcher, loop } from "wasyncore";
import { DummyFTPServer } from "./dummy-ftp.js";
import { DummyPOP3Server } from "./dummy-pop3.js";
import { SimSMTPAUTHInitialResponseServer, SimSMTPServer, SimSMTPUTF8Server } from "./dummy-smtp.js";
import { callAt, encode, getAt, type Path, setAt } from "./remote.js";
import { Direct } from "./smtpd-direct.js";
import { BrokenDummyServer, DebuggingServer, DummyServer, type ServerOptions, SMTPServer } from "./smtpd-server.js";

/** What any of the servers takes. */
type Options = ServerOptions & { readonly encoding: string };

type Request =
  | ({ readonly op: "start"; readonly server: string } & Options)
  | { readonly op: "get"; readonly path: Path }
  | { readonly op: "set"; readonly path: Path; readonly value: unknown }
  | { readonly op: "call"; readonly path: Path; readonly parameters: readonly unknown[] }
  | { readonly op: "stop" };

const SERVERS: Readonly<Record<string, (options: Options) => Dispatcher>> = {
  pop3: (options) => new DummyPOP3Server(options),
  ftp: (options) => new DummyFTPServer({ ...options, encoding: options.encoding === "latin-1" ? "latin1" : "utf8" }),
  debugging: (options) => new DebuggingServer(options),
  sim: (options) => new SimSMTPServer(options),
  simUtf8: (options) => new SimSMTPUTF8Server(options),
  simAuth: (options) => new SimSMTPAUTHInitialResponseServer(options),
  directSmtpd: (options) => new Direct(new SMTPServer(options)).server,
  directDebugging: (options) => new Direct(new DebuggingServer(options)).server,
  directDummy: (options) => new Direct(new DummyServer(options)).server,
  directBroken: (options) => new Direct(new BrokenDummyServer(options)).server,
};

/** The one server that runs, on `socketMap`, with its loop. */
class Running {
  readonly server: Dispatcher;
  readonly #ended: Promise<unknown>;

  constructor(server: Dispatcher) {
    this.server = server;
    this.#ended = loop().then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  /** Closes everything, and throws what left the loop. */
  async stop(): Promise<void> {
    closeAll();
    const failure = await this.#ended;
    if (failure !== undefined) throw failure;
  }
}

let running: Running | undefined;

async function answer(request: Request): Promise<object> {
  if (request.op === "start") {
    const make = SERVERS[request.server];
    if (make === undefined || running !== undefined) throw new Error(`cannot start "${request.server}"`);
    running = new Running(make(request));
    return running.server.socket.localAddress();
  }
  if (running === undefined) throw new Error("no server runs");
  const { server } = running;
  switch (request.op) {
    case "get":
      return { value: encode(getAt(server, request.path)) };
    case "set":
      setAt(server, request.path, request.value);
      return {};
    case "call":
      return { value: encode(callAt(server, request.path, request.parameters)) };
    case "stop": {
      const stopped = running;
      running = undefined;
      await stopped.stop();
      return {};
    }
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
