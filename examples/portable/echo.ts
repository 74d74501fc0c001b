/** The handlers of an echo server, for Node and for a guest: docs/portable.md. */

import { Dispatcher, DispatcherWithSend, type Socket, type SocketAddress } from "wasyncore";

/** Sends back everything that it receives. */
export class EchoHandler extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length > 0) this.send(data);
  }

  override handleWrite(): void {
    super.handleWrite();
    if (this.closing && this.outBufferLength === 0) this.close();
  }

  /** The client has ended its half, but may still read: pending output is sent before the connection is closed. */
  override handleEof(): void {
    this.closing = true;
    if (this.outBufferLength === 0) this.close();
  }
}

export class EchoServer extends Dispatcher {
  override handleAccepted(socket: Socket, _address: SocketAddress): void {
    new EchoHandler(socket);
  }
}
