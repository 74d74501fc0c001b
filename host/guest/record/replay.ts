/**
 * Owns replaying a guest: calls its exports as the recording says, with its imports answered from there, and tells how far both
 * agree. Runs in any JavaScript engine: leaves the calls to {@link Replayer}; knows no file.
 */

import type { LinearMemory } from "../../wasi/poll-oneoff.js";
import { checkBoolean, checkFunction, checkInteger, checkMethods, checkOptions } from "../../backend/check.js";
import { Flag, inRecord, RecordingError } from "../../record/format.js";
import type { RecordingReader } from "../../record/reader.js";
import { guestFailure, GuestTrap } from "../instance.js";
import { checkImports, compileGuest, PREVIEW1 } from "../module.js";
import { ENTERED, GuestEnd, guestDetails, GuestRecord } from "./format.js";
import type { RecordedEnd, ReplayOptions, ReplayOutcome } from "./outcome.js";
import { Replayer, type Stopped } from "./replayer.js";
import { word } from "./expected.js";

export type { Difference, RecordedEnd, ReplayOptions, ReplayOutcome } from "./outcome.js";
export { guestDetails, type GuestDetails } from "./format.js";

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Instance: new (module: object, imports: object) => { readonly exports: Record<string, unknown> };
};

type Export = (...parameters: bigint[]) => unknown;

/**
 * Runs a guest with the answers of a recording, up to the first difference.
 * @param reader of a recording of a guest, at its beginning
 * @param module its bytes: those that were recorded, unless `options.changed`; see {@link guestDetails}
 * @throws RecordingError for a recording that is damaged, GuestError for a module that cannot be run; TypeError, RangeError
 */
export function replayGuest(reader: RecordingReader, module: Uint8Array, options: ReplayOptions = {}): ReplayOutcome {
  checkMethods("reader", reader, "a RecordingReader", ["next"]);
  checkMethods("module", module, "a Uint8Array", ["subarray"]);
  checkOptions("options", options as unknown, ["until", "changed", "onTurn"]);
  const { until, changed, onTurn } = options;
  if (until !== undefined) checkInteger("options.until", until, 0, Number.MAX_SAFE_INTEGER);
  if (changed !== undefined) checkBoolean("options.changed", changed);
  if (onTurn !== undefined) checkFunction("options.onTurn", onTurn);
  const { functions } = guestDetails(reader.header);
  if ((reader.header.flags & (Flag.NO_PAYLOADS | Flag.REDACTED)) !== 0)
    throw new RecordingError("contents that it has received were left out or blanked: it cannot be replayed");
  const compiled = compileGuest(module);
  const replayer = new Replayer(reader, functions, options);
  checkImports(compiled, replayer.imports);
  replayer.shift = compiled.shift;
  const { exports } = new WebAssembly.Instance(compiled.module, { [PREVIEW1]: replayer.imports });
  replayer.attach(exports["memory"] as LinearMemory);
  try {
    const ended = new Run(replayer, exports, compiled.start).run();
    if (ended.kind === "failed") throw ended.error;
    return { calls: replayer.calls, turns: replayer.turns, ...ended };
  } catch (error) {
    const { place } = replayer;
    throw error instanceof RecordingError && place !== undefined ? inRecord(error, place) : error;
  }
}

type Ended = Stopped | { readonly kind: "same"; readonly end: RecordedEnd };

class Run {
  readonly #replayer: Replayer;
  readonly #exports: Record<string, unknown>;
  readonly #start: string | undefined;
  #timeoutNs = 0n;

  constructor(replayer: Replayer, exports: Record<string, unknown>, start: string | undefined) {
    this.#replayer = replayer;
    this.#exports = exports;
    this.#start = start;
  }

  run(): Ended {
    const replayer = this.#replayer;
    while (true) {
      const kind = replayer.peek();
      if (kind === undefined) return { kind: "cut off" };
      if (kind === GuestRecord.END) return this.#end(undefined);
      if (kind !== GuestRecord.ENTER) throw new RecordingError("damaged: a call while the guest did not run");
      const ended = this.#enter();
      if (ended !== undefined) return ended;
    }
  }

