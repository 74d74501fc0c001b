/**
 * Owns the ports, line by line, of SimSMTPChannel, SimSMTPServer and what CPython 3.11's test_smtplib derives from
 * them. Knows the public API.
 */

import { createHmac } from "node:crypto";
import type { Socket } from "wasyncore";
import { SMTPChannel } from "./smtpd-channel.js";
import type { MessageData, MessageOptions, Peer } from "./smtpd-conversation.js";
import { type ServerOptions, SMTPServer } from "./smtpd-server.js";

const USERS: Readonly<Record<string, string>> = {
  "Mr.A@somewhere.com": "John A",
  "Ms.B@xn--fo-fka.com": "Sally B",
  "Mrs.C@somewhereesle.com": "Ruth C",
};
const PASSWORD = "somepassword";
const CRAM_MD5_CHALLENGE = "PENCeUxFREJoU0NnbmhNWitOMjNGNndAZWx3b29kLmlubm9zb2Z0LmNvbT4=";
const LISTS: Readonly<Record<string, readonly string[]>> = {
  "list-1": ["Mr.A@somewhere.com", "Mrs.C@somewhereesle.com"],
  "list-2": ["Ms.B@xn--fo-fka.com"],
};
/** What test_smtplib expects of AUTH PLAIN with an initial response. */
const EXPECTED_RESPONSE = Buffer.from("\0psu\0doesnotexist").toString("base64");

type Mechanism = (response: string | null) => void;

export class SimSMTPChannel extends SMTPChannel {
  quitResponse: string | null = null;
  mailResponse: string | null = null;
  rcptResponse: readonly string[] | null = null;
  dataResponse: string | null = null;
  rcptCount = 0;
  rsetCount = 0;
  disconnect = false;
  authenticatedUser: string | null = null;
  readonly #extraFeatures: string;
  #authObject: Mechanism | undefined;
  #authLoginUser: string | undefined;

  constructor(extraFeatures: readonly string[], server: SMTPServer, conn: Socket) {
    super(server, conn, server.options);
    this.#extraFeatures = extraFeatures.map((each) => `250-${each}\r\n`).join("");
  }

  override foundTerminator(): void {
    if (this.smtpState !== "auth") {
      super.foundTerminator();
      return;
    }
    const line = Buffer.concat(this.receivedLines).toString();
    this.receivedLines = [];
    this.#authObject?.(line);
  }

  smtp_AUTH(arg: string | null): void {
    if (this.seenGreeting === "") this.push("503 Error: send EHLO first");
    else if (!this.extendedSmtp || !this.#extraFeatures.includes("AUTH")) {
      this.push('500 Error: command "AUTH" not recognized');
    } else if (this.authenticatedUser !== null) this.push("503 Bad sequence of commands: already authenticated");
    else this.#auth((arg ?? "").split(/\s+/u).filter(Boolean));
  }

  #auth(args: readonly string[]): void {
    const [mechanism = "", initial = null] = args;
    if (args.length !== 1 && args.length !== 2) {
      this.push("501 Syntax: AUTH <mechanism> [initial-response]");
      return;
    }
    this.#authObject = this.#mechanisms[mechanism.toLowerCase()];
    if (this.#authObject === undefined) {
      this.push(`504 Command parameter not implemented: unsupported  authentication mechanism '${mechanism}'`);
      return;
    }
    this.smtpState = "auth";
    this.#authObject(initial);
  }

  readonly #mechanisms: Readonly<Record<string, Mechanism>> = {
    plain: (response) => {
      if (response === null) {
        this.push("334 ");
        return;
      }
      const parts = decodeBase64(response).split("\0");
      if (parts.length < 2) this.push("535 Splitting response into user and password failed");
      else this.#authenticated(parts.at(-2) ?? "", parts.at(-1) === PASSWORD);
    },
    login: (response) => {
      if (response === null) this.push("334 VXNlcm5hbWU6");
      else if (this.#authLoginUser === undefined) {
        this.#authLoginUser = decodeBase64(response);
        this.push("334 UGFzc3dvcmQ6");
      } else {
        this.#authenticated(this.#authLoginUser, decodeBase64(response) === PASSWORD);
        this.#authLoginUser = undefined;
      }
    },
    // Traps the client in a never-ending 334.
    buggy: () => {
      this.push("334 QnVHZ1liVWdHeQ==");
    },
    "cram-md5": (response) => {
      if (response === null) {
        this.push(`334 ${CRAM_MD5_CHALLENGE}`);
        return;
      }
      const [user = "", hashed, ...rest] = decodeBase64(response).split(/\s+/u);
      if (hashed === undefined || rest.length > 0) {
        this.push("535 Splitting response into user and password failed");
        return;
      }
      const valid = createHmac("md5", PASSWORD).update(decodeBase64(CRAM_MD5_CHALLENGE)).digest("hex");
      this.#authenticated(user, hashed === valid);
    },
  };

  #authenticated(user: string, valid: boolean): void {
    if (valid) this.authenticatedUser = user;
    this.push(valid ? "235 Authentication Succeeded" : "535 Authentication credentials invalid");
    this.smtpState = "command";
  }

  override smtp_EHLO(arg: string | null): void {
    const features = "250-testhost\r\n250-EXPN\r\n250-SIZE 20000000\r\n250-STARTTLS\r\n250-DELIVERBY\r\n";
    this.push(`${features}${this.#extraFeatures}250 HELP`);
    this.seenGreeting = arg ?? "";
    this.extendedSmtp = true;
  }

  override smtp_VRFY(arg: string | null): void {
    const name = USERS[arg ?? ""];
    this.push(name === undefined ? `550 No such user: ${arg ?? ""}` : `250 ${name} <${arg ?? ""}>`);
  }

  override smtp_EXPN(arg: string | null): void {
    const users = LISTS[(arg ?? "").toLowerCase()];
    if (users === undefined) this.push("550 No access for you!");
    else users.forEach((user, n) => this.push(`250${n < users.length - 1 ? "-" : " "}${USERS[user] ?? ""} <${user}>`));
  }

  override smtp_QUIT(arg: string | null): void {
    if (this.quitResponse === null) super.smtp_QUIT(arg);
    else {
      this.push(this.quitResponse);
      this.closeWhenDone();
    }
  }

  override smtp_MAIL(arg: string | null): void {
    if (this.mailResponse === null) super.smtp_MAIL(arg);
    else {
      this.push(this.mailResponse);
      if (this.disconnect) this.closeWhenDone();
    }
  }

  override smtp_RCPT(arg: string | null): void {
    if (this.rcptResponse === null) super.smtp_RCPT(arg);
    else {
      this.rcptCount += 1;
      this.push(this.rcptResponse[this.rcptCount - 1] ?? "");
    }
  }

  override smtp_RSET(arg: string | null): void {
    this.rsetCount += 1;
    super.smtp_RSET(arg);
  }

  override smtp_DATA(arg: string | null): void {
    if (this.dataResponse === null) super.smtp_DATA(arg);
    else this.push(this.dataResponse);
  }

  override handleError(error: unknown): void {
    throw error;
  }
}

