/**
 * Owns how the tests get guests: by building sources of theirs as `wasyncore build` does, and others with it. Knows
 * nothing of who runs them.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildInto } from "../support/builds.js";

/** Compiling takes seconds, on a busy machine more. */
export const BUILD_TIMEOUT_MS = 120_000;

/** The module that a program in AssemblyScript becomes. */
export async function buildGuest(source: string, ...options: string[]): Promise<Uint8Array> {
  const directory = mkdtempSync(join(tmpdir(), "guest-"));
  try {
    const entry = join(directory, "program.ts");
    writeFileSync(entry, source);
    return await buildFile(entry, ...options);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** The module that a file becomes. */
export async function buildFile(entry: string, ...options: string[]): Promise<Uint8Array> {
  const directory = mkdtempSync(join(tmpdir(), "guest-"));
  try {
    return readFileSync(await buildInto(entry, join(directory, "guest.wasm"), ...options));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Handlers that print what they are told. What they do besides is said by the connection's first word. */
export const TRACER = `
import { Dispatcher, DispatcherWithSend, loop, OSError, Socket, SocketAddress, socketMap } from "wasyncore";
import { environmentVariable, takeListener, exitNow, takeError } from "wasyncore/guest";

let accepted = 0;

class Handler extends DispatcherWithSend {
  id: string;
  size: i32 = 65536;
  constructor(socket: Socket) {
    super(socket);
    accepted += 1;
    this.id = String.fromCharCode(96 + accepted);
    console.log("accept " + this.id);
  }
  override handleRead(): void {
    const data = this.recv(this.size);
    if (data.length == 0) return;
    const text = String.UTF8.decode(data.buffer);
    console.log("read " + this.id + " " + text);
    if (text == "by three") this.size = 3;
    else if (text == "exit") exitNow();
    else if (text == "fail") { this.bind({ host: "127.0.0.1", port: 1 }); this.listen(1); }
    else if (text == "catch") {
      this.bind({ host: "127.0.0.1", port: 1 });
      const error = takeError();
      if (error !== null) console.log("caught " + error.code);
    }
    else if (text == "throw") throw new Error("as it was asked");
    else if (this.size > 3 && text != "quiet") this.send(data);
  }
  override handleWrite(): void {
    super.handleWrite();
    console.log("write " + this.id);
  }
  override handleError(error: OSError): void {
    console.log("error " + this.id + " " + error.syscall + " " + error.code);
    super.handleError(error);
  }
  override handleClose(): void {
    console.log("close " + this.id);
    this.close();
  }
}

class Server extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new Handler(socket);
  }
}
`;

/** A tracer that runs its loop itself. */
export const TRACING_COMMAND = `${TRACER}
new Server(takeListener());
loop({ usePoll: environmentVariable("USE_POLL") !== null });
console.log("the loop has ended");
`;

/** A tracer for a host that calls turn(). */
export const TRACING_REACTOR = `${TRACER}
new Server(takeListener());
`;
