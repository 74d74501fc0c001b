/**
 * Owns one conversation of the SMTP server: RFC 5321's commands, and the extensions SIZE, 8BITMIME, SMTPUTF8, PIPELINING
 * and STARTTLS. Knows where messages go by an interface.
 *
 * While a message is written, or replies wait for a slow reader, nothing more is read: this bounds what a client can
 * make the server hold.
 */

import { AsyncChat, type Socket, startTls } from "wasyncore";
import { type Tls, withTls } from "../tls-files.js";
import { IncomingMessage, traceHeader } from "./message.js";
import { declaredSize, isMailParameter, parsePath } from "./path.js";
import type { Store } from "./store.js";

/** RFC 5321: 512 octets, and room for the parameters of extensions. */
const LINE_BYTES_MAX = 1024;
const RECIPIENTS_MAX = 100;
const ERRORS_MAX = 20;

/** What the server was started with. */
export interface Settings {
  readonly name: string;
  readonly store: Store;
  readonly sizeMax: number;
  readonly idleMs: number;
  readonly tls: Tls | undefined;
}

type Command = (this: Session, argument: string) => void | Promise<void>;

export class Session extends AsyncChat {
  readonly #settings: Settings;
  readonly #client: string;
  #errors = 0;
  #hello = "";
  /** Is TLS spoken, or about to be? */
  #isSecure: boolean;
  #isExtended = false;
  #from: string | undefined;
  #recipients: string[] = [];
  /** After DATA. */
  #message: IncomingMessage | undefined;
  /** Is a command being done, or a message written, which nothing may overtake? */
  #busy = false;

  /** @param client the address of the client */
  constructor(socket: Socket, client: string, settings: Settings) {
    super(withTls(socket, settings.tls));
    this.#settings = settings;
    this.#isSecure = settings.tls?.isImplicit === true;
    this.#client = client;
    this.idleTimeoutMs = settings.idleMs;
    this.maxLineLength = LINE_BYTES_MAX;
    this.setTerminator("\r\n");
    this.#reply(220, `${settings.name} ESMTP`);
  }

  override collectIncomingData(data: Uint8Array): void {
    const message = this.#message;
    if (message === undefined) {
      this._collectIncomingData(data);
      return;
    }
    message.take(data);
    if (message.isFull) this.#start(() => this.#flush(message));
  }

  override foundTerminator(): void {
    const message = this.#message;
    if (message === undefined) this.#command();
    else if (message.endLine()) this.#start(() => this.#finish(message));
  }

  override handleLineTooLong(): void {
    this._getData();
    this.#refuse(500, "line too long");
  }

  override handleDrain(): void {
    this.#proceed();
  }

  /** The client has ended its half; its commands are answered first. */
  override handleEof(): void {
    this.closeWhenDone();
  }

  override handleTimeout(): void {
    if (this.closing) {
      this.close();
      return;
    }
    this.#reply(421, "idle for too long");
    this.#end();
  }

  override handleError(error: unknown): void {
    this.log(`${this}: ${String(error)}`);
    this.close();
  }

  override close(): void {
    super.close();
    this.#discard();
  }

