/**
 * Owns a model of pauses: what is watched, how long a turn waits and what is delivered, where listeners pause and resume, channels
 * come and go, timers fire and handlers stop turns. It says what docs/turn.md says, in the shortest way; knows no engine.
 */

import { Interest, Pause, READ_WRITE, State, Verdict } from "./harness.js";

/** Something that is done to the map. `which` counts back from the newest channel or timer; it may be gone. */
export type Act =
  | { readonly do: "add"; readonly state: number; readonly interest: number; readonly sampled: boolean }
  | { readonly do: "remove"; readonly which: number }
  | { readonly do: "pause"; readonly which: number }
  | { readonly do: "cancel"; readonly which: number }
  | { readonly do: "interest" | "state"; readonly which: number; readonly to: number }
  /** This listener is out of descriptors. */
  | { readonly do: "exhaust"; readonly name: string }
  | { readonly do: "start"; readonly delayMs: number; readonly periodMs: number }
  | { readonly do: "pass"; readonly ms: number };

export interface Turn {
  /** What the poll finds, whether it was asked for it or not. */
  readonly ready: readonly { readonly which: number; readonly bits: number }[];
  readonly timeoutMs: number;
  readonly byChannel: boolean;
  /** Is the first half called again before the second, as after a promise has run? */
  readonly again: boolean;
}

/** What happens in the course of a turn. */
export interface Script {
  /** In a callback that samples. */
  ask(): void;
  /** Between the two halves. */
  between(): void;
  /** In a callback. @returns its verdict */
  callback(event: string): number;
}

export interface Seen {
  readonly sampled: readonly string[];
  readonly waitMs: number;
  readonly watched: readonly string[];
  readonly told: readonly string[];
  readonly ready: number;
  readonly pauses: number;
}

/** What a program is played on. Channels and timers are named in the order in which they come. */
export interface World {
  /** @returns what came of it */
  act(act: Act): string;
  turn(turn: Turn, script: Script): Seen;
}

/** Of the newest few: so that many of those that are picked are not gone. */
const NEWEST = 8;

export function pick<T>(list: readonly T[], which: number): T | undefined {
  return list.at(-1 - (which % Math.max(1, Math.min(list.length, NEWEST))));
}

export type ChannelAct = Extract<Act, { do: "remove" | "pause" | "exhaust" | "interest" | "state" }>;

export function pickNamed<T extends { readonly name: string }>(list: readonly T[], act: ChannelAct): T | undefined {
  return act.do === "exhaust" ? list.find(({ name }) => name === act.name) : pick(list, act.which);
}

export const PAUSE_NAMES = new Map<number, string>([
  [Pause.NONE, "none"],
  [Pause.AGAIN, "again"],
  [Pause.NEWS, "news"],
]);

/** The longest wait. */
const WAIT_MS_MAX = 0x7fffffff;
const PAUSE_MS = 1000;
const ACCEPTS_A_TURN = 64;

interface Channel {
  readonly name: string;
  readonly sampled: boolean;
  state: number;
  interest: number;
  isIn: boolean;
  paused: boolean;
  /** Found, and not delivered. */
  ready: number;
}

interface Timer {
  readonly name: string;
  readonly periodMs: number;
  deadlineMs: number;
  age: number;
  runs: boolean;
}

export class PauseModel implements World {
  readonly #all: Channel[] = [];
  readonly #timers: Timer[] = [];
  #nowMs = 1000;
  #lastPauseMs = -Infinity;
  #lastNewsMs = -Infinity;
  #pauses = 0;
  #ages = 0;
  #stopped = false;
  #told: string[] = [];
  #callback: Script["callback"] = () => Verdict.GO_ON;

  act(act: Act): string {
    switch (act.do) {
      case "add":
        this.#all.push({ ...act, name: `c${this.#all.length}`, isIn: true, paused: false, ready: 0 });
        return "";
      case "start":
        this.#timers.push({
          name: `t${this.#timers.length}`,
          periodMs: act.periodMs,
          deadlineMs: this.#nowMs + act.delayMs,
          age: this.#ages++,
          runs: true,
        });
        return "";
      case "pass":
        this.#nowMs += act.ms;
        return "";
      case "cancel": {
        const timer = pick(this.#timers, act.which);
        if (timer?.runs !== true) return "";
        timer.runs = false;
        return `cancelled ${timer.name}`;
      }
      default: {
        const channel = pickNamed(this.#all, act);
        return channel === undefined ? "" : this.#change(channel, act);
      }
    }
  }

