// Owns the line on stderr that says how far the run is. Knows nothing of what is measured.

const MS_A_MINUTE = 60_000;

/** One line that is written over on a terminal; elsewhere a line for each step. */
export class Progress {
  #done = 0;
  #total;
  #startedMs = performance.now();
  #stream;

  constructor(total, stream = process.stderr) {
    this.#total = total;
    this.#stream = stream;
  }

  /** The next step begins. */
  step(text) {
    const left = this.#left();
    const where = `${String(this.#done + 1).padStart(String(this.#total).length)}/${this.#total}`;
    this.#done += 1;
    this.#write(`${this.#dim(`${where}${left}`)}  ${text}`);
  }

  /** Something that stays on the screen. */
  note(text) {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  clear() {
    if (this.#stream.isTTY) this.#stream.write("\r\x1b[2K");
  }

  #write(line) {
    if (!this.#stream.isTTY) this.#stream.write(`${line}\n`);
    else this.#stream.write(`\r\x1b[2K${line}`);
  }

  #dim(text) {
    return this.#stream.isTTY && this.#stream.hasColors() ? `\x1b[2m${text}\x1b[22m` : text;
  }

  #left() {
    if (this.#done === 0) return "";
    const ms = ((performance.now() - this.#startedMs) / this.#done) * (this.#total - this.#done);
    return `, ${Math.ceil(ms / MS_A_MINUTE)} min left`;
  }
}
