/**
 * Owns what the tests of CPython's test_asyncore stand on: its BaseTestHandler, BaseServer and BaseClient, and the
 * kinds of run that each test is repeated for. Knows the public API alone.
 *
 * CPython repeats its tests for three families and two pollers; here two loops come to that.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { type ChannelMap, Dispatcher, type Family, type Socket, type SocketAddress } from "wasyncore";
import { type Mode, MODES, run } from "../support/runs.js";
import { anyAddress, FAMILIES } from "../support/sockets.js";

/** A family, and a way to run a loop. */
export interface Kind {
  readonly name: string;
  readonly family: Family;
  readonly mode: Mode;
}

export const KINDS: readonly Kind[] = FAMILIES.flatMap((family) =>
  MODES.map((mode) => ({ name: `${family}, ${mode.name}`, family, mode })),
);

/** Those on which CPython runs the tests that it leaves out for AF_UNIX. */
export const INTERNET_KINDS = KINDS.filter(({ family }) => family !== "unix");

/** Has a flag, and takes whatever it was not made for as an error. */
export class BaseTestHandler extends Dispatcher {
  flag = false;

  override handleAccept(): void {
    throw new Error("handleAccept not supposed to be called");
  }

  override handleAccepted(_socket: Socket, _address: SocketAddress): void {
    throw new Error("handleAccepted not supposed to be called");
  }

  override handleConnect(): void {
    throw new Error("handleConnect not supposed to be called");
  }

  override handleExpt(): void {
    throw new Error("handleExpt not supposed to be called");
  }

  override handleClose(): void {
    throw new Error("handleClose not supposed to be called");
  }

  override handleError(error: unknown): void {
    throw error;
  }
}

/** What a {@link BaseServer} makes of a connection. */
export type HandlerClass = new (socket: Socket, map: ChannelMap) => Dispatcher;

/** Listens, and gives each connection to a handler of its own. */
export class BaseServer extends Dispatcher {
  readonly handlers: Dispatcher[] = [];
  readonly #handlerClass: HandlerClass;

  constructor(family: Family, map: ChannelMap, handlerClass: HandlerClass = BaseTestHandler) {
    super(undefined, map);
    this.#handlerClass = handlerClass;
    listenAt(this, family);
  }

  get address(): SocketAddress {
    return this.socket.localAddress();
  }

  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    this.handlers.push(new this.#handlerClass(socket, this.map));
  }

  override handleError(error: unknown): void {
    throw error;
  }
}

/** Connects. */
export class BaseClient extends BaseTestHandler {
  constructor(family: Family, address: SocketAddress, map: ChannelMap) {
    super(undefined, map);
    this.createSocket({ family });
    this.connect(address);
  }

  override handleConnect(): void {}
}

/** Makes a socket for a dispatcher, and listens at an address that nobody else has. */
export function listenAt(dispatcher: Dispatcher, family: Family): void {
  dispatcher.createSocket({ family });
  dispatcher.setReuseAddr();
  dispatcher.bind(anyAddress(family));
  dispatcher.listen(5);
}

/** CPython's loop_waiting_for_flag. */
export async function runUntilFlag({ mode }: Kind, handler: BaseTestHandler): Promise<void> {
  await run(mode, handler.map, () => handler.flag);
  if (!handler.flag) throw new Error("flag not set");
}

/** CPython's TESTFN: a path for a file, which goes with its directory when the test ends. */
export function temporaryPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "wasyncore-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, "file");
}

/** What a call writes to a stream of the process, by line. */
export function linesWritten(stream: NodeJS.WriteStream, call: () => void): string[] {
  const write = vi.spyOn(stream, "write").mockReturnValue(true);
  try {
    call();
    return write.mock.calls.map(String).join("").split("\n").slice(0, -1);
  } finally {
    write.mockRestore();
  }
}
