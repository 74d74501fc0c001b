/**
 * Owns the half of the port of smtpd's SMTPChannel that listens: its state, and how lines and messages come in. Knows
 * the public API, and of its server only what it asks of it; knows no command.
 *
 * The one difference: command_size_limits belongs to the channel, not to its class, where all channels share it.
 */

import { AsyncChat, type Socket } from "wasyncore";
import { repr } from "./smtp-address.js";

export const VERSION = "Python SMTP proxy version 0.3";
export const DATA_SIZE_DEFAULT = 33_554_432;

/** Host and port. */
export type Peer = readonly [host: string, port: number | string];

export interface MessageOptions {
  readonly mailOptions: readonly string[];
  readonly rcptOptions: readonly string[];
}

/** A received message is text with decode_data, otherwise bytes. */
export type MessageData = string | Uint8Array;

/** What a channel asks of its server. */
export interface MessageSink {
  readonly fqdn: string;
  printDebug(line: string): void;
  /** @returns the reply, or undefined for the usual one */
  processMessage(
    peer: Peer,
    mailfrom: string,
    rcpttos: readonly string[],
    data: MessageData,
    options?: MessageOptions,
  ): string | undefined;
}

export interface ChannelOptions {
  readonly dataSizeLimit?: number;
  readonly enableSMTPUTF8?: boolean;
  readonly decodeData?: boolean;
}

type State = "command" | "data" | "auth" | string;
/** asynchat counts no terminator: the limit is on the line without it. */
export const COMMAND_SIZE_LIMIT = 512;

export abstract class SMTPConversation extends AsyncChat {
  readonly smtpServer: MessageSink;
  readonly commandSizeLimit = COMMAND_SIZE_LIMIT;
  readonly commandSizeLimits = new Map<string, number>();
  dataSizeLimit: number;
  readonly enableSMTPUTF8: boolean;
  readonly decodeData: boolean;
  peer: Peer;
  smtpState: State = "command";
  seenGreeting = "";
  extendedSmtp = false;
  mailfrom: string | null = null;
  rcpttos: string[] = [];
  mailOptions: string[] = [];
  rcptOptions: string[] = [];
  requireSMTPUTF8 = false;
  numBytes = 0;
  receivedData: MessageData = "";
  receivedLines: Uint8Array[] = [];

  constructor(server: MessageSink, conn: Socket, options: ChannelOptions = {}) {
    super(conn);
    const { dataSizeLimit = DATA_SIZE_DEFAULT, enableSMTPUTF8 = false, decodeData = false } = options;
    this.smtpServer = server;
    this.dataSizeLimit = dataSizeLimit;
    this.enableSMTPUTF8 = enableSMTPUTF8;
    this.decodeData = decodeData;
    if (enableSMTPUTF8 && decodeData) {
      this.close();
      throw bothSet();
    }
    this._setRsetState();
    const { host = "", port = 0 } = conn.remoteAddress();
    this.peer = [host, port];
    server.printDebug(`Peer: ('${host}', ${port})`);
    this.push(`220 ${server.fqdn} ${VERSION}`);
  }

  /** Reset state variables to their post-DATA state. */
  _setPostDataState(): void {
    this.smtpState = "command";
    this.mailfrom = null;
    this.rcpttos = [];
    this.requireSMTPUTF8 = false;
    this.numBytes = 0;
    this.setTerminator("\r\n");
  }

  /** Reset all state variables except the greeting. */
  _setRsetState(): void {
    this._setPostDataState();
    this.receivedData = "";
    this.receivedLines = [];
  }

  override push(msg: string): boolean {
    if (!this.requireSMTPUTF8 && /[\u0080-\uffff]/u.test(msg)) {
      throw Object.assign(new Error(`not ASCII: ${msg}`), { name: "UnicodeEncodeError" });
    }
    return super.push(`${msg}\r\n`);
  }

  override collectIncomingData(data: Uint8Array): void {
    let limit = 0;
    if (this.smtpState === "command") limit = Math.max(COMMAND_SIZE_LIMIT, ...this.commandSizeLimits.values());
    else if (this.smtpState === "data") limit = this.dataSizeLimit;
    if (limit !== 0 && this.numBytes > limit) return;
    if (limit !== 0) this.numBytes += data.length;
    this.receivedLines.push(data);
  }

  override foundTerminator(): void {
    const line = Buffer.concat(this.receivedLines);
    this.smtpServer.printDebug(`Data: ${repr(this.decodeData ? line.toString() : line)}`);
    this.receivedLines = [];
    if (this.smtpState === "command") this.#command(line);
    else if (this.smtpState === "data") this.#message(line);
    else {
      this.push("451 Internal confusion");
      this.numBytes = 0;
    }
  }

  #command(line: Buffer): void {
    const size = this.numBytes;
    this.numBytes = 0;
    if (line.length === 0) {
      this.push("500 Error: bad syntax");
      return;
    }
    const text = line.toString();
    const i = text.indexOf(" ");
    const command = (i < 0 ? text : text.slice(0, i)).toUpperCase();
    const arg = i < 0 ? null : text.slice(i + 1).trim();
    const limit = this.extendedSmtp ? (this.commandSizeLimits.get(command) ?? COMMAND_SIZE_LIMIT) : COMMAND_SIZE_LIMIT;
    if (size > limit) {
      this.push("500 Error: line too long");
      return;
    }
    const method: unknown = Reflect.get(this, `smtp_${command}`);
    if (typeof method === "function") method.call(this, arg);
    else this.push(`500 Error: command "${command}" not recognized`);
  }

  #message(line: Buffer): void {
    if (this.dataSizeLimit !== 0 && this.numBytes > this.dataSizeLimit) {
      this.push("552 Error: Too much mail data");
      this.numBytes = 0;
      return;
    }
    const lines = line.toString("latin1").split("\r\n");
    const data = Buffer.from(lines.map((text) => (text.startsWith(".") ? text.slice(1) : text)).join("\n"), "latin1");
    this.receivedData = this.decodeData ? data.toString() : data;
    const { mailOptions, rcptOptions } = this;
    const options = this.decodeData ? undefined : { mailOptions, rcptOptions };
    const status = this.smtpServer.processMessage(
      this.peer,
      this.mailfrom ?? "",
      this.rcpttos,
      this.receivedData,
      options,
    );
    this._setPostDataState();
    this.push(status ?? "250 OK");
  }
}

/** Python's ValueError for two options that exclude each other. */
export function bothSet(): Error {
  const message = "decode_data and enable_SMTPUTF8 cannot be set to True at the same time";
  return Object.assign(new Error(message), { name: "ValueError" });
}
