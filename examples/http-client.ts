/** An HTTP/1.0 client, the first program of asyncore's documentation: prints the answer to one GET as it comes. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { Dispatcher, loop } from "wasyncore";

const USAGE = "usage: http-client [--port PORT] HOST [PATH]     default: 80, /";

class HttpClient extends Dispatcher {
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
    throw error; // it leaves the loop
  }
}

process.stdout.once("error", () => process.exit(1)); // nobody reads it any more
try {
  const options = { port: { type: "string" }, help: { type: "boolean", short: "h" } } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const { port = "80", help = false } = values;
  const [host, path = "/", ...rest] = positionals;
  if (help) console.log(USAGE);
  else {
    if (host === undefined || rest.length > 0) throw new Error(USAGE);
    if (!/^\d+$/.test(port)) throw new Error(`--port must be a number, got "${port}"`);
    if (!/^\/[!-~]*$/.test(path)) throw new Error(`the path must begin with "/", without spaces, got "${path}"`);
    new HttpClient(host, Number(port), path);
    await loop();
  }
} catch (error) {
  console.error(`http-client: ${(error as Error).message}`);
  process.exitCode = 1;
}
