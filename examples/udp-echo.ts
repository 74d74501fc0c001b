/** An echo server for datagrams: sends each back to its sender, empty ones too. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { Dispatcher, loop } from "wasyncore";
import { parsePort, run } from "./program.js";

const USAGE = "usage: udp-echo [--host HOST] [--port PORT]     default: 127.0.0.1, 7007; port 0 takes a free one";

/** The longest datagram there can be. */
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

await run("udp-echo", async () => {
  const options = {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "7007" },
    help: { type: "boolean", short: "h", default: false },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help) return console.log(USAGE);
  const { host, port } = new UdpEcho(values.host, parsePort(values.port)).socket.localAddress();
  console.log(`listening on ${host}:${port}`);
  await loop();
});
