/** Owns lists of pollables: what wasi:io/poll takes, and what is to be done for each that is ready. Knows no poll. */

import type { Pollable } from "wasi:io/poll@0.2.0";

/** What is to be done when one pollable of a list is ready. @returns false where it is not, after all */
export type Note = (at: number) => boolean | void;

/** Pollables and whom they are for, in one order. */
export class PollList {
  pollables: Pollable[] = [];
  notes: Note[] = [];
  ats: number[] = [];

  add(pollable: Pollable, note: Note, at = 0): void {
    this.pollables.push(pollable);
    this.notes.push(note);
    this.ats.push(at);
  }

  without(indices: readonly number[]): PollList {
    const left = new PollList();
    const leftOut = new Set(indices);
    for (const [index, pollable] of this.pollables.entries()) {
      if (!leftOut.has(index)) left.add(pollable, this.notes[index] ?? ignore, this.ats[index]);
    }
    return left;
  }
}

export function ignore(): void {}
