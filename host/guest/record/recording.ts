/** Owns a guest's recording as a file: opens it, and ends it whatever becomes of the guest. Leaves what is in it to {@link GuestRecorder}. */

import { createHash } from "node:crypto";
import { createRecordingFile, type RecordingFile } from "../../record/files.js";
import { RecordingKind } from "../../record/format.js";
import { planRecord } from "../../record/options.js";
import { RecordingWriter } from "../../record/writer.js";
import { type GuestCalls, GuestTrap } from "../instance.js";
import { SIGNATURES } from "../signatures.js";
import { GUEST_VERSION, type GuestDetails } from "./format.js";
import type { GuestRecordOptions } from "./options.js";
import { GuestRecorder } from "./recorder.js";

/** From so many bytes on a block is written even while the guest does not wait. */
const BLOCK_BYTES = 0x4_0000;
const NS_PER_MS = 1e6;

export interface RecordingInit {
  readonly options: GuestRecordOptions;
  readonly module: Uint8Array;
  /** The module's file name, or whatever the guest is called. */
  readonly name: string;
  /** What its descriptors from 3 on are. */
  readonly opened: readonly string[];
}

/** The SHA-256 of a module, as the header of a recording has it. */
export function moduleHash(module: Uint8Array): string {
  return createHash("sha256").update(module).digest("hex");
}

export class GuestRecording {
  readonly recorder: GuestRecorder;
  readonly #path: string;
  readonly #file: RecordingFile;
  readonly #writer: RecordingWriter;
  readonly #onExit = (): void => this.#writer.flush();

  /** @throws an error of node:fs; TypeError, RangeError for an option */
  constructor(calls: GuestCalls, { options, module, name, opened }: RecordingInit) {
    const { path, hashes, ...rest } = options;
    const { payloads, sent, blank, flags } = planRecord(rest);
    const functions = Object.keys(SIGNATURES);
    const details: GuestDetails = { version: GUEST_VERSION, module: moduleHash(module), name, functions, opened, sent };
    const header = {
      kind: RecordingKind.GUEST,
      flags,
      realtimeNs: BigInt(Math.round(Date.now() * NS_PER_MS)),
      monotonicNs: process.hrtime.bigint(),
      details: { ...details },
    };
    this.#path = path;
    this.#file = createRecordingFile(path);
    this.#writer = new RecordingWriter(this.#file.sink, header, BLOCK_BYTES);
    this.recorder = new GuestRecorder(calls, functions, this.#writer, { hashes, payloads, sent, blank });
    process.once("exit", this.#onExit);
  }

  /** What a call into the guest has thrown: the guest's end where it is a trap. */
  failed(error: unknown): void {
    if (error instanceof GuestTrap) this.recorder.trapped(error.message);
  }

  /** A recording that could not be written is shorter, and the process is warned. */
  close(): void {
    process.removeListener("exit", this.#onExit);
    this.#writer.flush();
    this.#file.close();
    const { failure } = this.#writer;
    if (failure === undefined) return;
    const reason = failure.error instanceof Error ? failure.error.message : String(failure.error);
    process.emitWarning(`the recording ${this.#path} could not be written to its end: ${reason}`);
  }
}
