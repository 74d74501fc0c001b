/** Owns a connection of a scripted host. Knows no host. */

/** A virtual connection, seen from outside. */
export class Connection {
  /** What the guest will read. */
  readonly input: Buffer[] = [];
  ended = false;
  /** An errno that the next read finds. */
  error = 0;
  /** An errno that every send fails with. */
  sendError = 0;
  sent = "";
  /** How many bytes may be sent. */
  room = Infinity;
  closed = false;
  fd = -1;

  constructor(...input: string[]) {
    for (const text of input) this.input.push(Buffer.from(text));
  }

  get isWritable(): boolean {
    return this.room > 0 || this.sendError !== 0;
  }

  get isReadable(): boolean {
    return this.input.length > 0 || this.ended || this.error !== 0;
  }
}
