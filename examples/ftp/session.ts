/**
 * Owns one control connection of the FTP server: lines, replies, and at most one transfer. Looks commands up in their
 * table.
 *
 * One command at a time. While a transfer runs, ABOR is done at once and other commands wait, up to a limit at which
 * reading is paused: what a client can make the server hold is bounded. The connection is read all the same, because
 * its end ends the transfer too: a client that has gone leaves no descriptor behind.
 */

import { AsyncChat, OSError, type Socket, startTls, type WrapTlsOptions } from "wasyncore";
import { type Tls, withTls } from "../tls-files.js";
import { COMMANDS, type Conversation, Refusal } from "./commands.js";
import { type DataChannel, type Opening, TransferError } from "./data.js";
import { FileError, type Files } from "./root.js";
import { fitsInLine } from "./text.js";

/** What the server was started with. */
export interface Settings {
  readonly root: Files;
  /** Without one, anybody may log in as "anonymous". */
  readonly account: { readonly user: string; readonly password: string } | undefined;
  readonly mayWrite: boolean;
  readonly idleMs: number;
  readonly tls: Tls | undefined;
}

const LINE_BYTES_MAX = 4096;
const FAILURES_MAX = 3;
/** Commands that may wait for the end of a transfer. */
const HELD_MAX = 8;
/** Telnet's "interpret as command": two bytes that a client may send before ABOR. */
const IAC = 0xff;

export class Session extends AsyncChat implements Conversation {
  readonly client: string;
  readonly settings: Settings;
  cwd = "/";
  isBinary = false;
  restartAt = 0;
  renameFrom: string | undefined;
  isSecure: boolean;
  isDataSecure: boolean;
  #user: string | undefined;
  #isLoggedIn = false;
  #failures = 0;
  /** Is a command being done, which no other may overtake? */
  #busy = false;
  /** Commands that wait for the end of the transfer. */
  readonly #held: string[] = [];
  /** Has the client ended its half of the connection? */
  #ended = false;
  #opening: Opening | undefined;
  #channel: DataChannel | undefined;
  #transfer: Promise<void> | undefined;

  constructor(socket: Socket, client: string, settings: Settings) {
    super(withTls(socket, settings.tls));
    this.client = client;
    this.settings = settings;
    this.isSecure = settings.tls?.isImplicit === true;
    this.isDataSecure = this.isSecure;
    this.idleTimeoutMs = settings.idleMs;
    this.maxLineLength = LINE_BYTES_MAX;
    takeUrgentInline(this.socket);
    this.setTerminator("\r\n");
    this.reply(220, "FTP server ready");
  }

  reply(code: number, text: string): void {
    this.push(`${code} ${text}\r\n`);
    if (this.writableNeedDrain) this.pauseReading();
  }

  replyLines(code: number, first: string, lines: readonly string[], last: string): void {
    this.push(`${code}-${first}\r\n${lines.map((line) => ` ${line}\r\n`).join("")}${code} ${last}\r\n`);
  }

  // What commands use.

  /** Sends the replies that are queued, and closes; no further command is done. */
  end(): void {
    this.closing = true;
    this.pauseReading();
    this.closeWhenDone();
  }

  userIs(user: string): void {
    this.#user = user;
    this.#isLoggedIn = false;
    this.reply(331, "send PASS");
  }

