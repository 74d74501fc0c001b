/** An FTP server (RFC 959) of one directory, with passive and active transfers. See docs/servers.md. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { Dispatcher, loop, OSError, type Socket } from "wasyncore";
import { Root } from "./root.js";
import { Session, type Settings } from "./session.js";

const USAGE = `usage: ftp --root DIR [--write] [--host HOST] [--port PORT] [--user USER --password PASSWORD] [--idle-ms MS]
default: read-only; 127.0.0.1, 7021; port 0 takes a free one; anybody may come as "anonymous"; five minutes`;

class FtpServer extends Dispatcher {
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
    port: { type: "string", default: "7021" },
    root: { type: "string" },
    write: { type: "boolean", default: false },
    user: { type: "string" },
    password: { type: "string" },
    "idle-ms": { type: "string", default: "300000" },
    help: { type: "boolean", short: "h" },
  } as const;
  const { values } = parseArgs({ options });
  const { host, root, write: mayWrite, user, password } = values;
  if (values.help === true) console.log(USAGE);
  else {
    if (root === undefined) throw new Error(`--root is missing\n${USAGE}`);
    if ((user === undefined) !== (password === undefined)) throw new Error("--user and --password go together");
    const account = user === undefined || password === undefined ? undefined : { user, password };
    const idleMs = parseNumber("idle-ms", values["idle-ms"]);
    const settings = { root: await Root.open(root), account, mayWrite, idleMs };
    const { host: at, port: on } = new FtpServer(host, parseNumber("port", values.port), settings).socket.localAddress();
    console.log(`listening on ${at}:${on}`);
    await loop();
  }
} catch (error) {
  const inUse = error instanceof OSError && error.code === "EADDRINUSE";
  console.error(`ftp: ${inUse ? `${error.address}:${error.port} is in use already` : (error as Error).message}`);
  process.exitCode = 1;
}
