/** An HTTP/1.0 client, the first program of asyncore's documentation: prints the response to one GET while it arrives. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { Dispatcher, loop } from "wasyncore";
import { isProgram, parsePort, run } from "./program.js";

const USAGE = "usage: http-client [--port PORT] HOST [PATH]     default: 80, /";

export class HttpClient extends Dispatcher {
  #request: Uint8Array;

  constructor(host: string, port: number, path: string) {
    super();
    const v6 = isIPv6(host);
    this.#request = Buffer.from(`GET ${path} HTTP/1.0\r\nHost: ${v6 ? `[${host}]` : host}:${port}\r\n\r\n`);
    this.createSocket({ family: v6 ? "IPv6" : "IPv4" });
    this.connect({ host, port });
  }

  override handleRead(): void {
    process.stdout.write(this.recv(8192));
  }

  override writable(): boolean {
    return this.#request.length > 0;
  }

  override handleWrite(): void {
    this.#request = this.#request.subarray(this.send(this.#request));
  }

  override handleClose(): void {
    this.close();
  }

  override handleError(error: unknown): void {
    this.close();
    throw error; // leaves the loop
  }
}

async function main(): Promise<void> {
  const options = {
    port: { type: "string", default: "80" },
    help: { type: "boolean", short: "h", default: false },
  } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  if (values.help) return console.log(USAGE);
  const [host, path = "/", ...rest] = positionals;
  if (host === undefined || rest.length > 0) throw new Error(USAGE);
  if (!/^\/[!-~]*$/.test(path)) throw new Error(`the path must begin with "/" and have no spaces, got "${path}"`);
  new HttpClient(host, parsePort(values.port), path);
  await loop();
}

if (isProgram(import.meta.url)) {
  process.stdout.once("error", () => process.exit(1)); // its reader is gone
  await run("http-client", main);
}