  passwordIs(password: string): void {
    const { account } = this.settings;
    const isRight =
      account === undefined
        ? this.#user === "anonymous" || this.#user === "ftp"
        : this.#user === account.user && password === account.password;
    if (isRight) {
      this.#isLoggedIn = true;
      this.reply(230, "logged in");
      return;
    }
    this.#failures += 1;
    this.reply(530, "wrong user or password");
    if (this.#failures >= FAILURES_MAX) this.end();
  }

  get dataTls(): WrapTlsOptions | undefined {
    return this.isDataSecure ? this.settings.tls?.options : undefined;
  }

  startTls(): void {
    const { tls } = this.settings;
    if (tls === undefined || this.isSecure) throw new Refusal(503, "AUTH is not possible");
    this.isSecure = true;
    // What the client has said before, and what it sent behind AUTH, does not count.
    this.#user = undefined;
    this.#isLoggedIn = false;
    this.#held.length = 0;
    this.setOpening(undefined);
    this.reply(234, "begin TLS");
    startTls(this, tls.options);
  }

  /** Says how the next data connection is opened. */
  setOpening(opening: Opening | undefined): void {
    this.#opening?.close();
    this.#opening = opening;
  }

  /** Starts a transfer: `run` is given its data connection; `end` is called when it has ended, successfully or not. */
  startTransfer(text: string, run: (channel: DataChannel) => Promise<void>, end: () => Promise<void>): void {
    this.#transfer = this.#runTransfer(text, run, end)
      .catch((error: unknown) => this.handleError(error))
      .finally(() => this.#transferOver());
  }

  async abortTransfer(): Promise<void> {
    this.setOpening(undefined);
    this.#channel?.abort();
    await this.#transfer;
  }

  // Callbacks of AsyncChat.

  override collectIncomingData(data: Uint8Array): void {
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    let line = this._getData();
    while (line[0] === IAC) line = line.subarray(2);
    this.#take(Buffer.from(line).toString());
  }

  override handleLineTooLong(): void {
    this._getData();
    this.reply(500, "line too long");
  }

  override handleDrain(): void {
    this.#proceed();
  }

  /** RFC 959: a transfer does not outlive the control connection. What the client has sent before is answered. */
  override handleEof(): void {
    this.#ended = true;
    if (this.#transfer === undefined) this.#proceed();
    else this.abortTransfer().catch((error: unknown) => this.handleError(error));
  }

  /** While a transfer runs, the data connection is the one that must not be idle. */
  override handleTimeout(): void {
    if (this.#transfer !== undefined) return;
    if (this.closing) {
      this.close();
      return;
    }
    this.reply(421, "idle for too long");
    this.end();
  }

  override handleError(error: unknown): void {
    this.log(`${this}: ${String(error)}`);
    this.close();
  }

  override close(): void {
    super.close();
    this.setOpening(undefined);
    this.#channel?.abort();
  }

  #take(line: string): void {
    const [, word = "", argument = ""] = /^(\S*) ?(.*)$/su.exec(line) ?? [];
    const name = word.toUpperCase();
    if (this.#transfer !== undefined && name !== "ABOR") {
      this.#held.push(line);
      if (this.#held.length >= HELD_MAX) this.pauseReading();
      return;
    }
    this.#run(name, argument).catch((error: unknown) => this.handleError(error));
  }

  async #run(name: string, argument: string): Promise<void> {
    this.#busy = true;
    this.pauseReading();
    try {
      await this.#perform(name, argument);
    } catch (error) {
      if (error instanceof Refusal) this.reply(error.replyCode, error.message);
      else if (error instanceof FileError) this.reply(error.isFull ? 452 : 550, error.message);
      else throw error;
    } finally {
      this.#busy = false;
      this.#proceed();
    }
  }

  async #perform(name: string, argument: string): Promise<void> {
    const command = COMMANDS.get(name);
    if (command === undefined) throw new Refusal(500, "no such command");
    if (command.needsLogin && !this.#isLoggedIn) throw new Refusal(530, "log in first");
    if (command.writes && !this.settings.mayWrite) throw new Refusal(550, "this server is read-only");
    if (command.needsArgument && argument === "") throw new Refusal(501, `${name} needs a parameter`);
    if (!fitsInLine(argument)) throw new Refusal(501, "not a parameter");
    if (name !== "RNTO") this.renameFrom = undefined;
    await command.run(this, argument);
  }

  async #runTransfer(
    text: string,
    run: (channel: DataChannel) => Promise<void>,
    end: () => Promise<void>,
  ): Promise<void> {
    try {
      try {
        await run(await this.#open(text));
      } finally {
        await end();
      }
    } catch (error) {
      this.#failTransfer(error);
      return;
    }
    this.reply(226, "transfer complete");
  }

  async #open(text: string): Promise<DataChannel> {
    const opening = this.#opening;
    if (opening === undefined) throw new TransferError("send PASV, EPSV, PORT or EPRT first");
    this.reply(150, text);
    const channel = await opening.open();
    if (this.#opening !== opening) {
      channel.abort();
      throw new TransferError("transfer aborted");
    }
    this.#opening = undefined;
    this.#channel = channel;
    return channel;
  }

  #failTransfer(error: unknown): void {
    if (error instanceof TransferError) this.reply(this.#channel === undefined ? 425 : 426, error.message);
    else if (error instanceof OSError) this.reply(425, `no data connection (${error.code})`);
    else {
      const failure = FileError.of(error);
      this.reply(failure.isFull ? 452 : 451, failure.message);
    }
  }

  #transferOver(): void {
    this.#transfer = undefined;
    this.#channel = undefined;
    this.setOpening(undefined);
    this.#proceed();
  }

  /** Goes on, unless something is still to be waited for: with a command that was held, to read the next one, or to the end. */
  #proceed(): void {
    if (this.fd < 0 || this.closing || this.#busy || this.writableNeedDrain) return;
    const isIdle = this.#transfer === undefined;
    const held = isIdle ? this.#held.shift() : undefined;
    if (held !== undefined) this.#take(held);
    else if (isIdle && this.#ended) this.end();
    else if (this.#held.length < HELD_MAX) this.resumeReading();
  }
}

/** ABOR comes as urgent data. A host of WASI has none: there it comes like any other command, but for one of Telnet's bytes. */
function takeUrgentInline(socket: Socket): void {
  try {
    socket.setOption("SO_OOBINLINE", true);
  } catch (error) {
    if (!(error instanceof OSError) || error.code !== "ENOPROTOOPT") throw error;
  }
}
