/**
 * Owns the descriptors that are open while a recording becomes a timeline: each has a lane, until it is closed. Knows no record.
 */

import { type EventKind, TimelineBuilder } from "./timeline.js";

export abstract class OpenLanes {
  protected readonly built: TimelineBuilder;
  /** Of the event that comes next. */
  protected atUs = 0;
  /** By descriptor. */
  readonly #lanes = new Map<number, number>();
  /** Lanes of sockets for datagrams, of which an empty one is no end of input. */
  readonly #datagrams = new Set<number>();

  constructor(title: string, startedMs: number) {
    this.built = new TimelineBuilder(title, startedMs);
  }

  protected forDatagrams(fd: number): void {
    const lane = this.#lanes.get(fd);
    if (lane !== undefined) this.#datagrams.add(lane);
  }

  protected isForDatagrams(fd: number): boolean {
    const lane = this.#lanes.get(fd);
    return lane !== undefined && this.#datagrams.has(lane);
  }

  protected isOpen(fd: number): boolean {
    return this.#lanes.has(fd);
  }

  /** The lane of a descriptor that is open: one that was there before the recording has its first event now. */
  protected laneOf(fd: number): number {
    const known = this.#lanes.get(fd);
    if (known !== undefined) return known;
    const lane = this.built.open(fd, this.atUs, fd < 3 ? (["stdin", "stdout", "stderr"][fd] ?? "") : "");
    this.#lanes.set(fd, lane);
    return lane;
  }

  protected opened(fd: unknown, name: string): void {
    if (typeof fd !== "number" || fd < 0) return;
    this.closed(fd);
    this.#lanes.set(fd, this.built.open(fd, this.atUs, name));
    this.event(this.laneOf(fd), "open");
  }

  protected closed(fd: number): void {
    const lane = this.#lanes.get(fd);
    if (lane === undefined) return;
    this.#lanes.delete(fd);
    this.event(lane, "close");
  }

  protected rename(fd: unknown, name: (known: string) => string): void {
    if (typeof fd !== "number") return;
    const lane = this.built.lanes[this.laneOf(fd)];
    if (lane !== undefined) lane.name = name(lane.name);
  }

  protected event(lane: number, kind: EventKind, text = ""): void {
    this.built.add({ lane, atUs: this.atUs, kind, text });
  }
}
