/** Owns the options of recordings: their meaning and their checks. Knows no call. */

import { checkArray, checkBoolean, checkInstance, checkOptions } from "../backend/check.js";
import { Flag } from "./format.js";

/** What a recording has in it. */
export interface RecordOptions {
  /** Are the contents that arrive kept? If not, their lengths and hashes are, and it cannot be replayed. Default true. */
  readonly payloads?: boolean | undefined;
  /**
   * Are the contents that the program sends kept as well? If not, their lengths and hashes are, with which a replay
   * compares. Default false.
   */
  readonly sent?: boolean | undefined;
  /**
   * What is blanked in contents that are kept, byte by byte: texts, and expressions that are matched against the bytes as
   * Latin-1. Each call's contents are looked at alone. The program itself sees everything.
   * @example
   * { redact: ["hunter2", /(?<=^PASS )\S+/gm] }
   */
  readonly redact?: readonly (string | RegExp)[] | undefined;
}

const OPTIONS = ["payloads", "sent", "redact"] as const;
const BLANK = "*";

/** Blanks what the patterns match; the same array where that is nothing. */
export type Blanker = (data: Uint8Array) => Uint8Array;

/** {@link RecordOptions}, checked. */
export interface RecordPlan {
  readonly payloads: boolean;
  readonly sent: boolean;
  readonly blank: Blanker | undefined;
  readonly flags: number;
  /** For the header: what a replay must know. Not the texts that are blanked. */
  readonly details: { readonly sent: boolean };
}

/** @throws TypeError, RangeError */
export function planRecord(options: RecordOptions): RecordPlan {
  checkOptions("options", options as unknown, OPTIONS);
  const { payloads = true, sent = false, redact = [] } = options;
  checkBoolean("options.payloads", payloads);
  checkBoolean("options.sent", sent);
  const blank = blanker(redact);
  return {
    payloads,
    sent: sent && payloads,
    blank,
    flags: (payloads ? 0 : Flag.NO_PAYLOADS) | (blank === undefined ? 0 : Flag.REDACTED),
    details: { sent: sent && payloads },
  };
}

/** @param redact see {@link RecordOptions.redact}. @throws TypeError */
export function blanker(redact: readonly (string | RegExp)[]): Blanker | undefined {
  checkArray("options.redact", redact);
  if (redact.length === 0) return undefined;
  const expressions = (redact as readonly (string | RegExp)[]).map((each) => {
    if (typeof each === "string") return new RegExp(escaped(each), "g");
    checkInstance("options.redact", each, RegExp);
    return new RegExp(each.source, each.flags.includes("g") ? each.flags : `${each.flags}g`);
  });
  return (data) => {
    const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1");
    let blanked = text;
    for (const expression of expressions) {
      blanked = blanked.replace(expression, (found: string) => BLANK.repeat(found.length));
    }
    return blanked === text ? data : new Uint8Array(Buffer.from(blanked, "latin1"));
  };
}

function escaped(text: string): string {
  return Buffer.from(text)
    .toString("latin1")
    .replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
}
