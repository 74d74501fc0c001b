/** Owns what the POP3, FTP and SMTP servers share: a listener whose connections become sessions. Knows no protocol. */

import { isIPv6 } from "node:net";
import { Dispatcher, loop, type Socket, type SocketAddress } from "wasyncore";

/** Begins a session on a connection that was accepted. The socket cannot tell `address` once the client has reset it. */
export type Begin = (socket: Socket, address: SocketAddress) => void;

/** Listens on the default map. */
export class Listener extends Dispatcher {
  readonly #begin: Begin;

  constructor(host: string, port: number, begin: Begin) {
    super();
    this.#begin = begin;
    this.createSocket({ family: isIPv6(host) ? "IPv6" : "IPv4" });
    this.setReuseAddr();
    this.bind({ host, port });
    this.listen(128);
  }

  override handleAccepted(socket: Socket, address: SocketAddress): void {
    this.#begin(socket, address);
  }
}

/** Prints where it listens, and begins a session for every connection, for as long as the process lives. */
export async function serve(host: string, port: number, begin: Begin): Promise<void> {
  const { host: at, port: on } = new Listener(host, port, begin).socket.localAddress();
  console.log(`listening on ${at}:${on}`);
  await loop();
}
