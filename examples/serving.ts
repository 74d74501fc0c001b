/**
 * Owns what the servers of POP3, FTP and SMTP have in common: a listener whose connections become sessions, the numbers of
 * a command line, and what a program says when it cannot go on. Knows no protocol.
 */

import { isIPv6 } from "node:net";
import { Dispatcher, loop, OSError, type Socket } from "wasyncore";

class Listener extends Dispatcher {
  readonly #begin: (socket: Socket) => void;

  constructor(host: string, port: number, begin: (socket: Socket) => void) {
    super();
    this.#begin = begin;
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    this.setReuseAddr();
    this.bind({ host, port });
    this.listen(128);
  }

  override handleAccepted(socket: Socket): void {
    this.#begin(socket);
  }
}

export function parseNumber(option: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new Error(`--${option} must be a number, got "${text}"`);
  return Number(text);
}

/** Says where it listens, and begins a session for every connection, for as long as the process lives. */
export async function serve(host: string, port: number, begin: (socket: Socket) => void): Promise<void> {
  const { host: at, port: on } = new Listener(host, port, begin).socket.localAddress();
  console.log(`listening on ${at}:${on}`);
  await loop();
}

/** Runs a program: what it throws is a line on standard error, and status 1. */
export async function run(name: string, main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const inUse = error instanceof OSError && error.code === "EADDRINUSE";
    console.error(`${name}: ${inUse ? `${error.address}:${error.port} is in use already` : (error as Error).message}`);
    process.exitCode = 1;
  }
}
