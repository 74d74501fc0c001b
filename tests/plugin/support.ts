/**
 * Owns plugins for tests: guests that do what the first word of a message says, and clients that talk to them. Knows the
 * public API; knows nothing of how plugins are run.
 */

import { readdirSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { type PluginEnding, PluginHost, type PluginHostEvents, type PluginHostOptions } from "wasyncore/plugin";
import { buildGuest } from "../assembly/programs.js";
import { openedFromNow } from "../support/descriptors.js";
import { requireBuild } from "../support/processes.js";

const SOURCE = `
import { Dispatcher, DispatcherWithSend, loop, Socket, SocketAddress } from "wasyncore";
import { takeListener, environmentVariable, exitNow } from "wasyncore/guest";

@external("wasi_snapshot_preview1", "proc_exit") declare function proc_exit(code: i32): void;
@external("wasi_snapshot_preview1", "path_open")
declare function path_open(
  fd: i32, look: i32, path: usize, length: i32, flags: i32, base: u64, inheriting: u64, fdflags: i32, result: usize,
): i32;
@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(fd: i32, vectors: usize, count: i32, result: usize): i32;

@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, vectors: usize, count: i32, result: usize): i32;

/** Writes so many bytes to standard output by one call. @returns how many were written */
function written(length: u32): u32 {
  memory.grow(<i32>(length >>> 16));
  const words = new StaticArray<u32>(3);
  words[0] = 65536;
  words[1] = length;
  fd_write(1, changetype<usize>(words), 1, changetype<usize>(words) + 8);
  return words[2];
}

/** What is in a file of the directory that follows the listening socket, or "errno N". */
function contentOf(path: string, wantsToWrite: bool): string {
  const name = String.UTF8.encode(path);
  const words = new StaticArray<u32>(4);
  const at = changetype<usize>(words);
  let failed = path_open(4, 1, changetype<usize>(name), name.byteLength, 0, wantsToWrite ? 0x42 : 2, 0, 0, at);
  if (failed != 0) return "errno " + failed.toString();
  const data = new ArrayBuffer(64);
  words[1] = <u32>changetype<usize>(data);
  words[2] = 64;
  failed = fd_read(words[0], at + 4, 1, at + 12);
  return failed != 0 ? "errno " + failed.toString() : String.UTF8.decodeUnsafe(changetype<usize>(data), words[3]);
}

function breakDown(): void { unreachable(); }

/** Some tenths of a second of CPU time. */
function compute(): u32 {
  let sum: u32 = 1;
  for (let i: u32 = 0; i < 400_000_000; i++) sum = (sum ^ i) * 16777619;
  return sum;
}

class Handler extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length == 0) return;
    const text = String.UTF8.decode(data.buffer);
    if (text == "spin") while (true) {}
    if (text == "trap") breakDown();
    if (text == "exit") proc_exit(7);
    if (text == "compute") this.send(Uint8Array.wrap(String.UTF8.encode(compute().toString())));
    else
    if (text == "grow") {
      while (memory.grow(1) >= 0) {}
      this.send(Uint8Array.wrap(String.UTF8.encode(memory.size().toString())));
    } else if (text == "flood") {
      for (let i = 0; i < 100; i++) this.send(new Uint8Array(1 << 20));
    } else if (text == "say") {
      console.log("one line");
      this.send(data);
    } else if (text.startsWith("read ")) {
      this.send(Uint8Array.wrap(String.UTF8.encode(contentOf(text.substring(5), false))));
    } else if (text.startsWith("write ")) {
      this.send(Uint8Array.wrap(String.UTF8.encode(contentOf(text.substring(6), true))));
    } else if (text == "huge") {
      this.send(Uint8Array.wrap(String.UTF8.encode(written(100 << 20).toString())));
    } else if (text == "who") {
      this.send(Uint8Array.wrap(String.UTF8.encode("VERSION")));
    } else this.send(data);
  }
  override handleClose(): void { this.close(); }
}

class Server extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void { new Handler(socket); }
}

if (environmentVariable("AT_START") == "spin") while (true) {}
if (environmentVariable("AT_START") == "trap") breakDown();
if (environmentVariable("AT_START") == "exit") proc_exit(3);
new Server(takeListener());
`;

/** How a guest runs, and what is built for that. */
export type Way = "isolated" | "shared";
export const WAYS: readonly Way[] = ["isolated", "shared"];

/** A guest that takes turns, or a command that runs its own loop. It answers "who" with its version. */
export function buildPlugin(version: string, isCommand = false): Promise<Uint8Array> {
  const source = SOURCE.replace("VERSION", version);
  return isCommand ? buildGuest(`${source}loop();`) : buildGuest(source, "--reactor");
}

/** A host that is closed when the test ends, and what it has told. */
export function createHost(options: PluginHostOptions = {}): { host: PluginHost; told: Told } {
  requireBuild("dist/plugin/index.js");
  const host = new PluginHost(options);
  onTestFinished(() => host.close({ timeoutMs: 0 }));
  return { host, told: new Told(host) };
}

export class Told {
  readonly #waiting: (() => void)[] = [];
  readonly events: { readonly name: keyof PluginHostEvents; readonly details: Record<string, unknown> }[] = [];

  constructor(host: PluginHost) {
    for (const name of ["up", "exit", "restart", "down", "replaced", "notReplaced", "limit", "line", "tls"] as const) {
      host.on(name, (details: object) => {
        this.events.push({ name, details: { ...details } });
        for (const wake of this.#waiting.splice(0)) wake();
      });
    }
  }

  /** Waits until there were `count` events of a name, of one plugin where it is given. @returns the last of them */
  async until(name: keyof PluginHostEvents, count = 1, plugin?: string): Promise<Record<string, unknown>> {
    while (true) {
      const found = this.events.filter(
        (each) => each.name === name && (plugin === undefined || each.details["plugin"] === plugin),
      );
      const last = found[count - 1];
      if (last !== undefined) return last.details;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  async ending(plugin?: string): Promise<PluginEnding> {
    return (await this.until("exit", 1, plugin))["ending"] as PluginEnding;
  }
}

export function portOf(host: PluginHost, name: string): number {
  const [listener] = host.snapshot(name).listeners;
  if (listener?.address.port === undefined) throw new Error(`${name} has no port`);
  return listener.address.port;
}

/** A connection of a client. */
export class Client {
  readonly socket: Socket;
  /** "end", or the code of the error. */
  readonly closed: Promise<string>;
  #received = "";
  #wake: () => void = () => undefined;
  #end: string | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    let code = "end";
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.#received += text;
      this.#wake();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => (code = error.code ?? error.message));
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#end = code;
        this.#wake();
        resolve(code);
      });
    });
  }

  /** Rejects where the connection is refused. */
  static async connect(port: number): Promise<Client> {
    const socket = connect(port, "127.0.0.1");
    const client = new Client(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    onTestFinished(async () => {
      socket.destroy();
      await client.closed;
    });
    return client;
  }

  /** Sends a message, and waits for an answer. @returns it; "" or an error's code where the connection ends without one */
  async ask(message: string): Promise<string> {
    this.#received = "";
    this.socket.write(message);
    while (this.#received === "" && this.#end === undefined) {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#received === "" && this.#end !== "end" ? String(this.#end) : this.#received;
  }

  /** Ends the connection, and waits for its end. */
  async end(): Promise<void> {
    this.socket.end();
    await this.closed;
  }
}

/** One question on a connection of its own. */
export async function ask(port: number, message: string): Promise<string> {
  const client = await Client.connect(port);
  const answer = await client.ask(message);
  await client.end();
  return answer;
}

/** What a process has beyond what it had. */
interface Left {
  readonly descriptors: readonly string[];
  /** By their numbers. */
  readonly threads: readonly string[];
}

export const NOTHING: Left = { descriptors: [], threads: [] };

/** Begins to watch what this process has. @returns what it has beyond that */
export function leftFromNow(): () => Left {
  const opened = openedFromNow();
  const before = new Set(threads());
  return () => ({ descriptors: opened(), threads: threads().filter((id) => !before.has(id)) });
}

/** The numbers of this process's threads. */
function threads(): string[] {
  return process.platform === "linux" ? readdirSync("/proc/self/task") : [];
}
