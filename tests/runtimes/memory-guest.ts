/**
 * A guest that tells how large its memory is. Connections are by turns an echo, and a chat with a timer that answers a line
 * with the number of pages. After a line "keep" the guest keeps 100 bytes of each connection: a leak.
 */

import { AsyncChat, Dispatcher, loop, type Socket, type SocketAddress, socketMap, type Timer } from "wasyncore";
import { takeListener } from "wasyncore/guest";
import { EchoHandler } from "../../examples/portable/echo.js";

const K = 107;
const LEAK_BYTES = 100;
const IDLE_LIMIT_MS = 60_000;

let arrivals: i32 = 0;
let keeps: boolean = false;
const kept: Uint8Array[] = [];

function ignore(): void {}

class Teller extends AsyncChat {
  private timer: Timer = socketMap.callLater(IDLE_LIMIT_MS, ignore);

  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\r\n");
  }

  override collectIncomingData(data: Uint8Array): void {
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    const line = this._getData();
    if (new DataView(line.buffer, line.byteOffset, line.byteLength).getUint8(0) === K) keeps = true;
    this.push(`${memory.size()}\n`);
    this.closeWhenDone();
  }

  override close(): void {
    this.timer.cancel();
    super.close();
  }
}

class Server extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    arrivals += 1;
    if (keeps) kept.push(new Uint8Array(LEAK_BYTES));
    if (arrivals % 2 === 1) new EchoHandler(socket);
    else new Teller(socket);
  }
}

new Server(takeListener());
loop();
