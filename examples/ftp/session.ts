/**
 * Owns one control connection of the FTP server: lines, replies, and at most one transfer. Knows commands by their
 * table.
 *
 * One command at a time. While a transfer runs, ABOR is heard at once; any other command waits, and with it all that
 * follow: what a client can make the server hold is bounded.
 */

import { AsyncChat, OSError, type Socket } from "wasyncore";
import { COMMANDS, type Conversation, Refusal } from "./commands.js";
import { type DataChannel, type Opening, TransferError } from "./data.js";
import { FileError, type Root } from "./root.js";
import { fitsInLine } from "./text.js";

/** What the server was started with. */
export interface Settings {
  readonly root: Root;
  /** Without one, anybody may come as "anonymous". */
  readonly account: { readonly user: string; readonly password: string } | undefined;
  readonly mayWrite: boolean;
  readonly idleMs: number;
}

const LINE_BYTES_MAX = 4096;
const FAILURES_MAX = 3;
/** Telnet's "interpret as command": two bytes that a client may send before ABOR. */
const IAC = 0xff;

export class Session extends AsyncChat implements Conversation {
  readonly settings: Settings;
  cwd = "/";
  isBinary = false;
  restartAt = 0;
  renameFrom: string | undefined;
  #user: string | undefined;
  #isLoggedIn = false;
  #failures = 0;
  #line: Uint8Array[] = [];
  /** Is a command under way that no other may overtake? */
  #busy = false;
  /** A command that waits for the end of the transfer. */
  #held: string | undefined;
  #opening: Opening | undefined;
  #channel: DataChannel | undefined;
  #transfer: Promise<void> | undefined;

  constructor(socket: Socket, settings: Settings) {
    super(socket);
    this.settings = settings;
    this.idleTimeoutMs = settings.idleMs;
    this.maxLineLength = LINE_BYTES_MAX;
    // ABOR comes as urgent data.
    this.socket.setOption("SO_OOBINLINE", true);
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

  /** What was said is sent; nothing more is heard. */
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

  /** How the next data connection is to be made. */
  setOpening(opening: Opening | undefined): void {
    this.#opening?.close();
    this.#opening = opening;
  }

  /** Begins a transfer: `run` is given its data connection, and `end` is called when it is over, however it went. */
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
    this.#line.push(data);
  }

  override foundTerminator(): void {
    let line = Buffer.concat(this.#line);
    this.#line = [];
    while (line[0] === IAC) line = line.subarray(2);
    this.#take(line.toString());
  }

  override handleLineTooLong(): void {
    this.#line = [];
    this.reply(500, "line too long");
  }

  override handleDrain(): void {
    this.#proceed();
  }

  /** The client sends no more, and is answered what it has sent. */
  override handleEof(): void {
    if (this.#transfer === undefined) this.closeWhenDone();
    else this.#held ??= "QUIT";
  }

  /** While a transfer runs, its own connection is the one that may be idle. */
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
      this.#held = line;
      this.pauseReading();
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
    const held = this.#held;
    this.#held = undefined;
    if (this.fd < 0) return;
    if (held === undefined) this.#proceed();
    else this.#take(held);
  }

  /** Reads the next command, where nothing stands against it. */
  #proceed(): void {
    const mayRead = !this.closing && !this.#busy && this.#held === undefined && !this.writableNeedDrain;
    if (this.fd >= 0 && mayRead) this.resumeReading();
  }
}
