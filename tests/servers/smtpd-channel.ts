/**
 * Owns the port, line by line, of SMTPChannel of CPython 3.11's smtpd: the commands. Knows the public API.
 */

import { getAddress, repr } from "./smtp-address.js";
import { COMMAND_SIZE_LIMIT, SMTPConversation } from "./smtpd-conversation.js";

type Parameters = Map<string, string | true>;

interface Parsed {
  readonly address: string;
  readonly options: string[];
}

const COMMANDS = "EHLO HELO MAIL RCPT DATA RSET NOOP QUIT VRFY";
const SYNTAX: Readonly<Record<string, string>> = {
  EHLO: "EHLO hostname",
  HELO: "HELO hostname",
  MAIL: "MAIL FROM: <address>",
  RCPT: "RCPT TO: <address>",
  DATA: "DATA",
  RSET: "RSET",
  NOOP: "NOOP",
  QUIT: "QUIT",
  VRFY: "VRFY <address>",
};

export class SMTPChannel extends SMTPConversation {
  smtp_HELO(arg: string | null): void {
    if (!arg) this.push("501 Syntax: HELO hostname");
    else if (this.seenGreeting !== "") this.push("503 Duplicate HELO/EHLO");
    else {
      this._setRsetState();
      this.seenGreeting = arg;
      this.push(`250 ${this.smtpServer.fqdn}`);
    }
  }

  smtp_EHLO(arg: string | null): void {
    if (!arg) {
      this.push("501 Syntax: EHLO hostname");
      return;
    }
    if (this.seenGreeting !== "") {
      this.push("503 Duplicate HELO/EHLO");
      return;
    }
    this._setRsetState();
    this.seenGreeting = arg;
    this.extendedSmtp = true;
    this.push(`250-${this.smtpServer.fqdn}`);
    if (this.dataSizeLimit !== 0) {
      this.push(`250-SIZE ${this.dataSizeLimit}`);
      this.#lengthen("MAIL", 26);
    }
    if (!this.decodeData) this.push("250-8BITMIME");
    if (this.enableSMTPUTF8) {
      this.push("250-SMTPUTF8");
      this.#lengthen("MAIL", 10);
    }
    this.push("250 HELP");
  }

  smtp_NOOP(arg: string | null): void {
    this.push(arg ? "501 Syntax: NOOP" : "250 OK");
  }

  smtp_QUIT(_arg: string | null): void {
    this.push("221 Bye");
    this.closeWhenDone();
  }

  smtp_HELP(arg: string | null): void {
    if (!arg) {
      this.push(`250 Supported commands: ${COMMANDS}`);
      return;
    }
    const command = arg.toUpperCase();
    const syntax = SYNTAX[command];
    const extended = this.extendedSmtp && (command === "MAIL" || command === "RCPT") ? " [SP <mail-parameters>]" : "";
    this.push(syntax === undefined ? `501 Supported commands: ${COMMANDS}` : `250 Syntax: ${syntax}${extended}`);
  }

  smtp_VRFY(arg: string | null): void {
    if (!arg) this.push("501 Syntax: VRFY <address>");
    else if (getAddress(arg)[0] !== "") this.push("252 Cannot VRFY user, but will accept message and attempt delivery");
    else this.push(`502 Could not VRFY ${arg}`);
  }

