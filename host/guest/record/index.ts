/** Owns the public API of "wasyncore/guest-replay": re-exports only. Nothing in it needs Node, so that it can be bundled for a browser. */

export { GuestError, type GuestErrorCode, type GuestFrame } from "../instance.js";
export { RecordingError, type RecordingHeader } from "../../record/format.js";
export { type RecordingEnd, RecordingReader, type RecordingSource, sourceOf } from "../../record/reader.js";
export {
  type Difference,
  guestDetails,
  type GuestDetails,
  type RecordedEnd,
  replayGuest,
  type ReplayOptions,
  type ReplayOutcome,
} from "./replay.js";
