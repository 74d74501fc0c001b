/** Owns an echo server and its clients, as programs of simulated hosts. Knows the public API alone. */

import { ChannelMap, Dispatcher, DispatcherWithSend, loop, type Socket } from "../../host/index.js";
import type { SimHost, SimWorld } from "../../host/sim/index.js";

export const PORT = 7;
export const SERVER = "10.0.0.1";

class Echo extends DispatcherWithSend {
  override handleRead(): void {
    const data = this.recv(4096);
    if (data.length > 0) this.send(data);
  }

  override handleError(): void {
    this.close();
  }
}

class EchoServer extends Dispatcher {
  constructor(map: ChannelMap, port: number) {
    super(undefined, map);
    this.createSocket();
    this.setReuseAddr();
    this.bind({ host: "0.0.0.0", port });
    this.listen(100);
  }

  override handleAccepted(socket: Socket): void {
    new Echo(socket, this.map);
  }

  override log(): void {}
  override logInfo(): void {}
}

/** Sends a text, and collects what comes back. */
export class EchoClient extends DispatcherWithSend {
  received = "";
  readonly ends: string[] = [];
  readonly #text: string;

  constructor(map: ChannelMap, host: string, text: string) {
    super(undefined, map);
    this.#text = text;
    this.createSocket();
    this.connect({ host, port: PORT });
  }

  override handleConnect(): void {
    this.send(Buffer.from(this.#text));
  }

  override handleRead(): void {
    this.received += Buffer.from(this.recv(4096)).toString("latin1");
    if (this.received.length >= this.#text.length) this.close();
  }

  override handleClose(): void {
    this.ends.push("closed");
    this.close();
  }

  override handleError(error: unknown): void {
    this.ends.push((error as NodeJS.ErrnoException).code ?? String(error));
    this.close();
  }

  override log(): void {}
  override logInfo(): void {}
}

export function mapOf(host: SimHost): ChannelMap {
  return new ChannelMap({ backend: host.backend });
}

/** An echo server as a program. */
export function echoProgram(host: SimHost): Promise<void> {
  const map = mapOf(host);
  new EchoServer(map, PORT);
  return loop({ map });
}

/** A server, and clients on as many hosts, each of which sends its text when the world begins. */
export function echoWorld(world: SimWorld, texts: readonly string[]): EchoClient[] {
  world.host(SERVER, { names: ["echo.test"] }).start(echoProgram);
  const clients: EchoClient[] = [];
  for (const [index, text] of texts.entries()) {
    world.host(`10.0.1.${index + 1}`).start((host) => {
      const map = mapOf(host);
      clients[index] = new EchoClient(map, SERVER, text);
      return loop({ map });
    });
  }
  return clients;
}

/** Texts that differ from each other, and show what is missing. */
export function texts(count: number, length: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    let text = "";
    while (text.length < length) text += `${index}:${text.length};`;
    return text.slice(0, length);
  });
}
