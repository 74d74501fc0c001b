/** An echo server: sends back everything that it receives. `npm start` runs it. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { Dispatcher, DispatcherWithSend, loop, type Socket, type SocketAddress } from "wasyncore";
import { isProgram, parsePort, run } from "./program.js";

const USAGE = "usage: echo-server [--host HOST] [--port PORT]     default: 127.0.0.1, 7007; port 0 takes a free one";

export class EchoHandler extends DispatcherWithSend {
  #ended = false;

  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length > 0) this.send(data);
  }

  override handleWrite(): void {
    super.handleWrite();
    if (this.#ended && this.outBufferLength === 0) this.close();
  }

  /** The client has ended its half, but may still read: pending output is sent before the connection is closed. */
  override handleEof(): void {
    this.#ended = true;
    if (this.outBufferLength === 0) this.close();
  }
}

export class EchoServer extends Dispatcher {
  constructor(host: string, port: number) {
    super();
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    this.setReuseAddr();
    this.bind({ host, port });
    this.listen(128);
  }

  override handleAccepted(socket: Socket, address: SocketAddress): void {
    this.log(`incoming connection from ${address.host}:${address.port}`);
    new EchoHandler(socket);
  }
}

async function main(): Promise<void> {
  const options = {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "7007" },
    help: { type: "boolean", short: "h", default: false },
  } as const;
  const { values } = parseArgs({ options });
  if (values.help) return console.log(USAGE);
  const { host, port } = new EchoServer(values.host, parsePort(values.port)).socket.localAddress();
  console.log(`listening on ${host}:${port}`);
  await loop();
}

if (isProgram(import.meta.url)) await run("echo-server", main);
