/** An echo server for datagrams: sends each back to where it came from, the empty ones too. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { Dispatcher, loop, OSError } from "wasyncore";

const USAGE = "usage: udp-echo [--host HOST] [--port PORT]     default: 127.0.0.1, 7007; port 0 takes a free one";

/** No datagram is longer. */
const DATAGRAM_BYTES_MAX = 65535;

class UdpEcho extends Dispatcher {
  constructor(host: string, port: number) {
    super();
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4", type: "dgram" });
    this.bind({ host, port });
  }

  override handleRead(): void {
    const { data, address } = this.socket.recvFrom(DATAGRAM_BYTES_MAX);
    this.socket.sendTo(data, address);
  }

  /** One sender that cannot be answered is no reason to close: the socket is everybody's. */
  override handleError(error: unknown): void {
    this.log(String(error));
  }
}

try {
  const options = {
    host: { type: "string" },
    port: { type: "string" },
    help: { type: "boolean", short: "h" },
  } as const;
  const { host = "127.0.0.1", port = "7007", help = false } = parseArgs({ options }).values;
  if (!/^\d+$/.test(port)) throw new Error(`--port must be a number, got "${port}"`);
  if (help) console.log(USAGE);
  else {
    const { host: at, port: on } = new UdpEcho(host, Number(port)).socket.localAddress();
    console.log(`listening on ${at}:${on}`);
    await loop();
  }
} catch (error) {
  const inUse = error instanceof OSError && error.code === "EADDRINUSE";
  console.error(`udp-echo: ${inUse ? `${error.address}:${error.port} is in use already` : (error as Error).message}`);
  process.exitCode = 1;
}
