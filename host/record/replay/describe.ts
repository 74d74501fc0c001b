/**
 * Owns calls as text, as the recording has them and as the program makes them: in one line, without control characters. Knows the
 * records' forms; knows no backend.
 */

import { counted } from "../../backend/counted.js";
import { printable } from "../../backend/printable.js";
import { hashOf } from "../hash.js";
import { Flag, RecordingError } from "../format.js";
import { TURN_FOLLOWS } from "../journal.js";
import { isShort, Kind, NAMES } from "../calls.js";
import { Fields } from "../reader.js";
import { Hashed, readValue, textIn, Thrown } from "../values.js";

/** So many bytes are shown of contents. */
const SHOWN_BYTES = 48;
/** So long is the text of a call. */
const TEXT_MAX = 2000;

/** `64 bytes "GET / HTTP/1.1\r\n"...`, with their hash. */
export function contentsText(data: Uint8Array): string {
  const shown = Buffer.from(data.subarray(0, SHOWN_BYTES)).toString("latin1");
  const more = data.length > SHOWN_BYTES ? "..." : "";
  return `${hashText(data.length, hashOf(data))} ${printable(JSON.stringify(shown), TEXT_MAX)}${more}`;
}

export function hashText(length: number, hash: number): string {
  return `${counted(length, "byte")} (hash ${hash.toString(16).padStart(8, "0")})`;
}

export function valueText(value: unknown): string {
  if (value instanceof Uint8Array) return contentsText(value);
  if (value instanceof Hashed) return hashText(value.length, value.hash);
  if (value instanceof Thrown) return `an error: ${(value.error as Error).message}`;
  if (typeof value === "bigint") return `${value}n`;
  if (Array.isArray(value)) return `[${value.map(valueText).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([key, each]) => `${key}: ${valueText(each)}`);
    return `{ ${entries.join(", ")} }`;
  }
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

export function callText(name: string, args: readonly unknown[]): string {
  return printable(`${name}(${args.map(valueText).join(", ")})`, TEXT_MAX);
}

/** A record as text. @param flags the header's; whether what was sent is kept. @throws RecordingError for a damaged one */
export function soundText(kind: number, body: Uint8Array, flags: number, hasSent: boolean): string {
  const fields = new Fields();
  fields.set(body, 0, body.length);
  return printable(textOf(kind, fields, (flags & Flag.NO_PAYLOADS) === 0, hasSent), 2 * TEXT_MAX);
}

/** The same for those who go on after a damaged one. */
export function recordText(kind: number, body: Uint8Array, flags: number, hasSent: boolean): string {
  try {
    return soundText(kind, body, flags, hasSent);
  } catch (error) {
    if (error instanceof RecordingError) return `a damaged record of kind ${kind}`;
    throw error;
  }
}

function textOf(kind: number, fields: Fields, hasPayloads: boolean, hasSent: boolean): string {
  if (isShort(kind)) return shortText(kind, fields, hasPayloads, hasSent);
  const name = NAMES.get(kind);
  if (name !== undefined) {
    const args = readValue(fields);
    const result = readValue(fields);
    const filled = fields.isAtEnd ? "" : ` ${valueText(readValue(fields))}`;
    return `${callText(name, Array.isArray(args) ? args : [args])} = ${valueText(result)}${filled}`;
  }
  switch (kind) {
    case 0:
      return "the end of the recording";
    case Kind.TURN: {
      const set = fields.varint();
      return `a turn of map ${set}${fields.byte() === TURN_FOLLOWS ? ", directly after the last" : ""}`;
    }
    case Kind.TURN_END:
      return "the end of the turn";
    case Kind.WAIT: {
      fields.varint();
      return `a wait that finds ${fields.signed()} ready`;
    }
    case Kind.SIGNAL:
      return `the signal ${textIn(readValue(fields))}`;
    case Kind.LOOKUP:
      readValue(fields);
      return callText("lookup", [readValue(fields), readValue(fields)]);
    case Kind.LOOKED_UP:
      return "the result of a lookup";
    case Kind.EXIT:
      return "the exit of the process";
    case Kind.FILE:
    case Kind.FILE_DONE: {
      const id = readValue(fields);
      const name = textIn(readValue(fields));
      const args = readValue(fields);
      const call = callText(`fs.${name}`, Array.isArray(args) ? args : [args]);
      const outcome = valueText(readValue(fields));
      return kind === Kind.FILE || id === 0 ? `${call} = ${outcome}` : `the end of ${call}: ${outcome}`;
    }
    case Kind.TIMER:
      return `timer or immediate ${fields.varint()} of Node`;
    case Kind.SET:
      return "createPollSet()";
    case Kind.REALTIME:
      return "clock.realtimeNs()";
    case Kind.THREAD_CPU:
      return "clock.threadCpuNs()";
    default:
      return `a record of kind ${kind}`;
  }
}

function shortText(kind: number, fields: Fields, hasPayloads: boolean, hasSent: boolean): string {
  const name = NAMES.get(kind) ?? "?";
  const fd = fields.varint();
  if (kind === Kind.CLOSE) return `close(${fd}) = ${fields.signed()}`;
  if (kind < Kind.SEND) {
    const most = fields.varint();
    const count = fields.signed();
    const contents = count <= 0 || !hasPayloads ? "" : ` ${contentsText(fields.rest())}`;
    return `${name}(${fd}, ${most}) = ${count}${contents}`;
  }
  const result = fields.signed();
  const length = fields.varint();
  const contents = hasSent ? contentsText(fields.bytesOf(length)) : hashText(length, fields.uint32());
  return `${name}(${fd}, ${contents}) = ${result}`;
}
