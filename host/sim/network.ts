/**
 * Owns the way between two hosts: when what one sends arrives at the other, and whether it does. Knows hosts by what it
 * needs of them; knows no socket.
 */

import { counted } from "../backend/counted.js";
import type { FaultSetting } from "./fault-table.js";
import type { Faults } from "./faults.js";
import type { Timeline } from "./timeline.js";

const NS_PER_MS = 1e6;
const LATENCY_MS = 0.1;
/** TCP sends again after so long, then after twice as long, and so on, and gives up in the end. RFC 6298, and Linux's tcp_retries2. */
const RETRY_FIRST_NS = 200 * NS_PER_MS;
const RETRY_MAX_NS = 120_000 * NS_PER_MS;
const RETRIES_MAX = 15;
/** More than there can be: a pair of hosts is one number. */
const HOSTS_MAX = 2 ** 26;

export interface Place {
  readonly index: number;
  readonly address: string;
  readonly isUp: boolean;
  /** How often it has crashed: one that is back knows nothing of what was sent before. */
  readonly crashes: number;
}

/** Nothing passes from one host to the other. `undefined` is any host. */
export interface Cut {
  readonly from: Place | undefined;
  readonly to: Place | undefined;
}

export class Network {
  readonly timeline: Timeline;
  readonly faults: Faults;
  readonly #cuts = new Set<Cut>();
  readonly #latency: FaultSetting | undefined;
  readonly #bytesPerSecond: number;
  /** By pair of hosts: when what was sent before has passed, at a limited bandwidth. */
  readonly #freeNs = new Map<number, number>();

  constructor(timeline: Timeline, faults: Faults) {
    this.timeline = timeline;
    this.faults = faults;
    this.#latency = faults.setting("latency");
    this.#bytesPerSecond = faults.setting("bandwidth")?.bytes ?? Infinity;
  }

  cut(cut: Cut): void {
    this.#cuts.add(cut);
  }

  mend(cut: Cut): void {
    this.#cuts.delete(cut);
  }

  passes(from: Place, to: Place): boolean {
    if (!to.isUp || !from.isUp) return false;
    if (this.#cuts.size === 0 || from === to) return true;
    for (const cut of this.#cuts) {
      if ((cut.from === undefined || cut.from === from) && (cut.to === undefined || cut.to === to)) return false;
    }
    return true;
  }

  /** When `bytes` that are sent now arrive. On one host, at once. */
  arrivalNs(from: Place, to: Place, bytes: number): number {
    const { nowNs } = this.timeline;
    if (from === to) return nowNs;
    let delayNs = (this.#latency?.ms ?? LATENCY_MS) * NS_PER_MS;
    const jitterMs = this.#latency?.jitterMs ?? 0;
    if (jitterMs > 0) delayNs += this.faults.random("latency").below(jitterMs * NS_PER_MS);
    if (this.#bytesPerSecond === Infinity) return nowNs + Math.round(delayNs);
    const key = from.index * HOSTS_MAX + to.index;
    const passedNs = Math.max(nowNs, this.#freeNs.get(key) ?? 0) + Math.ceil((bytes * 1e9) / this.#bytesPerSecond);
    this.#freeNs.set(key, passedNs);
    return passedNs + Math.round(delayNs);
  }
}

interface Packet {
  /** Its place among all that the lane has sent. */
  readonly order: number;
  readonly bytes: number;
  readonly arrive: () => void;
}

/** One direction of a connection: what is sent arrives in its order, however late. */
export class Lane {
  readonly #network: Network;
  readonly #from: Place;
  readonly #to: Place;
  readonly #giveUp: () => void;
  /** {@link Place.crashes} of the sender when the connection was made. */
  readonly #crashes: number;
  /** What could not be sent, and is sent again. */
  readonly #stalled: Packet[] = [];
  /** By order: what has overtaken something that is sent again. */
  readonly #early = new Map<number, Packet>();
  #retries = 0;
  #lastNs = 0;
  #sent = 0;
  #arrived = 0;
  #hasGivenUp = false;

  /** @param giveUp called when nothing has passed for some 15 minutes */
  constructor(network: Network, from: Place, to: Place, giveUp: () => void) {
    this.#network = network;
    this.#from = from;
    this.#to = to;
    this.#giveUp = giveUp;
    this.#crashes = from.crashes;
  }

  /** Nothing is sent any more: the host that would do so has forgotten the connection, or has given up. */
  get #isOver(): boolean {
    return this.#hasGivenUp || this.#from.crashes !== this.#crashes;
  }

  /** The way of what the host answers now, which knows of nothing sent before it crashed. */
  afresh(): Lane {
    return this.#isOver ? new Lane(this.#network, this.#from, this.#to, () => undefined) : this;
  }

  send(bytes: number, arrive: () => void): void {
    const packet = { order: this.#sent++, bytes, arrive };
    if (this.#stalled.length > 0) this.#stalled.push(packet);
    else this.#attempt(packet);
  }

  #attempt(packet: Packet): void {
    if (this.#isOver) return;
    const { timeline, faults } = this.#network;
    const [from, to] = [this.#from, this.#to];
    if (!this.#network.passes(from, to)) return this.#stall(packet);
    let atNs = this.#network.arrivalNs(from, to, packet.bytes);
    if (
      from !== to &&
      faults.hits("loss", from.address, `${counted(packet.bytes, "byte")} to ${to.address}, sent again`)
    ) {
      atNs += RETRY_FIRST_NS;
    }
    this.#lastNs = Math.max(this.#lastNs, atNs);
    if (this.#lastNs <= timeline.nowNs) this.#arrive(packet);
    else timeline.plan(this.#lastNs, () => this.#arrive(packet));
  }

  #arrive(packet: Packet): void {
    // The way was cut, or the host lost, while it was under way.
    if (!this.#network.passes(this.#from, this.#to)) return this.#stall(packet);
    if (packet.order !== this.#arrived) {
      this.#early.set(packet.order, packet);
      return;
    }
    let next: Packet | undefined = packet;
    do {
      this.#arrived += 1;
      next.arrive();
      next = this.#early.get(this.#arrived);
      if (next !== undefined) this.#early.delete(this.#arrived);
    } while (next !== undefined);
  }

  #stall(packet: Packet): void {
    if (this.#isOver) return;
    const stalled = this.#stalled;
    let at = stalled.length;
    while (at > 0 && (stalled[at - 1]?.order ?? 0) > packet.order) at -= 1;
    stalled.splice(at, 0, packet);
    if (stalled.length === 1) this.#planRetry();
  }

  #planRetry(): void {
    const { timeline } = this.#network;
    const delayNs = Math.min(RETRY_FIRST_NS * 2 ** this.#retries, RETRY_MAX_NS);
    timeline.plan(timeline.nowNs + delayNs, () => this.#retry());
  }

  #retry(): void {
    if (this.#isOver) return;
    if (this.#network.passes(this.#from, this.#to)) {
      this.#retries = 0;
      for (const packet of this.#stalled.splice(0)) this.#attempt(packet);
    } else if (this.#retries++ < RETRIES_MAX) {
      this.#planRetry();
    } else {
      this.#hasGivenUp = true;
      this.#stalled.length = 0;
      this.#early.clear();
      this.#giveUp();
    }
  }
}
