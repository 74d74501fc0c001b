// Owns the guest of the plugin host's measurements, in AssemblyScript: an HTTP server that serves, or what MODE of its
// environment says. Knows nothing of who runs it.

import { writeFileSync } from "node:fs";
import { join } from "node:path";

const SOURCE = `
import { AsyncChat, Dispatcher, loop, Socket, socketMap, SocketAddress } from "wasyncore";
import { environmentVariable, takeListener } from "wasyncore/guest";

const MODE = environmentVariable("MODE");
const RESPONSE = String.UTF8.encode("HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\n\\r\\nhello\\n");
const LAST = String.UTF8.encode("HTTP/1.1 200 OK\\r\\nContent-Length: 6\\r\\nConnection: close\\r\\n\\r\\nhello\\n");

function breakDown(): void { unreachable(); }

class Handler extends AsyncChat {
  private head: string = "";
  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\\r\\n\\r\\n");
  }
  override collectIncomingData(data: Uint8Array): void {
    this.head += String.UTF8.decodeUnsafe(data.dataStart, data.byteLength);
  }
  override foundTerminator(): void {
    const head = this.head;
    this.head = "";
    if (head.startsWith("GET /trap ")) breakDown();
    if (head.startsWith("GET /spin ")) while (true) {}
    if (head.startsWith("GET /big ")) {
      for (let i = 0; i < 8; i++) this.push(new Uint8Array(1 << 20));
      return;
    }
    const closes = head.includes("\\r\\nConnection: close");
    this.push(Uint8Array.wrap(closes ? LAST : RESPONSE));
    if (closes) this.closeWhenDone();
  }
}

/** Keeps what it is sent, and all connections. */
class Keeper extends Handler {
  override collectIncomingData(data: Uint8Array): void { kept.push(data.slice(0)); }
}

const kept: Uint8Array[] = [];

class Server extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    if (MODE == "leak") new Keeper(socket);
    else new Handler(socket);
  }
}

new Server(takeListener());
// To the limit, and on.
if (MODE == "leak") socketMap.callEvery(10, () => { kept.push(new Uint8Array(1 << 20)); });
`;

/** @returns the path of the source: a reactor where it runs shared, otherwise a command */
export function writeSource(directory, run) {
  const path = join(directory, `plugin-guest-${run}.ts`);
  writeFileSync(path, run === "shared" ? SOURCE : `${SOURCE}loop();\n`);
  return path;
}
