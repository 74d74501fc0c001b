/** Owns finding events quickly: those of a lane within a time, those that a text is in. Knows timelines; draws nothing. */

import { EVENT_KINDS, type Timeline } from "../timeline.js";

export class EventIndex {
  readonly timeline: Timeline;
  /** The events of lane n are `#events[#starts[n]]` to `#events[#starts[n + 1]]`, in order of time. */
  readonly #starts: Uint32Array;
  readonly #events: Uint32Array;

  constructor(timeline: Timeline) {
    this.timeline = timeline;
    const { lane } = timeline.events;
    const starts = new Uint32Array(timeline.lanes.length + 1);
    for (const of of lane) starts[of + 1] = (starts[of + 1] ?? 0) + 1;
    for (let at = 1; at < starts.length; at++) starts[at] = (starts[at] ?? 0) + (starts[at - 1] ?? 0);
    const next = starts.slice();
    const events = new Uint32Array(lane.length);
    for (const [index, of] of lane.entries()) {
      const at = next[of] ?? 0;
      events[at] = index;
      next[of] = at + 1;
    }
    this.#starts = starts;
    this.#events = events;
  }

  /** The lane's events from `fromUs` on, in order of time. */
  *from(lane: number, fromUs: number): Generator<number> {
    const { atUs } = this.timeline.events;
    let low = this.#starts[lane] ?? 0;
    const end = this.#starts[lane + 1] ?? 0;
    let high = end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((atUs[this.#events[middle] ?? 0] ?? 0) < fromUs) low = middle + 1;
      else high = middle;
    }
    for (; low < end; low++) yield this.#events[low] ?? 0;
  }

  /** The lane's event that is nearest to a time; undefined where none is within `distanceUs`. */
  nearest(lane: number, atUs: number, distanceUs: number): number | undefined {
    let found: number | undefined;
    let foundUs = distanceUs;
    for (const index of this.from(lane, atUs - distanceUs)) {
      const away = Math.abs((this.timeline.events.atUs[index] ?? 0) - atUs);
      if (away > distanceUs && (this.timeline.events.atUs[index] ?? 0) > atUs) break;
      if (away > foundUs) continue;
      found = index;
      foundUs = away;
    }
    return found;
  }

  /** Events whose lane's name, text, kind or contents has `text` in it; upper and lower case are one. */
  find(text: string): number[] {
    const wanted = text.toLowerCase();
    if (wanted === "") return [];
    const { events, lanes, texts, contents } = this.timeline;
    const inLane = lanes.map(({ name }) => name.toLowerCase().includes(wanted));
    const inText = texts.map((each) => each.toLowerCase().includes(wanted));
    const inKind = EVENT_KINDS.map((kind) => kind === wanted);
    // Latin-1: a character a byte, so that positions in the text are positions in the contents.
    const all = new TextDecoder("latin1").decode(contents).toLowerCase();
    const found: number[] = [];
    let at = all.indexOf(wanted);
    for (const [index, lane] of events.lane.entries()) {
      const from = events.contentAt[index] ?? 0;
      const to = from + (events.contentLength[index] ?? 0);
      while (at >= 0 && at < from) at = all.indexOf(wanted, at + 1);
      const isInContents = at >= from && at + wanted.length <= to;
      if (
        isInContents ||
        inLane[lane] === true ||
        inText[events.text[index] ?? 0] === true ||
        inKind[events.kind[index] ?? 0] === true
      ) {
        found.push(index);
      }
    }
    return found;
  }
}
