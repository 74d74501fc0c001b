/** Owns a guest's recording as a file: opens it, and ends it whatever becomes of the guest. Leaves what is in it to {@link GuestRecorder}. */

import { createHash } from "node:crypto";
import { checkBoolean } from "../../backend/check.js";
import { createRecordingFile } from "../../record/files.js";
import { RecordingKind } from "../../record/format.js";
import { planRecord } from "../../record/options.js";
import { RecordingWriter } from "../../record/writer.js";
import type { GuestCalls, GuestTrap } from "../instance.js";
import { SIGNATURES } from "../signatures.js";
import { GUEST_VERSION, type GuestDetails } from "./format.js";
import type { GuestRecording, RecordingInit } from "./options.js";
import { GuestRecorder } from "./recorder.js";

/** From so many bytes on a block is written even while the guest does not wait. */
const BLOCK_BYTES = 0x4_0000;
const NS_PER_MS = 1e6;

/** The SHA-256 of a module, as the header of a recording has it. */
export function moduleHash(module: Uint8Array): string {
  return createHash("sha256").update(module).digest("hex");
}

/** @throws an error of node:fs; TypeError, RangeError for an option */
export function recordGuest(calls: GuestCalls, { options, module, name, opened }: RecordingInit): GuestRecording {
  const { path, hashes = false, ...rest } = options;
  checkBoolean("options.record.hashes", hashes);
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
  const file = createRecordingFile(path);
  const writer = new RecordingWriter(file.sink, header, BLOCK_BYTES);
  const recorder = new GuestRecorder(calls, functions, writer, { hashes, payloads, sent, blank });
  const onExit = (): void => writer.flush();
  process.once("exit", onExit);
  return {
    calls: recorder,
    exited: (code) => recorder.exited(code),
    stopped: () => recorder.stopped(),
    failed(error) {
      if ((error as GuestTrap | undefined)?.code === "ERR_GUEST_TRAP") recorder.trapped((error as GuestTrap).message);
    },
    close() {
      process.removeListener("exit", onExit);
      writer.flush();
      file.close();
      const { failure } = writer;
      if (failure === undefined) return;
      const reason = failure.error instanceof Error ? failure.error.message : String(failure.error);
      process.emitWarning(`the recording ${path} could not be written to its end: ${reason}`);
    },
  };
}
