/**
 * Owns one conversation of the POP3 server: RFC 1939's states and commands, and RFC 2595's STLS. Knows a mailbox by its interface.
 *
 * One command at a time. While a message is sent, a mailbox is read, or replies wait for a slow reader, no further
 * command is read: this bounds what a client can make the server hold.
 */

import { AsyncChat, type Socket, startTls } from "wasyncore";
import { type Tls, withTls } from "../tls-files.js";
import type { Mailbox, Message } from "./mailbox.js";
import { toWire } from "./wire.js";

/** RFC 2449: a command has at most 255 octets, its line end included. */
const LINE_BYTES_MAX = 253;
const FAILURES_MAX = 3;
const CAPABILITIES = ["USER", "TOP", "UIDL", "PIPELINING", "RESP-CODES", "IMPLEMENTATION wasyncore"];

export interface Account {
  readonly user: string;
  readonly password: string;
}

/** A message, and whether it is to be removed. */
interface Entry extends Message {
  deleted: boolean;
}

type Command = (this: Session, parameters: readonly string[]) => void | Promise<void>;

/** Thrown to refuse a command; the message is the reply. */
class Refusal extends Error {}

export class Session extends AsyncChat {
  readonly #account: Account;
  readonly #mailbox: Mailbox;
  readonly #tls: Tls | undefined;
  /** Is TLS spoken, or about to be? */
  #isSecure: boolean;
  #user: string | undefined;
  #failures = 0;
  /** The messages, once logged in. */
  #entries: Entry[] | undefined;
  /** Is a command being done, which no other may overtake? */
  #busy = false;
  /** Ends the wait for a message that is being sent. */
  #sent: (() => void) | undefined;

  constructor(socket: Socket, account: Account, mailbox: Mailbox, tls?: Tls) {
    super(withTls(socket, tls));
    this.#tls = tls;
    this.#isSecure = tls?.isImplicit === true;
    this.#account = account;
    this.#mailbox = mailbox;
    this.maxLineLength = LINE_BYTES_MAX;
    this.setTerminator("\r\n");
    this.#ok("POP3 server ready");
  }

  override collectIncomingData(data: Uint8Array): void {
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    const line = Buffer.from(this._getData()).toString();
    const [word = "", ...parameters] = line.split(" ");
    const name = word.toUpperCase();
    // A password may have spaces in it.
    const given = name === "PASS" ? [line.slice(5)] : parameters.filter(Boolean);
    const command = (this.#entries === undefined ? AUTHORIZATION : TRANSACTION).get(name);
    if (command === undefined) {
      const known = AUTHORIZATION.has(name) || TRANSACTION.has(name);
      this.#error(known ? `${name} is not for now` : "no such command");
      return;
    }
    this.#run(command, given).catch((error: unknown) => this.handleError(error));
  }

  override handleLineTooLong(): void {
    this._getData();
    this.#error("line too long");
  }

  override handleDrain(): void {
    this.#proceed();
  }

  /** The client has ended its half; its commands are answered first. */
  override handleEof(): void {
    this.closeWhenDone();
  }

  /** RFC 1939: a session that times out removes no messages. */
  override handleTimeout(): void {
    this.close();
  }

  override handleError(error: unknown): void {
    this.log(`${this}: ${String(error)}`);
    this.close();
  }

  override close(): void {
    if (this.#entries !== undefined) this.#mailbox.locked = false;
    this.#entries = undefined;
    this.#sent?.();
    super.close();
  }

  async #run(command: Command, parameters: readonly string[]): Promise<void> {
    this.#busy = true;
    this.pauseReading();
    try {
      await command.call(this, parameters);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#error(error.message);
    } finally {
      this.#busy = false;
      this.#proceed();
    }
  }

  /** Reads the next command, unless something is still to be waited for. */
  #proceed(): void {
    if (this.fd >= 0 && !this.closing && !this.#busy && !this.writableNeedDrain) this.resumeReading();
  }

  /** Sends the replies that are queued, and closes; no further command is done. */
  #end(): void {
    this.closing = true;
    this.closeWhenDone();
  }

