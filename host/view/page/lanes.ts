/**
 * Owns one run on the screen: the turns above, a lane a channel below, the axis of time. Draws what is visible alone: a
 * frame costs O(lanes on the screen + events within their time), and at most a mark a pixel for each lane and kind.
 */

import { axisTop } from "d3-axis";
import { scaleLinear, type ScaleLinear } from "d3-scale";
import { select } from "d3-selection";
import { zoom, zoomIdentity, type ZoomTransform } from "d3-zoom";
import type { Timeline } from "../timeline.js";
import { COLOR, DRAWING_ORDER } from "./colors.js";
import { EventIndex } from "./index-of-events.js";

const LANE_HEIGHT = 16;
const NAMES_WIDTH = 240;
const AXIS_HEIGHT = 20;
const TURNS_HEIGHT = 48;
const TOP = AXIS_HEIGHT + TURNS_HEIGHT;
/** How near to a mark a click has to be, in pixels. */
const REACH = 5;
const ZOOM_MAX = 1e7;
/** How much time is shown around what was searched for, at most. */
const SHOWN_US = 200_000;

export interface LanesHooks {
  /** An event was chosen; undefined: none is there. */
  readonly onSelect: (event: number | undefined) => void;
  /** The visible stretch has changed by the user's hand. */
  readonly onMove: (transform: ZoomTransform) => void;
}

export class Lanes {
  timeline: Timeline;
  events: EventIndex;
  readonly #canvas: HTMLCanvasElement;
  readonly #context: CanvasRenderingContext2D;
  readonly #axis: SVGSVGElement;
  readonly #hooks: LanesHooks;
  readonly #zoom = zoom<HTMLCanvasElement, unknown>();
  #transform = zoomIdentity;
  #width = 0;
  #height = 0;
  #scrollTop = 0;
  #selected: number | undefined;
  #isScheduled = false;
  /** Milliseconds that the last frame took: for those who want to know whether it is fast. */
  frameMs = 0;

  constructor(into: HTMLElement, timeline: Timeline, hooks: LanesHooks) {
    this.timeline = timeline;
    this.events = new EventIndex(timeline);
    this.#hooks = hooks;
    const place = document.createElement("div");
    place.className = "view";
    this.#canvas = document.createElement("canvas");
    this.#axis = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    place.append(this.#canvas, this.#axis);
    into.append(place);
    const context = this.#canvas.getContext("2d");
    if (context === null) throw new Error("this browser has no canvas");
    this.#context = context;
    this.#watch(place);
  }

  /** Shows another state of the run, the same stretch of time, or all of it while all of it is shown. */
  update(timeline: Timeline): void {
    this.timeline = timeline;
    this.events = new EventIndex(timeline);
    this.#draw();
  }

  get transform(): ZoomTransform {
    return this.#transform;
  }

