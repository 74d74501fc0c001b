/** Owns the peers of Node's own: clients of node:net that wait for what they are sent. Knows nothing of the library. */

import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { onTestFinished } from "vitest";

/** A connection of node:net, destroyed when the test ends. */
export class Peer {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  readonly #waiting = new Set<() => void>();
  #length = 0;
  #ended = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      this.#wake();
    });
    for (const event of ["end", "close", "error"]) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
    onTestFinished(() => void socket.destroy());
  }

  /** Connects to a port of 127.0.0.1, or to a path. */
  static async connect(to: number | string): Promise<Peer> {
    const where = typeof to === "number" ? { host: "127.0.0.1", port: to } : { path: to };
    const socket = connect({ ...where, allowHalfOpen: true });
    await once(socket, "connect");
    return new Peer(socket);
  }

  /** What has come so far. */
  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  write(data: string | Uint8Array): void {
    this.socket.write(data);
  }

  /** Waits for `length` bytes, and gives what has come. */
  async atLeast(length: number): Promise<Buffer> {
    while (this.#length < length) {
      if (this.#ended) throw new Error(`ended after ${this.#length} bytes of ${length}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    return this.received;
  }

  /** Waits for the end, and gives all that has come. */
  async toEnd(): Promise<Buffer> {
    while (!this.#ended) await new Promise<void>((resolve) => this.#waiting.add(resolve));
    return this.received;
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
