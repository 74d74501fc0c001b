/**
 * Owns the contents of a guest's calls in a recording: what was received and sent, whole, blanked or as a hash. Knows vectors and
 * the writer; knows no call.
 */

import { hashOf } from "../../record/hash.js";
import type { Blanker } from "../../record/options.js";
import type { RecordingWriter } from "../../record/writer.js";
import { type Memory, Vector } from "./values.js";

/** See `RecordOptions`. */
export interface ContentOptions {
  readonly payloads?: boolean | undefined;
  readonly sent?: boolean | undefined;
  readonly blank?: Blanker | undefined;
}

export class Contents {
  /** Of the call that is made. */
  readonly vector = new Vector();
  /** Is what was sent kept as well, besides its hash? */
  readonly keepsSent: boolean;
  readonly #memory: Memory;
  readonly #writer: RecordingWriter;
  readonly #payloads: boolean;
  readonly #blank: Blanker | undefined;

  constructor(memory: Memory, writer: RecordingWriter, { payloads = true, sent = false, blank }: ContentOptions) {
    this.#memory = memory;
    this.#writer = writer;
    this.#payloads = payloads;
    this.#blank = blank;
    this.keepsSent = sent;
  }

  /** Puts the first bytes of the vector into the record that is open. */
  put(length: number): void {
    const writer = this.#writer;
    const { vector } = this;
    const { view } = this.#memory;
    if (!this.#payloads || this.#blank !== undefined) {
      const kept = this.kept(vector.copy(this.#memory, length));
      return writer.bytes(kept, kept.length);
    }
    for (let i = 0, done = 0; done < length && i < vector.count; i++) {
      const part = Math.min(vector.lengths[i] ?? 0, length - done);
      writer.copy(view, vector.at[i] ?? 0, part);
      done += part;
    }
  }

  /** What the recording has of contents: with what is to be blanked, or their hash. */
  kept(contents: Uint8Array): Uint8Array {
    const blanked = this.#blank?.(contents) ?? contents;
    return this.#payloads ? blanked : new Uint8Array(Uint32Array.of(hashOf(blanked)).buffer);
  }

  /** Of the first bytes of the vector, which were sent. */
  hashOfSent(length: number): number {
    const { vector } = this;
    const memory = this.#memory;
    if (this.#blank === undefined) return vector.hash(memory, length);
    const sent = vector.copy(memory, length);
    const blanked = this.#blank(sent);
    // Where nothing is blanked, the hash is that of a recording that blanks nothing.
    return blanked === sent ? vector.hash(memory, length) : hashOf(blanked);
  }
}
