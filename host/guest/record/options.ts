/** Owns what a guest's recording is to those who run the guest. Types alone. */

import type { GuestCalls, GuestObserver } from "../instance.js";
import type { GuestRecordOptions } from "../run.js";

/** What is recorded. */
export interface RecordingInit {
  readonly options: GuestRecordOptions;
  readonly module: Uint8Array;
  /** The module's file name, or whatever the guest is called. */
  readonly name: string;
  /** What its descriptors from 3 on are. */
  readonly opened: readonly string[];
}

/** A recording that is being made: what is between a guest and its calls. */
export interface GuestRecording {
  readonly calls: GuestCalls & GuestObserver;
  /** The guest has returned, or called proc_exit. */
  exited(code: number): void;
  /** The host has ended it between two calls. */
  stopped(): void;
  /** What a call into the guest has thrown: the guest's end where it is a trap. */
  failed(error: unknown): void;
  /** A recording that could not be written is shorter, and the process is warned. */
  close(): void;
}
