/**
 * Owns child processes whose standard streams are channels. Node starts and reaps them; the pipes are the library's. Knows
 * the handler classes by their public methods.
 */

import { type ChildProcess, type SpawnOptions as NodeOptions, spawn as spawnInNode } from "node:child_process";
import type { Backend } from "../../backend/backend.js";
import {
  checkArray,
  checkDescriptor,
  checkInstance,
  checkInteger,
  checkObject,
  checkOptions,
  checkString,
} from "../../backend/check.js";
import { backendOf, ChannelMap, defaultMap } from "../../loop/channel-map.js";
import { pipe } from "../../net/pipe.js";
import { AsyncChat } from "../chat/async-chat.js";
import { Dispatcher } from "../dispatcher.js";

/**
 * What becomes of a standard stream of a child: "pipe", an `AsyncChat` that {@link Child} has; a channel without a socket,
 * which takes over the pipe; "inherit", that of this process; "ignore", /dev/null; or a descriptor.
 */
export type ChildStream = "pipe" | "inherit" | "ignore" | number | Dispatcher;

/** Options of `spawn`. Any other name is refused. */
export interface SpawnOptions extends Pick<
  NodeOptions,
  "cwd" | "env" | "argv0" | "detached" | "uid" | "gid" | "shell" | "signal" | "killSignal" | "timeout"
> {
  /** The map of the channels that are made; default `socketMap`. */
  readonly map?: ChannelMap | undefined;
  /** Default "pipe". */
  readonly stdin?: ChildStream | undefined;
  /** Default "pipe". */
  readonly stdout?: ChildStream | undefined;
  /** Default "inherit", so that a child does not stop because nobody reads its errors. */
  readonly stderr?: ChildStream | undefined;
}

/** How a child has ended: by itself, with a code, or by a signal. */
export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const NAMES = ["stdin", "stdout", "stderr"] as const;
type Name = (typeof NAMES)[number];

const NODE_OPTIONS = [
  "cwd",
  "env",
  "argv0",
  "detached",
  "uid",
  "gid",
  "shell",
  "signal",
  "killSignal",
  "timeout",
] as const;

/** A pipe to or from a child, before the child is there. */
interface Pipe {
  readonly channel: Dispatcher;
  readonly ourFd: number;
  readonly childFd: number;
}

/** A child process: see {@link spawn}. */
export class Child {
  /** Resolves when the process has ended, with its output perhaps still to be read; rejects if it could not be started. */
  readonly exited: Promise<ChildExit>;
  readonly #process: ChildProcess;
  readonly #channels: ReadonlyMap<Name, Dispatcher>;

  /** @internal */
  constructor(process: ChildProcess, channels: ReadonlyMap<Name, Dispatcher>) {
    this.#process = process;
    this.#channels = channels;
    // Nobody is at the other ends: they would only keep a loop going. Now, because loopSync may come before the event.
    if (process.pid === undefined) for (const channel of channels.values()) channel.close();
    this.exited = new Promise((resolve, reject) => {
      process.once("exit", (code, signal) => {
        // What nobody reads would only keep a loop going. Where output is pending, sending it finds out.
        const stdin = channels.get("stdin");
        if (stdin instanceof AsyncChat && !stdin.hasPendingOutput) stdin.close();
        resolve({ code, signal });
      });
      // Once the process is there, the error is about a signal: that of `options.signal`, which ends it.
      process.on("error", (error) => {
        if (process.pid === undefined) reject(error);
      });
    });
    // Whoever does not wait for the end must not be ended by it.
    this.exited.catch(() => undefined);
  }

  /** undefined if it could not be started: see {@link exited}. */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  /**
   * To be written; `closeWhenDone` ends the child's input. It closes when the process has ended.
   * @throws Error ERR_NO_CHANNEL unless it is a "pipe"
   */
  get stdin(): AsyncChat {
    return this.#chat("stdin");
  }

  /**
   * To be read: iterate it, or use `toDuplex` or `events`. Nothing is read before that, so a child may stop because its
   * pipe is full. @throws Error ERR_NO_CHANNEL unless it is a "pipe"
   */
  get stdout(): AsyncChat {
    return this.#chat("stdout");
  }

  /** See {@link stdout}. */
  get stderr(): AsyncChat {
    return this.#chat("stderr");
  }

  /** Sends a signal, by default SIGTERM. @returns false if the process has ended. */
  kill(signal?: NodeJS.Signals | number): boolean {
    return this.#process.kill(signal);
  }

  /** Keeps this process alive until the child has ended, which is the default. */
  ref(): this {
    this.#process.ref();
    return this;
  }

