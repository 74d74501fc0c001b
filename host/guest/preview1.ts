/**
 * Owns module "wasi_snapshot_preview1" as one guest sees it: puts the calls together, and holds what they share. Knows
 * the backend seam; knows nothing of how the guest is run, or when it is called.
 *
 * A guest has no files and no directories. It has what it is given (standard input, output and error, listening
 * sockets from descriptor 3 on), what it accepts, and, with the socket extension, what it opens. Calls wait where the
 * guest lets them: poll_oneoff always, the others on descriptors without NONBLOCK.
 */

import type { Backend } from "../backend/backend.js";
import { ERRNO_INVAL, ErrnoTranslator } from "../wasi/errno.js";
import type { GuestContext } from "./calls/context.js";
import { Descriptor, DescriptorTable } from "./descriptors.js";
import { descriptorImports } from "./calls/descriptors.js";
import { Iovecs } from "./iovecs.js";
import { GuestMemory } from "./memory.js";
import { createProcessCalls } from "./calls/process.js";
import { socketImports, isDatagramSocket, socketDescriptor } from "./calls/sockets.js";
import { createStreamCalls } from "./calls/streams.js";
import { Transfer } from "./transfer.js";
import { Waiting } from "./waiting.js";
import { Filetype } from "../wasi/layout.js";
import { type LinearMemory, PollOneoff } from "../wasi/poll-oneoff.js";
import { createSocketExtension } from "./calls/socket-extension.js";

/** The module's name in an import. */
export const PREVIEW1 = "wasi_snapshot_preview1";

/** One of standard input, output and error. It stays the host's: closing it takes it from the guest alone. */
export interface GuestStdio {
  /** The backend's descriptor. */
  readonly fd: number;
  /** The file type that the guest sees. A guest reads it to find out whether it talks to a terminal. Default "stream". */
  readonly kind?: "terminal" | "file" | "stream" | undefined;
}

/** A socket that a guest finds open when it starts. */
export interface GuestListener {
  /** The backend's descriptor; the guest's, to be closed with it, once the guest is made. */
  readonly fd: number;
  /** For LISTEN_FDNAMES: no colon, no NUL, at most 255 bytes. Default "unknown", as sd_listen_fds(3) has it. */
  readonly name?: string | undefined;
}

export interface Preview1Options {
  /** The guest's arguments, its own name first. Default: none. No NUL in them. */
  readonly args?: readonly string[] | undefined;
  /** Its environment. Default: empty, but for LISTEN_FDS and LISTEN_FDNAMES, which tell the listeners. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Its descriptors 0, 1 and 2. Default: the process's own. */
  readonly stdio?: readonly [stdin: GuestStdio, stdout: GuestStdio, stderr: GuestStdio] | undefined;
  /** Its descriptors from 3 on, in this order. They do not block: accept returns EAGAIN when no connection is waiting. */
  readonly listeners?: readonly GuestListener[] | undefined;
  /** May the guest open, bind and connect sockets? WasmEdge's calls. Default: false. */
  readonly socketExtension?: boolean | undefined;
  /** How many descriptors it may have open. Default 65,536. */
  readonly maxDescriptors?: number | undefined;
  /** May a call of poll_oneoff have so many subscriptions? EINVAL otherwise. Default: up to 262,144. */
  readonly maySubscribe?: ((count: number) => boolean) | undefined;
  /** Fills with random bytes. Default: those of the Web Crypto API. */
  readonly random?: ((target: Uint8Array) => void) | undefined;
}

const STDIO: readonly [GuestStdio, GuestStdio, GuestStdio] = [{ fd: 0 }, { fd: 1 }, { fd: 2 }];
const FILETYPES = {
  terminal: Filetype.CHARACTER_DEVICE,
  file: Filetype.REGULAR_FILE,
  stream: Filetype.UNKNOWN,
} as const;
const MAX_DESCRIPTORS = 65_536;
/** What the Web Crypto API fills at once. */
const RANDOM_BYTES = 65_536;

export type Preview1Imports = ReturnType<typeof createStreamCalls> &
  ReturnType<typeof descriptorImports> &
  ReturnType<typeof createProcessCalls> &
  ReturnType<typeof socketImports> &
  Partial<ReturnType<typeof createSocketExtension>> & {
    poll_oneoff(subscriptionsAt: number, eventsAt: number, count: number, countAt: number): number;
  };

export class Preview1 {
  /** The functions by their names in the module. */
  readonly imports: Preview1Imports;
  readonly #memory = new GuestMemory();
  readonly #table: DescriptorTable;
  readonly #waiting: Waiting;
  readonly #poller: PollOneoff;

