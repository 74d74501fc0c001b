/**
 * The guest of the programs in this folder: it sends each line back, and closes a connection on which nothing has moved
 * for a second. It runs no loop: its host has it take turns. `wasyncore build guest.ts --reactor`; docs/embedding.md.
 */

import { AsyncChat, Dispatcher, type Socket, type SocketAddress } from "wasyncore";
import { takeListener } from "wasyncore/guest";

class LineHandler extends AsyncChat {
  constructor(socket: Socket) {
    super(socket);
    this.setTerminator("\n");
    this.idleTimeoutMs = 1000;
  }

  override collectIncomingData(data: Uint8Array): void {
    this._collectIncomingData(data);
  }

  override foundTerminator(): void {
    this.push(this._getData());
    this.push("\n");
  }
}

class LineServer extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new LineHandler(socket);
  }
}

new LineServer(takeListener());
