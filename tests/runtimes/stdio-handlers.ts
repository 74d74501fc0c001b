/**
 * Owns handlers on standard input and output that tell what they are told, on standard error: for Node and for a guest,
 * from this one source.
 */

import { FileDispatcher } from "wasyncore";

/** Writes what it is given, in its own time. */
class Output extends FileDispatcher {
  private pieces: Uint8Array[] = [];
  private isLast: boolean = false;

  add(data: Uint8Array): void {
    this.pieces.push(data);
  }

  /** Closes when all is written. */
  end(): void {
    this.isLast = true;
  }

  override readable(): boolean {
    return false;
  }

  override writable(): boolean {
    return this.pieces.length > 0 || this.isLast;
  }

  override handleWrite(): void {
    if (this.pieces.length === 0) {
      console.error("all is written");
      this.close();
      return;
    }
    const piece = this.pieces[0] as Uint8Array;
    const sent = this.send(piece);
    if (sent === piece.length) this.pieces.shift();
    else this.pieces[0] = piece.subarray(sent);
  }
}

/** Copies standard input to standard output. */
export class Copier extends FileDispatcher {
  private output: Output = new Output(1);

  override writable(): boolean {
    return false;
  }

  override handleRead(): void {
    const data = this.recv(65536);
    if (data.length > 0) this.output.add(data);
  }

  override handleClose(): void {
    console.error("end of input");
    this.output.end();
    this.close();
  }
}
