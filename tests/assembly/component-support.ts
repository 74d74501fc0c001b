/**
 * Owns what the tests of components stand on: where wasmtime and jco are, building components, and their sources. Knows no
 * scenario.
 *
 * Where one of the two is not installed the tests are skipped, and say so; where CI is set it is a failure.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildInto } from "../support/builds.js";
import { ROOT } from "../support/processes.js";
import { jcoModules, missingRuntime, runtimePath } from "../support/wasi-runtimes.js";

const MAIN = "dist/cli/main.js";
const DIRECTORY = join(ROOT, "build", "components");

/** "", or why nothing can be tested. */
export const missing =
  ["wasmtime", "jco"].map((name) => missingRuntime(name, "The tests of components")).find((reason) => reason !== "") ??
  "";

/** The part of jco that makes components of modules. */
export interface WasmTools {
  componentEmbed(options: { binary: Uint8Array; witSource: string; worldName: string }): Promise<Uint8Array>;
  componentNew(binary: Uint8Array, adapters: readonly never[]): Promise<Uint8Array>;
  /** The bytes of a component, or of a module, that is written as text. */
  parse(text: string): Promise<Uint8Array>;
}

export async function wasmTools(): Promise<WasmTools> {
  const path = createRequire(join(jcoModules, "package.json")).resolve("@bytecodealliance/jco-transpile/wasm-tools");
  return (await import(pathToFileURL(path).href)) as WasmTools;
}

/** Those that make components: of WASI 0.2, and of 0.3. */
export type ComponentProfile = "component" | "wasi-0.3";

/** @returns the path of the component */
export async function buildComponent(entry: string, name: string, profile: ComponentProfile): Promise<string> {
  return await buildInto(entry, join(DIRECTORY, profile, `${name}.wasm`), "--profile", profile);
}

/** The same from a source. */
export function buildSource(source: string, name: string, profile: ComponentProfile): Promise<string> {
  const entry = join(DIRECTORY, profile, `${name}.ts`);
  mkdirSync(dirname(entry), { recursive: true });
  writeFileSync(entry, source);
  return buildComponent(entry, name, profile);
}

/** The command that runs a component, with the network and an environment. */
export function command(
  component: string,
  environment: Readonly<Record<string, string>> = {},
  ...parameters: readonly string[]
): readonly [string, ...string[]] {
  return commandWith([], component, environment, ...parameters);
}

/** The same with further options of `wasmtime run`. */
export function commandWith(
  further: readonly string[],
  component: string,
  environment: Readonly<Record<string, string>>,
  ...parameters: readonly string[]
): readonly [string, ...string[]] {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const options = [
    "-S",
    "inherit-network",
    "-S",
    "allow-ip-name-lookup",
    "-S",
    "p3",
    ...further,
    ...variables.flatMap((one) => ["--env", one]),
  ];
  return [runtimePath("wasmtime"), "run", ...options, component, ...parameters];
}

/** What runs components, each with the network, an environment and arguments. */
export const WASMTIME = { host: "wasmtime", run: command };
export const NODE_HOST = { host: "the Node host", run: commandOnNode };
export type ComponentHost = typeof WASMTIME;

/** The same as {@link command} for `wasyncore run`. */
export function commandOnNode(
  component: string,
  environment: Readonly<Record<string, string>> = {},
  ...parameters: readonly string[]
): readonly [string, ...string[]] {
  const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const options = ["--sockets", ...variables.flatMap((one) => ["--env", one])];
  return [process.execPath, join(ROOT, MAIN), "run", component, ...options, "--", ...parameters];
}

/** What each source begins with. */
export const HEAD = `
import { Dispatcher, DispatcherWithSend, FileDispatcher, loop, OSError, Socket, SocketAddress, SocketOptions, socketMap } from "wasyncore";
import { environmentVariable, programArguments, takeListener } from "wasyncore/guest";

function variable(name: string): string {
  const value = environmentVariable(name);
  if (value === null) return "";
  return value;
}

function textOf(data: Uint8Array): string {
  return String.UTF8.decodeUnsafe(data.dataStart, data.length);
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.wrap(String.UTF8.encode(text));
}

function address(host: string, port: i32): SocketAddress {
  const made = new SocketAddress();
  made.host = host;
  made.port = port;
  return made;
}

function options(family: string, type: string): SocketOptions {
  const made = new SocketOptions();
  made.family = family;
  made.type = type;
  return made;
}
`;