  /** Calls an export. @returns how the guest has ended, unless the export has returned as it did */
  #enter(): Ended | undefined {
    const replayer = this.#replayer;
    const fields = replayer.take();
    const name = ENTERED[fields.varint()];
    if (name === undefined) throw new RecordingError("damaged: a call of an export that there is not");
    const call = this.#exports[name === "" ? (this.#start ?? "") : name];
    if (typeof call !== "function") {
      const text = `an export ${name === "" ? "to start with" : name}`;
      return replayer.difference("", text, "none");
    }
    if (!fields.isAtEnd && fields.varint() !== 0)
      this.#timeoutNs = BigInt(word(fields)) + (BigInt(word(fields)) << 32n);
    let result: unknown;
    try {
      result = (call as Export)(...(name === "turn" ? [this.#timeoutNs] : []));
    } catch (error) {
      if (replayer.stopped !== undefined) return replayer.stopped;
      if (replayer.exit !== undefined) return this.#end({ kind: "exit", code: replayer.exit.code });
      const failure = guestFailure(error, replayer.shift);
      if (!(failure instanceof GuestTrap)) throw failure;
      return this.#end({ kind: "trap", message: failure.message }, failure);
    }
    if (replayer.stopped !== undefined) return replayer.stopped;
    if (replayer.exit !== undefined) return this.#end({ kind: "exit", code: replayer.exit.code });
    return this.#leave(name, typeof result === "number" ? result >>> 0 : 0);
  }

  #leave(name: string, result: number): Ended | undefined {
    const replayer = this.#replayer;
    const shown = name === "" ? "the start function" : name;
    const kind = replayer.peek();
    if (kind === undefined) return { kind: "cut off" };
    if (kind !== GuestRecord.LEAVE) return replayer.difference("", replayer.nextText(), `the return of ${shown}`);
    const expected = word(replayer.take());
    if (expected === result) return undefined;
    return replayer.difference("", `${shown} returns ${expected | 0}`, `${shown} returns ${result | 0}`);
  }

  /** Compares how the guest has ended with the recording's end. @param found undefined: it has not, in this run */
  #end(found: RecordedEnd | undefined, failure?: GuestTrap): Ended {
    const replayer = this.#replayer;
    const kind = replayer.peek();
    if (kind === undefined) return { kind: "cut off" };
    if (kind !== GuestRecord.END)
      return this.#different(replayer.nextText(), found === undefined ? "nothing" : endText(found), failure);
    const recorded = this.#recordedEnd();
    // One that has returned from its last export has ended without a word.
    const isTrap = found === undefined && recorded.kind === "trap";
    if (isTrap) return this.#different(endText(recorded), "the return of its last export", failure);
    if (found !== undefined && endText(recorded) !== endText(found))
      return this.#different(endText(recorded), endText(found), failure);
    return replayer.isWhole() ? { kind: "same", end: recorded } : { kind: "cut off" };
  }

  #different(expected: string, found: string, failure: GuestTrap | undefined): Stopped {
    const stopped = this.#replayer.difference("", expected, found);
    if (stopped.kind !== "different" || failure === undefined) return stopped;
    return { kind: "different", difference: { ...stopped.difference, frames: failure.frames } };
  }

  #recordedEnd(): RecordedEnd {
    const fields = this.#replayer.take();
    switch (fields.varint()) {
      case GuestEnd.EXIT:
        return { kind: "exit", code: word(fields) };
      case GuestEnd.TRAP:
        return { kind: "trap", message: new TextDecoder().decode(fields.rest()) };
      case GuestEnd.STOPPED:
        return { kind: "stopped" };
      default:
        throw new RecordingError("damaged: an end that there is not");
    }
  }
}

function endText(end: RecordedEnd): string {
  if (end.kind === "exit") return `exit with status ${end.code}`;
  return end.kind === "trap" ? `a trap: ${end.message}` : "the host's end of the guest";
}
