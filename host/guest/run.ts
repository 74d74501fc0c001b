/**
 * Owns the public way to run a guest in this process: to its end, or turn by turn on Node's own event loop. Knows how a
 * guest is put together; leaves WASI to host/wasi.
 */

import { devNull } from "node:os";
import type { Backend } from "../backend/backend.js";
import { checkArray, checkBytes, checkInstance, checkObject, checkOneOf, checkString } from "../backend/check.js";
import type { RecordOptions } from "../record/options.js";
import { inspectAddress } from "../backend/inspect.js";
import { defaultBackend, loadRecordFile } from "../net/default-backend.js";
import { Socket } from "../net/socket.js";
import { Guest, type GuestCalls } from "./instance.js";
import type { GuestRecording, RecordingInit } from "./record/options.js";
import { driveTurns } from "./turns.js";
import { checkDirectories, type DirectoryGrant, openDirectories, openOwned } from "./directories.js";
import { type GuestStdio, Preview1, type Preview1Options } from "./preview1.js";

export { GuestError, type GuestErrorCode, type GuestFrame, GuestTrap } from "./instance.js";
export type { DirectoryGrant } from "./directories.js";
export type { GuestStdio } from "./preview1.js";

/** How a guest is recorded. Without `payloads`, or with `redact`, its recording can be read but not replayed. */
export interface GuestRecordOptions extends RecordOptions {
  /** The file of the recording. */
  readonly path: string;
  /**
   * Is the guest's memory hashed in each turn, so that a replay names the first turn in which it differs? It costs about a
   * millisecond a turn for each megabyte. Default: false.
   */
  readonly hashes?: boolean | undefined;
}

type Stdio = readonly [stdin: GuestStdio, stdout: GuestStdio, stderr: GuestStdio];

/** What a guest is given. */
export interface GuestOptions extends Omit<Preview1Options, "listeners" | "directories" | "stdio"> {
  /**
   * Its standard input, output and error. "none", the default: input is at its end, and output is discarded. "inherit": the
   * process's own. Otherwise one descriptor for each.
   */
  readonly stdio?: "none" | "inherit" | Stdio | undefined;
  /**
   * Directories that it may use, its descriptors after the listeners. No path leads out of them: not by "..", not by a link, not
   * by a rename under way. Linux 5.6 and later. Default: none, and so no files.
   */
  readonly directories?: readonly DirectoryGrant[] | undefined;
  /**
   * Listening sockets, its descriptors from 3 on in this order. They are the guest's from the call on: whatever becomes
   * of it, they are closed. `name` goes into LISTEN_FDNAMES.
   */
  readonly listeners?: readonly (Socket | { readonly socket: Socket; readonly name: string })[] | undefined;

  /**
   * Records every call that it makes, with what it has answered, into this file: `wasyncore replay` runs the module from it. Made,
   * or emptied. Default: nothing is recorded.
   */
  readonly record?: string | GuestRecordOptions | undefined;
}