  /** Moves as another view has moved. */
  follow(transform: ZoomTransform): void {
    this.#transform = transform;
    // For d3, whose own state is where the next gesture begins.
    (this.#canvas as HTMLCanvasElement & { __zoom: ZoomTransform }).__zoom = transform;
    this.#draw();
  }

  showWhole(): void {
    this.follow(zoomIdentity);
  }

  /** Brings an event, or a time, into the middle. */
  show(atUs: number, lane: number | undefined): void {
    const k = Math.max(this.#transform.k, Math.min(ZOOM_MAX, this.timeline.durationUs / SHOWN_US));
    this.follow(this.#around(atUs, k));
    if (lane !== undefined) this.#scrollTo(lane * LANE_HEIGHT - (this.#height - TOP) / 2);
    this.#hooks.onMove(this.#transform);
  }

  select(event: number | undefined): void {
    this.#selected = event;
    this.#draw();
  }

  #watch(place: HTMLElement): void {
    new ResizeObserver(() => this.#resize(place)).observe(place);
    this.#zoom
      .scaleExtent([1, ZOOM_MAX])
      // The wheel scrolls the lanes; with a key held, or sideways, it is time's.
      .filter((event: WheelEvent | MouseEvent) =>
        event.type === "wheel" ? event.ctrlKey || event.shiftKey || event.metaKey : event.button === 0,
      )
      .on("zoom", ({ transform, sourceEvent }: { transform: ZoomTransform; sourceEvent: Event | null }) => {
        this.#transform = transform;
        if (sourceEvent instanceof MouseEvent && sourceEvent.type === "mousemove")
          this.#scrollTo(this.#scrollTop - sourceEvent.movementY);
        this.#draw();
        this.#hooks.onMove(transform);
      });
    const canvas = select(this.#canvas);
    canvas.call(this.#zoom).on("dblclick.zoom", null);
    this.#canvas.addEventListener(
      "wheel",
      (event) => {
        if (event.ctrlKey || event.shiftKey || event.metaKey) return;
        event.preventDefault();
        if (event.deltaX !== 0)
          canvas.call((each) => this.#zoom.translateBy(each, -event.deltaX / this.#transform.k, 0));
        this.#scrollTo(this.#scrollTop + event.deltaY);
      },
      { passive: false },
    );
    this.#canvas.addEventListener("click", (event) =>
      this.#hooks.onSelect(this.#eventAt(event.offsetX, event.offsetY)),
    );
  }

  #resize(place: HTMLElement): void {
    const middleUs = this.#width === 0 ? undefined : this.#scale(this.#transform).invert(this.#middle);
    this.#width = place.clientWidth;
    this.#height = place.clientHeight;
    const ratio = window.devicePixelRatio;
    this.#canvas.width = this.#width * ratio;
    this.#canvas.height = this.#height * ratio;
    this.#canvas.style.width = `${this.#width}px`;
    this.#canvas.style.height = `${this.#height}px`;
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.#axis.setAttribute("width", String(this.#width));
    this.#axis.setAttribute("height", String(AXIS_HEIGHT));
    this.#zoom
      .extent([
        [NAMES_WIDTH, 0],
        [this.#width, this.#height],
      ])
      .translateExtent([
        [NAMES_WIDTH, 0],
        [this.#width, this.#height],
      ]);
    if (middleUs !== undefined) this.#transform = this.#around(middleUs, this.#transform.k);
    this.follow(this.#transform);
    this.#paint();
  }

  #scrollTo(top: number): void {
    const most = this.timeline.lanes.length * LANE_HEIGHT - (this.#height - TOP);
    this.#scrollTop = Math.max(0, Math.min(top, most));
    this.#draw();
  }

  #scale(transform: ZoomTransform): ScaleLinear<number, number> {
    const whole = scaleLinear(
      [0, Math.max(1, this.timeline.durationUs)],
      [NAMES_WIDTH, Math.max(NAMES_WIDTH + 1, this.#width - 8)],
    );
    return transform.rescaleX(whole);
  }

  #eventAt(x: number, y: number): number | undefined {
    const lane = Math.floor((y - TOP + this.#scrollTop) / LANE_HEIGHT);
    if (y < TOP || x < NAMES_WIDTH || lane >= this.timeline.lanes.length) return undefined;
    const scale = this.#scale(this.#transform);
    return this.events.nearest(lane, scale.invert(x), scale.invert(x + REACH) - scale.invert(x));
  }

  get #middle(): number {
    return NAMES_WIDTH + (this.#width - NAMES_WIDTH) / 2;
  }

  /** The transform with a time in the middle, but nothing beyond the run's ends. */
  #around(atUs: number, k: number): ZoomTransform {
    const whole = this.#scale(zoomIdentity);
    const [begin = 0, end = 0] = whole.range();
    const x = Math.min(begin - begin * k, Math.max(end - end * k, this.#middle - whole(atUs) * k));
    return zoomIdentity.translate(x, 0).scale(k);
  }

  /** In the next frame. */
  #draw(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      this.#paint();
    });
  }

  #paint(): void {
    const beganMs = performance.now();
    const context = this.#context;
    const scale = this.#scale(this.#transform);
    const [fromUs = 0, toUs = 0] = [scale.invert(NAMES_WIDTH), scale.invert(this.#width)];
    context.clearRect(0, 0, this.#width, this.#height);
    context.font = "11px ui-monospace, monospace";
    context.textBaseline = "middle";
    const first = Math.floor(this.#scrollTop / LANE_HEIGHT);
    const last = Math.min(this.timeline.lanes.length, Math.ceil((this.#scrollTop + this.#height - TOP) / LANE_HEIGHT));
    for (let lane = first; lane < last; lane++) this.#paintLane(lane, scale, fromUs, toUs);
    context.clearRect(0, 0, this.#width, TOP);
    this.#paintTurns(scale, fromUs, toUs);
    select(this.#axis).call((axis) => {
      axis
        .selectAll("g")
        .data([0])
        .join("g")
        .attr("transform", `translate(0,${AXIS_HEIGHT - 1})`)
        .call((group) => {
          axisTop(scale)
            .ticks(Math.max(2, this.#width / 140))
            .tickFormat((us) => time(us.valueOf()))(group as never);
        });
    });
    this.frameMs = performance.now() - beganMs;
  }

  #paintLane(index: number, scale: ScaleLinear<number, number>, fromUs: number, toUs: number): void {
    const context = this.#context;
    const lane = this.timeline.lanes[index];
    if (lane === undefined) return;
    const y = TOP + index * LANE_HEIGHT - this.#scrollTop;
    const x0 = Math.max(NAMES_WIDTH, scale(lane.openedUs));
    const x1 = Math.min(this.#width, scale(lane.closedUs ?? this.timeline.durationUs));
    if (index % 2 === 1) {
      context.fillStyle = "#f5f7f9";
      context.fillRect(0, y, this.#width, LANE_HEIGHT);
    }
    if (x1 > x0) {
      context.fillStyle = "#dfe5eb";
      context.fillRect(x0, y + LANE_HEIGHT / 2 - 1, x1 - x0, 2);
    }
    this.#paintEvents(index, y, scale, fromUs, toUs);
    context.fillStyle = index % 2 === 1 ? "#f5f7f9" : "#ffffff";
    context.fillRect(0, y, NAMES_WIDTH, LANE_HEIGHT);
    context.fillStyle = "#1d2733";
    context.fillText(`${String(lane.fd ?? "").padStart(4)} ${lane.name}`, 6, y + LANE_HEIGHT / 2, NAMES_WIDTH - 12);
  }

  #paintEvents(lane: number, y: number, scale: ScaleLinear<number, number>, fromUs: number, toUs: number): void {
    const context = this.#context;
    const { events } = this.timeline;
    // Positions by kind; a mark at the pixel of the mark before it is not drawn again.
    const marks: number[][] = COLOR.map(() => []);
    for (const event of this.events.from(lane, fromUs)) {
      const atUs = events.atUs[event] ?? 0;
      if (atUs > toUs) break;
      const x = Math.round(scale(atUs));
      const of = marks[events.kind[event] ?? 0];
      if (of !== undefined && of.at(-1) !== x) of.push(x);
      if (event === this.#selected) {
        context.fillStyle = "#ffe08a";
        context.fillRect(x - 4, y, 9, LANE_HEIGHT);
      }
    }
    for (const kind of DRAWING_ORDER) {
      context.fillStyle = COLOR[kind] ?? "";
      for (const x of marks[kind] ?? []) context.fillRect(x - 1, y + 3, 2, LANE_HEIGHT - 6);
    }
  }

  /** A bar for each turn, as high as the logarithm of what it took; the longest of those at a pixel. */
  #paintTurns(scale: ScaleLinear<number, number>, fromUs: number, toUs: number): void {
    const { beganUs, tookUs } = this.timeline.turns;
    const context = this.#context;
    context.fillStyle = "#1d2733";
    context.fillText("turns: 1 us to 1 s", 6, AXIS_HEIGHT + TURNS_HEIGHT / 2);
    let at = firstFrom(beganUs, fromUs);
    context.fillStyle = "#5a6b7d";
    while (at < beganUs.length && (beganUs[at] ?? 0) <= toUs) {
      const x = Math.round(scale(beganUs[at] ?? 0));
      let longest = 0;
      let end = at;
      for (; end < beganUs.length && Math.round(scale(beganUs[end] ?? 0)) === x; end++)
        longest = Math.max(longest, tookUs[end] ?? 0);
      at = Math.max(end, at + 1);
      const height = Math.max(1, (Math.min(6, Math.log10(Math.max(1, longest))) / 6) * (TURNS_HEIGHT - 4));
      const width = Math.max(1, scale(longest) - scale(0));
      context.fillRect(x, TOP - 2 - height, width, height);
    }
  }
}

function firstFrom(times: Float64Array, atUs: number): number {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((times[middle] ?? 0) < atUs) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function time(us: number): string {
  if (us === 0) return "0";
  if (Math.abs(us) < 1000) return `${Number(us.toFixed(3))} us`;
  if (Math.abs(us) < 1_000_000) return `${Number((us / 1000).toFixed(3))} ms`;
  return `${Number((us / 1_000_000).toFixed(6))} s`;
}
