/**
 * Owns what a component waits for: descriptors with what the waits have found, those that are notified of it, pollables, and
 * output that is not sent yet. Knows no backend: the poller waits.
 */

import { Resource } from "./resources.js";

/** A descriptor that is waited for, and what the waits have found. One of -1 is for what never has to wait: the next wait is over. */
export class Watch {
  readonly fd: number;
  /** What the backend's set watches it for. */
  registered = 0;
  /** What this wait watches it for, if {@link epoch} is its own. */
  wanted = 0;
  epoch = 0;
  /** What the last wait that found it ready has found, as bits of Ready, and which wait that was. */
  ready = 0;
  readyEpoch = -1;
  /** A pending error that a wait has taken from the socket: -errno, or 0. */
  error = 0;
  /** It cannot be watched: every call on it says more. */
  isBroken = false;
  /** Its notices may want more than the backend's set watches it for: the next wait looks. */
  isLacking = false;
  /** What every wait watches it for, and whom it notifies. */
  standing = 0;
  readonly notices: Notice[] = [];

  constructor(fd: number) {
    this.fd = fd;
  }

  add(notice: Notice): void {
    this.notices.push(notice);
    this.standing |= notice.interest;
  }

  remove(notice: Notice): void {
    const { notices } = this;
    this.standing = 0;
    if (notices.length === 1) return void notices.pop();
    notices.splice(notices.indexOf(notice), 1);
    for (const { interest } of notices) this.standing |= interest;
  }

  takeError(): number {
    const { error } = this;
    this.error = 0;
    return error;
  }
}

/** Calls back once, from the next wait that finds its descriptor ready or broken. */
export class Notice {
  watch: Watch;
  readonly interest: number;
  readonly run: () => void;
  isAwaited = false;

  constructor(watch: Watch, interest: number, run: () => void) {
    this.watch = watch;
    this.interest = interest;
    this.run = run;
  }
}

/** What a pollable waits for. */
export interface Source {
  /** The descriptor, with {@link interest}; undefined where it waits for none. */
  readonly watch: Watch | undefined;
  readonly interest: number;
  /** On the monotonic clock; Infinity where it waits for no time. */
  readonly deadlineNs: number;
  /** Is it ready whatever the operating system says? */
  isImmediate(): boolean;
}

export class Pollable extends Resource {
  readonly source: Source;

  constructor(source: Source, parent: Resource | undefined) {
    super(parent);
    this.source = source;
  }

  override release(): void {
    // What it waits for is its parent's.
  }
}

/** Output that the kernel has not taken yet, which every wait goes on with. */
export interface Unsent {
  readonly watch: Watch;
  /** Sends what can be sent. @returns is nothing left? */
  flush(): boolean;
  /** Nothing of it is sent any more. */
  abandon(): void;
}
