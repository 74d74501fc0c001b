/**
 * Owns a guest's module: compiles it once, for any number of instances, and finds out whether it can run here. Knows
 * which functions preview 1 has; knows no instance.
 */

import { counted } from "../backend/counted.js";
import { checkString } from "../backend/check.js";
import { exportStart, ModuleBinary } from "./binary.js";
import { printable } from "../backend/printable.js";
import { signatureFault } from "./signatures.js";

/** The module's name in an import. */
export const PREVIEW1 = "wasi_snapshot_preview1";

interface ImportDescriptor {
  readonly module: string;
  readonly name: string;
  readonly kind: string;
}

type ErrorClass = abstract new (...parameters: never[]) => Error;

/** The part of the global that is used here: TypeScript declares it only together with the DOM. */
declare const WebAssembly: {
  Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): ImportDescriptor[];
    exports(module: object): Omit<ImportDescriptor, "module">[];
  };
  CompileError: ErrorClass;
};

export type GuestErrorCode =
  | "ERR_GUEST_FORMAT"
  | "ERR_GUEST_IMPORTS"
  | "ERR_GUEST_EXPORTS"
  | "ERR_GUEST_MEMORY"
  | "ERR_GUEST_DIRECTORY"
  | "ERR_GUEST_BLOCKING";

/** A module that cannot be run here. */
export class GuestError extends Error {
  override name = "GuestError";
  /**
   * ERR_GUEST_FORMAT: no core WebAssembly module. ERR_GUEST_IMPORTS: it imports what is not served, see
   * {@link missing}, or imports it with another signature. ERR_GUEST_EXPORTS: it lacks an export, or has it with another
   * signature. ERR_GUEST_MEMORY: there is no memory as large as it wants, or it is not one that preview 1 takes.
   * ERR_GUEST_DIRECTORY: a directory cannot be granted. ERR_GUEST_BLOCKING: it takes turns on a thread that it shares, and
   * waits in the middle of one, as a callback does that calls `loop()`.
   */
  readonly code: GuestErrorCode;
  /** "module.name" of each import that is not served, as the module spells it. */
  readonly missing: readonly string[];

  constructor(code: GuestErrorCode, message: string, missing: readonly string[] = []) {
    checkString("code", code);
    checkString("message", message);
    super(message);
    this.code = code;
    this.missing = missing;
  }
}

/** A module that can be instantiated. */
export interface GuestModule {
  readonly module: object;
  readonly binary: ModuleBinary;
  /** The name under which its start function is exported; undefined where it has none. */
  readonly start: string | undefined;
  /** By how many bytes code is further back in {@link module} than in the bytes that it was made of. */
  readonly shift: number;
}

/** The first four bytes of every module, and the next four of a component. */
const MAGIC = [0, 0x61, 0x73, 0x6d];
const COMPONENT = [0x0d, 0, 1, 0];
const START_NAME = "wasyncore:start";
/** How many of the missing imports a message names. */
const NAMED_MAX = 10;

/** Is it a component, and not a core module? */
export function isComponent(bytes: Uint8Array): boolean {
  return has(bytes, 0, MAGIC) && has(bytes, 4, COMPONENT);
}

/** @throws GuestError ERR_GUEST_FORMAT, ERR_GUEST_EXPORTS, ERR_GUEST_MEMORY */
export function compileGuest(bytes: Uint8Array): GuestModule {
  if (!has(bytes, 0, MAGIC)) throw new GuestError("ERR_GUEST_FORMAT", "it is not WebAssembly");
  if (isComponent(bytes)) {
    throw new GuestError(
      "ERR_GUEST_FORMAT",
      "it is a component (WASI 0.2): a core module for WASI preview 1 is needed",
    );
  }
  const module = compile(bytes);
  const binary = read(bytes);
  const exportsMemory = WebAssembly.Module.exports(module).some(
    ({ name, kind }) => name === "memory" && kind === "memory",
  );
  if (!exportsMemory) throw new GuestError("ERR_GUEST_EXPORTS", "it exports no memory");
  if (binary.hasMemory64)
    throw new GuestError("ERR_GUEST_MEMORY", "its memory has 64-bit addresses: those of preview 1 have 32 bits");
  if (binary.start === undefined) return { module, binary, start: undefined, shift: 0 };
  // Its calls need the memory, which nobody has before the module is instantiated.
  const start = binary.freeName(START_NAME);
  const moved = exportStart(bytes, binary, start);
  return { module: compile(moved.bytes), binary, start, shift: moved.shift };
}

function has(bytes: Uint8Array, at: number, expected: readonly number[]): boolean {
  return expected.every((byte, i) => bytes[at + i] === byte);
}

function compile(bytes: Uint8Array): object {
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    // RangeError: it is larger than V8 takes.
    if (error instanceof WebAssembly.CompileError && endsInTheMiddle(bytes))
      throw new GuestError("ERR_GUEST_FORMAT", `the module ends in the middle: ${counted(bytes.length, "byte")}`);
    if (error instanceof WebAssembly.CompileError || error instanceof RangeError)
      throw new GuestError("ERR_GUEST_FORMAT", withoutPrefix(error));
    throw error;
  }
}

const HEADER_BYTES = 8;

/** Is the header, or the last section, longer than what is there? A file that was cut off between two sections is not noticed. */
function endsInTheMiddle(bytes: Uint8Array): boolean {
  let at = HEADER_BYTES;
  while (at < bytes.length) {
    // The section's number, and its length as LEB128.
    at++;
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) return true;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
      if (shift === 28) return false;
    }
    at += length;
  }
  return at > bytes.length;
}

function read(bytes: Uint8Array): ModuleBinary {
  try {
    return new ModuleBinary(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new GuestError("ERR_GUEST_FORMAT", `it has features that are not known here: ${error.message}`);
  }
}

/** @throws GuestError ERR_GUEST_IMPORTS unless each import is among `served` */
export function checkImports({ module, binary }: GuestModule, served: object): void {
  const isServed = (each: ImportDescriptor): boolean =>
    each.module === PREVIEW1 && each.kind === "function" && Object.hasOwn(served, each.name);
  const missing = WebAssembly.Module.imports(module).filter((each) => !isServed(each));
  if (missing.length > 0) throw missingImports(missing);
  for (const { name, signature } of binary.imports) {
    const fault = signatureFault(name, signature);
    if (fault !== undefined)
      throw new GuestError("ERR_GUEST_IMPORTS", `it imports a function with another signature: ${fault}`);
  }
}

function missingImports(missing: readonly ImportDescriptor[]): GuestError {
  const names = missing.map((each) => `${each.module}.${each.name}`);
  const named = missing.slice(0, NAMED_MAX).map(({ kind }, index) => {
    const name = printable(names[index] ?? "");
    return kind === "function" ? name : `${name} (a ${kind})`;
  });
  const rest = missing.length - named.length;
  const text = rest > 0 ? `${named.join(", ")} and ${rest} more` : named.join(", ");
  return new GuestError("ERR_GUEST_IMPORTS", `it imports what is not there: ${text}`, names);
}

/** V8 names its own function before the message, in which there may be names of the module's. */
export function withoutPrefix({ message }: Error): string {
  return printable(message.replace(/^WebAssembly\.\w+\(\): /, ""), 300);
}
