/** What one client sends goes to all the others: a handler that writes into other channels than its own. */

import { isIPv6 } from "node:net";
import { parseArgs } from "node:util";
import { Dispatcher, DispatcherWithSend, loop, OSError, type Socket } from "wasyncore";

const USAGE = "usage: broadcast [--host HOST] [--port PORT]     default: 127.0.0.1, 7007; port 0 takes a free one";
const clients = new Set<Client>();

class Client extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(65536);
    for (const other of clients) if (other !== this) other.tell(data);
  }

  tell(data: Uint8Array): void {
    try {
      this.send(data);
    } catch (error) {
      this.handleError(error); // this client's, not the one's that speaks
    }
    if (this.outBufferLength > 2 ** 24) this.close(); // it leaves 16 MiB unread
  }

  override close(): void {
    clients.delete(this);
    super.close();
  }
}

class BroadcastServer extends Dispatcher {
  constructor(host: string, port: number) {
    super();
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    this.setReuseAddr();
    this.bind({ host, port });
    this.listen(128);
  }

  override handleAccepted(socket: Socket): void {
    clients.add(new Client(socket));
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
    const { host: at, port: on } = new BroadcastServer(host, Number(port)).socket.localAddress();
    console.log(`listening on ${at}:${on}`);
    await loop();
  }
} catch (error) {
  const inUse = error instanceof OSError && error.code === "EADDRINUSE";
  console.error(`broadcast: ${inUse ? `${error.address}:${error.port} is in use already` : (error as Error).message}`);
  process.exitCode = 1;
}
