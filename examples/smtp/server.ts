/** An SMTP server (RFC 5321) that takes every message: into a maildir, or to standard output. See docs/servers.md. */

import { isIPv6 } from "node:net";
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { Dispatcher, loop, OSError, type Socket } from "wasyncore";
import { Session, type Settings } from "./session.js";
import { Maildir, Printer } from "./store.js";

const USAGE = `usage: smtp [--host HOST] [--port PORT] [--maildir DIR] [--name NAME] [--max-bytes BYTES] [--idle-ms MS]
default: 127.0.0.1, 7025; port 0 takes a free one; prints messages; the name of this host; 10 MiB; five minutes`;

class SmtpServer extends Dispatcher {
  readonly #settings: Settings;

  constructor(host: string, port: number, settings: Settings) {
    super();
    this.#settings = settings;
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    this.setReuseAddr();
    this.bind({ host, port });
    this.listen(128);
  }

  override handleAccepted(socket: Socket): void {
    new Session(socket, this.#settings);
  }
}

function parseNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`--${option} must be a number, got "${text}"`);
  return Number(text);
}

try {
  const options = {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "7025" },
    maildir: { type: "string" },
    name: { type: "string", default: hostname() },
    "max-bytes": { type: "string", default: String(10 * 2 ** 20) },
    "idle-ms": { type: "string", default: "300000" },
    help: { type: "boolean", short: "h" },
  } as const;
  const { values } = parseArgs({ options });
  const { host, maildir, name } = values;
  if (values.help === true) console.log(USAGE);
  else {
    const store = maildir === undefined ? new Printer() : await Maildir.open(maildir);
    const sizeMax = parseNumber("max-bytes", values["max-bytes"]);
    const idleMs = parseNumber("idle-ms", values["idle-ms"]);
    const settings = { name, store, sizeMax, idleMs };
    const { host: at, port: on } = new SmtpServer(host, parseNumber("port", values.port), settings).socket.localAddress();
    console.log(`listening on ${at}:${on}`);
    await loop();
  }
} catch (error) {
  const inUse = error instanceof OSError && error.code === "EADDRINUSE";
  console.error(`smtp: ${inUse ? `${error.address}:${error.port} is in use already` : (error as Error).message}`);
  process.exitCode = 1;
}
