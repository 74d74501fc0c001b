/** Owns how kinds of events look: colours that differ in lightness too, and heights. */

import { EVENT_KINDS, type EventKind } from "../timeline.js";

const COLORS: Record<EventKind, string> = {
  open: "#8795a5",
  accept: "#2f7d32",
  connect: "#2f7d32",
  read: "#1c6dd0",
  write: "#e08a00",
  blocked: "#7a3fb5",
  "end of input": "#12375f",
  close: "#4b5866",
  error: "#d3222a",
  note: "#0b8a8a",
};

/** By kind's index. */
export const COLOR: readonly string[] = EVENT_KINDS.map((kind) => COLORS[kind]);

/** Kinds in the order in which they are drawn: what matters most last, so that nothing covers it. */
export const DRAWING_ORDER: readonly number[] = [
  "open",
  "read",
  "write",
  "note",
  "accept",
  "connect",
  "end of input",
  "close",
  "blocked",
  "error",
].map((kind) => EVENT_KINDS.indexOf(kind as EventKind));

export function drawLegend(into: HTMLElement): void {
  into.replaceChildren(
    ...EVENT_KINDS.map((kind) => {
      const entry = document.createElement("span");
      const mark = document.createElement("i");
      mark.style.background = COLORS[kind];
      entry.append(mark, kind);
      return entry;
    }),
  );
}
