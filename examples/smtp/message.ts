/**
 * Owns the content of one message while it arrives after DATA: its lines, the dots in front of them, its end, and the
 * size limit. Writes it to a Delivery; knows no channel.
 */

import type { Delivery } from "./store.js";

const DOT = 46;
const FLUSH_BYTES = 65_536;
/** What is first set aside for a message; it grows with what has come. */
const BUFFER_BYTES = 1024;
const LINE_END = Buffer.from("\n");

export class IncomingMessage {
  readonly #delivery: Delivery;
  readonly #sizeMax: number;
  #size = 0;
  /**
   * What is still to be written, and how much of it is filled. One buffer, not a list: a message may come byte by byte,
   * and an object for each would be some hundred times the message.
   */
  #buffer = new Uint8Array(BUFFER_BYTES);
  #waiting = 0;
  /** Of the line that is coming in: is anything there, was there a dot in front, how long is the rest? */
  #lineBegun = false;
  #dotted = false;
  #lineLength = 0;

  /** @param header is written before the content */
  constructor(delivery: Delivery, sizeMax: number, header: string) {
    this.#delivery = delivery;
    this.#sizeMax = sizeMax;
    this.#keep(Buffer.from(header));
  }

  get isTooLong(): boolean {
    return this.#size > this.#sizeMax;
  }

  /** Is so much buffered that it must be written before more is read? */
  get isFull(): boolean {
    return this.#waiting >= FLUSH_BYTES;
  }

  /** A part of a line, without its end. */
  take(data: Uint8Array): void {
    let rest = data;
    if (!this.#lineBegun) {
      this.#lineBegun = true;
      this.#dotted = data[0] === DOT;
      if (this.#dotted) rest = data.subarray(1);
    }
    this.#lineLength += rest.length;
    this.#count(rest.length);
    if (!this.isTooLong) this.#keep(rest);
  }

  /** The end of a line. @returns whether it was the last line, a dot alone */
  endLine(): boolean {
    const isLast = this.#dotted && this.#lineLength === 0;
    this.#lineBegun = false;
    this.#dotted = false;
    this.#lineLength = 0;
    if (isLast) return true;
    this.#count(2);
    if (!this.isTooLong) this.#keep(LINE_END);
    return false;
  }

  async flush(): Promise<void> {
    const data = this.#buffer.subarray(0, this.#waiting);
    this.#buffer = new Uint8Array(BUFFER_BYTES);
    this.#waiting = 0;
    if (data.length > 0) await this.#delivery.write(data);
  }

  async commit(): Promise<void> {
    await this.flush();
    await this.#delivery.commit();
  }

  async discard(): Promise<void> {
    this.#buffer = new Uint8Array(0);
    this.#waiting = 0;
    await this.#delivery.discard();
  }

  #count(bytes: number): void {
    this.#size += bytes;
  }

  #keep(data: Uint8Array): void {
    const length = this.#waiting + data.length;
    if (length > this.#buffer.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#buffer.length));
      larger.set(this.#buffer.subarray(0, this.#waiting));
      this.#buffer = larger;
    }
    this.#buffer.set(data, this.#waiting);
    this.#waiting = length;
  }
}

/** The lines that a server puts in front of a message: RFC 5321, 4.4. */
export function traceHeader(
  sender: string,
  recipients: readonly string[],
  client: string,
  server: string,
  protocol: string,
): string {
  const date = new Date().toUTCString().replace("GMT", "+0000");
  const deliveries = recipients.map((each) => `Delivered-To: ${each}\n`).join("");
  return `Return-Path: <${sender}>\n${deliveries}Received: from ${client}\n\tby ${server} with ${protocol}; ${date}\n`;
}
