/** Owns the options of recordings: their meaning and their checks. Knows no call. */

import { checkArray, checkBoolean, checkObject, checkOptions } from "../backend/check.js";
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
  /** For the header: what a replay must know. */
  readonly details: { readonly sent: boolean; readonly redact: readonly (readonly [source: string, flags: string])[] };
}

/** @throws TypeError, RangeError */
export function planRecord(options: RecordOptions): RecordPlan {
  checkOptions("options", options as unknown, OPTIONS);
  const { payloads = true, sent = false, redact = [] } = options;
  checkBoolean("options.payloads", payloads);
  checkBoolean("options.sent", sent);
  checkArray("options.redact", redact);
  const patterns = redact.map((each: string | RegExp) => {
    if (typeof each === "string") return [escaped(each), "g"] as const;
    checkObject("options.redact", each, "an array of texts and regular expressions");
    return [String(each.source), each.flags.includes("g") ? each.flags : `${each.flags}g`] as const;
  });
  return {
    payloads,
    sent: sent && payloads,
    blank: blanker(patterns),
    flags: (payloads ? 0 : Flag.NO_PAYLOADS) | (patterns.length > 0 ? Flag.REDACTED : 0),
    details: { sent: sent && payloads, redact: patterns },
  };
}

/** @throws SyntaxError where a pattern is none */
export function blanker(patterns: readonly (readonly [source: string, flags: string])[]): Blanker | undefined {
  if (patterns.length === 0) return undefined;
  const expressions = patterns.map(([source, flags]) => new RegExp(source, flags));
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
