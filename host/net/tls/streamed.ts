/**
 * Owns the transport of records through a stream of JavaScript, which every runtime and every backend has. Knows the socket
 * and the stream; knows no session.
 */

import type { Socket } from "../socket.js";
import { RecordStream } from "./record-stream.js";
import type { Transport, TransportOwner } from "./transport.js";

export class StreamedTransport implements Transport {
  readonly stream: RecordStream;
  readonly #socket: Socket;
  readonly #owner: TransportOwner;
  #isOver = false;
  #isReceiving = false;

  constructor(socket: Socket, owner: TransportOwner) {
    this.#socket = socket;
    this.#owner = owner;
    this.stream = new RecordStream({
      recordsWaiting: () => this.flush(),
      outputEnded: () => owner.outputEnded(),
    });
  }

  get hasRecords(): boolean {
    return this.stream.records.length > 0;
  }

  get isReceiving(): boolean {
    return this.#isReceiving;
  }

  attach(): void {}

  beforeEnd(): void {}

  give(data: Uint8Array): void {
    // node:tls reads at once: see RecordStream.
    this.#isReceiving = true;
    try {
      this.stream.give(data);
    } finally {
      this.#isReceiving = false;
    }
  }

  flush(): void {
    const { records } = this.stream;
    const [first] = records;
    if (first === undefined || this.#isOver) return;
    try {
      const sent = records.length === 1 ? this.#socket.sendSome(first) : this.#socket.sendSomeOf(records);
      if (sent > 0) this.stream.sent(sent);
    } catch (error) {
      this.#owner.connectionFailed(error);
    }
    if (this.hasRecords) this.#owner.recordsWaiting();
  }

  endOutput(): void {
    try {
      this.#socket.shutdown("write");
    } catch (error) {
      this.#owner.connectionFailed(error);
    }
  }

  clear(): void {
    this.#isOver = true;
    this.stream.clear();
  }
}
