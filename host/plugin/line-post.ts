/**
 * Owns when the lines of an isolated plugin are sent to its supervisor: few messages with many lines each, because each
 * message costs the thread that reads it. Knows the control memory; knows no thread.
 *
 * A line is sent at once where few were, else within some milliseconds: at a later write or wait.
 */

import { performance } from "node:perf_hooks";
import type { Control } from "./control.js";
import { TokenBucket } from "./policy/bucket.js";
import type { OutputStream } from "./run.js";

const POSTS_PER_SECOND = 100;
/** A message is not larger than this and one line. */
const POST_BYTES = 65_536;
/** What a line takes in a message beside its characters. */
const LINE_BYTES = 64;

/** Lines of one stream, written one after the other. */
export interface LineGroup {
  readonly stream: OutputStream;
  readonly lines: string[];
}

export interface PostedLines {
  readonly groups: readonly LineGroup[];
  /** See `Control.linesSeen`. */
  readonly bytes: number;
}

export class LinePost {
  readonly #control: Control;
  readonly #send: (posted: PostedLines) => void;
  readonly #onDropped: (count: number) => void;
  readonly #posts = new TokenBucket(POSTS_PER_SECOND, () => performance.now());
  #groups: LineGroup[] = [];
  #bytes = 0;

  /** @param onDropped is called where the supervisor does not read as fast as lines are written */
  constructor(control: Control, send: (posted: PostedLines) => void, onDropped: (count: number) => void) {
    this.#control = control;
    this.#send = send;
    this.#onDropped = onDropped;
  }

  add(stream: OutputStream, lines: readonly string[]): void {
    for (const line of lines) {
      let group = this.#groups.at(-1);
      if (group?.stream !== stream) {
        group = { stream, lines: [] };
        this.#groups.push(group);
      }
      group.lines.push(line);
      this.#bytes += 2 * line.length + LINE_BYTES;
      if (this.#bytes >= POST_BYTES) this.post();
    }
  }

  /** Sends what was added, unless it has sent much already. @returns after how many milliseconds to call it again */
  postSoon(): number {
    if (this.#bytes === 0) return Infinity;
    if (this.#posts.allowed === 0) return Math.ceil(this.#posts.delayMs);
    this.post();
    return Infinity;
  }

  /** Sends what was added. */
  post(): void {
    if (this.#bytes === 0) return;
    const groups = this.#groups;
    const bytes = this.#bytes;
    this.#groups = [];
    this.#bytes = 0;
    this.#posts.spend(1);
    if (this.#control.postLines(bytes)) this.#send({ groups, bytes });
    else this.#onDropped(groups.reduce((count, { lines }) => count + lines.length, 0));
  }
}
