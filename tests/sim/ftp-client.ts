/** Owns a client of the FTP server in a world: a control connection, and data connections either way. Knows no model. */

import { Dispatcher, DispatcherWithSend, type Socket } from "../../host/index.js";

/** A transfer, as the client sees it. */
export class Data extends DispatcherWithSend {
  received = "";
  end = "open";
  readonly #text: string | undefined;
  readonly #onEnd: () => void;

  /** @param text what it sends, and then ends; undefined where it receives */
  constructor(socket: Socket | undefined, text: string | undefined, onEnd: () => void) {
    super(socket);
    this.#text = text;
    this.#onEnd = onEnd;
    if (socket !== undefined) this.begin();
  }

  begin(): void {
    if (this.#text === undefined) return;
    if (this.#text !== "") this.send(Buffer.from(this.#text, "latin1"));
    if (this.outBufferLength === 0) this.#done();
  }

  override handleConnect(): void {
    this.begin();
  }

  override handleWrite(): void {
    super.handleWrite();
    if (this.#text !== undefined && this.connected && this.outBufferLength === 0) this.#done();
  }

  override handleRead(): void {
    this.received += Buffer.from(this.recv(4096)).toString("latin1");
  }

  override handleEof(): void {
    this.#finish("eof");
  }

  /** A reset: as asyncore does, recv takes it for the end. */
  override handleClose(): void {
    this.#finish("reset");
  }

  override handleError(error: unknown): void {
    this.#finish((error as NodeJS.ErrnoException).code ?? String(error));
  }

  #done(): void {
    this.#finish("sent");
  }

  #finish(end: string): void {
    if (this.end === "open") {
      this.end = end;
      this.#onEnd();
    }
    this.close();
  }
}

/** Takes one data connection: PORT. */
export class DataListener extends Dispatcher {
  readonly #begin: (socket: Socket) => void;

  constructor(begin: (socket: Socket) => void) {
    super();
    this.#begin = begin;
    this.createSocket();
    this.bind({ host: "0.0.0.0", port: 0 });
    this.listen(1);
  }

  get port(): number {
    return this.socket.localAddress().port ?? 0;
  }

  override handleAccepted(socket: Socket): void {
    this.close();
    this.#begin(socket);
  }
}

/** Lines out, replies in: the last line of each, which has a space behind its code. */
export class Control extends DispatcherWithSend {
  end = "open";
  #rest = "";
  readonly #replies: string[] = [];
  #wake: (() => void) | undefined;
  #ended: () => void = () => undefined;
  /** Resolves when the connection has. */
  readonly ended = new Promise<void>((resolve) => (this.#ended = resolve));

  constructor(host: string, port: number) {
    super();
    this.createSocket();
    this.connect({ host, port });
  }

  say(line: string): void {
    this.send(Buffer.from(`${line}\r\n`));
  }

  /** The next reply; undefined when the connection has ended without one. */
  async reply(): Promise<string | undefined> {
    while (this.#replies.length === 0 && this.end === "open") {
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    return this.#replies.shift();
  }

  /** Has a line been answered? */
  async ask(line: string): Promise<string | undefined> {
    if (this.fd < 0) return undefined;
    try {
      this.say(line);
    } catch (error) {
      this.handleError(error);
    }
    return this.reply();
  }

  override handleConnect(): void {}

  override handleRead(): void {
    this.#rest += Buffer.from(this.recv(4096)).toString();
    const lines = this.#rest.split("\r\n");
    this.#rest = lines.pop() ?? "";
    this.#replies.push(...lines.filter((line) => /^\d{3} /.test(line)));
    this.#wake?.();
  }

  override handleClose(): void {
    this.#finish("eof");
  }

  override handleError(error: unknown): void {
    this.#finish((error as NodeJS.ErrnoException).code ?? String(error));
  }

  #finish(end: string): void {
    if (this.end === "open") this.end = end;
    this.close();
  }

  override close(): void {
    super.close();
    if (this.end === "open") this.end = "closed";
    this.#wake?.();
    this.#ended();
  }
}
