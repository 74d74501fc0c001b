/** Owns the terminal of a live `wasyncore top`: redraws it in place, and reads keys. Knows no report. */

import { emitKeypressEvents } from "node:readline";
import { createLogUpdate } from "log-update";

const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";

export interface ScreenHooks {
  /** So many lines further down; negative: up. */
  readonly onMove: (by: number) => void;
  readonly onQuit: () => void;
}

interface Key {
  readonly name?: string | undefined;
  readonly ctrl?: boolean | undefined;
}

export class Screen {
  readonly #draw = createLogUpdate(process.stdout, { showCursor: true });
  readonly #hooks: ScreenHooks;
  readonly #reads = process.stdin.isTTY;

  constructor(hooks: ScreenHooks) {
    this.#hooks = hooks;
    process.stdout.write(HIDE_CURSOR);
    if (!this.#reads) return;
    // The terminal may be closed, and then cannot be set back.
    process.stdin.on("error", () => undefined);
    emitKeypressEvents(process.stdin);
    process.stdin.setRawMode(true);
    process.stdin.on("keypress", this.#onKey);
    process.stdin.resume();
  }

  draw(text: string): void {
    this.#draw(text.replace(/\n$/, ""));
  }

  close(): void {
    this.#draw.done();
    process.stdout.write(SHOW_CURSOR);
    if (!this.#reads) return;
    process.stdin.off("keypress", this.#onKey);
    process.stdin.setRawMode(false);
    process.stdin.pause();
  }

  readonly #onKey = (_text: string | undefined, { name, ctrl }: Key): void => {
    // In raw mode Ctrl-C is a key.
    if (name === "q" || (ctrl === true && name === "c")) this.#hooks.onQuit();
    else if (name === "down" || name === "j") this.#hooks.onMove(1);
    else if (name === "up" || name === "k") this.#hooks.onMove(-1);
  };
}