export interface DriveGuestOptions extends GuestOptions {
  /** Ends the guest between two turns. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a command to its end, and blocks the thread meanwhile: what `wasyncore run` does.
 * @param module a WASI preview 1 command, as `wasyncore build` makes it
 * @returns its exit status, as it gave it to proc_exit
 * @throws GuestError for a module that cannot be run here, GuestTrap when it traps
 */
export function runGuest(module: Uint8Array, options: GuestOptions = {}): number {
  const { preview1, opened, close } = createPreview1(options);
  try {
    checkBytes("module", module);
    const recording = openRecording(module, preview1, opened, options);
    try {
      const code = new Guest(module, recording?.calls ?? preview1, recording?.calls).start();
      recording?.exited(code);
      return code;
    } catch (error) {
      recording?.failed(error);
      throw error;
    } finally {
      recording?.close();
    }
  } finally {
    close();
  }
}

/**
 * Has a guest take turns on Node's own event loop, which goes on with everything else in between. Nothing in it waits.
 * @param module as `wasyncore build --reactor` makes it: it exports `_initialize`, `turn` and `pending`
 * @returns its exit status; 0 when it has no channel and no timer left, or the signal is aborted
 * @throws GuestError for a module that cannot be run here, GuestTrap when it traps
 */
export async function driveGuest(module: Uint8Array, options: DriveGuestOptions = {}): Promise<number> {
  const { preview1, opened, close } = createPreview1(options);
  try {
    checkBytes("module", module);
    const recording = openRecording(module, preview1, opened, options);
    try {
      const guest = new Guest(module, recording?.calls ?? preview1, recording?.calls);
      preview1.poller.waits = false;
      guest.initialize();
      const code = guest.exitCode ?? (await driveTurns(guest, preview1.poller, options.signal));
      if (guest.exitCode === undefined && options.signal?.aborted === true) recording?.stopped();
      else recording?.exited(code);
      return code;
    } catch (error) {
      recording?.failed(error);
      throw error;
    } finally {
      recording?.close();
    }
  } finally {
    close();
  }
}

function openRecording(
  module: Uint8Array,
  preview1: Preview1,
  opened: () => readonly string[],
  options: GuestOptions,
): GuestRecording | undefined {
  const { args = [], record } = options;
  if (record === undefined) return undefined;
  const given = typeof record === "string" ? { path: record } : record;
  checkObject("options.record", given, "a path, or an object");
  checkString("options.record.path", given.path);
  return (loadRecordFile("guest.js") as Recorder).recordGuest(preview1, {
    options: given,
    module,
    name: args[0] ?? "",
    opened: opened(),
  });
}

interface Recorder {
  recordGuest(calls: GuestCalls, init: RecordingInit): GuestRecording;
}

/** A guest's calls, and the release of all that it has been given. */
interface Given {
  readonly preview1: Preview1;
  /** What its descriptors from 3 on are, for those who read its recording: asked for where there is one. */
  readonly opened: () => readonly string[];
  readonly close: () => void;
}

function createPreview1(options: GuestOptions): Given {
  checkObject("options", options);
  const { directories: grants = [], listeners: listed = [] } = options;
  checkArray("options.listeners", listed);
  // All those that are sockets, so that they are closed whatever else is wrong.
  const given = listed.flatMap((each) => namedSocket(each) ?? []);
  const backend: Backend = defaultBackend();
  const owned: number[] = [];
  try {
    for (const [index, each] of listed.entries()) checkListener(`options.listeners[${index}]`, each);
    checkDirectories("options.directories", grants);
    const listeners = given.map(({ socket: { fd }, name }) => ({ fd, name }));
    const directories = openDirectories(backend, grants);
    owned.push(...directories.map(({ fd }) => fd));
    const { stdio, nullFd } = stdioOf(backend, options.stdio);
    if (nullFd !== undefined) owned.push(nullFd);
    const preview1 = new Preview1(backend, { ...options, listeners, directories, stdio });
    // The guest's from here on, and this thread's to close if it ends before the guest does.
    for (const { socket } of given) backend.adopt(socket.detach());
    for (const fd of owned) backend.adopt(fd);
    return {
      preview1,
      opened: () => [
        ...listeners.map(({ fd }) => `listening ${addressText(backend, fd)}`),
        ...directories.map(({ guestPath }) => `directory ${guestPath}`),
      ],
      close() {
        preview1.close();
        if (nullFd !== undefined) backend.close(nullFd);
      },
    };
  } catch (error) {
    for (const { socket } of given) socket.close();
    for (const fd of owned) backend.close(fd);
    throw error;
  }
}

function addressText(backend: Backend, fd: number): string {
  const address = backend.localAddress(fd);
  return typeof address === "number" ? "" : (inspectAddress(address) ?? "");
}

/** @returns the descriptors, and the one that was opened for them */
function stdioOf(backend: Backend, option: unknown): { readonly stdio: Stdio; readonly nullFd?: number } {
  if (Array.isArray(option)) return { stdio: option as unknown as Stdio };
  if (option !== undefined) checkOneOf("options.stdio", option, ["none", "inherit"]);
  if (option === "inherit") return { stdio: [{ fd: 0 }, { fd: 1 }, { fd: 2 }] };
  const nullFd = openOwned(backend, devNull, "r+");
  return { stdio: [{ fd: nullFd }, { fd: nullFd }, { fd: nullFd }], nullFd };
}

type Listener = NonNullable<GuestOptions["listeners"]>[number];

function namedSocket(listener: unknown): { readonly socket: Socket; readonly name: string | undefined } | undefined {
  if (listener instanceof Socket) return { socket: listener, name: undefined };
  const { socket, name } = (listener ?? {}) as Exclude<Listener, Socket>;
  return socket instanceof Socket ? { socket, name } : undefined;
}

function checkListener(name: string, listener: unknown): void {
  if (listener instanceof Socket) return;
  checkObject(name, listener);
  checkInstance(`${name}.socket`, listener["socket"], Socket);
  if (listener["name"] !== undefined) checkString(`${name}.name`, listener["name"]);
}