/** Connects to HOST, PORT by FAMILY, sends "ping", prints what comes of it. */
export const CLIENT = `${HEAD}
class Client extends DispatcherWithSend {
  override handleConnect(): void {
    const peer = this.socket.remoteAddress();
    console.log("connected " + peer.host + (peer.port.toString() == variable("PORT") ? "" : " elsewhere"));
    this.send(bytesOf("ping"));
  }
  override handleRead(): void {
    const data = this.recv(100);
    if (data.length > 0) console.log("read " + textOf(data));
  }
  override handleError(error: OSError): void {
    console.log("error " + error.syscall + " " + error.code);
    this.close();
  }
  override handleClose(): void {
    console.log("close");
    this.close();
  }
}

const client = new Client();
client.createSocket(options(variable("FAMILY"), "stream"));
client.connect(address(variable("HOST"), i32(parseInt(variable("PORT")))));
loop();
console.log("over");
`;

/** Sends datagrams back to where they came from; the one that is "end" closes it. */
export const UDP_ECHO = `${HEAD}
class Echo extends Dispatcher {
  override handleRead(): void {
    const datagram = this.socket.recvFrom(65535);
    this.socket.sendTo(datagram.data, datagram.address);
    if (textOf(datagram.data) == "end") this.close();
  }
}

const echo = new Echo();
const host = variable("HOST");
echo.createSocket(options(host == "::1" ? "IPv6" : "IPv4", "dgram"));
echo.bind(address(host, 0));
const bound = echo.socket.localAddress();
console.error("bound to " + bound.host + " " + bound.port.toString());
loop();
`;

/** Sends itself a datagram by a connected socket, and prints it. */
export const UDP_CONNECTED = `${HEAD}
class Receiver extends Dispatcher {
  override handleRead(): void {
    console.log(textOf(this.recv(100)));
    this.close();
  }
}

const receiver = new Receiver();
receiver.createSocket(options("IPv4", "dgram"));
receiver.bind(address("127.0.0.1", 0));
const sender = Socket.create(options("IPv4", "dgram"));
sender.connect(receiver.socket.localAddress());
console.log(sender.send(bytesOf("a datagram")).toString());
loop();
`;

/** Standard input to standard output, its arguments and a variable to standard error; then three timers in order. */
export const STDIO = `${HEAD}
class Input extends FileDispatcher {
  private length: i32 = 0;
  override handleRead(): void {
    const data = this.recv(65536);
    this.length += data.length;
    if (data.length > 0) console.log(textOf(data));
  }
  override handleClose(): void {
    console.log("read " + this.length.toString());
    this.close();
    socketMap.callLater(30, third);
    socketMap.callLater(10, first);
    socketMap.callEvery(20, second);
  }
}

function first(): void {
  console.log("first");
}

function second(): void {
  console.log("second");
}

function third(): void {
  console.log("third");
  socketMap.cancelTimers();
}

console.error(programArguments().slice(1).join("|") + " " + variable("GREETING"));
new Input(0);
loop();
`;

/**
 * Writes to whoever speaks, until its host takes no more because it has bytes that are not sent; then says how much that
 * was, shuts down by HOW, closes, and is over.
 */
export const PARTING = `${HEAD}
class Handler extends Dispatcher {
  override handleRead(): void {
    if (this.recv(100).length == 0) return;
    const data = new Uint8Array(65_536 + 256);
    for (let i = 0; i < data.length; i++) data[i] = u8(i);
    let total = 0;
    let sent = 1;
    while (sent > 0) {
      sent = this.send(data.subarray(total & 255));
      total += sent;
    }
    console.error("written " + total.toString());
    if (variable("HOW").length > 0) this.socket.shutdown(variable("HOW"));
    this.close();
    server.close();
    console.error("closed");
  }
  override handleClose(): void {
    this.close();
  }
}

class Server extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new Handler(socket);
  }
}

const server = new Server(takeListener());
loop();
`;