  smtp_MAIL(arg: string | null): void {
    if (this.seenGreeting === "") {
      this.push("503 Error: send HELO first");
      return;
    }
    this.smtpServer.printDebug(`===> MAIL ${arg ?? "None"}`);
    const parsed = this.#addressAndOptions("MAIL", "FROM:", arg);
    if (parsed === undefined) return;
    if (this.mailfrom !== null) {
      this.push("503 Error: nested MAIL command");
      return;
    }
    this.mailOptions = parsed.options;
    const params = this.#getParams("MAIL", this.mailOptions);
    if (params === undefined || !this.#takeMailParams(params)) return;
    if (params.size > 0) {
      this.push("555 MAIL FROM parameters not recognized or not implemented");
      return;
    }
    this.mailfrom = parsed.address;
    this.smtpServer.printDebug(`sender: ${this.mailfrom}`);
    this.push("250 OK");
  }

  smtp_RCPT(arg: string | null): void {
    if (this.seenGreeting === "") {
      this.push("503 Error: send HELO first");
      return;
    }
    this.smtpServer.printDebug(`===> RCPT ${arg ?? "None"}`);
    if (this.mailfrom === null) {
      this.push("503 Error: need MAIL command");
      return;
    }
    const parsed = this.#addressAndOptions("RCPT", "TO:", arg);
    if (parsed === undefined) return;
    this.rcptOptions = parsed.options;
    const params = this.#getParams("RCPT", this.rcptOptions);
    if (params === undefined) return;
    if (params.size > 0) {
      this.push("555 RCPT TO parameters not recognized or not implemented");
      return;
    }
    this.rcpttos.push(parsed.address);
    this.smtpServer.printDebug(`recips: ${repr(this.rcpttos)}`);
    this.push("250 OK");
  }

  smtp_RSET(arg: string | null): void {
    if (arg) {
      this.push("501 Syntax: RSET");
      return;
    }
    this._setRsetState();
    this.push("250 OK");
  }

  smtp_DATA(arg: string | null): void {
    if (this.seenGreeting === "") this.push("503 Error: send HELO first");
    else if (this.rcpttos.length === 0) this.push("503 Error: need RCPT command");
    else if (arg) this.push("501 Syntax: DATA");
    else {
      this.smtpState = "data";
      this.setTerminator("\r\n.\r\n");
      this.push("354 End data with <CR><LF>.<CR><LF>");
    }
  }

  smtp_EXPN(_arg: string | null): void {
    this.push("502 EXPN not implemented");
  }

  #lengthen(command: string, bytes: number): void {
    this.commandSizeLimits.set(command, (this.commandSizeLimits.get(command) ?? COMMAND_SIZE_LIMIT) + bytes);
  }

  #syntaxError(command: "MAIL" | "RCPT"): undefined {
    this.push(`501 Syntax: ${SYNTAX[command] ?? ""}${this.extendedSmtp ? " [SP <mail-parameters>]" : ""}`);
  }

  /** The address behind "FROM:" or "TO:" and the parameters behind it; where it is none, says so. */
  #addressAndOptions(command: "MAIL" | "RCPT", keyword: string, arg: string | null): Parsed | undefined {
    if (arg === null || arg.slice(0, keyword.length).toUpperCase() !== keyword) return this.#syntaxError(command);
    const text = arg.slice(keyword.length).trim();
    const [address, rest] = text === "" ? ["", ""] : getAddress(text);
    if (address === "" || (!this.extendedSmtp && rest !== "")) return this.#syntaxError(command);
    return { address, options: rest.toUpperCase().split(/\s+/u).filter(Boolean) };
  }

  #getParams(command: "MAIL" | "RCPT", options: readonly string[]): Parameters | undefined {
    const result: Parameters = new Map();
    for (const option of options) {
      const [, name, value] = /^([\p{L}\p{N}]+)(?:=(.+))?$/u.exec(option) ?? [];
      if (name === undefined) return this.#syntaxError(command);
      result.set(name, value ?? true);
    }
    return result;
  }

  /** Takes what it knows out of the parameters of MAIL. @returns false where it has refused one */
  #takeMailParams(params: Parameters): boolean {
    const take = (name: string): string | true | undefined => {
      const value = params.get(name);
      params.delete(name);
      return value;
    };
    const body = this.decodeData ? "7BIT" : (take("BODY") ?? "7BIT");
    const smtputf8 = this.enableSMTPUTF8 ? take("SMTPUTF8") : undefined;
    if (body !== "7BIT" && body !== "8BITMIME") {
      this.push("501 Error: BODY can only be one of 7BIT, 8BITMIME");
      return false;
    }
    if (typeof smtputf8 === "string") {
      this.push("501 Error: SMTPUTF8 takes no arguments");
      return false;
    }
    if (smtputf8 === true) this.requireSMTPUTF8 = true;
    const size = take("SIZE");
    if (size === undefined) return true;
    if (size === true || !/^\d+$/u.test(size)) {
      this.#syntaxError("MAIL");
      return false;
    }
    if (this.dataSizeLimit === 0 || Number(size) <= this.dataSizeLimit) return true;
    this.push("552 Error: message size exceeds fixed maximum message size");
    return false;
  }
}
