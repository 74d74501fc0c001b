/** An echo server: sends back what it is sent, to the last byte. `npm start` runs it. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { Dispatcher, DispatcherWithSend, loop, OSError, type Socket, type SocketAddress } from "wasyncore";

const USAGE = "usage: echo-server [--host HOST] [--port PORT]     default: 127.0.0.1, 7007; port 0 takes a free one";

class EchoHandler extends DispatcherWithSend {
  #ended = false;

  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length > 0) this.send(data);
  }

  override handleWrite(): void {
    super.handleWrite();
    if (this.#ended && this.outBufferLength === 0) this.close();
  }

  /** The client sends no more, but may be reading still: what waits to be sent goes first. */
  override handleEof(): void {
    this.#ended = true;
    if (this.outBufferLength === 0) this.close();
  }
}

class EchoServer extends Dispatcher {
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
    const { host: at, port: on } = new EchoServer(host, Number(port)).socket.localAddress();
    console.log(`listening on ${at}:${on}`);
    await loop();
  }
} catch (error) {
  const inUse = error instanceof OSError && error.code === "EADDRINUSE";
  console.error(
    `echo-server: ${inUse ? `${error.address}:${error.port} is in use already` : (error as Error).message}`,
  );
  process.exitCode = 1;
}