/** The channel that test_421_from_data_cmd makes for itself. */
class MySimSMTPChannel extends SimSMTPChannel {
  override foundTerminator(): void {
    if (this.smtpState === "data") this.push("421 closing");
    else super.foundTerminator();
  }
}

/** AUTH PLAIN with an initial response, RFC 4954. */
class SimSMTPAUTHInitialResponseChannel extends SimSMTPChannel {
  override smtp_AUTH(arg: string | null): void {
    const [mechanism = "", response] = (arg ?? "").split(/\s+/u);
    const isExpected = mechanism.toLowerCase() === "plain" && response === EXPECTED_RESPONSE;
    this.push(isExpected ? "235 Ok" : "571 Bad authentication");
  }
}

const CHANNELS = { SimSMTPChannel, MySimSMTPChannel, SimSMTPAUTHInitialResponseChannel } as const;

export class SimSMTPServer extends SMTPServer {
  /** By its name, for a driver can set no class. */
  channelClass: keyof typeof CHANNELS = "SimSMTPChannel";
  _SMTPchannel: SimSMTPChannel | null = null;
  _addresses: { readonly from?: string; readonly tos?: readonly string[] } = {};
  readonly extraFeatures: string[] = [];

  override handleAccepted(conn: Socket): void {
    this._SMTPchannel = new CHANNELS[this.channelClass](this.extraFeatures, this, conn);
  }

  override processMessage(_peer: Peer, mailfrom: string, rcpttos: readonly string[], ..._rest: unknown[]): undefined {
    this._addresses = { from: mailfrom, tos: rcpttos };
  }

  addFeature(feature: string): void {
    this.extraFeatures.push(feature);
  }

  override handleError(error: unknown): void {
    throw error;
  }
}

export class SimSMTPAUTHInitialResponseServer extends SimSMTPServer {
  override channelClass: keyof typeof CHANNELS = "SimSMTPAUTHInitialResponseChannel";
}

export class SimSMTPUTF8Server extends SimSMTPServer {
  lastPeer: Peer | null = null;
  lastMailfrom: string | null = null;
  lastRcpttos: readonly string[] = [];
  lastMessage: MessageData = "";
  lastMailOptions: readonly string[] | null = null;
  lastRcptOptions: readonly string[] | null = null;

  constructor(options: ServerOptions) {
    super(options);
    this.extraFeatures.push("SMTPUTF8", "8BITMIME");
  }

  override processMessage(
    peer: Peer,
    mailfrom: string,
    rcpttos: readonly string[],
    data: MessageData,
    options?: MessageOptions,
  ): undefined {
    this.lastPeer = peer;
    this.lastMailfrom = mailfrom;
    this.lastRcpttos = rcpttos;
    this.lastMessage = data;
    this.lastMailOptions = options?.mailOptions ?? null;
    this.lastRcptOptions = options?.rcptOptions ?? null;
  }
}

function decodeBase64(text: string): string {
  return Buffer.from(text, "base64").toString();
}