  #change(channel: Channel, act: ChannelAct): string {
    if (act.do === "pause" || act.do === "exhaust") return `pause ${channel.name} ${this.#pause(channel)}`;
    if (!channel.isIn) return "";
    if (act.do === "interest") channel.interest = act.to;
    else if (act.do === "state") channel.state = act.to;
    else {
      channel.isIn = false;
      this.#resume();
      return `removed ${channel.name}`;
    }
    return "";
  }

  #pause(channel: Channel): string {
    if (!channel.isIn || channel.state !== State.ACCEPTING) return "none";
    if (!channel.paused) this.#pauses += 1;
    channel.paused = true;
    this.#lastPauseMs = this.#nowMs;
    if (this.#nowMs - this.#lastNewsMs < PAUSE_MS) return "again";
    this.#lastNewsMs = this.#nowMs;
    return "news";
  }

  #resume(): void {
    for (const each of this.#all) each.paused = false;
  }

  get #in(): Channel[] {
    return this.#all.filter(({ isIn }) => isIn);
  }

  turn({ ready, timeoutMs, byChannel, again }: Turn, script: Script): Seen {
    const found = ready.map(({ which, bits }) => ({ channel: pick(this.#all, which), bits }));
    this.#told = [];
    this.#callback = script.callback;
    const sampled: string[] = [];
    let waitMs = this.#prepare(timeoutMs, sampled, script);
    script.between();
    if (again) waitMs = this.#prepare(timeoutMs, sampled, script);
    const watched = this.#in.flatMap((channel) => {
      const bits = watchedFor(channel);
      return [
        ...((bits & Interest.READ) === 0 ? [] : [`read ${channel.name}`]),
        ...((bits & Interest.WRITE) === 0 ? [] : [`write ${channel.name}`]),
      ];
    });

    for (const { channel, bits } of found) if (channel !== undefined) channel.ready |= bits;
    this.#stopped = false;
    const inOrder = this.#in.filter((each) => each.ready !== 0);
    this.#deliverAll(inOrder, byChannel);
    if (!this.#stopped) this.#fire();
    return {
      sampled,
      waitMs,
      watched: watched.toSorted(),
      told: this.#told,
      ready: inOrder.length,
      pauses: this.#pauses,
    };
  }

  #prepare(timeoutMs: number, sampled: string[], script: Script): number {
    for (const each of this.#in.filter((channel) => channel.sampled)) {
      if (!each.isIn) continue;
      sampled.push(each.name);
      script.ask();
    }
    if (this.#nowMs >= this.#lastPauseMs + PAUSE_MS) this.#resume();
    if (this.#in.some((each) => each.ready !== 0)) return 0;
    const ends = this.#timers.filter(({ runs }) => runs).map(({ deadlineMs }) => deadlineMs);
    if (this.#in.some(({ paused }) => paused)) ends.push(this.#lastPauseMs + PAUSE_MS);
    return Math.max(0, Math.min(timeoutMs, WAIT_MS_MAX, ...ends.map((endMs) => endMs - this.#nowMs)));
  }

  #deliverAll(inOrder: readonly Channel[], byChannel: boolean): void {
    const kinds = [Interest.READ, Interest.WRITE];
    if (byChannel) {
      for (const channel of inOrder) {
        if (!kinds.every((kind) => this.#deliver(channel, kind)) && !this.#stopped) channel.ready = 0;
      }
    } else for (const kind of kinds) for (const channel of inOrder) this.#deliver(channel, kind);
  }

  /** @returns whether the channel's other events may follow */
  #deliver(channel: Channel, kind: number): boolean {
    if (this.#stopped) return false;
    if (!channel.isIn || (channel.ready & kind) === 0) return true;
    channel.ready &= ~kind;
    if (channel.state === State.ACCEPTING) return kind !== Interest.READ || this.#accept(channel);
    if ((watchedFor(channel) & kind) === 0) return true;
    return mayGoOn(this.#tell(`${kind === Interest.READ ? "read" : "write"} ${channel.name}`));
  }

  #accept(channel: Channel): boolean {
    for (let count = 0; count < ACCEPTS_A_TURN && channel.isIn; count++) {
      if (channel.state !== State.ACCEPTING || watchedFor(channel) === 0) break;
      const verdict = this.#tell(`accept ${channel.name}`);
      if (!mayGoOn(verdict)) return false;
      if ((verdict & Verdict.AGAIN) === 0) break;
    }
    return true;
  }

  #fire(): void {
    const due = this.#timers.filter(({ runs, deadlineMs }) => runs && deadlineMs <= this.#nowMs);
    const nowMs = this.#nowMs;
    for (const timer of due.toSorted((a, b) => a.deadlineMs - b.deadlineMs || a.age - b.age)) {
      if (!timer.runs) continue;
      if (this.#stopped) return;
      const { deadlineMs, periodMs } = timer;
      if (periodMs === 0) timer.runs = false;
      else {
        timer.deadlineMs += (Math.floor((nowMs - deadlineMs) / periodMs) + 1) * periodMs;
        timer.age = this.#ages++;
      }
      this.#tell(`timer ${timer.name}`);
    }
  }

  #tell(event: string): number {
    this.#told.push(event);
    const verdict = this.#callback(event);
    if ((verdict & Verdict.STOP) !== 0) this.#stopped = true;
    return verdict;
  }
}

function watchedFor({ state, interest, paused }: Channel): number {
  if (state === State.OPEN) return interest & READ_WRITE;
  return state === State.ACCEPTING && !paused ? interest & Interest.READ : Interest.NONE;
}

const mayGoOn = (verdict: number): boolean => (verdict & (Verdict.STOP | Verdict.FAILED)) === 0;
