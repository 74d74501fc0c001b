/** Owns the page: reads the runs that are in it, and joins the views, the search, the anomalies and the details. */

import type { ZoomTransform } from "d3-zoom";
import { anomaliesOf, firstDifference } from "../anomalies.js";
import { countsOf } from "../counts.js";
import { unpack } from "../packing.js";
import type { Timeline } from "../timeline.js";
import { drawLegend } from "./colors.js";
import { showDetails } from "./details.js";
import { Lanes, time } from "./lanes.js";

function byId<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found as T;
}

/** A run that the page was made with: gzip, in base64. */
async function timelineIn(script: Element): Promise<Timeline> {
  const packed = Uint8Array.from(atob(script.textContent.trim()), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return unpack(new Uint8Array(await new Response(stream).arrayBuffer()));
}

export class Page {
  readonly views: Lanes[];
  readonly #details = byId("details");
  /** Events that were found, in the first view that has any. */
  #found: number[] = [];
  #foundAt = -1;
  #foundIn: Lanes | undefined;
  #anomalyAtUs = -1;

  constructor(timelines: readonly Timeline[]) {
    const into = byId("views");
    into.replaceChildren();
    this.views = timelines.map(
      (timeline, index) =>
        new Lanes(into, timeline, {
          onSelect: (event) => this.select(index, event),
          onMove: (transform) => this.#moveOthers(index, transform),
        }),
    );
    byId("title").textContent = timelines.map(({ title }) => title).join("  |  ");
    document.title = byId("title").textContent;
    drawLegend(byId("legend"));
    this.#summarize();
    this.#listen();
  }

  /** Shows what has become of a run that goes on. */
  update(index: number, timeline: Timeline): void {
    this.views[index]?.update(timeline);
    this.#summarize();
  }

  select(index: number, event: number | undefined): void {
    for (const [at, view] of this.views.entries()) view.select(at === index ? event : undefined);
    showDetails(this.#details, this.views[index]?.timeline, event);
  }

  /** @returns how many events were found */
  find(text: string): number {
    this.#foundAt = -1;
    this.#found = [];
    this.#foundIn = undefined;
    for (const view of this.views) {
      const found = view.events.find(text);
      if (found.length === 0) continue;
      this.#found = found;
      this.#foundIn = view;
      break;
    }
    byId("found").textContent = text === "" ? "" : `${this.#found.length} found`;
    return this.#found.length;
  }

  step(by: 1 | -1): void {
    const view = this.#foundIn;
    if (view === undefined) return;
    this.#foundAt = (this.#foundAt + by + this.#found.length) % this.#found.length;
    byId("found").textContent = `${this.#foundAt + 1} of ${this.#found.length}`;
    this.#jump(view, this.#found[this.#foundAt] ?? 0);
  }

  nextAnomaly(): string | undefined {
    const all = this.views.flatMap((view) => anomaliesOf(view.timeline).map((anomaly) => ({ ...anomaly, view })));
    all.sort((one, other) => one.atUs - other.atUs);
    const next = all.find(({ atUs }) => atUs > this.#anomalyAtUs) ?? all[0];
    const label = byId("found");
    if (next === undefined) {
      label.textContent = "no anomaly";
      return undefined;
    }
    this.#anomalyAtUs = next.atUs;
    next.view.show(next.atUs, next.lane);
    const event = next.lane === undefined ? undefined : next.view.events.nearest(next.lane, next.atUs, 1);
    this.select(this.views.indexOf(next.view), event);
    label.textContent = `${all.indexOf(next) + 1} of ${all.length}: ${next.what} at ${time(next.atUs)}`;
    return next.what;
  }

  showDifference(): void {
    const [one, other] = this.views;
    if (one === undefined || other === undefined) return;
    const index = firstDifference(one.timeline, other.timeline);
    byId("found").textContent = index < 0 ? "no difference" : `the runs differ from event ${index} on`;
    if (index < 0) return;
    // Where one run has ended, its last event.
    const shown = [one, other].map((view) => Math.min(index, view.timeline.events.kind.length - 1));
    one.select(shown[0]);
    other.select(shown[1]);
    this.#jump(one, shown[0] ?? 0);
    showDetails(this.#details, one.timeline, shown[0]);
  }

  #jump(view: Lanes, event: number): void {
    const { events } = view.timeline;
    view.show(events.atUs[event] ?? 0, events.lane[event]);
    this.select(this.views.indexOf(view), event);
  }

  #moveOthers(index: number, transform: ZoomTransform): void {
    for (const [at, view] of this.views.entries()) if (at !== index) view.follow(transform);
  }

  #summarize(): void {
    byId("summary").textContent = this.views
      .map(({ timeline }) => {
        const { durationUs, incomplete } = timeline;
        const extent = [...countsOf(timeline), time(durationUs)].join(", ");
        return incomplete === "" ? extent : `${extent}; ${incomplete}`;
      })
      .join("  |  ");
  }

  #listen(): void {
    const find = byId<HTMLInputElement>("find");
    find.addEventListener("input", () => this.find(find.value));
    find.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter") this.step(event.shiftKey ? -1 : 1);
    });
    byId("next").addEventListener("click", () => this.step(1));
    byId("previous").addEventListener("click", () => this.step(-1));
    byId("anomaly").addEventListener("click", () => this.nextAnomaly());
    byId("whole").addEventListener("click", () => this.#showWhole());
    const difference = byId("difference");
    difference.hidden = this.views.length < 2;
    difference.addEventListener("click", () => this.showDifference());
    document.addEventListener("keydown", ({ key }) => {
      if (key === "n") this.nextAnomaly();
      else if (key === "0") this.#showWhole();
      else if (key === "Escape") this.select(0, undefined);
    });
  }

  #showWhole(): void {
    for (const view of this.views) view.showWhole();
  }
}

declare global {
  /** For what plays a run into the page, and for tests. */
  var wasyncoreView: Page | undefined;
}

const scripts = [...document.querySelectorAll("script[data-run]")];
if (scripts.length > 0) globalThis.wasyncoreView = new Page(await Promise.all(scripts.map(timelineIn)));
