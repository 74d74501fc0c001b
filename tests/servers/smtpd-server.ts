/**
 * Owns the ports, line by line, of SMTPServer and DebuggingServer of CPython 3.11's smtpd, and of the servers that
 * test_smtpd derives from them. Knows the public API. What the original prints is kept for the driver to take.
 */

import { isIPv6 } from "node:net";
import { Dispatcher, type Socket } from "wasyncore";
import { repr } from "./smtp-address.js";
import { SMTPChannel } from "./smtpd-channel.js";
import {
  bothSet,
  type ChannelOptions,
  type MessageData,
  type MessageOptions,
  type MessageSink,
  type Peer,
} from "./smtpd-conversation.js";

export interface ServerOptions extends ChannelOptions {
  readonly host: string;
  readonly port: number;
  /** What the original asks socket.getfqdn. */
  readonly fqdn: string;
}

export class SMTPServer extends Dispatcher implements MessageSink {
  readonly fqdn: string;
  readonly options: ChannelOptions;
  /** Makes a channel of a connection. */
  makeChannel = (conn: Socket): unknown => new SMTPChannel(this, conn, this.options);
  /** For a driver that makes its channels itself. */
  direct: object | null = null;
  /** What DEBUGSTREAM was given, by line. */
  debugLines: string[] = [];
  /** What was printed, by line. */
  outputLines: string[] = [];

  constructor({ host, port, fqdn, ...options }: ServerOptions) {
    super();
    this.fqdn = fqdn;
    this.options = options;
    if (options.enableSMTPUTF8 === true && options.decodeData === true) throw bothSet();
    try {
      this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
      this.setReuseAddr();
      this.bind({ host, port });
      this.listen(5);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  override handleAccepted(conn: Socket): void {
    this.makeChannel(conn);
  }

  processMessage(
    _peer: Peer,
    _mailfrom: string,
    _rcpttos: readonly string[],
    _data: MessageData,
    _options?: MessageOptions,
  ): string | undefined {
    throw Object.assign(new Error("processMessage"), { name: "NotImplementedError" });
  }

  printDebug(line: string): void {
    this.debugLines.push(line);
  }

  print(line: string): void {
    this.outputLines.push(line);
  }

  /** For the driver: what was printed since the last call. */
  takeOutput(): { readonly output: readonly string[]; readonly debug: readonly string[] } {
    const { outputLines: output, debugLines: debug } = this;
    this.outputLines = [];
    this.debugLines = [];
    return { output, debug };
  }
}

export class DebuggingServer extends SMTPServer {
  override processMessage(
    peer: Peer,
    _mailfrom: string,
    _rcpttos: readonly string[],
    data: MessageData,
    options?: MessageOptions,
  ): undefined {
    this.print("---------- MESSAGE FOLLOWS ----------");
    if (options !== undefined && options.mailOptions.length > 0)
      this.print(`mail options: ${repr(options.mailOptions)}`);
    if (options !== undefined && options.rcptOptions.length > 0)
      this.print(`rcpt options: ${repr(options.rcptOptions)}\n`);
    this.#printMessageContent(peer, data);
    this.print("------------ END MESSAGE ------------");
  }

  #printMessageContent(peer: Peer, data: MessageData): void {
    const isText = typeof data === "string";
    const show = (line: string): string => (isText ? line : repr(Buffer.from(line, "latin1")));
    let inheaders = true;
    for (const line of splitLines(isText ? data : Buffer.from(data).toString("latin1"))) {
      if (inheaders && line === "") {
        this.print(show(`X-Peer: ${peer[0]}`));
        inheaders = false;
      }
      this.print(show(line));
    }
  }
}

/** test_smtpd's: keeps the messages. */
export class DummyServer extends SMTPServer {
  readonly messages: unknown[] = [];

  override processMessage(
    peer: Peer,
    mailfrom: string,
    rcpttos: readonly string[],
    data: MessageData,
    options?: MessageOptions,
  ): string | undefined {
    this.messages.push([peer, mailfrom, rcpttos, data]);
    if (data === "return status") return "250 Okish";
    if (options?.mailOptions.includes("SMTPUTF8") === true) return "250 SMTPUTF8 message okish";
    return undefined;
  }
}

/** test_smtpd's: cannot listen. */
export class BrokenDummyServer extends DummyServer {
  override listen(_backlog: number): void {
    throw Object.assign(new Error("listen"), { name: "DummyDispatcherBroken" });
  }
}

/** Python's splitlines, of bytes: no empty line at the end. */
function splitLines(text: string): string[] {
  const lines = text.split(/\r\n|\n|\r/u);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
