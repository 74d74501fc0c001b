/** A POP3 server (RFC 1939) of one mailbox: a maildir, or two sample messages. See docs/servers.md. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { Dispatcher, loop, OSError, type Socket } from "wasyncore";
import { type Mailbox, Maildir, SampleMailbox } from "./mailbox.js";
import { type Account, Session } from "./session.js";

const USAGE = `usage: pop3 [--host HOST] [--port PORT] [--user USER] [--password PASSWORD] [--maildir DIR] [--idle-ms MS]
default: 127.0.0.1, 7110; port 0 takes a free one; user "user", password "password"; two sample messages;
ten minutes`;

class Pop3Server extends Dispatcher {
  readonly #account: Account;
  readonly #mailbox: Mailbox;
  readonly #idleMs: number;

  constructor(host: string, port: number, account: Account, mailbox: Mailbox, idleMs: number) {
    super();
    this.#account = account;
    this.#mailbox = mailbox;
    this.#idleMs = idleMs;
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    this.setReuseAddr();
    this.bind({ host, port });
    this.listen(128);
  }

  override handleAccepted(socket: Socket): void {
    new Session(socket, this.#account, this.#mailbox).idleTimeoutMs = this.#idleMs;
  }
}

function parseNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`--${option} must be a number, got "${text}"`);
  return Number(text);
}

try {
  const options = {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "7110" },
    user: { type: "string", default: "user" },
    password: { type: "string", default: "password" },
    maildir: { type: "string" },
    "idle-ms": { type: "string", default: "600000" },
    help: { type: "boolean", short: "h" },
  } as const;
  const { values } = parseArgs({ options });
  const { host, user, password, maildir } = values;
  if (values.help === true) console.log(USAGE);
  else {
    const mailbox = maildir === undefined ? new SampleMailbox() : await Maildir.open(maildir);
    const idleMs = parseNumber("idle-ms", values["idle-ms"]);
    const server = new Pop3Server(host, parseNumber("port", values.port), { user, password }, mailbox, idleMs);
    const { host: at, port: on } = server.socket.localAddress();
    console.log(`listening on ${at}:${on}`);
    await loop();
  }
} catch (error) {
  const inUse = error instanceof OSError && error.code === "EADDRINUSE";
  console.error(`pop3: ${inUse ? `${error.address}:${error.port} is in use already` : (error as Error).message}`);
  process.exitCode = 1;
}
