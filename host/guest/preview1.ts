/**
 * Owns module "wasi_snapshot_preview1" as one guest sees it: puts the calls together, and holds what they share. Knows
 * the backend seam; knows nothing of how the guest is run, or when it is called.
 *
 * A guest has what it is given (standard input, output and error, listening sockets from descriptor 3 on, directories
 * after them), what it accepts, what it opens beneath those directories, and, with the socket extension, the sockets that
 * it opens. Calls wait where the guest lets them: poll_oneoff always, the others on descriptors without NONBLOCK.
 */

import type { Backend } from "../backend/backend.js";
import { ERRNO_INVAL, ErrnoTranslator } from "../wasi/errno.js";
import type { CallWatcher, GuestContext } from "./calls/context.js";
import { Descriptor, DescriptorTable } from "./descriptors.js";
import { descriptorImports } from "./calls/descriptors.js";
import { endingError, type GuestExit } from "./exit.js";
import { Iovecs } from "./iovecs.js";
import { GuestMemory } from "./memory.js";
import { GuestError } from "./module.js";
import { systemRandom } from "./random.js";
import { allWithRoom } from "./stack.js";
import { createDirectoryCalls } from "./calls/directories.js";
import { createFileCalls } from "./calls/files.js";
import { createOpenCall } from "./calls/open.js";
import { createPathCalls } from "./calls/paths.js";
import { createProcessCalls } from "./calls/process.js";
import { socketImports, isDatagramSocket, socketDescriptor } from "./calls/sockets.js";
import { createStreamCalls } from "./calls/streams.js";
import { CHANGING_RIGHTS, DIRECTORY_RIGHTS, INHERITED_RIGHTS } from "./rights.js";
import { Transfer } from "./transfer.js";
import { Waiting } from "./waiting.js";
import { Filetype } from "../wasi/layout.js";
import { type LinearMemory, PollOneoff } from "../wasi/poll-oneoff.js";
import { createSocketExtension } from "./calls/socket-extension.js";

/** One of standard input, output and error. */
export interface GuestStdio {
  /** The backend's descriptor. */
  readonly fd: number;
  /** Is it closed with the guest? Default false: it stays the host's, and closing it takes it from the guest alone. */
  readonly owned?: boolean | undefined;
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

/** A directory that a guest finds open when it starts. */
export interface GuestDirectory {
  /** The backend's descriptor; the guest's, to be closed with it, once the guest is made. */
  readonly fd: number;
  /** The path by which the guest knows it, such as "/" or "data". */
  readonly guestPath: string;
  /** Default: false. */
  readonly readOnly?: boolean | undefined;
}

export interface Preview1Options {
  /** The guest's arguments, its own name first. Default: none. No NUL in them. */
  readonly args?: readonly string[] | undefined;
  /** Its environment. Default: empty, but for LISTEN_FDS and LISTEN_FDNAMES, which tell the listeners. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Its descriptors 0, 1 and 2. Default: none, and no other descriptor gets these numbers. */
  readonly stdio?: readonly [stdin: GuestStdio, stdout: GuestStdio, stderr: GuestStdio] | undefined;
  /** Its descriptors from 3 on, in this order. They do not block: accept returns EAGAIN when no connection is waiting. */
  readonly listeners?: readonly GuestListener[] | undefined;
  /**
   * Directories, its descriptors after the listeners, in this order. No path of the guest's leads out of them. Default: none,
   * and so no files.
   */
  readonly directories?: readonly GuestDirectory[] | undefined;
  /** May the guest open, bind and connect sockets? WasmEdge's calls. Default: false. */
  readonly socketExtension?: boolean | undefined;
  /**
   * The paths of Unix sockets that it may bind, connect and send to, with {@link socketExtension}, each as the guest gives it.
   * Default: none.
   */
  readonly unixPaths?: readonly string[] | undefined;
  /** How many descriptors it may have open. Default 65,536. */
  readonly maxDescriptors?: number | undefined;
  /** May a call of poll_oneoff have so many subscriptions? EINVAL otherwise. Default: up to 262,144. */
  readonly maySubscribe?: ((count: number) => boolean) | undefined;
  /** Fills with random bytes. Default: those of the Web Crypto API. */
  readonly random?: ((target: Uint8Array) => void) | undefined;
}

const STDIO_DESCRIPTORS = 3;
const FILETYPES = {
  terminal: Filetype.CHARACTER_DEVICE,
  file: Filetype.REGULAR_FILE,
  stream: Filetype.UNKNOWN,
} as const;
const MAX_DESCRIPTORS = 65_536;
const WAITS_IN_TURN =
  "it calls poll_oneoff again and again within one turn, to wait for what comes only when the turn is over. " +
  "A reactor and its callbacks must return, and not call loop(): what follows belongs in another callback or a timer. " +
  "A program that has to wait is built without --reactor, and runs in a thread of its own";

export type Preview1Imports = ReturnType<typeof createStreamCalls> &
  ReturnType<typeof descriptorImports> &
  ReturnType<typeof createFileCalls> &
  ReturnType<typeof createDirectoryCalls> &
  ReturnType<typeof createPathCalls> &
  ReturnType<typeof createOpenCall> &
  ReturnType<typeof createProcessCalls> &
  ReturnType<typeof socketImports> &
  Partial<ReturnType<typeof createSocketExtension>> & {
    poll_oneoff(subscriptionsAt: number, eventsAt: number, count: number, countAt: number): number;
  };

export class Preview1 {
  /** The functions by their names in the module. */
  readonly imports: Preview1Imports;
  readonly watcher: CallWatcher = {};
  readonly #memory = new GuestMemory();
  readonly #table: DescriptorTable;
  readonly #waiting: Waiting;
  readonly #poller: PollOneoff;
  #exit: GuestExit | undefined;

