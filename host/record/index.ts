/** Owns the public API of "wasyncore/record": re-exports only. */

export { RecordingError, type RecordingHeader } from "./format.js";
export type { RecordOptions } from "./options.js";
export { record, type Recorder, type RecordSink } from "./recorder.js";
export { recordRing, type FlightRecorder, type RingOptions } from "./ring.js";
export type { ChunkSink } from "./writer.js";
export { recordedProgram, replayedProgram, type ReplayRequest } from "./program.js";
export { ReplayDifference, ReplayOver, type DifferenceDetails } from "./replay/difference.js";
export { replay, type Replay, type ReplayOptions } from "./replay/replay.js";
export { replayTest } from "./replay/testing.js";
