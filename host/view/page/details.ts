/** Owns what is shown of a chosen event: its values, its bytes as text and in hexadecimal. Never as HTML. */

import { EVENT_KINDS, type Timeline } from "../timeline.js";
import { time } from "./lanes.js";

const BYTES_A_ROW = 16;

export function showDetails(into: HTMLElement, timeline: Timeline | undefined, event: number | undefined): void {
  into.hidden = timeline === undefined || event === undefined;
  if (timeline === undefined || event === undefined) return into.replaceChildren();
  const { events, lanes, texts, turns, contents } = timeline;
  const lane = lanes[events.lane[event] ?? 0];
  const turn = events.turn[event] ?? 0;
  const at = events.contentAt[event] ?? 0;
  const length = events.contentLength[event] ?? 0;
  const bytes = contents.subarray(at, at + length);
  const rows: [string, string][] = [
    ["event", `${EVENT_KINDS[events.kind[event] ?? 0] ?? ""} (number ${event})`],
    ["time", time(events.atUs[event] ?? 0)],
    ["channel", `${lane?.fd ?? ""} ${lane?.name ?? ""}`],
    ["turn", `${turn}, ${turns.ready[turn] ?? 0} ready, took ${time(turns.tookUs[turn] ?? 0)}`],
    ["bytes", String(events.bytes[event] ?? 0)],
  ];
  const text = texts[events.text[event] ?? 0] ?? "";
  if (text !== "") rows.push(["", text]);
  if (lane !== undefined) rows.push(["in all", `${lane.bytesIn} in, ${lane.bytesOut} out`]);
  const list = document.createElement("dl");
  for (const [name, value] of rows) list.append(element("dt", name), element("dd", value));
  into.replaceChildren(list);
  if (length === 0) return;
  into.append(element("pre", new TextDecoder().decode(bytes)), element("pre", hexadecimal(bytes)));
  const left = (events.bytes[event] ?? 0) - length;
  if (left > 0) into.append(element("p", `${left} more bytes are not in this page.`));
}

function element(name: string, text: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function hexadecimal(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += BYTES_A_ROW) {
    const row = [...bytes.subarray(at, at + BYTES_A_ROW)].map((byte) => byte.toString(16).padStart(2, "0"));
    rows.push(`${at.toString(16).padStart(4, "0")}  ${row.join(" ")}`);
  }
  return rows.join("\n");
}
