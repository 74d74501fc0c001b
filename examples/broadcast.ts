/** Sends what one client sends to all the others: a handler that writes to channels other than its own. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { Dispatcher, DispatcherWithSend, loop, type Socket } from "wasyncore";
import { isProgram, parsePort, run } from "./program.js";

const USAGE = "usage: broadcast [--host HOST] [--port PORT]     default: 127.0.0.1, 7007; port 0 takes a free one";

class Client extends DispatcherWithSend {
  readonly #clients: Set<Client>;

  constructor(socket: Socket, clients: Set<Client>) {
    super(socket);
    this.#clients = clients;
    clients.add(this);
  }

  override handleRead(): void {
    const data = this.recv(65536);
    for (const other of this.#clients) if (other !== this) other.deliver(data);
  }

  deliver(data: Uint8Array): void {
    try {
      this.send(data);
    } catch (error) {
      this.handleError(error); // the error is this client's, not the sender's
    }
    if (this.outBufferLength > 2 ** 24) this.close(); // it has left 16 MiB unread
  }

  override close(): void {
    this.#clients.delete(this);
    super.close();
  }
}

export class BroadcastServer extends Dispatcher {
  readonly #clients = new Set<Client>();

  constructor(host: string, port: number) {
    super();
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    this.setReuseAddr();
    this.bind({ host, port });
    this.listen(128);
  }

  override handleAccepted(socket: Socket): void {
    new Client(socket, this.#clients);
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
  const { host, port } = new BroadcastServer(values.host, parsePort(values.port)).socket.localAddress();
  console.log(`listening on ${host}:${port}`);
  await loop();
}

if (isProgram(import.meta.url)) await run("broadcast", main);