  /** Does something that may take a while; nothing is read meanwhile. */
  #start(act: () => void | Promise<void>): void {
    this.#busy = true;
    this.pauseReading();
    this.#await(act).catch((error: unknown) => this.handleError(error));
  }

  async #await(act: () => void | Promise<void>): Promise<void> {
    try {
      await act();
    } finally {
      this.#busy = false;
      this.#proceed();
    }
  }

  #proceed(): void {
    if (this.fd >= 0 && !this.closing && !this.#busy && !this.writableNeedDrain) this.resumeReading();
  }

  /** Sends the replies that are queued, and closes; no further command is done. */
  #end(): void {
    this.closing = true;
    this.pauseReading();
    this.closeWhenDone();
  }

  #reply(code: number, ...lines: string[]): void {
    const last = lines.length - 1;
    this.push(lines.map((line, at) => `${code}${at < last ? "-" : " "}${line}\r\n`).join(""));
    if (this.writableNeedDrain) this.pauseReading();
  }

  #refuse(code: number, text: string): void {
    this.#errors += 1;
    if (this.#errors < ERRORS_MAX) {
      this.#reply(code, text);
      return;
    }
    this.#reply(421, "too many errors");
    this.#end();
  }

  #command(): void {
    const line = Buffer.from(this._getData()).toString();
    const [, word = "", argument = ""] = /^(\S*)\s*(.*?)\s*$/su.exec(line) ?? [];
    const command = COMMANDS.get(word.toUpperCase());
    if (command === undefined) this.#refuse(500, "no such command");
    else if (/\p{Cc}/u.test(argument)) this.#refuse(501, "no control characters, please");
    else this.#start(() => command.call(this, argument));
  }

  // Commands

  extendedHello(name: string): void {
    this.hello(name, true);
  }

  hello(name: string, isExtended = false): void {
    if (name === "") {
      this.#refuse(501, "HELO and EHLO need a name");
      return;
    }
    this.#reset();
    this.#hello = name;
    this.#isExtended = isExtended;
    const extensions = [`SIZE ${this.#settings.sizeMax}`, "8BITMIME", "SMTPUTF8", "PIPELINING"];
    if (this.#maySecure) extensions.push("STARTTLS");
    this.#reply(250, this.#settings.name, ...(isExtended ? extensions : []));
  }

  mailFrom(argument: string): void {
    const parsed = parsePath("FROM", argument);
    if (this.#hello === "") this.#refuse(503, "send HELO or EHLO first");
    else if (this.#from !== undefined) this.#refuse(503, "there is a sender already");
    else if (parsed === undefined) this.#refuse(501, "MAIL FROM:<address>");
    else if (!parsed.parameters.every((each) => this.#isExtended && isMailParameter(each)))
      this.#refuse(555, "no such parameter");
    else if (declaredSize(parsed.parameters) > this.#settings.sizeMax) this.#refuse(552, "message too long");
    else {
      this.#from = parsed.address;
      this.#reply(250, "ok");
    }
  }

  recipient(argument: string): void {
    const parsed = parsePath("TO", argument);
    if (this.#from === undefined) this.#refuse(503, "send MAIL first");
    else if (parsed === undefined || parsed.address === "") this.#refuse(501, "RCPT TO:<address>");
    else if (parsed.parameters.length > 0) this.#refuse(555, "no such parameter");
    else if (this.#recipients.length >= RECIPIENTS_MAX) this.#refuse(452, "too many recipients");
    else {
      this.#recipients.push(parsed.address);
      this.#reply(250, "ok");
    }
  }

  async data(argument: string): Promise<void> {
    if (argument !== "") {
      this.#refuse(501, "DATA has no parameter");
      return;
    }
    if (this.#recipients.length === 0) {
      this.#refuse(503, "send RCPT first");
      return;
    }
    const { name, store, sizeMax } = this.#settings;
    const protocol = this.#isExtended ? `ESMTP${this.#isSecure ? "S" : ""}` : "SMTP";
    const trace = traceHeader(this.#from ?? "", this.#recipients, `${this.#hello} ([${this.#client}])`, name, protocol);
    try {
      this.#message = new IncomingMessage(await store.begin(), sizeMax, trace);
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (this.fd < 0) {
      this.#discard();
      return;
    }
    this.maxLineLength = Infinity;
    this.#reply(354, "end with a dot alone");
  }

  /** RFC 3207. What the client has said before, and what it sent behind STARTTLS, does not count. */
  startTls(argument: string): void {
    const { tls } = this.#settings;
    if (tls === undefined || !this.#maySecure) this.#refuse(503, "STARTTLS is not possible");
    else if (argument !== "") this.#refuse(501, "STARTTLS has no parameter");
    else {
      this.#isSecure = true;
      this.#hello = "";
      this.#reset();
      this.#reply(220, "begin TLS");
      startTls(this, tls.options);
    }
  }

  reset(): void {
    this.#reset();
    this.#reply(250, "ok");
  }

  verify(argument: string): void {
    if (argument === "") this.#refuse(501, "VRFY needs an address");
    else this.#reply(252, "messages are taken, and nobody is verified");
  }

  noop(): void {
    this.#reply(250, "ok");
  }

  help(): void {
    this.#reply(214, `commands: ${[...COMMANDS.keys()].join(" ")}`);
  }

  quit(): void {
    this.#reply(221, "bye");
    this.#end();
  }

  async #flush(message: IncomingMessage): Promise<void> {
    try {
      await message.flush();
    } catch (error) {
      // A message cannot be answered before its end, so the connection is closed.
      if (this.fd >= 0) this.handleError(error);
    }
  }

  async #finish(message: IncomingMessage): Promise<void> {
    this.#message = undefined;
    this.#reset();
    try {
      if (!message.isTooLong) {
        await message.commit();
        this.#reply(250, "kept");
        return;
      }
      this.#refuse(552, "message too long");
    } catch (error) {
      this.#failed(error);
    }
    await message.discard();
  }

  get #maySecure(): boolean {
    return this.#settings.tls !== undefined && !this.#isSecure;
  }

  #failed(error: unknown): void {
    this.log(`${this}: ${String(error)}`);
    this.#reply(451, "cannot be kept now");
  }

  #reset(): void {
    this.#discard();
    this.#from = undefined;
    this.#recipients = [];
    this.maxLineLength = LINE_BYTES_MAX;
  }

  #discard(): void {
    const message = this.#message;
    this.#message = undefined;
    message?.discard().catch((error: unknown) => this.log(`${this}: ${String(error)}`));
  }
}

const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["HELO", Session.prototype.hello],
  ["EHLO", Session.prototype.extendedHello],
  ["MAIL", Session.prototype.mailFrom],
  ["RCPT", Session.prototype.recipient],
  ["DATA", Session.prototype.data],
  ["STARTTLS", Session.prototype.startTls],
  ["RSET", Session.prototype.reset],
  ["VRFY", Session.prototype.verify],
  ["NOOP", Session.prototype.noop],
  ["HELP", Session.prototype.help],
  ["QUIT", Session.prototype.quit],
]);