  /**
   * @throws TypeError, RangeError for a string with a NUL in it or a name that LISTEN_FDNAMES cannot hold, and for a
   *   listener that is no socket. The listeners are the caller's still then.
   */
  constructor(backend: Backend, options: Preview1Options = {}) {
    const { listeners = [], stdio = STDIO } = options;
    const process = {
      args: checked(options.args ?? []),
      environ: environOf(options),
      random: options.random ?? random,
    };
    for (const { fd } of listeners) {
      if (typeof backend.family(fd) === "number") throw invalid(`descriptor ${fd} is no open socket`);
    }
    if (new Set(listeners.map(({ fd }) => fd)).size < listeners.length) throw invalid("a listener is given twice");
    const table = new DescriptorTable(backend, options.maxDescriptors ?? MAX_DESCRIPTORS, ({ fd }) =>
      this.#poller.forget(fd),
    );
    const memory = this.#memory;
    this.#table = table;
    this.#waiting = new Waiting(backend);
    this.#poller = new PollOneoff(backend, () => memory.linear, undefined, {
      descriptorOf: (fd) => table.get(fd)?.fd ?? -1,
      failed: (fd, errno) => table.ofBackend(fd)?.setPendingError(errno),
    });

    const errnos = new ErrnoTranslator((errno) => backend.errorCode(errno));
    const context: GuestContext = {
      backend,
      memory,
      table,
      waiting: this.#waiting,
      errnos,
      iovecs: new Iovecs(memory),
    };
    const transfer = new Transfer(context);
    this.imports = {
      ...createProcessCalls(backend, memory, process),
      ...descriptorImports(context),
      ...createStreamCalls(context, transfer),
      ...socketImports(context),
      ...(options.socketExtension === true ? createSocketExtension(context, transfer) : {}),
      poll_oneoff: (subscriptionsAt, eventsAt, count, countAt) =>
        options.maySubscribe?.(count >>> 0) === false
          ? ERRNO_INVAL
          : this.#poller.call(subscriptionsAt, eventsAt, count, countAt),
    };

    for (const [number, { fd, kind = "stream" }] of stdio.entries()) {
      const filetype = FILETYPES[kind];
      table.add(
        new Descriptor({
          fd,
          filetype,
          readable: number === 0,
          writable: number !== 0,
          owned: false,
          nonBlocking: false,
        }),
      );
    }
    for (const { fd } of listeners) {
      // One that somebody else has made may be one that waits.
      backend.setNonBlocking(fd, true);
      table.add(socketDescriptor(fd, isDatagramSocket(backend, fd), true));
    }
  }

  /** Gives it the guest's memory, which exists once the guest is instantiated. Until then every address is EFAULT. */
  attach(memory: LinearMemory): void {
    this.#memory.attach(memory);
  }

  /** What answers the guest's poll_oneoff, for a host that does the waiting. */
  get poller(): PollOneoff {
    return this.#poller;
  }

  /** Closes what the guest has open, and releases what the calls hold. */
  close(): void {
    this.#table.close();
    this.#poller.close();
    this.#waiting.close();
  }
}

function environOf({ env = {}, listeners = [] }: Preview1Options): readonly string[] {
  const entries = Object.entries(env);
  for (const [name] of entries) {
    if (name === "" || name.includes("="))
      throw invalid(`${JSON.stringify(name)} is no name of an environment variable`);
  }
  if (listeners.length > 0) {
    const names = listeners.map(({ name = "unknown" }) => name);
    for (const name of names) {
      if (!isListenerName(name)) throw invalid(`${JSON.stringify(name)} is no name of a listener`);
    }
    entries.push(["LISTEN_FDS", String(listeners.length)], ["LISTEN_FDNAMES", names.join(":")]);
  }
  // A name that is given twice counts the last time, as the listeners' do.
  return checked([...new Map(entries)].map(([name, value]) => `${name}=${value}`));
}

/** May a listener be called so? sd_listen_fds_with_names(3): no colon, nothing unprintable, at most 255 bytes. */
export function isListenerName(name: string): boolean {
  return /^[\x20-\x39\x3b-\x7e]{1,255}$/.test(name);
}

function checked(strings: readonly string[]): readonly string[] {
  for (const each of strings) {
    if (each.includes("\0")) throw invalid(`${JSON.stringify(each)} has a NUL in it`);
  }
  return strings;
}

function invalid(message: string): RangeError {
  return Object.assign(new RangeError(message), { code: "ERR_INVALID_ARG_VALUE" });
}

function random(target: Uint8Array): void {
  for (let at = 0; at < target.length; at += RANDOM_BYTES) {
    globalThis.crypto.getRandomValues(target.subarray(at, at + RANDOM_BYTES));
  }
}
