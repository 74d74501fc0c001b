/** Owns the line that says how far an exploration is, on a terminal alone. */

import { isatty } from "node:tty";
import { writeSync } from "node:fs";

const STDERR = 2;
const EVERY = 50;

/** Writes over the same line of standard error again and again; does nothing where that is no terminal. */
export class Progress {
  readonly #seeds: number;
  readonly #isShown = isatty(STDERR);
  #shown = 0;

  constructor(seeds: number) {
    this.#seeds = seeds;
  }

  show(tried: number): void {
    if (!this.#isShown || (this.#shown > 0 && tried - this.#shown < EVERY)) return;
    this.#shown = tried;
    write(`\r\u001b[Kexplore: ${tried} of ${this.#seeds} seeds`);
  }

  end(): void {
    if (this.#shown > 0) write("\r\u001b[K");
  }
}

function write(text: string): void {
  try {
    writeSync(STDERR, text);
  } catch {
    // A terminal that takes no more: it is only progress.
  }
}
