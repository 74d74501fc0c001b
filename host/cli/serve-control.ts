/**
 * Owns the control socket of `wasyncore serve`: a Unix socket that only its user may open, and its clients, which may send
 * anything and need not read. Leaves what a request does to its handler; knows no plugin.
 */

import { lstatSync, rmSync, type Stats } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { counted } from "../backend/counted.js";
import { defaultBackend } from "../net/default-backend.js";
import { openListener } from "../net/listen.js";
import { makeStatsDirectory, socketPath } from "../stats/place.js";
import { type ControlAnswer, type ControlRequest, parseRequest, REQUEST_BYTES_MAX } from "./control-protocol.js";

/** In the directory of the user. */
export const CONTROL_PREFIX = "serve-";

const CLIENTS_MAX = 64;
/** A client that neither asks nor reads for so long is closed. */
const IDLE_MS = 60_000;
/** So long a client that is refused has to read why. */
const REFUSED_MS = 1000;
/** Of log lines that a client has not read: further ones are left out. */
const UNREAD_BYTES_MAX = 1_000_000;
const SOCKET_MODE = 0o600;

type LoggedLine = Extract<ControlAnswer, { line: unknown }>["line"];

/** Carries out a request. What it throws is reported to the client. */
export interface ControlHandler {
  /** @returns the result, as JSON has it */
  carryOut(request: Exclude<ControlRequest, { command: "logs" }>): Promise<unknown>;
  /** The lines that there are. @throws Error where there is no such plugin */
  linesOf(name: string): readonly LoggedLine[];
  /** @returns what ends it */
  follow(name: string, onLine: (line: LoggedLine) => void): () => void;
}

export class ControlServer implements Disposable {
  readonly path: string;
  readonly #server: Server;
  readonly #file: Stats | undefined;
  readonly #clients = new Set<ControlClient>();

  /**
   * @param path by default one for this process, which `wasyncore ctl` finds
   * @throws OSError: EADDRINUSE if another process answers there, EACCES, ...; Error ERR_STATS_DIRECTORY
   */
  constructor(handler: ControlHandler, path = socketPath(makeStatsDirectory(), process.pid, 0, CONTROL_PREFIX)) {
    this.path = path;
    const listener = openListener({ path }, defaultBackend(), SOCKET_MODE);
    this.#file = lstatSync(path, { throwIfNoEntry: false });
    this.#server = createServer((socket) => {
      const client = new ControlClient(socket, handler);
      if (this.#clients.size >= CLIENTS_MAX) return client.refuse(`there are ${CLIENTS_MAX} clients already`);
      this.#clients.add(client);
      socket.once("close", () => this.#clients.delete(client));
    });
    // Out of descriptors, say: whoever is connected goes on.
    this.#server.on("error", () => undefined);
    this.#server.listen({ fd: listener.detach() });
    process.on("exit", this.#remove);
  }

  close(): void {
    this.#server.close();
    for (const client of this.#clients) client.close();
    process.off("exit", this.#remove);
    this.#remove();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  readonly #remove = (): void => {
    // Another process may have put its own there.
    const now = lstatSync(this.path, { throwIfNoEntry: false });
    if (now?.ino === this.#file?.ino && now?.dev === this.#file?.dev) rmSync(this.path, { force: true });
  };
}

class ControlClient {
  readonly #socket: Socket;
  readonly #handler: ControlHandler;
  #input: Buffer = Buffer.alloc(0);
  #isBusy = false;
  #isRefused = false;
  #unfollow: (() => void) | undefined;
  #leftOut = 0;

  constructor(socket: Socket, handler: ControlHandler) {
    this.#socket = socket;
    this.#handler = handler;
    socket.setTimeout(IDLE_MS, () => {
      // Who waits for an answer, or follows a log, has nothing to say.
      if (!this.#isBusy || socket.writableLength > 0) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => this.#unfollow?.());
    socket.on("data", (data: Buffer) => this.#take(data));
    socket.on("drain", () => this.#resume());
  }

  /** Goes on taking what comes, for a time: closed at once, the client might fail to send, and not get to the answer. */
  refuse(message: string): void {
    this.#isRefused = true;
    this.#input = Buffer.alloc(0);
    this.#socket.end(`${JSON.stringify({ ok: false, message } satisfies ControlAnswer)}\n`);
    this.#socket.resume();
    const timer = setTimeout(() => this.#socket.destroy(), REFUSED_MS);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  close(): void {
    this.#socket.destroySoon();
  }

  #take(data: Buffer): void {
    if (this.#unfollow !== undefined || this.#isRefused) return;
    this.#input = this.#input.length === 0 ? data : Buffer.concat([this.#input, data]);
    this.#next();
  }

  /** Carries out the next request, if it is there and the one before has been answered. */
  #next(): void {
    if (this.#isBusy || this.#socket.destroyed) return;
    const end = this.#input.indexOf(0x0a);
    if (end < 0 && this.#input.length <= REQUEST_BYTES_MAX) return;
    if (end < 0 || end > REQUEST_BYTES_MAX) return this.refuse("the request is too long");
    const text = this.#input.toString("utf8", 0, end);
    this.#input = this.#input.subarray(end + 1);
    const request = parseRequest(text);
    if (request === undefined) return this.refuse("this is no request of this version of wasyncore");
    this.#isBusy = true;
    this.#socket.pause();
    void this.#answer(request);
  }

  async #answer(request: ControlRequest): Promise<void> {
    let answer: ControlAnswer;
    try {
      if (request.command === "logs") {
        for (const line of this.#handler.linesOf(request.name)) this.#write({ line });
        if (request.follow) return this.#follow(request.name);
        answer = { ok: true, result: null };
      } else answer = { ok: true, result: (await this.#handler.carryOut(request)) ?? null };
    } catch (error) {
      answer = { ok: false, message: error instanceof Error ? error.message : String(error) };
    }
    // One that asks without reading gets no further answer.
    if (this.#write(answer)) this.#done();
  }

  #follow(name: string): void {
    this.#unfollow = this.#handler.follow(name, (line) => {
      if (this.#socket.writableLength > UNREAD_BYTES_MAX) this.#leftOut++;
      else this.#write({ line });
    });
    // So that its end is noticed.
    this.#socket.resume();
  }

  #resume(): void {
    if (this.#leftOut > 0) {
      const text = `${counted(this.#leftOut, "line")} ${this.#leftOut === 1 ? "was" : "were"} left out: not read in time`;
      this.#leftOut = 0;
      this.#write({ line: { atMs: Date.now(), source: "host", text } });
    }
    if (this.#isBusy && this.#unfollow === undefined) this.#done();
  }

  #done(): void {
    this.#isBusy = false;
    this.#socket.resume();
    this.#next();
  }

  /** @returns is there room for more? */
  #write(answer: ControlAnswer): boolean {
    return !this.#socket.destroyed && this.#socket.write(`${JSON.stringify(answer)}\n`);
  }
}
