/** Owns turning what a plugin writes to its standard output and error into lines. Knows no descriptor. */

import { StringDecoder } from "node:string_decoder";

/** A longer line is cut into several. */
const LINE_MAX = 8192;

export class LineSplitter {
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  push(data: Uint8Array): void {
    this.#rest += this.#decoder.write(data);
    let from = 0;
    for (let to = this.#rest.indexOf("\n"); to >= 0; to = this.#rest.indexOf("\n", from)) {
      this.#cut(this.#rest.slice(from, to));
      from = to + 1;
    }
    this.#rest = this.#rest.slice(from);
    while (this.#rest.length >= LINE_MAX) {
      this.#onLine(this.#rest.slice(0, LINE_MAX));
      this.#rest = this.#rest.slice(LINE_MAX);
    }
  }

  /** What is left is a line without its end. */
  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = "";
    if (rest !== "") this.#cut(rest);
  }

  #cut(line: string): void {
    for (let at = 0; at === 0 || at < line.length; at += LINE_MAX) this.#onLine(line.slice(at, at + LINE_MAX));
  }
}