  #ok(text: string): void {
    this.push(`+OK ${text}\r\n`);
  }

  #error(text: string): void {
    this.push(`-ERR ${text}\r\n`);
    if (this.writableNeedDrain) this.pauseReading();
  }

  /** Sends a producer, to the end. */
  async #send(pieces: AsyncIterable<Uint8Array>): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#sent = resolve;
      this.pushWithProducer(untilDone(pieces, resolve));
    });
  }

  // AUTHORIZATION

  userIs([user]: readonly string[]): void {
    if (user === undefined) throw new Refusal("USER needs a name");
    this.#user = user;
    this.#ok("send PASS");
  }

  async passwordIs([password]: readonly string[]): Promise<void> {
    const isRight = this.#user === this.#account.user && password === this.#account.password;
    this.#user = undefined;
    if (!isRight) {
      this.#failures += 1;
      this.#error("[AUTH] wrong user or password");
      if (this.#failures >= FAILURES_MAX) this.#end();
      return;
    }
    if (this.#mailbox.locked) throw new Refusal("[IN-USE] the mailbox is in use");
    this.#mailbox.locked = true;
    // From here on `close` unlocks it.
    this.#entries = [];
    const messages = await this.#mailbox.messages();
    if (this.fd < 0) return;
    this.#entries = messages.map((message) => ({ ...message, deleted: false }));
    this.#ok(`${messages.length} messages`);
  }

  /** RFC 2595. What the client has said before, and what it sent behind STLS, does not count. */
  startTls(): void {
    if (this.#tls === undefined || this.#isSecure) throw new Refusal("STLS is not possible");
    this.#isSecure = true;
    this.#user = undefined;
    this.#ok("begin TLS");
    startTls(this, this.#tls.options);
  }

  // TRANSACTION

  stat(): void {
    const left = this.#left();
    this.#ok(`${left.length} ${left.reduce((sum, [, { size }]) => sum + size, 0)}`);
  }

  list([number]: readonly string[]): void {
    this.#listEach(number, ({ size }) => String(size));
  }

  uidl([number]: readonly string[]): void {
    this.#listEach(number, ({ uid }) => uid);
  }

  async retrieve([number]: readonly string[]): Promise<void> {
    const message = this.#entry(number);
    this.#ok(`${message.size} octets`);
    await this.#send(toWire(message.chunks()));
  }

  async top([number, lines]: readonly string[]): Promise<void> {
    const message = this.#entry(number);
    if (lines === undefined || !/^\d{1,9}$/.test(lines)) throw new Refusal("TOP needs a message and a number of lines");
    this.#ok("top of message follows");
    await this.#send(toWire(message.chunks(), Number(lines)));
  }

  remove([number]: readonly string[]): void {
    this.#entry(number).deleted = true;
    this.#ok("marked for removal");
  }

  reset(): void {
    for (const entry of this.#entries ?? []) entry.deleted = false;
    this.#ok("nothing is marked for removal");
  }

  noop(): void {
    this.#ok("");
  }

  capabilities(): void {
    const capabilities = [...CAPABILITIES, ...(this.#tls !== undefined && !this.#isSecure ? ["STLS"] : [])];
    this.push(`+OK capability list follows\r\n${capabilities.map((each) => `${each}\r\n`).join("")}.\r\n`);
  }

  /** The UPDATE state: messages that are marked are removed now, and only now. */
  async quit(): Promise<void> {
    const marked = (this.#entries ?? []).filter(({ deleted }) => deleted);
    const results = await Promise.allSettled(marked.map((entry) => entry.remove()));
    const failed = results.filter(({ status }) => status === "rejected").length;
    if (failed === 0) this.#ok("bye");
    else this.#error(`${failed} messages were not removed`);
    this.#end();
  }

  /** The messages that are not marked, with their numbers. */
  #left(): [number: number, Entry][] {
    return [...(this.#entries ?? []).entries()]
      .filter(([, { deleted }]) => !deleted)
      .map(([at, entry]) => [at + 1, entry]);
  }

  #entry(number: string | undefined): Entry {
    const entry = /^\d{1,9}$/.test(number ?? "") ? this.#entries?.[Number(number) - 1] : undefined;
    if (entry === undefined || entry.deleted) throw new Refusal("no such message");
    return entry;
  }

  #listEach(number: string | undefined, describe: (message: Message) => string): void {
    if (number !== undefined) {
      this.#ok(`${Number(number)} ${describe(this.#entry(number))}`);
      return;
    }
    const lines = this.#left().map(([each, message]) => `${each} ${describe(message)}\r\n`);
    this.push(`+OK ${lines.length} messages\r\n${lines.join("")}.\r\n`);
  }
}

const AUTHORIZATION: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["USER", Session.prototype.userIs],
  ["PASS", Session.prototype.passwordIs],
  ["CAPA", Session.prototype.capabilities],
  ["STLS", Session.prototype.startTls],
  ["QUIT", Session.prototype.quit],
]);

const TRANSACTION: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["STAT", Session.prototype.stat],
  ["LIST", Session.prototype.list],
  ["UIDL", Session.prototype.uidl],
  ["RETR", Session.prototype.retrieve],
  ["TOP", Session.prototype.top],
  ["DELE", Session.prototype.remove],
  ["RSET", Session.prototype.reset],
  ["NOOP", Session.prototype.noop],
  ["CAPA", Session.prototype.capabilities],
  ["QUIT", Session.prototype.quit],
]);

/** The same pieces; `onDone` is called when the last of them was taken. */
async function* untilDone(pieces: AsyncIterable<Uint8Array>, onDone: () => void): AsyncGenerator<Uint8Array> {
  yield* pieces;
  onDone();
}
