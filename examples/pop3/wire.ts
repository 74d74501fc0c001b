/**
 * Owns the form of a message on the wire: every line ends in CRLF, a line that begins with a dot is given another dot,
 * and a line of one dot ends the message. Knows nothing of mailboxes.
 */

const CR = 13;
const LF = 10;
const DOT = 46;
const END = Buffer.from(".\r\n");

/** A message in its form on the wire; with `bodyLines`, its header and that many lines of its body (TOP). */
export async function* toWire(chunks: AsyncIterable<Uint8Array>, bodyLines = Infinity): AsyncGenerator<Uint8Array> {
  const stuffer = new Stuffer(bodyLines);
  for await (const chunk of chunks) {
    yield stuffer.take(chunk);
    if (stuffer.done) break;
  }
  yield stuffer.end();
}

/** The size of a message in octets: with the line ends of the wire, without the added dots. */
export async function wireSize(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  let last = LF;
  for await (const chunk of chunks) {
    size += chunk.length;
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) {
      if ((at > 0 ? chunk[at - 1] : last) !== CR) size += 1;
    }
    last = chunk.at(-1) ?? last;
  }
  return last === LF ? size : size + (last === CR ? 1 : 2);
}

/** Turns pieces of a message into those of the wire. */
class Stuffer {
  #last = LF;
  /** Bytes of the line so far, without its end. */
  #lineLength = 0;
  #inBody = false;
  #bodyLinesLeft: number;

  constructor(bodyLines: number) {
    this.#bodyLinesLeft = bodyLines;
  }

  /** Has everything been produced that was asked for? */
  get done(): boolean {
    return this.#inBody && this.#bodyLinesLeft === 0;
  }

  take(chunk: Uint8Array): Uint8Array {
    // In the worst case every byte is a line end without a CR, or a dot that begins a line.
    const out = Buffer.allocUnsafe(chunk.length * 2);
    let length = 0;
    for (let i = 0; i < chunk.length && !this.done; i++) {
      const byte = chunk[i] ?? 0;
      if (byte === LF) {
        if (this.#last !== CR) out[length++] = CR;
        this.#endLine();
      } else {
        if (byte === DOT && this.#last === LF) out[length++] = DOT;
        if (byte !== CR) this.#lineLength += 1;
      }
      out[length++] = byte;
      this.#last = byte;
    }
    return out.subarray(0, length);
  }

  end(): Uint8Array {
    if (this.#last === LF) return END;
    return Buffer.concat([Buffer.from(this.#last === CR ? "\n" : "\r\n"), END]);
  }

  #endLine(): void {
    if (this.#inBody) this.#bodyLinesLeft -= 1;
    else if (this.#lineLength === 0) this.#inBody = true;
    this.#lineLength = 0;
  }
}