  /**
   * @throws TypeError, RangeError for a string with a NUL in it or a name that LISTEN_FDNAMES cannot hold, for a listener
   *   that is no socket and a directory that is none. The listeners and directories are the caller's still then.
   */
  constructor(backend: Backend, options: Preview1Options = {}) {
    const { directories = [], listeners = [], stdio } = options;
    const process = {
      args: checked(options.args ?? []),
      environ: environOf(options),
      random: options.random ?? systemRandom,
      onExit: (exit: GuestExit) => this.#end(exit),
    };
    for (const { fd } of listeners) {
      if (typeof backend.family(fd) === "number") throw invalid(`descriptor ${fd} is no open socket`);
    }
    for (const { fd, guestPath } of directories) {
      checked([guestPath]);
      const status = backend.status(fd);
      if (typeof status === "number" || status.kind !== "directory")
        throw invalid(`descriptor ${fd} is no open directory`);
    }
    if (new Set(listeners.map(({ fd }) => fd)).size < listeners.length) throw invalid("a listener is given twice");
    const table = new DescriptorTable(backend, options.maxDescriptors ?? MAX_DESCRIPTORS, ({ fd }) =>
      this.#poller.forget(fd),
    );
    const memory = this.#memory;
    this.#table = table;
    this.#waiting = new Waiting(backend, this.watcher);
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
      watcher: this.watcher,
      errnos,
      iovecs: new Iovecs(memory),
    };
    const transfer = new Transfer(context);
    this.imports = allWithRoom<Preview1Imports>({
      ...createProcessCalls(backend, memory, process),
      ...descriptorImports(context),
      ...createFileCalls(context, transfer),
      ...createDirectoryCalls(context, listeners.length),
      ...createPathCalls(context),
      ...createOpenCall(context),
      ...createStreamCalls(context, transfer),
      ...socketImports(context),
      ...(options.socketExtension === true ? createSocketExtension(context, transfer, options.unixPaths ?? []) : {}),
      poll_oneoff: (subscriptionsAt, eventsAt, count, countAt) => {
        if (options.maySubscribe?.(count >>> 0) === false) return ERRNO_INVAL;
        const errno = this.#poller.call(subscriptionsAt, eventsAt, count, countAt);
        if (this.#poller.isBlocked) throw endingError(new GuestError("ERR_GUEST_BLOCKING", WAITS_IN_TURN));
        return errno;
      },
    });

    for (let number = 0; number < STDIO_DESCRIPTORS; number++) {
      const given = stdio?.[number];
      if (given === undefined) table.skip();
      else table.add(stdioDescriptor(given, number));
    }
    for (const { fd } of listeners) {
      // One that somebody else has made may be one that waits.
      backend.setNonBlocking(fd, true);
      table.add(socketDescriptor(fd, isDatagramSocket(backend, fd), true));
    }
    for (const directory of directories) table.add(directoryDescriptor(directory));
  }

  /** How the guest has ended itself; undefined while it has not. */
  get exit(): GuestExit | undefined {
    return this.#exit;
  }

  /** Gives it the guest's memory, which exists once the guest is instantiated. Until then every address is EFAULT. */
  attach(memory: LinearMemory): void {
    this.#memory.attach(memory);
  }

  /** What answers the guest's poll_oneoff, for a host that does the waiting. */
  get poller(): PollOneoff {
    return this.#poller;
  }

  /** A guest that runs on nevertheless has neither a descriptor nor a memory in which a call would do something. */
  #end(exit: GuestExit): void {
    this.#exit ??= exit;
    this.#table.close();
    this.#memory.attach({ buffer: new ArrayBuffer(0) });
  }

  /** Closes what the guest has open, and releases what the calls hold. */
  close(): void {
    this.#table.close();
    this.#poller.close();
    this.#waiting.close();
  }
}

function stdioDescriptor({ fd, kind = "stream", owned = false }: GuestStdio, number: number): Descriptor {
  const filetype = FILETYPES[kind];
  return new Descriptor({
    fd,
    filetype,
    readable: number === 0,
    writable: number !== 0,
    owned,
    nonBlocking: false,
  });
}

function directoryDescriptor({ fd, guestPath, readOnly = false }: GuestDirectory): Descriptor {
  return new Descriptor({
    fd,
    filetype: Filetype.DIRECTORY,
    readable: false,
    writable: false,
    owned: true,
    nonBlocking: false,
    rights: readOnly ? DIRECTORY_RIGHTS & ~CHANGING_RIGHTS : DIRECTORY_RIGHTS,
    // Those of a read-only one as well: a guest that asks to write is refused, where otherwise it would ask for less.
    inheriting: INHERITED_RIGHTS,
    isReadOnly: readOnly,
    preopen: Buffer.from(guestPath),
  });
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
