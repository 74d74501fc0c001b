/**
 * Owns a recorded call while it is compared with the one that a guest makes: reads its fields, tells where the two differ, and
 * writes both as text. Knows the layouts of calls; knows no memory.
 */

import { counted } from "../../backend/counted.js";
import { RecordingError } from "../../record/format.js";
import { hashOf } from "../../record/hash.js";
import { Fields } from "../../record/reader.js";
import { printable } from "../../backend/printable.js";
import { SIGNATURES } from "../signatures.js";
import { PARAMETERS_MAX } from "./format.js";
import { type CallLayout, layoutOf, VARIED } from "./layouts.js";
import type { Parameter } from "./values.js";

const TWO_32 = 0x1_0000_0000n;
const TEXT_BYTES = 200;
/** Of so many bytes each as an escape sequence. */
const TEXT_MAX = 8 * TEXT_BYTES;
const HASH_BYTES = 4;
/** That WasmEdge's addresses of sockets have. */
const ADDRESS_BYTES: readonly number[] = [4, 16, 128];

/** The calls of one function in a recording, one after the other. */
export class ExpectedCalls {
  readonly name: string;
  /** Of the last call: the length of its vector, then the parameters. */
  readonly #values: (number | bigint)[];

  /** @throws RecordingError for a function that there is not */
  constructor(name: string) {
    // The longest of several: the others have the same parameters, and fewer.
    const signatures = (SIGNATURES as Readonly<Record<string, readonly string[] | undefined>>)[name];
    const signature = signatures?.toSorted((left, right) => right.length - left.length)[0];
    if (signature === undefined)
      throw new RecordingError(`it has calls of ${printable(name)}, which is not known here`);
    this.name = name;
    const kinds =
      signature === "*" ? Array.from({ length: PARAMETERS_MAX }, () => "i") : [...signature.replace("-", "")];
    this.#values = [0, ...kinds.map((kind) => (kind === "I" ? 0n : 0))];
  }

  /** Reads what the next call was given. */
  read(fields: Fields): void {
    const values = this.#values;
    const mask = fields.varint();
    for (let bit = 0; bit < values.length; bit++) {
      if ((mask & (1 << bit)) === 0) continue;
      const low = word(fields);
      values[bit] = typeof values[bit] === "bigint" ? BigInt(low) + BigInt(word(fields)) * TWO_32 : low;
    }
  }

  /** A parameter, from 0 on, as a number. */
  parameter(place: number): number {
    return Number(this.#values[place + 1] ?? 0);
  }

  /** How many it has, in the longest of its signatures. */
  get parameters(): number {
    return this.#values.length - 1;
  }

  /** Of the vector. */
  get total(): number {
    return Number(this.#values[0]);
  }

  /** Are these the parameters? @param pointers bits of those that are not looked at */
  matches(parameters: readonly Parameter[], pointers: number): boolean {
    const length = Math.min(parameters.length, PARAMETERS_MAX);
    for (let i = 0; i < length; i++) {
      if ((pointers & (1 << i)) === 0 && unsigned(parameters[i]) !== this.#values[i + 1]) return false;
    }
    return true;
  }

  /** @param count how many parameters it has, where there are several signatures */
  text(layout: CallLayout, count = this.#values.length - 1): string {
    return callText(this.name, layout, this.#values.slice(1, count + 1), this.total);
  }
}

/** What a call has answered. */
export interface CallAnswer {
  /** Of what was sent; 0 where nothing is. */
  readonly hash: number;
  /** What was stored at addresses in its parameters, as far as that are numbers of 32 bits. */
  readonly values: readonly number[];
  /** Of a socket. */
  readonly address: Uint8Array | undefined;
  /** What was received; what was sent where a recording has that. */
  readonly rest: Uint8Array;
}

/**
 * Reads what a call that has succeeded has answered.
 * @param hasReceived are contents there, and not hashes of them?
 * @throws RecordingError for what is damaged
 */
export function readAnswer(call: ExpectedCalls, fields: Fields, hasReceived: boolean): CallAnswer {
  if (!VARIED.has(call.name)) return answerIn(fields, layoutOf(call.name, Infinity));
  // Which of its two signatures the call has is seen by what is there.
  const { at } = fields;
  for (const parameters of [call.parameters, call.parameters - 1]) {
    try {
      fields.at = at;
      const layout = layoutOf(call.name, parameters);
      const answer = answerIn(fields, layout);
      const { address, values, rest } = answer;
      const length = layout.output === undefined ? 0 : (values.at(-1) ?? 0);
      // Of nothing there is no hash.
      const expected = hasReceived || length === 0 ? length : HASH_BYTES;
      if (rest.length === expected && (address === undefined || ADDRESS_BYTES.includes(address.length))) return answer;
    } catch (error) {
      if (!(error instanceof RecordingError)) throw error;
    }
  }
  throw new RecordingError(`damaged: an answer that ${call.name} does not give`);
}

function answerIn(fields: Fields, layout: CallLayout): CallAnswer {
  const hash = layout.sent === undefined ? 0 : fields.uint32();
  const values: number[] = [];
  for (const [, bytes] of layout.values) {
    if (bytes === 4) values.push(word(fields));
    else fields.bytesOf(bytes);
  }
  const address = layout.address === undefined ? undefined : fields.bytesOf(fields.varint());
  return { hash, values, address, rest: fields.rest() };
}

/**
 * The hash of contents in an answer: of the contents, or the one that is in their place.
 * @param areThere are they there, and not their hash?
 * @throws RecordingError for what is damaged
 */
export function digestOf(contents: Uint8Array, areThere: boolean): number {
  if (areThere || contents.length === 0) return hashOf(contents);
  if (contents.length !== HASH_BYTES) throw new RecordingError("damaged: in place of contents is not their hash");
  const fields = new Fields();
  fields.set(contents, 0, HASH_BYTES);
  return fields.uint32();
}

/** "fd_write(1, 0x4c20, 2, 0x4c30) of 12 bytes" */
export function callText(name: string, layout: CallLayout, parameters: readonly Parameter[], total: number): string {
  const texts = parameters.map((each, i) => {
    const value = unsigned(each);
    return (layout.pointers & (1 << i)) === 0 ? String(value) : `0x${value.toString(16)}`;
  });
  return `${name}(${texts.join(", ")})${layout.vector === undefined ? "" : ` with ${counted(total, "byte")}`}`;
}

/** Bytes as text where they are that, as digits otherwise. */
export function bytesText(bytes: Uint8Array): string {
  const some = bytes.subarray(0, TEXT_BYTES);
  const more = some.length < bytes.length ? "..." : "";
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(some, { stream: true });
    return `${printable(JSON.stringify(text), TEXT_MAX)}${more}`;
  } catch {
    return `${Array.from(some, (byte) => byte.toString(16).padStart(2, "0")).join(" ")}${more}`;
  }
}

function unsigned(parameter: Parameter): number | bigint {
  if (typeof parameter === "bigint") return BigInt.asUintN(64, parameter);
  return (parameter ?? 0) >>> 0;
}

/** A number of 32 bits. */
export function word(fields: Fields): number {
  const value = fields.varint();
  if (value > 0xffff_ffff) throw new RecordingError("damaged: a number has more than 32 bits");
  return value;
}
