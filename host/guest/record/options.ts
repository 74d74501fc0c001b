/** Owns the options of a guest's recording. Types alone. */

import type { RecordOptions } from "../../record/options.js";

/** How a guest is recorded. Without `payloads`, or with `redact`, its recording can be read but not replayed. */
export interface GuestRecordOptions extends RecordOptions {
  /** The file of the recording. */
  readonly path: string;
  /**
   * Is the guest's memory hashed in each turn, so that a replay names the first turn in which it differs? It costs about a
   * millisecond a turn for each megabyte. Default: false.
   */
  readonly hashes?: boolean | undefined;
}