  /** Lets this process end before the child. */
  unref(): this {
    this.#process.unref();
    return this;
  }

  /** For `await using`: closes its channels, ends the process with SIGKILL if it still runs, and waits for its end. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const channel of this.#channels.values()) channel.close();
    this.kill("SIGKILL");
    await this.exited.catch(() => undefined);
  }

  #chat(name: Name): AsyncChat {
    const channel = this.#channels.get(name);
    if (channel instanceof AsyncChat) return channel;
    throw Object.assign(new Error(`${name} is no channel of this object: pass { ${name}: "pipe" } to spawn`), {
      code: "ERR_NO_CHANNEL",
    });
  }
}

/**
 * Starts a program, with pipes for its standard streams that are channels. It ends like any child of Node's: it is reaped,
 * and `exited` resolves, on Node's own event loop, so under `loopSync` only after the loop.
 * @param parameters of the program; no shell reads them, unless the option `shell` is set
 * @throws OSError EMFILE, ... where there are no pipes. A program that cannot be started rejects `exited`
 */
export function spawn(command: string, parameters: readonly string[] = [], options: SpawnOptions = {}): Child {
  checkString("command", command);
  checkArray("parameters", parameters);
  for (const [index, parameter] of parameters.entries()) checkString(`parameters[${index}]`, parameter);
  checkOptions("options", options, ["map", ...NAMES, ...NODE_OPTIONS]);
  const { map = defaultMap(), stdin, stdout, stderr, ...nodeOptions }: SpawnOptions = options;
  checkInstance("map", map, ChannelMap);
  checkNodeOptions(nodeOptions);
  const wanted: Readonly<Record<Name, ChildStream>> = {
    stdin: stdin ?? "pipe",
    stdout: stdout ?? "pipe",
    stderr: stderr ?? "inherit",
  };
  for (const name of NAMES) checkStream(name, wanted[name]);
  const backend = backendOf(map);
  const pipes = new Map<Name, Pipe>();
  try {
    for (const name of NAMES) {
      const stream = wanted[name];
      if (stream === "pipe") pipes.set(name, makePipe(name, new AsyncChat(undefined, map), backend));
      else if (stream instanceof Dispatcher) pipes.set(name, makePipe(name, stream, backend));
    }
    const stdio = NAMES.map((name) => pipes.get(name)?.childFd ?? (wanted[name] as "inherit" | "ignore" | number));
    for (const { channel, ourFd } of pipes.values()) channel.setFile(ourFd);
    const child = spawnInNode(command, parameters, { ...nodeOptions, stdio });
    return new Child(child, new Map(NAMES.flatMap((name) => madeChannel(name, wanted[name], pipes))));
  } catch (error) {
    for (const { channel } of pipes.values()) channel.close();
    throw error;
  } finally {
    // The channels have duplicates of theirs, and the child of its own.
    for (const { ourFd, childFd } of pipes.values()) {
      backend.close(ourFd);
      backend.close(childFd);
    }
  }
}

/** Checks what Node itself takes for a mistake of its own, without a code. */
function checkNodeOptions({ env, uid, gid }: SpawnOptions): void {
  for (const [name, id] of Object.entries({ uid, gid }))
    if (id !== undefined) checkInteger(name, id, -0x80000000, 0x7fffffff);
  if (env === undefined) return;
  checkObject("env", env);
  // Node passes inherited ones on as well.
  for (const name in env) if (env[name] !== undefined) checkString(`env.${name}`, env[name]);
}

function checkStream(name: Name, stream: ChildStream): void {
  if (typeof stream === "number") return checkDescriptor(name, stream);
  if (stream === "pipe" || stream === "inherit" || stream === "ignore") return;
  if (stream instanceof Dispatcher && stream.fd < 0) return;
  const message = `"${name}" must be "pipe", "inherit", "ignore", a descriptor, or a channel without a socket`;
  throw Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_TYPE" });
}

function makePipe(name: Name, channel: Dispatcher, backend: Backend): Pipe {
  const [readFd, writeFd] = pipe(backend);
  return name === "stdin" ? { channel, ourFd: writeFd, childFd: readFd } : { channel, ourFd: readFd, childFd: writeFd };
}

/** The channels that were made here: the program has those that it passed. */
function madeChannel(name: Name, wanted: ChildStream, pipes: ReadonlyMap<Name, Pipe>): [Name, Dispatcher][] {
  const channel = wanted === "pipe" ? pipes.get(name)?.channel : undefined;
  return channel === undefined ? [] : [[name, channel]];
}
