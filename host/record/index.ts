/** Owns the public API of "wasyncore/record": re-exports only. */

export { RecordingError, type RecordingHeader } from "./format.js";
export type { RecordOptions } from "./options.js";
export { record, type Recorder, type RecordSink } from "./recorder.js";
export type { ChunkSink } from "./writer.js";
