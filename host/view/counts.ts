/** Owns how many channels, events and turns a timeline has, in words. Knows timelines alone. */

import { counted } from "../backend/counted.js";
import type { Timeline } from "./timeline.js";

/** "3 channels", "40 events", "12 turns". */
export function countsOf({
  lanes,
  events,
  turns,
}: Timeline): readonly [channels: string, events: string, turns: string] {
  return [counted(lanes.length, "channel"), counted(events.kind.length, "event"), counted(turns.tookUs.length, "turn")];
}
